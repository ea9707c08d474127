import { assertEquals } from "@std/assert";
import { IndexCache } from "../../storage/index_cache.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { TimeIndex } from "../../storage/time_index.ts";
import { fileBytes } from "./log_fixture.ts";

function make(disk = new MemoryDisk()): TimeIndex {
  return new TimeIndex({ disk, indexCache: new IndexCache() }, "00.timeindex");
}

function entriesOf(index: TimeIndex): [number, number][] {
  return Array.from(
    { length: index.entries },
    (_, entry) => [index.timestamp(entry), index.relativeOffset(entry)],
  );
}

Deno.test("time index: an entry that says nothing new is left out", () => {
  const index = make();
  index.maybeAppend(100, 5);
  index.maybeAppend(100, 9);
  index.maybeAppend(90, 10);
  index.maybeAppend(200, 3);
  index.maybeAppend(-1, 11);
  index.maybeAppend(200, 12);
  assertEquals(entriesOf(index), [[100, 5], [200, 12]]);
});

Deno.test("time index: a lookup gives the last entry that is earlier", () => {
  const index = make();
  assertEquals(index.lastBefore(1), -1);
  index.maybeAppend(100, 5);
  index.maybeAppend(200, 12);
  assertEquals([100, 101, 200, 201].map((time) => index.lastBefore(time)), [-1, 0, 0, 1]);
});

Deno.test("time index: the file has Kafka's form, int64 and int32 an entry", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  index.maybeAppend(2 ** 40 + 1, 258);
  index.file.write();
  assertEquals(
    fileBytes(disk, "00.timeindex"),
    Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 2),
  );
});

Deno.test("time index: truncating keeps the entries of offsets before one", () => {
  const index = make();
  for (const time of [100, 200, 300]) index.maybeAppend(time, time / 10);
  index.truncateTo(20);
  assertEquals(entriesOf(index), [[100, 10]]);
});

Deno.test("time index: zeros, or anything that does not rise, ends what is read and is damage", () => {
  const disk = new MemoryDisk();
  const index = make(disk);
  for (const time of [100, 200, 300]) index.maybeAppend(time, time / 10);
  index.file.write();
  disk.open("00.timeindex").write(new Uint8Array(12), 12);
  const again = make(disk);
  assertEquals(entriesOf(again), [[100, 10]]);
  assertEquals(again.file.takeDamage(), true);
});
