import { assert, assertEquals } from "@std/assert";
import { DenoDisk } from "../../storage/deno_disk.ts";
import { contentOf, pattern } from "../conformance/disk_subject.ts";
import {
  cleanUp,
  copyWhileMounted,
  createImage,
  mount,
  powerCutFolder,
  powerCutSupported,
  unmount,
} from "./image.ts";

const unsupported = powerCutSupported();
const IMAGE_BYTES = 32 << 20;

/** Runs with a mounted image; `cut` gives a disk on what a power cut at this moment leaves. */
function powerCutTest(
  name: string,
  run: (root: string, cut: (writerPid?: number) => DenoDisk) => void | Promise<void>,
): void {
  const reason = unsupported === undefined ? "" : ` (skipped: ${unsupported})`;
  Deno.test(
    { name: `power cut: ${name}${reason}`, ignore: unsupported !== undefined },
    async () => {
      const folder = powerCutFolder();
      const image = `${folder}/disk.img`;
      const root = `${folder}/mounted`;
      let cuts = 0;
      const disks: DenoDisk[] = [];
      try {
        createImage(image, IMAGE_BYTES);
        mount(image, root);
        await run(root, (writerPid) => {
          const copy = `${folder}/copy-${++cuts}`;
          copyWhileMounted(image, `${copy}.img`, writerPid);
          mount(`${copy}.img`, copy);
          const disk = new DenoDisk(copy);
          disks.push(disk);
          return disk;
        });
      } finally {
        disks.forEach((disk) => disk.close());
        cleanUp(folder);
      }
      const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
      assert(!mounts.includes(folder), "a mount was left behind");
    },
  );
}

powerCutTest("what was synced is there, what was not is gone", (root, cut) => {
  const disk = new DenoDisk(root);
  try {
    const synced = disk.open("synced", { create: true });
    synced.write(pattern(100_000), 0);
    synced.sync();
    disk.syncDirectory("");
    const overwritten = disk.open("overwritten", { create: true });
    overwritten.write(pattern(50_000), 0);
    overwritten.sync();
    disk.syncDirectory("");
    overwritten.write(pattern(50_000, 2), 0);
    disk.open("unsynced", { create: true }).write(pattern(100_000), 0);

    const first = cut();
    assertEquals(contentOf(first, "synced"), pattern(100_000));
    assertEquals(contentOf(first, "overwritten"), pattern(50_000));
    assertEquals(first.status("unsynced"), undefined);

    overwritten.sync();
    const unsynced = disk.open("unsynced");
    unsynced.sync();
    disk.syncDirectory("");
    const second = cut();
    assertEquals(contentOf(second, "overwritten"), pattern(50_000, 2));
    assertEquals(contentOf(second, "unsynced"), pattern(100_000));
  } finally {
    disk.close();
  }
});

for (const mode of ["synced", "unsynced"] as const) {
  const outcome = mode === "synced" ? "keeps every block it synced" : "loses what it never synced";
  powerCutTest(`a writer stopped in full flow ${outcome}`, async (root, cut) => {
    const script = new URL("./writer.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const writer = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-check", "--config", config, script, root, mode],
      stdout: "piped",
    }).spawn();
    try {
      const acknowledged = await blocksOf(writer.stdout, 100);
      const after = cut(writer.pid);
      const bytes = contentOf(after, "blocks");
      const kept = (block: number) =>
        bytes.subarray(block * 4096, (block + 1) * 4096).length === 4096 &&
        bytes[block * 4096] === block % 250 + 1;
      const lost = Array.from({ length: acknowledged }, (_, block) => block)
        .filter((block) => !kept(block));
      assertEquals(lost.length, mode === "synced" ? 0 : acknowledged);
    } finally {
      writer.kill("SIGKILL");
      await writer.stdout.cancel();
      await writer.status;
      unmount(root);
    }
  });
}

/** Reads what the writer prints until it has acknowledged that many blocks; returns how many. */
async function blocksOf(stdout: ReadableStream<Uint8Array>, atLeast: number): Promise<number> {
  const reader = stdout.getReader();
  let count = 0;
  while (count < atLeast) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The writer ended");
    for (const byte of value) if (byte === 10) count++;
  }
  reader.releaseLock();
  return count;
}
