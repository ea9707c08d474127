/**
 * Tells the lint plugins which part of the tree a file belongs to.
 *
 * Paths are relative to the project root and use forward slashes.
 */

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** The path of `filename` below the project root; the name itself if it lies elsewhere. */
export function pathInTree(filename: string): string {
  const path = filename.startsWith("file://")
    ? decodeURIComponent(new URL(filename).pathname)
    : filename;
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
}

/** Whether the file is one of the adapters that may touch the real world. */
function isDenoAdapter(path: string): boolean {
  return /^(storage|net|actors)\/(.*\/)?deno_[a-z0-9_]+\.ts$/.test(path);
}

/** Whether the code must replay from a seed: time, chance, disk and network are injected. */
export function isDeterministic(path: string): boolean {
  return (/^(storage|net|actors)\//.test(path) || path === "mod.ts") && !isDenoAdapter(path);
}

/** Whether the code must finish each message at once: no promise inside the actors. */
export function isSynchronous(path: string): boolean {
  return path.startsWith("actors/") && !isDenoAdapter(path) &&
    !path.startsWith("actors/client/") && !path.startsWith("actors/sim/") &&
    !path.startsWith("actors/start_");
}
