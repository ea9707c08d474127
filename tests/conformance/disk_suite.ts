/**
 * What every Disk promises, as tests: one for each line of the contract in storage/disk.ts. Run on
 * every implementation by disk_test.ts.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Disk, DiskError, type DiskErrorKind } from "../../storage/disk.ts";
import { contentsProperty } from "./disk_model.ts";

/** A disk under test. */
export interface DiskSubject {
  readonly disk: Disk;
  /** Lets operations off the loop complete, where they do not do so by themselves. */
  complete(): void;
  discard(): void;
}

export interface DiskMaker {
  readonly name: string;
  /** Makes an empty disk. */
  make(): DiskSubject;
  /** Makes an empty disk with room for about that many bytes; or says why none can be made. */
  makeSmall?(bytes: number): DiskSubject | string;
}

/** Bytes that differ from each other and from those of another seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + seed * 31) % 251 + 1;
  return bytes;
}

/** All bytes of a file. */
export function contentOf(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path);
  const bytes = new Uint8Array(file.size());
  assertEquals(file.read(bytes, 0), bytes.length);
  return bytes;
}

/** Asserts that `run` throws a DiskError of that kind whose message begins so. */
export function assertDiskError(kind: DiskErrorKind, message: string, run: () => unknown): void {
  const error = assertThrows(run, DiskError);
  assertEquals(error.kind, kind);
  assert(error.message.startsWith(message), `"${error.message}" does not begin "${message}"`);
}

/** Starts an operation off the loop; asserts that it calls back once, after `start` returned. */
function later<Result>(
  subject: DiskSubject,
  start: (done: (result: Result) => void) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let returned = false;
    let calls = 0;
    start((result) => {
      if (!returned) reject(new Error("Called back before the call returned"));
      if (++calls > 1) throw new Error("Called back more than once");
      resolve(result);
    });
    returned = true;
    subject.complete();
  });
}

/** Registers the suite for one implementation. */
export function diskConformance(maker: DiskMaker): void {
  const rule = (name: string, run: (subject: DiskSubject) => void | Promise<void>) =>
    Deno.test(`${maker.name}: ${name}`, async () => {
      const subject = maker.make();
      try {
        await run(subject);
      } finally {
        subject.discard();
      }
    });
  openRules(rule);
  readAndWriteRules(rule);
  laterRules(rule);
  nameRules(rule);
  renameRules(rule);
  removeRules(rule);
  lockRules(rule);
  rule("files hold what was written, whatever the order of operations", ({ disk }) => {
    contentsProperty(disk);
  });
  if (maker.makeSmall !== undefined) fullDiskRule(maker.name, maker.makeSmall);
}

type Rule = (name: string, run: (subject: DiskSubject) => void | Promise<void>) => void;

function openRules(rule: Rule): void {
  rule("open creates an empty file only where it is told to", ({ disk }) => {
    assertDiskError("not-found", "Cannot open a: ", () => disk.open("a"));
    assertEquals(disk.open("a", { create: true }).size(), 0);
    assertEquals(disk.status("a"), { isDirectory: false, size: 0 });
    assertEquals(disk.open("a").path, "a");
  });

  rule("open keeps what is there", ({ disk }) => {
    disk.open("a", { create: true }).write(pattern(10), 0);
    assertEquals(disk.open("a", { create: true }).size(), 10);
    assertEquals(contentOf(disk, "a"), pattern(10));
  });

  rule("open makes no folder and opens none", ({ disk }) => {
    assertDiskError("not-found", "Cannot create f/a: ", () => disk.open("f/a", { create: true }));
    disk.makeDirectory("f");
    assertDiskError("io", "Cannot open f: it is a folder", () => disk.open("f"));
    assertDiskError("io", "Cannot open f: ", () => disk.open("f", { create: true }));
  });

  rule("two openings of a path are the same file", ({ disk }) => {
    const one = disk.open("a", { create: true });
    const two = disk.open("a");
    one.write(pattern(5), 0);
    assertEquals(two.size(), 5);
    two.write(pattern(5), 5);
    assertEquals(one.size(), 10);
    one.close();
    assertEquals(two.read(new Uint8Array(20), 0), 10);
  });

  rule("a closed file may be used again", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.close();
    file.write(pattern(4), 0);
    file.close();
    file.close();
    const bytes = new Uint8Array(4);
    assertEquals(file.read(bytes, 0), 4);
    assertEquals(bytes, pattern(4));
    assertEquals(file.size(), 4);
  });
}

function readAndWriteRules(rule: Rule): void {
  rule("read gives fewer bytes than asked only at the end", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(10_000), 0);
    const bytes = new Uint8Array(6000);
    assertEquals(file.read(bytes, 1000), 6000);
    assertEquals(bytes, pattern(10_000).slice(1000, 7000));
    assertEquals(file.read(bytes, 7000), 3000);
    assertEquals(bytes.slice(0, 3000), pattern(10_000).slice(7000));
    assertEquals(file.read(bytes, 10_000), 0);
    assertEquals(file.read(bytes, 1e9), 0);
    assertEquals(file.read(new Uint8Array(0), 5), 0);
  });

  rule("read and write touch only the part of the buffer they are given", ({ disk }) => {
    const file = disk.open("a", { create: true });
    const buffer = pattern(30);
    file.write(buffer.subarray(10, 20), 0);
    const target = new Uint8Array(30);
    assertEquals(file.read(target.subarray(5, 15), 0), 10);
    assertEquals(target.slice(5, 15), pattern(30).slice(10, 20));
    assertEquals(target.slice(0, 5), new Uint8Array(5));
    assertEquals(target.slice(15), new Uint8Array(15));
  });

  rule("write keeps a copy: the buffer is the caller's again", ({ disk }) => {
    const file = disk.open("a", { create: true });
    const buffer = pattern(10);
    file.write(buffer, 0);
    buffer.fill(0);
    assertEquals(contentOf(disk, "a"), pattern(10));
  });

  rule("write overwrites, grows, and leaves zeros where nothing was written", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(10), 0);
    file.write(pattern(4, 2), 3);
    assertEquals(file.size(), 10);
    file.write(pattern(2, 3), 5000);
    assertEquals(file.size(), 5002);
    const expected = new Uint8Array(5002);
    expected.set(pattern(10));
    expected.set(pattern(4, 2), 3);
    expected.set(pattern(2, 3), 5000);
    assertEquals(contentOf(disk, "a"), expected);
  });

  rule("writing nothing changes nothing, even beyond the end", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(new Uint8Array(0), 100);
    assertEquals(file.size(), 0);
    assertEquals(disk.status("a")?.size, 0);
  });

  rule("a megabyte at an odd position comes back as it was", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(1 << 20), 12_345);
    const bytes = new Uint8Array(1 << 20);
    assertEquals(file.read(bytes, 12_345), 1 << 20);
    assertEquals(bytes, pattern(1 << 20));
  });

  rule("truncate cuts or extends by zeros; what was cut never comes back", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(5000), 0);
    file.truncate(100);
    assertEquals(file.size(), 100);
    file.truncate(6000);
    assertEquals(disk.status("a")?.size, 6000);
    const expected = new Uint8Array(6000);
    expected.set(pattern(100));
    assertEquals(contentOf(disk, "a"), expected);
    file.truncate(0);
    assertEquals(contentOf(disk, "a"), new Uint8Array(0));
  });

  rule("a position that is none is refused", ({ disk }) => {
    const file = disk.open("a", { create: true });
    for (const position of [-1, NaN]) {
      assertThrows(() => file.read(new Uint8Array(1), position), RangeError);
      assertThrows(() => file.write(new Uint8Array(1), position), RangeError);
      assertThrows(() => file.truncate(position), RangeError);
      assertThrows(() => file.readLater(new Uint8Array(1), position, () => {}), RangeError);
    }
    assertEquals(file.size(), 0);
  });
}

function laterRules(rule: Rule): void {
  rule("readLater calls back once, later, with what read would give", async (subject) => {
    const file = subject.disk.open("a", { create: true });
    file.write(pattern(10_000), 0);
    const bytes = new Uint8Array(6000);
    assertEquals(await later(subject, (done) => file.readLater(bytes, 1000, done)), 6000);
    assertEquals(bytes, pattern(10_000).slice(1000, 7000));
    assertEquals(await later(subject, (done) => file.readLater(bytes, 7000, done)), 3000);
    assertEquals(await later(subject, (done) => file.readLater(bytes, 10_000, done)), 0);
    assertEquals(await later(subject, (done) => file.readLater(new Uint8Array(0), 0, done)), 0);
  });

  rule("syncLater calls back once, later, and names no failure", async (subject) => {
    const file = subject.disk.open("a", { create: true });
    file.write(pattern(10), 0);
    file.sync();
    file.write(pattern(10), 10);
    assertEquals(await later(subject, (done) => file.syncLater(done)), undefined);
    file.close();
    assertEquals(await later(subject, (done) => file.syncLater(done)), undefined);
  });

  rule("many operations off the loop complete, each once", async (subject) => {
    const files = Array.from({ length: 30 }, (_, index) => {
      const file = subject.disk.open(`f${index}`, { create: true });
      file.write(pattern(100, index), 0);
      return file;
    });
    const buffers = files.map(() => new Uint8Array(100));
    const results = await Promise.all(files.flatMap((file, index) => [
      later(subject, (done) => file.syncLater(done)),
      later(subject, (done) => file.readLater(buffers[index]!, 0, done)),
    ]));
    assertEquals(results, files.flatMap(() => [undefined, 100]));
    buffers.forEach((bytes, index) => assertEquals(bytes, pattern(100, index)));
  });

  rule("an operation under way outlives the closing of its file", async (subject) => {
    const file = subject.disk.open("a", { create: true });
    file.write(pattern(10), 0);
    const bytes = new Uint8Array(10);
    const result = later(subject, (done) => {
      file.readLater(bytes, 0, done);
      file.close();
    });
    assertEquals(await result, 10);
    assertEquals(bytes, pattern(10));
  });

  rule("a later operation on a removed file fails as a message, not a throw", async (subject) => {
    const file = subject.disk.open("a", { create: true });
    subject.disk.remove("a");
    const read = await later(subject, (done) => file.readLater(new Uint8Array(1), 0, done));
    const synced = await later(subject, (done) => file.syncLater(done));
    for (const result of [read, synced]) {
      assert(result instanceof DiskError);
      assertEquals(result.kind, "not-found");
    }
  });
}

function nameRules(rule: Rule): void {
  rule("list gives a folder's own entries, sorted by name", ({ disk }) => {
    for (const path of ["b", "a-1", "a", "B", "é"]) disk.open(path, { create: true });
    disk.makeDirectory("c/deep");
    assertEquals(
      disk.list(""),
      ["B", "a", "a-1", "b", "c", "é"].map((name) => ({ name, isDirectory: name === "c" })),
    );
    assertEquals(disk.list("c"), [{ name: "deep", isDirectory: true }]);
    assertEquals(disk.list("c/deep"), []);
    assertDiskError("not-found", "Cannot list d: ", () => disk.list("d"));
    assertDiskError("not-found", "Cannot list a: ", () => disk.list("a"));
  });

  rule("status tells files, folders and nothing apart", ({ disk }) => {
    disk.makeDirectory("f");
    disk.open("f/a", { create: true }).write(pattern(9), 0);
    assertEquals(disk.status(""), { isDirectory: true, size: 0 });
    assertEquals(disk.status("f"), { isDirectory: true, size: 0 });
    assertEquals(disk.status("f/a"), { isDirectory: false, size: 9 });
    assertEquals(disk.status("f/b"), undefined);
    assertEquals(disk.status("f/a/b"), undefined);
    assertEquals(disk.status("g/a"), undefined);
  });

  rule("makeDirectory makes what is missing and is fine with what is there", ({ disk }) => {
    disk.makeDirectory("");
    disk.makeDirectory("a/b/c");
    disk.makeDirectory("a/b/c");
    disk.makeDirectory("a/b");
    assertEquals(disk.status("a/b/c")?.isDirectory, true);
    disk.open("a/file", { create: true });
    assertDiskError("exists", "Cannot make folder a/file: ", () => disk.makeDirectory("a/file"));
  });

  rule("syncDirectory takes folders that are there", ({ disk }) => {
    disk.makeDirectory("f");
    disk.syncDirectory("f");
    disk.syncDirectory("");
    assertDiskError("not-found", "Cannot sync folder g: ", () => disk.syncDirectory("g"));
  });

  rule("no path leads out of the disk", ({ disk }) => {
    for (const path of ["..", "../a", "a/../b", "/a", "a/", "a//b", ".", "a\0"]) {
      for (
        const run of [
          () => disk.open(path, { create: true }),
          () => disk.status(path),
          () => disk.list(path),
          () => disk.makeDirectory(path),
          () => disk.rename(path, "x"),
          () => disk.rename("x", path),
          () => disk.remove(path),
          () => disk.syncDirectory(path),
          () => disk.lock(path, "me"),
        ]
      ) assertThrows(run, RangeError, "must stay within the disk");
    }
    disk.open("a..b-0", { create: true });
    assertThrows(() => disk.remove(""), RangeError);
  });
}

function renameRules(rule: Rule): void {
  rule("rename moves a file, and open Files follow it", ({ disk }) => {
    disk.makeDirectory("f");
    const file = disk.open("a", { create: true });
    file.write(pattern(5), 0);
    disk.rename("a", "f/b");
    assertEquals(file.path, "f/b");
    assertEquals(disk.status("a"), undefined);
    file.write(pattern(5), 5);
    file.close();
    assertEquals(file.read(new Uint8Array(20), 0), 10);
    assertEquals(contentOf(disk, "f/b").length, 10);
    assertEquals(disk.open("a", { create: true }).size(), 0);
    assertEquals(file.size(), 10);
  });

  rule("rename replaces a file, whose Files are told so", ({ disk }) => {
    const old = disk.open("old", { create: true });
    old.write(pattern(9, 9), 0);
    const file = disk.open("new", { create: true });
    file.write(pattern(5), 0);
    disk.rename("new", "old");
    assertEquals(contentOf(disk, "old"), pattern(5));
    assertEquals(disk.list("").map(({ name }) => name), ["old"]);
    assertDiskError("not-found", "Cannot read old: ", () => old.read(new Uint8Array(1), 0));
    assertDiskError("not-found", "Cannot write old: ", () => old.write(new Uint8Array(1), 0));
    file.write(pattern(1, 4), 0);
    assertEquals(contentOf(disk, "old")[0], pattern(1, 4)[0]);
  });

  rule("rename moves a folder with all that is in it", ({ disk }) => {
    disk.makeDirectory("a/deep");
    const shallow = disk.open("a/file", { create: true });
    const deep = disk.open("a/deep/file", { create: true });
    const other = disk.open("a-b", { create: true });
    deep.write(pattern(5), 0);
    disk.rename("a", "c");
    assertEquals([shallow.path, deep.path, other.path], ["c/file", "c/deep/file", "a-b"]);
    shallow.write(pattern(3), 0);
    shallow.close();
    deep.close();
    assertEquals(contentOf(disk, "c/deep/file"), pattern(5));
    assertEquals(shallow.read(new Uint8Array(9), 0), 3);
    assertEquals(disk.status("a"), undefined);
  });

  rule("rename refuses what is missing and what would drop a folder's files", ({ disk }) => {
    assertDiskError("not-found", "Cannot rename a to b: ", () => disk.rename("a", "b"));
    const file = disk.open("a", { create: true });
    assertDiskError("not-found", "Cannot rename a to f/a: ", () => disk.rename("a", "f/a"));
    disk.makeDirectory("f");
    disk.makeDirectory("g");
    disk.open("g/x", { create: true });
    assertDiskError("exists", "Cannot rename f to g: ", () => disk.rename("f", "g"));
    disk.rename("a", "a");
    assertEquals(file.size(), 0);
    assertEquals(file.path, "a");
  });
}

function removeRules(rule: Rule): void {
  rule("remove takes a file, and tells its Files", ({ disk }) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(5), 0);
    disk.remove("a");
    disk.remove("a");
    disk.remove("no/such");
    assertEquals(disk.list(""), []);
    for (
      const [action, run] of [
        ["read", () => file.read(new Uint8Array(1), 0)],
        ["write", () => file.write(new Uint8Array(1), 0)],
        ["truncate", () => file.truncate(0)],
        ["sync", () => file.sync()],
        ["measure", () => file.size()],
      ] as const
    ) assertDiskError("not-found", `Cannot ${action} a: it was removed or replaced`, run);
    const again = disk.open("a", { create: true });
    assertEquals(again.size(), 0);
    again.write(pattern(2), 0);
    assertDiskError("not-found", "Cannot measure a: ", () => file.size());
  });

  rule("remove takes a folder with everything in it", ({ disk }) => {
    disk.makeDirectory("f/g");
    const inside = disk.open("f/g/a", { create: true });
    const beside = disk.open("f-1", { create: true });
    disk.remove("f");
    assertEquals(disk.status("f"), undefined);
    assertDiskError("not-found", "Cannot write f/g/a: ", () => inside.write(pattern(1), 0));
    beside.write(pattern(1), 0);
    disk.makeDirectory("f/g");
    assertEquals(disk.list("f/g"), []);
  });
}

function lockRules(rule: Rule): void {
  rule("a locked folder is refused to the next, who is told the holder", ({ disk }) => {
    disk.makeDirectory("f");
    const lock = disk.lock("f", "process 4711");
    assertDiskError("locked", "Cannot lock f: held by process 4711", () => disk.lock("f", "me"));
    disk.lock("", "other").release();
    lock.release();
    const mine = disk.lock("f", "me");
    lock.release();
    assertDiskError("locked", "Cannot lock f: held by me", () => disk.lock("f", "she"));
    mine.release();
    assertDiskError("not-found", "Cannot lock g: ", () => disk.lock("g", "me"));
  });

  rule("a lock leaves one file, .lock, in the folder", ({ disk }) => {
    disk.makeDirectory("f");
    disk.lock("f", "a long name").release();
    const lock = disk.lock("f", "me");
    assertEquals(disk.list("f"), [{ name: ".lock", isDirectory: false }]);
    assertEquals(new TextDecoder().decode(contentOf(disk, "f/.lock")), "me");
    lock.release();
  });
}

/** Needs a disk that fills: not every machine can make a real one. */
function fullDiskRule(disk: string, makeSmall: (bytes: number) => DiskSubject | string): void {
  const probe = makeSmall(1 << 20);
  const reason = typeof probe === "string" ? ` (skipped: ${probe})` : "";
  if (typeof probe !== "string") probe.discard();
  const name = `${disk}: a write that finds the disk full leaves the length it had${reason}`;
  Deno.test({ name, ignore: reason !== "" }, () => {
    const subject = makeSmall(1 << 20);
    if (typeof subject === "string") throw new Error(`Cannot make a small disk: ${subject}`);
    const { disk } = subject;
    try {
      const file = disk.open("a", { create: true });
      file.write(pattern(600_000), 0);
      assertDiskError(
        "no-space",
        "Cannot write a at 600000: no space left on device",
        () => file.write(pattern(600_000, 2), 600_000),
      );
      assertEquals(file.size(), 600_000);
      assertEquals(disk.status("a")?.size, 600_000);
      assertEquals(contentOf(disk, "a"), pattern(600_000));
      file.write(pattern(300_000, 3), 600_000);
      assertEquals(file.size(), 900_000);
      file.truncate(0);
      file.write(pattern(900_000), 0);
      disk.remove("a");
      disk.open("b", { create: true }).write(pattern(900_000), 0);
    } finally {
      subject.discard();
    }
  });
}
