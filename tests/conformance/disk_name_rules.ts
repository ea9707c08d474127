/**
 * The rules of the disk suite for names, folders and locks.
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import { assertDiskError, contentOf, pattern, type Rule } from "./disk_subject.ts";

/** What a disk promises of folders and paths. */
export function nameRules(rule: Rule): void {
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

/** What a rename promises. */
export function renameRules(rule: Rule): void {
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
    disk.makeDirectory("a-b");
    const other = disk.open("a-b/file", { create: true });
    deep.write(pattern(5), 0);
    disk.rename("a", "c");
    assertEquals([shallow.path, deep.path, other.path], ["c/file", "c/deep/file", "a-b/file"]);
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

/** What a removal promises. */
export function removeRules(rule: Rule): void {
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
    disk.makeDirectory("f-1");
    const beside = disk.open("f-1/a", { create: true });
    disk.remove("f");
    assertEquals(disk.status("f"), undefined);
    assertDiskError("not-found", "Cannot write f/g/a: ", () => inside.write(pattern(1), 0));
    beside.write(pattern(1), 0);
    disk.makeDirectory("f/g");
    assertEquals(disk.list("f/g"), []);
  });
}

/** What a claim on a folder promises. */
export function lockRules(rule: Rule): void {
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
