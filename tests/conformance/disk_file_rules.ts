/**
 * The rules of the disk suite for the bytes of files.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskError } from "../../storage/disk.ts";
import {
  assertDiskError,
  contentOf,
  type DiskSubject,
  pattern,
  type Rule,
} from "./disk_subject.ts";

/** What a file promises to a caller that waits. */
export function fileRules(rule: Rule): void {
  openRules(rule);
  readAndWriteRules(rule);
}

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

/** What a file promises of operations off the loop. */
export function laterRules(rule: Rule): void {
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
