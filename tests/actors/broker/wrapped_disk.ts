/** A disk whose syncs a test decides on: lets them through, holds them back, or leaves them out. */

import type { Disk, File } from "../../../storage/disk.ts";

export interface SyncRules {
  /** Instead of a sync: calls `proceed`, at once or later, for it to be done; or `skip`. */
  sync(path: string, proceed: () => void, skip: () => void): void;
}

export function wrapDisk(disk: Disk, rules: SyncRules): Disk {
  return {
    root: disk.root,
    space: () => disk.space(),
    open: (path, options) => wrapFile(disk.open(path, options), rules),
    list: (path) => disk.list(path),
    status: (path) => disk.status(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => rules.sync(path, () => disk.syncDirectory(path), () => {}),
    lock: (path, holder) => disk.lock(path, holder),
  };
}

function wrapFile(file: File, rules: SyncRules): File {
  return {
    get path() {
      return file.path;
    },
    size: () => file.size(),
    read: (target, position) => file.read(target, position),
    readLater: (target, position, done) => file.readLater(target, position, done),
    write: (source, position) => file.write(source, position),
    truncate: (size) => file.truncate(size),
    sync: () => rules.sync(file.path, () => file.sync(), () => {}),
    syncLater: (done) =>
      rules.sync(
        file.path,
        () => file.syncLater(done),
        () => queueMicrotask(() => done(undefined)),
      ),
    close: () => file.close(),
  };
}
