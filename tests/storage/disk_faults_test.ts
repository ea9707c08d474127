import { assertEquals, assertThrows } from "@std/assert";
import { DiskError } from "../../storage/disk.ts";
import type { DiskFault, DiskOperation } from "../../storage/disk_faults.ts";
import { MemoryDisk, type MemoryDiskOptions } from "../../storage/memory_disk.ts";
import { assertDiskError, contentOf } from "../conformance/disk_subject.ts";
import { crashStates, SeededChance } from "./disk_chance.ts";
import { durableFile, letters, SECTOR, sectorsOf } from "./disk_sectors.ts";

/** The file in every state that a power cut can leave. */
function outcomes(disk: MemoryDisk, path: string): string[] {
  return [...new Set([...crashStates(disk)].map((crashed) => sectorsOf(crashed, path)))].sort();
}

/** A disk on which one fault befalls the first operation of that kind on the file. */
function faulty(action: string, fault: DiskFault, options: MemoryDiskOptions = {}): MemoryDisk {
  let armed = true;
  const befall = (operation: DiskOperation) => {
    if (!armed || operation.action !== action || operation.path !== "a") return undefined;
    armed = false;
    return fault;
  };
  return new MemoryDisk({ ...options, faults: { befall } });
}

Deno.test("disk faults: a failed write keeps the length, and a later one works", () => {
  const disk = faulty("write", { kind: "fail", code: "EIO", written: 700 });
  const file = disk.open("a", { create: true });
  assertDiskError(
    "io",
    "Cannot write a at 0: input/output error",
    () => file.write(letters("AB"), 0),
  );
  assertEquals([file.size(), disk.usedBytes], [0, 0]);
  file.write(letters("A"), 0);
  assertEquals(sectorsOf(disk, "a"), "A");
});

Deno.test("disk faults: where cutting back fails too the error is io, the file longer", () => {
  const disk = faulty("write", { kind: "fail", code: "ENOSPC", written: SECTOR, cutFails: true });
  const file = disk.open("a", { create: true });
  const message = "Cannot write a at 0: no space left on device, and cannot cut it back to 0";
  assertDiskError("io", message, () => file.write(letters("AB"), 0));
  assertEquals(sectorsOf(disk, "a"), "A");
});

Deno.test("disk faults: what a failed sync covered may be lost though a later succeeds", () => {
  const disk = faulty("sync", { kind: "fail", code: "EIO" });
  const file = disk.open("a", { create: true });
  disk.syncDirectory("");
  file.write(letters("AB"), 0);
  assertDiskError("io", "Cannot sync a: input/output error", () => file.sync());
  assertEquals(sectorsOf(disk, "a"), "AB");
  file.sync();
  file.write(letters("C"), SECTOR);
  file.sync();
  assertEquals(outcomes(disk, "a"), [""]);
  file.write(letters("D"), 2 * SECTOR);
  file.sync();
  assertEquals(outcomes(disk, "a"), [".CD"]);
});

Deno.test("disk faults: chance decides what a failed sync left on the medium", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const chance = new SeededChance(seed);
    const disk = faulty("sync", { kind: "fail", code: "EIO" }, { chance });
    const file = disk.open("a", { create: true });
    disk.syncDirectory("");
    file.write(letters("AB"), 0);
    let failure: DiskError | undefined;
    file.syncLater((result) => failure = result);
    disk.drain();
    assertEquals(failure?.message, "Cannot sync a: input/output error");
    disk.crash();
    seen.add(sectorsOf(disk, "a"));
  }
  assertEquals([...seen].sort(), ["", "..", ".B", "A.", "AB"]);
});

Deno.test("disk faults: a flipped bit stays flipped, a misdirected write lands elsewhere", () => {
  const flipped = faulty("read", { kind: "flip", bit: 9 });
  const file = durableFile(flipped, "a", new Uint8Array([0, 0, 0]));
  const bytes = new Uint8Array(2);
  file.read(bytes, 1);
  assertEquals(bytes, new Uint8Array([0, 2]));
  file.read(bytes, 1);
  assertEquals(bytes, new Uint8Array([0, 2]));
  flipped.flipBit("a", 0);
  flipped.crash();
  assertEquals(contentOf(flipped, "a"), new Uint8Array([1, 0, 2]));
  assertThrows(() => flipped.flipBit("a", 24), RangeError, "no such bit");

  const misdirected = faulty("write", { kind: "misdirect", position: SECTOR });
  const other = misdirected.open("a", { create: true });
  other.truncate(2 * SECTOR);
  other.write(letters("X"), 2 * SECTOR);
  assertEquals(sectorsOf(misdirected, "a"), ".X.");
});

Deno.test("disk faults: a write with a flip is kept with that bit turned", () => {
  const disk = faulty("write", { kind: "flip", bit: 8 });
  const file = disk.open("a", { create: true });
  file.write(new Uint8Array([1, 1]), 0);
  assertEquals(contentOf(disk, "a"), new Uint8Array([1, 0]));
});

Deno.test("disk faults: any operation can be made to fail", () => {
  let failing = "";
  const befall = ({ action }: DiskOperation): DiskFault | undefined =>
    action === failing ? { kind: "fail", code: "EIO" } : undefined;
  const disk = new MemoryDisk({ faults: { befall } });
  const file = durableFile(disk, "a", "A");
  const operations: Record<string, () => unknown> = {
    "open": () => disk.open("a"),
    "create": () => disk.open("b", { create: true }),
    "read": () => file.read(new Uint8Array(1), 0),
    "write": () => file.write(new Uint8Array(1), 0),
    "truncate": () => file.truncate(0),
    "sync": () => file.sync(),
    "list": () => disk.list(""),
    "make-folder": () => disk.makeDirectory("f"),
    "rename": () => disk.rename("a", "b"),
    "remove": () => disk.remove("a"),
    "sync-folder": () => disk.syncDirectory(""),
    "lock": () => disk.lock("", "me"),
  };
  for (const [action, run] of Object.entries(operations)) {
    failing = action;
    assertEquals(assertThrows(run, DiskError).kind, "io", action);
    failing = "";
  }
  assertEquals(disk.list("").map(({ name }) => name), ["a"]);
  assertEquals(sectorsOf(disk, "a"), "A");
});

Deno.test("disk faults: a read-only disk can be read", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", "A");
  disk.readOnly = true;
  const reason = "the file system is read-only";
  assertDiskError("read-only", `Cannot write a at 0: ${reason}`, () => file.write(letters("X"), 0));
  assertDiskError("read-only", `Cannot truncate a to 0: ${reason}`, () => file.truncate(0));
  assertDiskError(
    "read-only",
    `Cannot create b: ${reason}`,
    () => disk.open("b", { create: true }),
  );
  assertDiskError("read-only", `Cannot make folder f: ${reason}`, () => disk.makeDirectory("f"));
  assertDiskError("read-only", `Cannot rename a to b: ${reason}`, () => disk.rename("a", "b"));
  assertDiskError("read-only", `Cannot remove a: ${reason}`, () => disk.remove("a"));
  assertEquals(sectorsOf(disk, "a"), "A");
  disk.readOnly = false;
  file.write(letters("X"), 0);
});

Deno.test("disk faults: capacity counts what all files hold, and can change", () => {
  const disk = new MemoryDisk({ capacityBytes: 3 * SECTOR });
  const file = disk.open("a", { create: true });
  file.write(letters("AB"), 0);
  disk.open("b", { create: true }).write(letters("C"), 0);
  assertEquals(disk.usedBytes, disk.capacityBytes);
  file.write(letters("X"), SECTOR);
  assertDiskError(
    "no-space",
    "Cannot write a at 1023: ",
    () => file.write(new Uint8Array(2), 1023),
  );
  assertEquals(sectorsOf(disk, "a"), "A?", "what was overwritten before the end stays so");
  assertDiskError("no-space", "Cannot truncate a to 1025: ", () => file.truncate(1025));
  disk.rename("b", "a");
  assertEquals(disk.usedBytes, SECTOR);
  disk.remove("a");
  assertEquals(disk.usedBytes, 0);
  disk.capacityBytes = SECTOR;
  const small = disk.open("c", { create: true });
  assertDiskError("no-space", "Cannot write c at 0: ", () => small.write(letters("XY"), 0));
  assertEquals(small.size(), 0);
});
