import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { CrashModel, DiskOperation } from "../../storage/disk_faults.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { assertDiskError, contentOf, pattern } from "../conformance/disk_subject.ts";
import { crashStates, SeededChance } from "./disk_chance.ts";
import { durableFile, letters, SECTOR, sectorsOf } from "./disk_sectors.ts";

/** What `look` sees in every state that a power cut can leave, sorted, without repetition. */
function outcomes(
  disk: MemoryDisk,
  look: (crashed: MemoryDisk) => string,
  model?: CrashModel,
): string[] {
  const seen = new Set<string>();
  for (const crashed of crashStates(disk, model)) seen.add(look(crashed));
  return [...seen].sort();
}

/** The names in a folder. */
function names(disk: MemoryDisk, path = ""): string {
  return disk.list(path).map(({ name }) => name).join(" ");
}

Deno.test("memory disk: without chance a power cut drops all that was not synced", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", "AB");
  file.write(letters("XYZ"), SECTOR);
  disk.open("b", { create: true });
  disk.makeDirectory("f");
  disk.crash();
  assertEquals(names(disk), "a");
  assertEquals(sectorsOf(disk, "a"), "AB");
  assertEquals(disk.usedBytes, 2 * SECTOR);
});

Deno.test("memory disk: a synced file is lost with a name that was not", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("f");
  const file = disk.open("f/a", { create: true });
  file.write(letters("A"), 0);
  file.sync();
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "f/a")), ["-", "A"]);
  disk.syncDirectory("f");
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "f/a")), ["-", "A"]);
  disk.syncDirectory("");
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "f/a")), ["A"]);
});

Deno.test("memory disk: unsynced sectors are kept or dropped each on its own", () => {
  const disk = new MemoryDisk();
  durableFile(disk, "a", "ABC").write(letters("XYZ"), 0);
  assertEquals(
    outcomes(disk, (crashed) => sectorsOf(crashed, "a")),
    ["ABC", "ABZ", "AYC", "AYZ", "XBC", "XBZ", "XYC", "XYZ"],
  );
});

Deno.test("memory disk: an append may end at any sector, with gaps", () => {
  const disk = new MemoryDisk();
  durableFile(disk, "a", "A").write(letters("XY"), SECTOR);
  assertEquals(
    outcomes(disk, (crashed) => sectorsOf(crashed, "a")),
    ["A", "A.", "A..", "A.Y", "AX", "AX.", "AXY"],
  );
});

Deno.test("memory disk: a sector is found in a state that it went through", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", new Uint8Array([1, 1, 1]));
  file.write(new Uint8Array([2]), 0);
  file.write(new Uint8Array([3]), 2);
  file.write(new Uint8Array([4, 4]), 0);
  assertEquals(
    outcomes(disk, (crashed) => [...contentOf(crashed, "a")].join("")),
    ["111", "211", "213", "443"],
  );
});

Deno.test("memory disk: a truncation that was not synced may be undone or mixed with writes", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", "ABC");
  file.truncate(SECTOR);
  assertEquals(
    outcomes(disk, (crashed) => sectorsOf(crashed, "a")),
    ["A", "A..", "A.C", "AB.", "ABC"],
  );
  file.write(letters("X"), SECTOR);
  const seen = outcomes(disk, (crashed) => sectorsOf(crashed, "a"));
  for (const state of ["A", "AX", "AXC", "ABC", "A."]) assert(seen.includes(state), state);
  file.sync();
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "a")), ["AX"]);
});

Deno.test("memory disk: torn and unwritten sectors hold bytes that nobody wrote", () => {
  const model: CrashModel = { tornOf1024: 1024 };
  const found = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const disk = new MemoryDisk();
    durableFile(disk, "a", "A").write(letters("XY"), SECTOR);
    disk.crash(new SeededChance(seed), model);
    const state = sectorsOf(disk, "a");
    assert(/^A[X?]?[Y?]?$/.test(state), state);
    found.add(state);
  }
  assert(found.has("A??"), [...found].join());
});

Deno.test("memory disk: bytes synced and not overwritten since survive every power cut", () => {
  const step = fc.record({
    kind: fc.constantFrom("write" as const, "write" as const, "truncate" as const, "sync" as const),
    position: fc.integer({ min: 0, max: 3000 }),
    length: fc.integer({ min: 1, max: 1500 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.integer(), (steps, seed) => {
      const disk = new MemoryDisk();
      const file = durableFile(disk, "a", new Uint8Array(0));
      let present: number[] = [];
      /** By position: the synced byte, or undefined where it was overwritten since. */
      let safe: (number | undefined)[] = [];
      steps.forEach(({ kind, position, length }, index) => {
        if (kind === "sync") {
          file.sync();
          safe = present.slice();
        } else if (kind === "truncate") {
          file.truncate(position);
          for (let at = position; at < safe.length; at++) safe[at] = undefined;
          present = Array.from({ length: position }, (_, at) => present[at] ?? 0);
        } else {
          file.write(new Uint8Array(length).fill(index + 1), position);
          for (let at = present.length; at < position; at++) present[at] = 0;
          for (let at = position; at < position + length; at++) {
            present[at] = index + 1;
            if (at < safe.length) safe[at] = undefined;
          }
        }
      });
      disk.crash(new SeededChance(seed), { tornOf1024: 300 });
      const found = contentOf(disk, "a");
      safe.forEach((byte, at) => {
        if (byte !== undefined && found[at] !== byte) throw new Error(`Byte ${at} did not survive`);
      });
      const before = disk.image();
      disk.crash(new SeededChance(seed + 1));
      assertEquals(disk.image(), before, "what a power cut left is durable");
    }),
    { numRuns: 200 },
  );
});

Deno.test("memory disk: names of one folder become durable in order, or each on its own", () => {
  const disk = new MemoryDisk();
  disk.open("a", { create: true });
  disk.open("b", { create: true });
  assertEquals(outcomes(disk, (crashed) => names(crashed)), ["", "a", "a b"]);
  const anyOrder: CrashModel = { names: "any-order" };
  assertEquals(outcomes(disk, (crashed) => names(crashed), anyOrder), ["", "a", "a b", "b"]);
  disk.syncDirectory("");
  disk.remove("a");
  assertEquals(outcomes(disk, (crashed) => names(crashed), anyOrder), ["a b", "b"]);
});

Deno.test("memory disk: a rename that was not synced happened or did not, never half", () => {
  for (const order of ["in-order", "any-order"] as const) {
    const disk = new MemoryDisk();
    disk.makeDirectory("f");
    durableFile(disk, "old", "O");
    durableFile(disk, "f/new", "N");
    const look = (crashed: MemoryDisk) =>
      `${sectorsOf(crashed, "old")} ${sectorsOf(crashed, "f/new")}`;
    disk.rename("f/new", "old");
    assertEquals(outcomes(disk, look, { names: order }), ["N -", "O N"]);
    assertEquals(outcomes(disk, look, { names: order }), ["N -", "O N"], "a look changes nothing");
    disk.syncDirectory("");
    assertEquals(outcomes(disk, look, { names: order }), ["N -"]);
  }
});

Deno.test("memory disk: a sync of one folder carries the renames it takes part in", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("f");
  disk.syncDirectory("");
  disk.open("f/a", { create: true });
  disk.rename("f/a", "b");
  disk.open("f/c", { create: true });
  disk.syncDirectory("");
  const look = (crashed: MemoryDisk) => `${names(crashed)}, ${names(crashed, "f")}`;
  assertEquals(outcomes(disk, look), ["b f, ", "b f, c"]);
  disk.syncDirectory("f");
  assertEquals(outcomes(disk, look), ["b f, c"]);
});

Deno.test("memory disk: a removal that was not synced may come undone, contents and all", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("f");
  durableFile(disk, "f/a", "A").write(letters("X"), 0);
  disk.syncDirectory("");
  disk.remove("f");
  const look = (crashed: MemoryDisk) =>
    crashed.status("f") === undefined ? "none" : sectorsOf(crashed, "f/a");
  assertEquals(outcomes(disk, look), ["-", "A", "X", "none"]);
  disk.syncDirectory("");
  disk.crash();
  assertEquals(disk.list(""), []);
});

Deno.test("memory disk: the checkpoint pattern (write, sync, rename, sync folder) is atomic", () => {
  const disk = new MemoryDisk();
  durableFile(disk, "checkpoint", "OO");
  const states = new Set<string>();
  const look = () => outcomes(disk, (crashed) => sectorsOf(crashed, "checkpoint"));
  const temporary = disk.open("temporary", { create: true });
  for (
    const step of [
      () => temporary.write(letters("NN"), 0),
      () => temporary.sync(),
      () => disk.rename("temporary", "checkpoint"),
    ]
  ) {
    step();
    look().forEach((state) => states.add(state));
  }
  assertEquals([...states].sort(), ["NN", "OO"]);
  disk.syncDirectory("");
  assertEquals(look(), ["NN"]);
});

Deno.test("memory disk: without the sync before its rename a checkpoint can come out broken", () => {
  const disk = new MemoryDisk();
  durableFile(disk, "checkpoint", "OO");
  disk.open("temporary", { create: true }).write(letters("NN"), 0);
  disk.rename("temporary", "checkpoint");
  const seen = outcomes(disk, (crashed) => sectorsOf(crashed, "checkpoint"));
  assert(seen.includes(".N"), seen.join());
});

Deno.test("memory disk: syncLater covers the writes before its call, once it completes", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", "AB");
  file.write(letters("X"), 0);
  let done = 0;
  file.syncLater(() => done++);
  file.write(letters("Y"), SECTOR);
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "a")), ["AB", "AY", "XB", "XY"]);
  assertEquals([disk.pending, disk.drain(), done], [1, 1, 1]);
  assertEquals(outcomes(disk, (crashed) => sectorsOf(crashed, "a")), ["XB", "XY"]);
});

Deno.test("memory disk: a crash ends files, locks and what was under way", () => {
  for (const end of ["killProcess", "crash"] as const) {
    const started: (() => void)[] = [];
    const disk = new MemoryDisk({ complete: (_operation, run) => started.push(run) });
    const file = durableFile(disk, "a", "A");
    const lock = disk.lock("", "first");
    file.write(letters("B"), SECTOR);
    let called = 0;
    file.syncLater(() => called++);
    file.readLater(new Uint8Array(9), 0, () => called++);
    disk[end]();
    started.forEach((run) => run());
    assertEquals(called, 0);
    assertEquals(sectorsOf(disk, "a"), end === "crash" ? "A" : "AB");
    const dead = "the process that opened it died";
    assertDiskError("io", `Cannot write a: ${dead}`, () => file.write(letters("C"), 0));
    assertDiskError("io", `Cannot read a: ${dead}`, () => file.read(new Uint8Array(1), 0));
    assertDiskError("io", `Cannot sync a: ${dead}`, () => file.sync());
    const second = disk.lock("", "second");
    lock.release();
    assertDiskError("locked", "Cannot lock /: held by second", () => disk.lock("", "third"));
    second.release();
  }
});

Deno.test("memory disk: without a scheduler operations wait for drain, and die with a crash", () => {
  const disk = new MemoryDisk();
  const file = disk.open("a", { create: true });
  let called = 0;
  file.syncLater(() => file.readLater(new Uint8Array(1), 0, () => called++));
  assertEquals([disk.pending, disk.drain(), called], [1, 2, 1]);
  file.syncLater(() => called++);
  disk.killProcess();
  assertEquals([disk.pending, disk.drain(), called], [0, 0, 1]);
});

Deno.test("memory disk: operations off the loop complete when the scheduler says", () => {
  const started: { operation: DiskOperation; run: () => void }[] = [];
  const disk = new MemoryDisk({ complete: (operation, run) => started.push({ operation, run }) });
  const file = durableFile(disk, "a", "A");
  const order: string[] = [];
  const bytes = new Uint8Array(3);
  file.syncLater(() => order.push("sync"));
  file.readLater(bytes, 5, (result) => order.push(`read ${result}`));
  assertEquals(started.map(({ operation }) => operation), [
    { action: "sync", path: "a", position: 0, length: 0 },
    { action: "read", path: "a", position: 5, length: 3 },
  ]);
  started.reverse().forEach(({ run }) => run());
  assertEquals(order, ["read 3", "sync"]);
});

Deno.test("memory disk: the same seed leaves the same disk", () => {
  const crashed = (seed: number) => {
    const disk = new MemoryDisk();
    for (let index = 0; index < 20; index++) {
      disk.open(`f${index}`, { create: true }).write(pattern(3000, index), 0);
      if (index % 3 === 0) disk.syncDirectory("");
    }
    disk.crash(new SeededChance(seed));
    return disk.image();
  };
  assertEquals(crashed(1), crashed(1));
  assert([2, 3, 4].some((seed) => crashed(seed).size !== crashed(1).size));
});

Deno.test("memory disk: writes beyond a bound are written back without a sync", () => {
  const disk = new MemoryDisk();
  const file = durableFile(disk, "a", new Uint8Array(0));
  for (let index = 0; index < 20_000; index++) file.write(new Uint8Array([7]), index);
  disk.crash();
  const size = disk.open("a").size();
  assert(size > 0 && size < 20_000, `${size}`);
});

Deno.test("memory disk: a clone goes its own way", () => {
  const disk = new MemoryDisk();
  durableFile(disk, "a", "A").write(letters("X"), 0);
  disk.open("b", { create: true });
  disk.remove("a");
  const clone = disk.clone();
  clone.open("b").write(letters("B"), 0);
  clone.crash();
  assertEquals(sectorsOf(clone, "a"), "A");
  assertEquals(names(disk), "b");
  assertEquals(sectorsOf(disk, "b"), "");
  disk.syncDirectory("");
  disk.crash();
  assertEquals([names(disk), names(clone)], ["b", "a"]);
});
