/**
 * What tests of the disk need another process for: holds a lock until it is killed, or opens more
 * files than the system lets it.
 */
import { DenoDisk } from "../../storage/deno_disk.ts";

const [task, root] = Deno.args;
const disk = new DenoDisk(root!);
if (task === "lock") {
  const holder = `process ${Deno.pid}`;
  disk.lock("", holder);
  console.log(holder);
  setInterval(() => {}, 1000);
} else {
  const files = Array.from({ length: 400 }, (_, index) => disk.open(`f${index}`, { create: true }));
  files.forEach((file, index) => file.write(new Uint8Array(4).fill(index), 0));
  const bytes = new Uint8Array(4);
  files.forEach((file, index) => {
    if (file.read(bytes, 0) !== 4 || bytes[0] !== index % 256) throw new Error(`Lost ${file.path}`);
  });
  if (disk.openFiles >= 200) throw new Error(`${disk.openFiles} descriptors are open`);
  console.log("done");
}
