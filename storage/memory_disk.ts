/**
 * A disk in memory that models durability exactly: what was not synced may be lost, torn or kept
 * when the power is cut, names as well as bytes. Draws no chance and reads no clock of its own, so
 * that a simulation replays: chance, faults and completions are given to it (see disk_faults.ts).
 *
 * Invariants:
 * - A crash, of the process or of the power, ends an incarnation: its files and locks are dead,
 *   and operations of it that were under way never call back.
 * - What a sync that succeeded covers survives every crash, unless a sync before it failed.
 *
 * @module
 */

import { DiskContents } from "./disk_contents.ts";
import {
  type DirectoryEntry,
  type Disk,
  DiskError,
  type DiskLock,
  type DiskSpace,
  type File,
  type FileStatus,
} from "./disk.ts";
import { madeError } from "./disk_errors.ts";
import type {
  CrashModel,
  DiskAction,
  DiskChance,
  DiskFault,
  DiskFaults,
  DiskOperation,
  DiskScheduler,
} from "./disk_faults.ts";
import { type MemoryDiskState, MemoryFile } from "./disk_memory_file.ts";
import { DiskNames, MemoryFileNode, MemoryFolder, type MemoryNode, pathOf } from "./disk_names.ts";
import { checkPath, folderOf, joinPath, LOCK_FILE, nameOf } from "./disk_path.ts";

export interface MemoryDiskOptions {
  /** How many bytes all files together may hold; default without limit. */
  readonly capacityBytes?: number;
  /** What goes wrong, and when; default nothing. */
  readonly faults?: DiskFaults;
  /** Decides what a failed sync leaves on the medium; default nothing of what it covered. */
  readonly chance?: DiskChance;
  /** Completes …Later operations; default a queue that `drain` empties. */
  readonly complete?: DiskScheduler;
}

/** A disk in memory, for tests and simulations. */
export class MemoryDisk implements Disk {
  readonly root = "memory";
  readonly #options: MemoryDiskOptions;
  readonly #shared: MemoryDiskState;
  readonly #queue: (() => void)[] = [];
  readonly #locks = new Map<MemoryNode, string>();
  #names = new DiskNames();

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
    this.#shared = {
      incarnation: 0,
      capacityBytes: options.capacityBytes ?? Infinity,
      readOnly: false,
      usedBytes: 0,
      faults: options.faults,
      chance: options.chance,
      complete: options.complete ?? ((_operation, run) => this.#queue.push(run)),
      unsynced: new Set(),
    };
  }

  /** Bytes that all files together hold. */
  get usedBytes(): number {
    return this.#shared.usedBytes;
  }

  get capacityBytes(): number {
    return this.#shared.capacityBytes;
  }

  /** Sets how many bytes all files together may hold from now. */
  set capacityBytes(bytes: number) {
    this.#shared.capacityBytes = bytes;
  }

  get readOnly(): boolean {
    return this.#shared.readOnly;
  }

  /** Makes everything that changes the disk fail from now, or work again. */
  set readOnly(readOnly: boolean) {
    this.#shared.readOnly = readOnly;
  }

  space(): DiskSpace | undefined {
    const { capacityBytes, usedBytes } = this.#shared;
    if (capacityBytes === Infinity) return undefined;
    return { totalBytes: capacityBytes, usableBytes: Math.max(capacityBytes - usedBytes, 0) };
  }

  open(path: string, options: { readonly create?: boolean } = {}): File {
    checkPath(path);
    const node = this.#names.find(path);
    if (node === undefined && options.create) {
      return new MemoryFile(this.#shared, this.#create(path));
    }
    this.#befall("open", path);
    if (node === undefined) throw madeError(`open ${path}`, "ENOENT");
    if (node.isDirectory) throw madeError(`open ${path}`, "EISDIR");
    return new MemoryFile(this.#shared, node);
  }

  list(path: string): DirectoryEntry[] {
    const folder = this.#folder(path, `list ${path || "/"}`);
    this.#befall("list", path);
    const entries: DirectoryEntry[] = [];
    for (const [name, { isDirectory }] of folder.entries) entries.push({ name, isDirectory });
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  status(path: string): FileStatus | undefined {
    checkPath(path);
    const node = this.#names.find(path);
    if (node === undefined) return undefined;
    return { isDirectory: node.isDirectory, size: node.isDirectory ? 0 : node.contents.size };
  }

  makeDirectory(path: string): void {
    checkPath(path);
    const action = `make folder ${path || "/"}`;
    this.#befall("make-folder", path, action);
    let folder = this.#names.root;
    for (const name of path === "" ? [] : path.split("/")) {
      let node = folder.entries.get(name);
      if (node === undefined) {
        this.#refuseWhenReadOnly(action);
        node = new MemoryFolder();
        this.#names.add(folder, name, node);
      }
      if (!node.isDirectory) throw madeError(action, "EEXIST");
      folder = node;
    }
  }

  rename(from: string, to: string): void {
    const action = `rename ${from} to ${to}`;
    checkPath(from);
    checkPath(to);
    const target = this.#folder(folderOf(to), action);
    const node = this.#names.find(from);
    this.#befall("rename", from, action);
    if (node === undefined || from === "" || to === "") throw madeError(action, "ENOENT");
    this.#refuseWhenReadOnly(action);
    if (from === to) return;
    if (to.startsWith(`${from}/`)) throw madeError(action, "EIO");
    const replaced = target.entries.get(nameOf(to));
    if (replaced !== undefined) this.#checkReplaceable(node, replaced, action);
    this.#names.rename(node, target, nameOf(to));
    if (replaced !== undefined) this.#free(replaced);
  }

  remove(path: string): void {
    checkPath(path);
    if (path === "") throw new RangeError("Cannot remove the root of a disk");
    const node = this.#names.find(path);
    this.#befall("remove", path);
    if (node === undefined) return;
    this.#refuseWhenReadOnly(`remove ${path}`);
    this.#remove(node);
  }

  syncDirectory(path: string): void {
    const folder = this.#folder(path, `sync folder ${path || "/"}`);
    const fault = this.#befall("sync-folder", path, `sync folder ${path || "/"}`);
    if (fault?.kind === "lie") return;
    this.#names.sync(folder);
    if (!this.#names.unsynced) this.#forgetRemoved();
  }

  lock(path: string, holder: string): DiskLock {
    const folder = this.#folder(path, `lock ${path || "/"}`);
    this.#befall("lock", path);
    const other = this.#locks.get(folder);
    if (other !== undefined) {
      throw new DiskError("locked", `Cannot lock ${path || "/"}: held by ${other}`);
    }
    const file = this.open(joinPath(path, LOCK_FILE), { create: true });
    file.truncate(0);
    file.write(new TextEncoder().encode(holder), 0);
    this.#locks.set(folder, holder);
    const { incarnation } = this.#shared;
    let held = true;
    return {
      release: () => {
        if (held && incarnation === this.#shared.incarnation) this.#locks.delete(folder);
        held = false;
      },
    };
  }

  /** Runs what …Later operations are waiting for, until nothing is; returns how many there were. */
  drain(): number {
    let count = 0;
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      count++;
      run();
    }
    return count;
  }

  /** How many operations wait for `drain`. */
  get pending(): number {
    return this.#queue.length;
  }

  /** The process dies (kill -9): nothing is lost, but its files and locks are dead. */
  killProcess(): void {
    this.#shared.incarnation++;
    this.#queue.length = 0;
    this.#locks.clear();
  }

  /**
   * The power is cut: leaves what is durable and, as chance decides, parts of what was not synced.
   * Without chance all of that is lost.
   */
  crash(chance?: DiskChance, model: CrashModel = {}): void {
    this.killProcess();
    this.#names.crash(chance, model);
    for (const node of this.#shared.unsynced) {
      if (this.#isReachable(node)) node.contents.crash(chance, model);
    }
    this.#shared.unsynced.clear();
    this.#measure();
  }

  /** Turns a bit of a file round on the medium, as decay does. */
  flipBit(path: string, bit: number): void {
    const node = this.#names.find(path);
    if (node === undefined || node.isDirectory || !node.contents.flip(bit)) {
      throw new RangeError(`Cannot flip bit ${bit} of ${path}: no such bit`);
    }
  }

  /**
   * A copy as of now, unsynced operations included, that knows no file, lock or operation of this
   * one's; for looking at what crashes can leave.
   */
  clone(options: MemoryDiskOptions = this.#options): MemoryDisk {
    const copy = new MemoryDisk({ ...options, capacityBytes: this.capacityBytes });
    const { names, files } = this.#names.clone();
    copy.#names = names;
    copy.#shared.readOnly = this.readOnly;
    copy.#shared.usedBytes = this.usedBytes;
    for (const node of this.#shared.unsynced) {
      const file = files.get(node);
      if (file !== undefined) copy.#shared.unsynced.add(file);
    }
    return copy;
  }

  /**
   * Reads as whoever stands outside the machine: no fault befalls it and nothing is noted. Returns
   * how many bytes there were; 0 where there is no such file.
   */
  peek(path: string, target: Uint8Array, position: number): number {
    const node = this.#names.find(path);
    return node === undefined || node.isDirectory ? 0 : node.contents.read(target, position);
  }

  /** The names in a folder, sorted, as whoever stands outside sees them. */
  peekNames(path: string): string[] {
    const node = this.#names.find(path);
    return node?.isDirectory ? [...node.entries.keys()].sort() : [];
  }

  /** The present bytes of every file by path, sorted by path. */
  image(): Map<string, Uint8Array> {
    const files: [string, Uint8Array][] = [];
    for (const node of this.#names.nodes()) {
      if (node.isDirectory) continue;
      const bytes = new Uint8Array(node.contents.size);
      node.contents.read(bytes, 0);
      files.push([pathOf(node), bytes]);
    }
    return new Map(files.sort(([a], [b]) => a < b ? -1 : 1));
  }

  #create(path: string): MemoryFileNode {
    const action = `create ${path}`;
    const folder = this.#folder(folderOf(path), action);
    this.#befall("create", path);
    this.#refuseWhenReadOnly(action);
    const node = new MemoryFileNode(new DiskContents());
    this.#names.add(folder, nameOf(path), node);
    return node;
  }

  #folder(path: string, action: string): MemoryFolder {
    checkPath(path);
    const node = this.#names.find(path);
    if (node === undefined) throw madeError(action, "ENOENT");
    if (!node.isDirectory) throw madeError(action, "ENOTDIR");
    return node;
  }

  #checkReplaceable(node: MemoryNode, replaced: MemoryNode, action: string): void {
    if (replaced.isDirectory && !node.isDirectory) throw madeError(action, "EISDIR");
    if (!replaced.isDirectory && node.isDirectory) throw madeError(action, "ENOTDIR");
    if (replaced.isDirectory && replaced.entries.size > 0) throw madeError(action, "ENOTEMPTY");
  }

  #remove(node: MemoryNode): void {
    if (node.isDirectory) {
      for (const entry of [...node.entries.values()]) this.#remove(entry);
    }
    this.#names.remove(node);
    this.#free(node);
  }

  #free(node: MemoryNode): void {
    if (!node.isDirectory) this.#shared.usedBytes -= node.contents.size;
  }

  #befall(
    action: DiskAction,
    path: string,
    words = `${action} ${path || "/"}`,
  ): DiskFault | undefined {
    const { faults } = this.#shared;
    if (faults === undefined) return undefined;
    const operation: DiskOperation = { action, path, position: 0, length: 0 };
    const fault = faults.befall(operation);
    if (fault?.kind === "fail") throw madeError(words, fault.code);
    return fault;
  }

  #refuseWhenReadOnly(action: string): void {
    if (this.#shared.readOnly) throw madeError(action, "EROFS");
  }

  #isReachable(node: MemoryNode): boolean {
    let at: MemoryNode | undefined = node;
    while (at !== undefined && at !== this.#names.root) at = at.parent;
    return at !== undefined;
  }

  /** No crash brings back what was removed: its unsynced operations matter no more. */
  #forgetRemoved(): void {
    for (const node of this.#shared.unsynced) {
      if (node.parent === undefined) this.#shared.unsynced.delete(node);
    }
  }

  #measure(): void {
    let used = 0;
    for (const node of this.#names.nodes()) if (!node.isDirectory) used += node.contents.size;
    this.#shared.usedBytes = used;
  }
}
