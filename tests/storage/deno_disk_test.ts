import { assert, assertEquals } from "@std/assert";
import { DenoDisk } from "../../storage/deno_disk.ts";
import type { DiskError } from "../../storage/disk.ts";
import { assertDiskError, contentOf, pattern } from "../conformance/disk_subject.ts";
import { makeReadOnly, mountTmpfs, tmpfsSupported, unmountTmpfs } from "../conformance/tmpfs.ts";

/** Runs with a disk in a folder of its own. */
async function withDisk(
  openFilesMax: number,
  run: (disk: DenoDisk, root: string) => void | Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "strom-disk-" });
  const disk = new DenoDisk(root, { openFilesMax });
  try {
    await run(disk, root);
  } finally {
    disk.close();
    Deno.removeSync(root, { recursive: true });
  }
}

/** How many descriptors the system says that this process has in a folder. */
function descriptorsIn(root: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(root)) count++;
    } catch {
      // It was closed meanwhile: the one that lists the folder.
    }
  }
  return count;
}

/** Of a file whose room is not freed in a moment. */
const LARGE_BYTES = 16 * 1024 * 1024;

const notLinux = Deno.build.os !== "linux";
const whereLinux = notLinux ? " (skipped: /proc and /dev/full are Linux's)" : "";

/** Runs a program of the tests in another process; `fileLimit` bounds its descriptors. */
function spawn(script: string, args: string[], fileLimit?: number): Deno.ChildProcess {
  const path = (relative: string) => new URL(relative, import.meta.url).pathname;
  const deno = ["run", "--allow-all", "--no-check", "--config", path("../../deno.json")];
  const command = [Deno.execPath(), ...deno, path(script), ...args];
  const limited = fileLimit === undefined
    ? command
    : ["sh", "-c", `ulimit -n ${fileLimit}; exec "$0" "$@"`, ...command];
  return new Deno.Command(limited[0]!, { args: limited.slice(1), stdout: "piped" }).spawn();
}

/** What a process prints first. */
async function firstOutput(process: Deno.ChildProcess): Promise<string> {
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value).trim();
}

Deno.test({
  name: `deno disk: a thousand files share a few descriptors${whereLinux}`,
  ignore: notLinux,
}, () =>
  withDisk(10, (disk, root) => {
    const files = Array.from({ length: 1000 }, (_, index) => {
      const file = disk.open(`f${index}`, { create: true });
      file.write(pattern(8, index), 0);
      return file;
    });
    assertEquals([disk.openFiles, descriptorsIn(root)], [10, 10]);
    const bytes = new Uint8Array(8);
    for (let index = 0; index < 1000; index += 7) {
      files[index]!.write(pattern(8, index + 1), 8);
      files[index]!.read(bytes, 0);
      assertEquals(bytes, pattern(8, index));
    }
    assertEquals([disk.openFiles, descriptorsIn(root)], [10, 10]);
    disk.close();
    assertEquals([disk.openFiles, descriptorsIn(root)], [0, 0]);
    assertEquals(files[7]!.size(), 16);
  }));

Deno.test({
  name: `deno disk: a file holds no descriptor before its use nor after its end${whereLinux}`,
  ignore: notLinux,
}, () =>
  withDisk(10, (disk, root) => {
    for (const name of ["a", "b", "c"]) Deno.writeFileSync(`${root}/${name}`, pattern(5));
    const files = ["a", "b", "c"].map((name) => disk.open(name));
    assertEquals(files.map((file) => file.size()), [5, 5, 5]);
    assertEquals([disk.openFiles, descriptorsIn(root)], [0, 0]);
    files.forEach((file) => file.write(pattern(1), 5));
    assertEquals([disk.openFiles, descriptorsIn(root)], [3, 3]);
    files[0]!.close();
    disk.remove("b");
    disk.rename("c", "a");
    assertEquals([disk.openFiles, descriptorsIn(root)], [1, 1]);
    disk.remove("a");
    assertEquals([disk.openFiles, descriptorsIn(root)], [0, 0]);
  }));

Deno.test("deno disk: operations off the loop wait for descriptors, and none is lost", () =>
  withDisk(3, async (disk) => {
    const files = Array.from({ length: 40 }, (_, index) => {
      const file = disk.open(`f${index}`, { create: true });
      file.write(pattern(100, index), 0);
      return file;
    });
    const urgent = disk.open("urgent", { create: true });
    let most = 0;
    const results = await Promise.all(
      files.map((file, index) =>
        new Promise<number | DiskError>((resolve) => {
          const bytes = new Uint8Array(100);
          file.readLater(bytes, 0, (result) => {
            assertEquals(bytes, pattern(100, index));
            most = Math.max(most, disk.openFiles);
            resolve(result);
          });
          urgent.write(pattern(1), index);
          most = Math.max(most, disk.openFiles);
        })
      ),
    );
    assertEquals(
      results,
      files.map(() => 100),
    );
    assertEquals(urgent.size(), 40);
    assert(most <= 3, `${most} descriptors were open`);
  }));

Deno.test({
  name: `deno disk: a system out of descriptors gets some back from the budget${whereLinux}`,
  ignore: notLinux,
}, () =>
  withDisk(10, async (disk, root) => {
    const process = spawn("./disk_process.ts", ["many-files", root], 200);
    assertEquals(await firstOutput(process), "done");
    assert((await process.status).success);
    assertEquals(disk.list("").length, 400);
  }));

Deno.test({
  name: `deno disk: a large file's name is gone at once, its room off the loop${whereLinux}`,
  ignore: notLinux,
  fn: () =>
    withDisk(2, async (disk, root) => {
      const large = new Uint8Array(LARGE_BYTES).fill(7);
      disk.open("large", { create: true }).write(large, 0);
      using other = Deno.openSync(`${root}/large`);
      disk.remove("large");
      assertEquals([disk.status("large"), disk.list("")], [undefined, []]);
      // What takes its name meanwhile is another.
      disk.open("large", { create: true }).write(large, 0);
      disk.remove("missing");
      // This test's own, and that of the new file.
      while (descriptorsIn(root) > 2) await new Promise((resolve) => setTimeout(resolve));
      assertEquals(other.statSync().size, 0);
      assert(contentOf(disk, "large").every((byte) => byte === 7));
    }),
});

Deno.test({
  name: `deno disk: a large file with another name, or that is read, is not cut${whereLinux}`,
  ignore: notLinux,
  fn: () =>
    withDisk(2, async (disk, root) => {
      const large = new Uint8Array(LARGE_BYTES).fill(7);
      disk.open("large", { create: true }).write(large, 0);
      Deno.linkSync(`${root}/large`, `${root}/backup`);
      using other = Deno.openSync(`${root}/backup`);
      disk.remove("large");
      while (descriptorsIn(root) > 1) await new Promise((resolve) => setTimeout(resolve));
      assertEquals(other.statSync().size, LARGE_BYTES, "there is another name");
      const read = Promise.withResolvers<unknown>();
      const target = new Uint8Array(LARGE_BYTES);
      disk.open("backup").readLater(target, 0, read.resolve);
      disk.remove("backup");
      assertEquals(disk.list(""), []);
      assertEquals(await read.promise, LARGE_BYTES);
      assert(target.every((byte) => byte === 7));
      while (descriptorsIn(root) > 1) await new Promise((resolve) => setTimeout(resolve));
      assertEquals(other.statSync().size, LARGE_BYTES, "it is read");
    }),
});

Deno.test("deno disk: a folder is claimed across disks of one process", () =>
  withDisk(10, (disk, root) => {
    const other = new DenoDisk(root);
    const lock = disk.lock("", "process 1");
    assertDiskError("locked", "Cannot lock /: held by process 1", () => other.lock("", "me"));
    lock.release();
    other.lock("", "me").release();
  }));

Deno.test("deno disk: a folder claimed by another process is free when that is killed", () =>
  withDisk(10, async (disk, root) => {
    const process = spawn("./disk_process.ts", ["lock", root]);
    const holder = await firstOutput(process);
    assertEquals(holder, `process ${process.pid}`);
    assertDiskError("locked", `Cannot lock /: held by ${holder}`, () => disk.lock("", "me"));
    process.kill("SIGKILL");
    await process.status;
    const lock = disk.lock("", "me");
    assertEquals(new TextDecoder().decode(contentOf(disk, ".lock")), "me");
    lock.release();
  }));

Deno.test({
  name: `deno disk: where cutting back a failed write fails as well the error is io${whereLinux}`,
  ignore: notLinux,
}, () => {
  const disk = new DenoDisk("/dev");
  const file = disk.open("full");
  const message = "Cannot write full at 0: no space left on device, and cannot cut it back to 0: ";
  assertDiskError("io", message, () => file.write(pattern(10), 0));
  assertEquals(file.size(), 0);
  disk.close();
});

Deno.test({
  name: `deno disk: a failed sync is told, thrown or as a message${whereLinux}`,
  ignore: notLinux,
}, async () => {
  const disk = new DenoDisk("/dev");
  const file = disk.open("full");
  assertDiskError("io", "Cannot sync full: ", () => file.sync());
  const failure = await new Promise<DiskError | undefined>((done) => file.syncLater(done));
  assert(failure?.message.startsWith("Cannot sync full: "));
  assertEquals(disk.openFiles, 1);
  disk.close();
});

const noTmpfs = tmpfsSupported();

Deno.test({
  name: "deno disk: a read-only file system can be read" +
    (noTmpfs === undefined ? "" : ` (skipped: ${noTmpfs})`),
  ignore: noTmpfs !== undefined,
}, () =>
  withDisk(10, (disk, root) => {
    disk.makeDirectory("f");
    mountTmpfs(`${root}/f`, 1 << 20);
    try {
      disk.open("f/a", { create: true }).write(pattern(10), 0);
      disk.close();
      assertEquals(makeReadOnly(`${root}/f`), undefined);
      const file = disk.open("f/a");
      assertEquals(contentOf(disk, "f/a"), pattern(10));
      const readOnly = "it is open for reading only";
      assertDiskError("read-only", `Cannot write f/a at 10: ${readOnly}`, () => {
        file.write(pattern(1), 10);
      });
      assertDiskError("read-only", `Cannot truncate f/a to 0: ${readOnly}`, () => file.truncate(0));
      for (
        const run of [
          () => disk.open("f/b", { create: true }),
          () => disk.rename("f/a", "f/b"),
          () => disk.remove("f/a"),
          () => disk.makeDirectory("f/g"),
        ]
      ) assertDiskError("read-only", "Cannot ", run);
      assertEquals(contentOf(disk, "f/a"), pattern(10));
    } finally {
      disk.close();
      unmountTmpfs(`${root}/f`);
    }
  }));

Deno.test({
  name: "deno disk: where there is little room, that of a removed file is free at once" +
    (noTmpfs === undefined ? "" : ` (skipped: ${noTmpfs})`),
  ignore: noTmpfs !== undefined,
}, () =>
  withDisk(10, (_disk, root) => {
    mountTmpfs(root, LARGE_BYTES + (1 << 20));
    const disk = new DenoDisk(root);
    try {
      disk.open("large", { create: true }).write(new Uint8Array(LARGE_BYTES), 0);
      disk.remove("large");
      assertEquals(descriptorsIn(root), 0, "nothing is left to be done");
      disk.open("next", { create: true }).write(new Uint8Array(LARGE_BYTES), 0);
    } finally {
      disk.close();
      unmountTmpfs(root);
    }
  }));

Deno.test("deno disk: opening a file again measures it again", () =>
  withDisk(10, (disk, root) => {
    const file = disk.open("a", { create: true });
    file.write(pattern(10), 0);
    Deno.truncateSync(`${root}/a`, 4);
    assertEquals(disk.open("a").size(), 4);
    Deno.removeSync(`${root}/a`);
    assertDiskError("not-found", "Cannot open a: ", () => disk.open("a"));
    assertDiskError("not-found", "Cannot read a: ", () => file.read(new Uint8Array(1), 0));
    assertEquals(disk.open("a", { create: true }).size(), 0);
  }));

Deno.test("deno disk: a relative root is one of the folder it was made in", () => {
  const root = Deno.makeTempDirSync({ dir: ".", prefix: "strom-disk-" });
  const before = Deno.cwd();
  try {
    const disk = new DenoDisk(root);
    Deno.chdir("/");
    disk.open("a", { create: true });
    disk.close();
    Deno.chdir(before);
    assertEquals(disk.list("").length, 1);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(root, { recursive: true });
  }
});
