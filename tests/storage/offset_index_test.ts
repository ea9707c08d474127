import { assertEquals, assertThrows } from "@std/assert";
import { IndexCache } from "../../storage/index_cache.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { OffsetIndex } from "../../storage/offset_index.ts";
import { fileBytes } from "./log_fixture.ts";

function make(disk = new MemoryDisk(), indexCache = new IndexCache()): OffsetIndex {
  return new OffsetIndex({ disk, indexCache }, "00.index");
}

function entriesOf(index: OffsetIndex): [number, number][] {
  return Array.from(
    { length: index.entries },
    (_, entry) => [index.relativeOffset(entry), index.position(entry)],
  );
}

Deno.test("offset index: a lookup gives the last entry at or before what is asked for", () => {
  const index = make();
  assertEquals(index.floorByOffset(5), -1);
  index.append(10, 100);
  index.append(20, 200);
  index.append(30, 300);
  assertEquals([9, 10, 19, 20, 99].map((offset) => index.floorByOffset(offset)), [-1, 0, 0, 1, 2]);
  assertEquals([99, 100, 250, 300].map((at) => index.floorByPosition(at)), [-1, 0, 1, 2]);
});

Deno.test("offset index: an entry that does not rise is refused", () => {
  const index = make();
  index.append(10, 100);
  assertThrows(() => index.append(10, 200), RangeError, "last is 10");
});

Deno.test("offset index: the file has Kafka's form, two int32 an entry", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  index.append(1, 258);
  index.file.write();
  assertEquals(fileBytes(disk, "00.index"), Uint8Array.of(0, 0, 0, 1, 0, 0, 1, 2));
});

Deno.test("offset index: entries reach the file in chunks, and all of them on demand", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  for (let entry = 1; entry <= 512; entry++) index.append(entry, entry);
  assertEquals(disk.status("00.index"), undefined);
  index.append(513, 513);
  assertEquals(disk.status("00.index")?.size, 4096);
  index.file.write();
  assertEquals(disk.status("00.index")?.size, 513 * 8);
});

Deno.test("offset index: truncating keeps the batches that end before an offset", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  for (const offset of [10, 20, 30]) index.append(offset, offset * 10);
  index.file.write();
  index.truncateTo(20);
  assertEquals(entriesOf(index), [[10, 100]]);
  assertEquals(disk.status("00.index")?.size, 8);
  index.append(25, 300);
  index.file.write();
  assertEquals(entriesOf(make(disk)), [[10, 100], [25, 300]]);
});

Deno.test("offset index: what was unloaded is read again, unwritten entries included", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  index.append(10, 100);
  assertEquals(index.file.unload(), true);
  assertEquals(index.file.heldBytes, 0);
  assertEquals(entriesOf(index), [[10, 100]]);
});

Deno.test("offset index: on a full disk it stays in memory and no append fails", () => {
  const disk = new MemoryDisk({ capacityBytes: 100 });
  const index = make(disk);
  for (let entry = 1; entry <= 2000; entry++) index.append(entry, entry);
  assertEquals(index.file.unload(), false);
  assertEquals(index.entries, 2000);
  disk.capacityBytes = Infinity;
  assertEquals(index.file.unload(), true);
  assertEquals(index.entries, 2000);
});

Deno.test("offset index: zeros, or anything that does not rise, ends what is read and is damage", () => {
  const bad = [[0, 0], [10, 300], [30, 100], [-1, 300]];
  for (const [offset, position] of bad) {
    const disk = new MemoryDisk();
    const bytes = new DataView(new ArrayBuffer(24));
    [10, 100, offset!, position!, 40, 400].forEach((value, at) => bytes.setInt32(at * 4, value));
    disk.open("00.index", { create: true }).write(new Uint8Array(bytes.buffer), 0);
    const index = make(disk);
    assertEquals(entriesOf(index), [[10, 100]]);
    assertEquals(index.file.takeDamage(), true);
    assertEquals(index.file.takeDamage(), false);
  }
});

Deno.test("offset index: half an entry at the end of the file is damage", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  index.append(10, 100);
  index.append(20, 200);
  index.file.write();
  disk.open("00.index").truncate(13);
  const again = make(disk);
  assertEquals(entriesOf(again), [[10, 100]]);
  assertEquals(again.file.takeDamage(), true);
});
