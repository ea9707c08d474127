/**
 * Writes to a file for the tests of the power cut rig: 4 KiB blocks, each holding its number, each
 * made durable before its number is printed, or, told `unsynced`, never. Then it waits to be
 * killed.
 */
import { DenoDisk } from "../../storage/deno_disk.ts";

const BLOCKS = 4000;

const [root, mode] = Deno.args;
const disk = new DenoDisk(root!);
const file = disk.open("blocks", { create: true });
disk.syncDirectory("");
for (let block = 0; block < BLOCKS; block++) {
  file.write(new Uint8Array(4096).fill(block % 250 + 1), block * 4096);
  if (mode === "synced") file.sync();
  console.log(block);
}
setInterval(() => {}, 1000);
