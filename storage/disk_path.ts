/**
 * How paths of a disk are written: relative to its root, parts joined by `/`, no part empty, `.` or
 * `..`; the empty path is the root itself. Every implementation of Disk reads paths by these rules,
 * so that no path leads out of a root.
 *
 * @module
 */

const UNSAFE = /^\/|\/$|\/\/|(^|\/)\.\.?(\/|$)|[\0\\]/;

/** @throws {RangeError} where the path is not one of a disk. */
export function checkPath(path: string): void {
  if (UNSAFE.test(path)) {
    throw new RangeError(`Cannot use path ${JSON.stringify(path)}: it must stay within the disk`);
  }
}

/** The folder that a path stands in; the root stands in itself. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path of something in a folder. */
export function joinPath(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** The file that holds the claim on a folder, in every implementation: Kafka's name for it. */
export const LOCK_FILE = ".lock";
