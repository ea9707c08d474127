/** How much nodes have stored. */

import { join } from "@std/path";

/** The bytes of all segments of logs below a folder, whatever topic they are of. */
export function storedBytes(folder: string): number {
  let bytes = 0;
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (isDirectory) bytes += storedBytes(path);
    else if (name.endsWith(".log")) bytes += Deno.statSync(path).size;
  }
  return bytes;
}
