/**
 * The disk of the operating system. Owns the descriptors of its files and the claims on folders;
 * knows nothing of what the bytes mean.
 *
 * Invariants:
 * - There is one `File` per path, which every `open` of it returns, so its length is kept here and
 *   never asked of the system while the file is in use. Another process must not write to the
 *   folders of a disk; `lock` sees to that.
 * - A file that is not in use costs one small object: no descriptor, no buffer, no timer.
 * - Positions are always explicit (pread, pwrite through node:fs; `Deno.FsFile` has one cursor).
 * - Closing a descriptor of a file with unsynced writes is safe: the pages belong to the file, and
 *   Linux reports a write-back error that nobody has seen to the next descriptor that syncs.
 *
 * @module
 */

import fs from "node:fs";
import { dirname, resolve } from "@std/path";
import { DenoFile, type FileOwner } from "./deno_file.ts";
import { DescriptorBudget, type DescriptorSlot } from "./disk_descriptors.ts";
import {
  type DirectoryEntry,
  type Disk,
  DiskError,
  type DiskLock,
  type DiskSpace,
  type File,
  type FileStatus,
} from "./disk.ts";
import { codeOf, diskError, isMissing } from "./disk_errors.ts";
import { checkPath, folderOf, joinPath, LOCK_FILE, nameOf } from "./disk_path.ts";

export interface DenoDiskOptions {
  /**
   * Descriptors that files may hold at a time; default 1000. Deno duplicates that of an operation
   * off the loop while it runs: leave as much room again in the limit of the process.
   */
  readonly openFilesMax?: number;
}

const OPEN_FILES_MAX = 1000;

/** To free the room of a larger file takes milliseconds: a gigabyte a third of a second. */
const LARGE_BYTES = 8 * 1024 * 1024;
/** Where there is no more room than this, it is freed at once: somebody may wait for it. */
const SCARCE_BYTES = 64 * 1024 * 1024;

const { O_CREAT, O_RDONLY, O_RDWR } = fs.constants;

/** A disk in a folder of the operating system. */
export class DenoDisk implements Disk {
  readonly root: string;
  readonly #budget: DescriptorBudget;
  readonly #owner: FileOwner;
  /** Files by folder and name, so that a folder is renamed or removed without looking at others. */
  readonly #folders = new Map<string, Map<string, DenoFile>>();
  /** The claims on folders, held here so that none can be collected. */
  readonly #locks = new Set<Deno.FsFile>();
  readonly #waiting: { readonly slot: DescriptorSlot; readonly start: () => void }[] = [];

  /**
   * @param root the folder that paths are relative to; made by `makeDirectory("")`
   */
  constructor(root: string, options: DenoDiskOptions = {}) {
    this.root = resolve(root);
    this.#budget = new DescriptorBudget(
      options.openFilesMax ?? OPEN_FILES_MAX,
      (descriptor) => fs.closeSync(descriptor),
    );
    this.#owner = {
      budget: this.#budget,
      absolute: (path) => this.#absolute(path),
      openDescriptor: (path, flags) => this.#openDescriptor(path, flags),
      whenPinnable: (slot, start) => this.#whenPinnable(slot, start),
      unpin: (slot) => this.#unpin(slot),
    };
  }

  /** How many descriptors files hold now. */
  get openFiles(): number {
    return this.#budget.held;
  }

  space(): DiskSpace | undefined {
    try {
      const { bsize, blocks, bavail } = fs.statfsSync(this.root);
      return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
    } catch {
      return undefined;
    }
  }

  open(path: string, options: { readonly create?: boolean } = {}): File {
    const status = this.status(path);
    const known = this.#folders.get(folderOf(path))?.get(nameOf(path));
    if (status === undefined) {
      known?.vanished();
      if (!options.create) {
        throw new DiskError("not-found", `Cannot open ${path}: no such file or folder`);
      }
      return this.#create(path);
    }
    if (status.isDirectory) throw new DiskError("io", `Cannot open ${path}: it is a folder`);
    if (known !== undefined) {
      known.measured(status.size);
      return known;
    }
    return this.#remember(path, new DenoFile(this.#owner, path, status.size));
  }

  list(path: string): DirectoryEntry[] {
    const absolute = this.#absolute(path);
    try {
      const entries: DirectoryEntry[] = [];
      for (const entry of Deno.readDirSync(absolute)) {
        const isDirectory = entry.isSymlink
          ? Deno.statSync(`${absolute}/${entry.name}`).isDirectory
          : entry.isDirectory;
        entries.push({ name: entry.name, isDirectory });
      }
      return entries.sort((a, b) => a.name < b.name ? -1 : 1);
    } catch (cause) {
      throw diskError(`list ${path || "/"}`, cause);
    }
  }

  status(path: string): FileStatus | undefined {
    const absolute = this.#absolute(path);
    try {
      const { isDirectory, size } = Deno.statSync(absolute);
      return { isDirectory, size: isDirectory ? 0 : size };
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw diskError(`look at ${path || "/"}`, cause);
    }
  }

  makeDirectory(path: string): void {
    const absolute = this.#absolute(path);
    try {
      const made = path === "" ? missingFolders(absolute) : [];
      Deno.mkdirSync(absolute, { recursive: true });
      // Nobody else can: what is above the root is on no disk that others know.
      for (const folder of made) syncNames(dirname(folder));
    } catch (cause) {
      throw diskError(`make folder ${path || "/"}`, cause);
    }
  }

  rename(from: string, to: string): void {
    const source = this.#absolute(from);
    const target = this.#absolute(to);
    try {
      Deno.renameSync(source, target);
    } catch (cause) {
      throw diskError(`rename ${from} to ${to}`, cause);
    }
    if (from === to) return;
    const names = this.#folders.get(folderOf(from));
    const file = names?.get(nameOf(from));
    this.#forgetFile(to);
    if (file === undefined) return this.#moveFolder(from, to);
    names?.delete(nameOf(from));
    file.moved(to);
    this.#remember(to, file);
  }

  remove(path: string): void {
    if (path === "") throw new RangeError("Cannot remove the root of a disk");
    const absolute = this.#absolute(path);
    const descriptor = this.#openToFree(path);
    try {
      Deno.removeSync(absolute);
    } catch (cause) {
      if (descriptor !== undefined) fs.closeSync(descriptor);
      if (codeOf(cause) === "ENOTEMPTY") this.#removeFolder(path, absolute);
      else if (!isMissing(cause)) throw diskError(`remove ${path}`, cause);
      return this.#forgetFile(path);
    }
    this.#forgetFile(path);
    if (descriptor !== undefined) freeLater(descriptor);
  }

  syncDirectory(path: string): void {
    checkPath(path);
    let descriptor: number | undefined;
    try {
      descriptor = this.#openDescriptor(path, O_RDONLY);
      fs.fsyncSync(descriptor);
    } catch (cause) {
      throw diskError(`sync folder ${path || "/"}`, cause);
    } finally {
      if (descriptor !== undefined) fs.closeSync(descriptor);
    }
  }

  /** The claim is the kernel's (flock): it goes with the process, however that ends. */
  lock(path: string, holder: string): DiskLock {
    checkPath(path);
    const lockPath = this.#absolute(joinPath(path, LOCK_FILE));
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(lockPath, { read: true, write: true, create: true });
    } catch (cause) {
      throw diskError(`lock ${path || "/"}`, cause);
    }
    try {
      if (!file.tryLockSync(true)) {
        const other = Deno.readTextFileSync(lockPath).trim() || "another process";
        throw new DiskError("locked", `Cannot lock ${path || "/"}: held by ${other}`);
      }
      file.truncateSync(0);
      file.writeSync(new TextEncoder().encode(holder));
    } catch (cause) {
      file.close();
      throw cause instanceof DiskError ? cause : diskError(`lock ${path || "/"}`, cause);
    }
    this.#locks.add(file);
    return {
      release: () => {
        if (this.#locks.delete(file)) file.close();
      },
    };
  }

  /** Closes every descriptor that is not under way in an operation. Files may be used again. */
  close(): void {
    this.#budget.releaseAll();
  }

  #absolute(path: string): string {
    checkPath(path);
    return path === "" ? this.root : `${this.root}/${path}`;
  }

  #create(path: string): File {
    let descriptor: number;
    try {
      descriptor = this.#openDescriptor(path, O_RDWR | O_CREAT);
    } catch (cause) {
      throw diskError(`create ${path}`, cause);
    }
    const file = this.#remember(path, new DenoFile(this.#owner, path, 0));
    file.created(descriptor);
    return file;
  }

  #openDescriptor(path: string, flags: number): number {
    const absolute = this.#absolute(path);
    for (;;) {
      try {
        return fs.openSync(absolute, flags, 0o644);
      } catch (cause) {
        const code = codeOf(cause);
        if ((code !== "EMFILE" && code !== "ENFILE") || !this.#budget.evict()) throw cause;
      }
    }
  }

  #whenPinnable(slot: DescriptorSlot, start: () => void): void {
    if (this.#waiting.length === 0 && this.#budget.mayPin(slot)) start();
    else this.#waiting.push({ slot, start });
  }

  #unpin(slot: DescriptorSlot): void {
    this.#budget.unpin(slot);
    while (this.#waiting.length > 0 && this.#budget.mayPin(this.#waiting[0]!.slot)) {
      this.#waiting.shift()!.start();
    }
  }

  #remember(path: string, file: DenoFile): DenoFile {
    const folder = folderOf(path);
    let names = this.#folders.get(folder);
    if (names === undefined) this.#folders.set(folder, names = new Map());
    names.set(nameOf(path), file);
    return file;
  }

  #forgetFile(path: string): void {
    const names = this.#folders.get(folderOf(path));
    names?.get(nameOf(path))?.vanished();
    names?.delete(nameOf(path));
  }

  /**
   * A descriptor of a large file, through which its room can be freed off the loop once its name is
   * gone; undefined where whoever removes the name may as well free it.
   */
  #openToFree(path: string): number | undefined {
    // A read that is under way goes on.
    if (this.#folders.get(folderOf(path))?.get(nameOf(path))?.isInUse) return undefined;
    try {
      const size = this.status(path)?.size ?? 0;
      if (size < LARGE_BYTES || (this.space()?.usableBytes ?? 0) < SCARCE_BYTES) return undefined;
      return this.#openDescriptor(path, O_RDWR);
    } catch {
      return undefined;
    }
  }

  #removeFolder(path: string, absolute: string): void {
    for (const folder of this.#foldersWithin(path)) {
      for (const file of this.#folders.get(folder)!.values()) file.vanished();
      this.#folders.delete(folder);
    }
    try {
      Deno.removeSync(absolute, { recursive: true });
    } catch (cause) {
      if (!isMissing(cause)) throw diskError(`remove ${path}`, cause);
    }
  }

  #moveFolder(from: string, to: string): void {
    for (const folder of this.#foldersWithin(from)) {
      const names = this.#folders.get(folder)!;
      const moved = to + folder.slice(from.length);
      this.#folders.delete(folder);
      this.#folders.set(moved, names);
      for (const [name, file] of names) file.moved(joinPath(moved, name));
    }
  }

  #foldersWithin(path: string): string[] {
    const below = `${path}/`;
    return [...this.#folders.keys()].filter((folder) =>
      folder === path || folder.startsWith(below)
    );
  }
}

/** Frees the room of a file without a name: none that is left is cut, as a backup's may be. */
function freeLater(descriptor: number): void {
  if (fs.fstatSync(descriptor).nlink > 0) return fs.closeSync(descriptor);
  // To close it would free as much, but on the loop.
  fs.ftruncate(descriptor, 0, () => fs.closeSync(descriptor));
}

/** The folder and those above it that are not there, the topmost first. */
function missingFolders(absolute: string): string[] {
  const missing: string[] = [];
  let folder = absolute;
  while (!fs.existsSync(folder)) {
    missing.unshift(folder);
    if (dirname(folder) === folder) break;
    folder = dirname(folder);
  }
  return missing;
}

/** A folder that may be written to, but not read, cannot be synced: then the system must do. */
function syncNames(folder: string): void {
  let descriptor: number;
  try {
    descriptor = fs.openSync(folder, O_RDONLY);
  } catch (cause) {
    if (codeOf(cause) === "EACCES") return;
    throw cause;
  }
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
