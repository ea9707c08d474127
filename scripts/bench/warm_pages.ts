/**
 * Page cache that has been touched.
 *
 * In a virtual machine the first touch of a page of memory goes to the host and costs ten times as
 * much as any later one, and a host that takes free pages back makes them cold again within
 * seconds. Rounds that write to the page cache would then measure the host. So before a round as
 * many pages as it will need are touched, by a file, and given back just as it begins.
 */

const CHUNK = new Uint8Array(1024 * 1024).fill(0x5a);

/** Touches pages; what it returns gives them back to whoever needs pages next. */
export function touchPages(folder: string, bytes: number): () => void {
  const path = `${folder}/touched-pages`;
  {
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    for (let written = 0; written < bytes; written += CHUNK.length) file.writeSync(CHUNK);
  }
  return () => Deno.removeSync(path);
}
