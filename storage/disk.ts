/**
 * What the log needs of a disk: folders, files addressed by explicit positions, and fsync.
 *
 * Short operations (open, write into the page cache, read of hot bytes, rename) are synchronous.
 * What may take long (fsync, a cold read) has a `…Later` form that calls back, exactly once, after
 * the call that started it has returned. Nothing here is durable before a sync of the file and,
 * for its name, of its folder.
 *
 * Paths are relative to the root that the disk was made for and use `/`; the empty path is the
 * root. A path of another form, or one that leads out of the root, is a RangeError, as is a
 * position below 0.
 *
 * @module
 */

/** What went wrong, for code that must act on it; `cause` keeps the system's own error. */
export type DiskErrorKind =
  | "not-found"
  | "exists"
  | "no-space"
  | "read-only"
  | "too-many-open-files"
  | "locked"
  | "io";

/** A disk operation that failed. The message names the operation and the path. */
export class DiskError extends Error {
  /** @ignore */
  override readonly name = "DiskError";
  /** Of a kind, with a message for people. */
  constructor(
    readonly kind: DiskErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * A file. It holds no descriptor until used, and may lose it between uses to a budget of handles.
 * Whatever opens a path shares its bytes and its length. Once the file was removed, or another
 * renamed onto its path, it answers every call with `not-found`, for good.
 */
export interface File {
  /** Where it stands, from the root. */
  readonly path: string;

  /** Length in bytes. */
  size(): number;

  /**
   * Reads into `target` from `position`; returns how many bytes were read, fewer than asked only
   * at the end of the file.
   */
  read(target: Uint8Array, position: number): number;

  /**
   * As `read`, off the loop: for bytes that may have to come from the device. `target` is the
   * disk's until `done` is called; what is written to the file meanwhile may be seen or not.
   */
  readLater(
    target: Uint8Array,
    position: number,
    done: (result: number | DiskError) => void,
  ): void;

  /**
   * Writes all of `source` at `position` into the page cache; bytes that were never written before
   * it are zero. When it fails, the file has been cut back to the length it had before; if even
   * that failed the error's kind is `io`.
   */
  write(source: Uint8Array, position: number): void;

  /** Cuts it, or fills it up with zeros. */
  truncate(size: number): void;

  /** Makes the content durable before it returns. Never retried after a failure (fsyncgate). */
  sync(): void;

  /** As `sync`, off the loop. Covers every write that returned before the call. */
  syncLater(done: (failure: DiskError | undefined) => void): void;

  /** Lets go of the descriptor. The file may be used again. */
  close(): void;
}

/** What stands in a folder. */
export interface DirectoryEntry {
  /** Without the folder's path. */
  readonly name: string;
  /** Whether it is a folder. */
  readonly isDirectory: boolean;
}

/** What stands at a path. */
export interface FileStatus {
  /** Whether it is a folder. */
  readonly isDirectory: boolean;
  /** Length in bytes; 0 for a folder. */
  readonly size: number;
}

/** The file system below a disk, in bytes. */
export interface DiskSpace {
  /** How large it is. */
  readonly totalBytes: number;
  /** What this process may still write. */
  readonly usableBytes: number;
}

/** A claim on a folder that no other process has. */
export interface DiskLock {
  /** Gives the folder up. */
  release(): void;
}

/** A place for files. */
export interface Disk {
  /** Where that is, for people. */
  readonly root: string;

  /** How much room there is; undefined where nobody knows. */
  space(): DiskSpace | undefined;

  /** Opens a file, creating it empty where `create` is set; else a missing one is `not-found`. */
  open(path: string, options?: { readonly create?: boolean }): File;

  /** The entries of a folder, sorted by name. */
  list(path: string): DirectoryEntry[];

  /** What stands at the path, or undefined. */
  status(path: string): FileStatus | undefined;

  /** Makes the folder and those above it; an existing one is fine. */
  makeDirectory(path: string): void;

  /**
   * Replaces what stands at `to` (a folder only if it is empty), atomically. Open `File`s of
   * `from`, and of what is in it, follow it to its new name.
   */
  rename(from: string, to: string): void;

  /**
   * Removes a file, or a folder with everything in it; a missing one is fine. The room that it took
   * may come free a moment later.
   */
  remove(path: string): void;

  /** Makes the names in a folder durable. */
  syncDirectory(path: string): void;

  /**
   * Claims a folder for this process, writing `holder` (a pid) to `.lock` in it, where the next one
   * to ask reads it. The claim ends with the process, however that ends.
   * @throws {DiskError} of kind `locked`, naming the holder.
   */
  lock(path: string, holder: string): DiskLock;
}
