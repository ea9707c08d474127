/**
 * The entries of one index of one segment, in memory and in their file.
 *
 * Owns: when the file is read (first use), when entries reach it (in chunks, before they leave
 * memory, and when asked), and how it is cut. It does not own what the entries mean: that is
 * offset_index.ts and time_index.ts, which keep the file's own bytes, so that loading is one read.
 *
 * Invariants: the file holds a prefix of the entries in memory, never more; an index is never
 * needed for correctness, so a failure to write it is kept for later and harms no append.
 *
 * @module
 */

import { type Disk, DiskError, type File } from "./disk.ts";
import type { CachedIndex, IndexCache } from "./index_cache.ts";

/** Entries are appended to the file once this many bytes of them wait. */
const CHUNK_BYTES = 4096;
const FIRST_ALLOCATION_BYTES = 384;
const NO_BYTES = new Uint8Array(0);

/** What an index needs of its node. */
export interface IndexResources {
  readonly disk: Disk;
  readonly indexCache: IndexCache;
}

/** Bytes of equal entries behind each other: a file, and its copy in memory while in use. */
export class IndexFile implements CachedIndex {
  referenced = false;
  slot = -1;
  /** Whether the file's name is known to survive a crash; whoever syncs the folder says so. */
  nameDurable = false;
  /** Counts changes of the file, and how many of them are durable; whoever syncs it says so. */
  changes = 0;
  changesSynced = 0;
  readonly #resources: IndexResources;
  readonly #path: string;
  readonly #entryBytes: number;
  /** How many bytes of `bytes`, from its start, are sound entries. */
  readonly #soundBytes: (bytes: Uint8Array, length: number) => number;
  #bytes: Uint8Array | undefined;
  #length = 0;
  #written = 0;
  #damaged = false;
  /** Whether the file stays empty until all entries are there. */
  #held = false;
  #file: File | undefined;

  constructor(
    resources: IndexResources,
    path: string,
    entryBytes: number,
    soundBytes: (bytes: Uint8Array, length: number) => number,
  ) {
    this.#resources = resources;
    this.#path = path;
    this.#entryBytes = entryBytes;
    this.#soundBytes = soundBytes;
  }

  get path(): string {
    return this.#path;
  }

  get heldBytes(): number {
    return this.#bytes?.length ?? 0;
  }

  /** The entries; valid up to {@link lengthInBytes} and until the next append. */
  get bytes(): Uint8Array {
    this.referenced = true;
    return this.#bytes ?? this.#load();
  }

  get lengthInBytes(): number {
    if (this.#bytes === undefined) this.#load();
    return this.#length;
  }

  get entries(): number {
    return this.lengthInBytes / this.#entryBytes;
  }

  /** Whether the file held something that is no sound entry when it was read; clears the mark. */
  takeDamage(): boolean {
    if (this.#bytes === undefined) this.#load();
    const damaged = this.#damaged;
    this.#damaged = false;
    return damaged;
  }

  /** Makes room for one more entry and returns where in {@link bytes} it is to be written. */
  append(): number {
    let bytes = this.bytes;
    const position = this.#length;
    if (position + this.#entryBytes > bytes.length) bytes = this.#grow(bytes);
    this.#length = position + this.#entryBytes;
    if (position - this.#written >= CHUNK_BYTES && !this.#held) this.tryWrite(position);
    return position;
  }

  /** Drops the entries from the `kept`-th on. @throws {DiskError} when the file cannot be cut */
  truncate(kept: number): void {
    const length = kept * this.#entryBytes;
    if (length >= this.lengthInBytes) return;
    if (this.#written > length) {
      this.#cut(this.#open(false), length);
      this.#written = length;
    }
    this.#length = length;
  }

  /**
   * Starts anew without looking at what the file holds. Where a part of the entries would be taken
   * for all, the file is `held` empty until they are written.
   *
   * @throws {DiskError}
   */
  reset(held = false): void {
    this.#cut(this.#open(false), 0);
    if (this.#bytes === undefined) this.#hold(NO_BYTES);
    this.#length = 0;
    this.#written = 0;
    this.#damaged = false;
    this.#held = held;
  }

  /** Writes what the file lacks. @throws {DiskError} and keeps it */
  write(to: number = this.#length): void {
    if (this.#bytes === undefined || to <= this.#written) return;
    this.#open(true)!.write(this.#bytes.subarray(this.#written, to), this.#written);
    this.#written = to;
    this.#held = false;
    this.changes++;
  }

  /** As `write`, but a full disk is no failure: the entries wait. */
  tryWrite(to: number = this.#length): boolean {
    try {
      this.write(to);
      return true;
    } catch (error) {
      if (error instanceof DiskError) return false;
      throw error;
    }
  }

  /** Writes what the file lacks, or else leaves it without any entry. */
  writeAllOrNone(): void {
    if (this.tryWrite() || this.#written === 0) return;
    try {
      this.#cut(this.#open(false), 0);
      this.#written = 0;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Makes the file where there is none, though it stays empty; a full disk is no failure. */
  tryCreate(): void {
    try {
      this.#open(true)?.close();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** The file. @throws {DiskError} of kind `not-found` where none was written yet */
  get file(): File {
    return this.#file ??= this.#resources.disk.open(this.#path);
  }

  unload(): boolean {
    if (this.#bytes === undefined) return true;
    if (!this.tryWrite()) return false;
    this.discard();
    return true;
  }

  /** Lets go of memory and descriptor; what is not written is lost. */
  discard(): void {
    if (this.#bytes !== undefined) {
      this.#resources.indexCache.forget(this, this.#bytes.length);
      this.#bytes = undefined;
    }
    this.#length = 0;
    this.#written = 0;
    this.#held = false;
    this.#file?.close();
    this.#file = undefined;
  }

  #load(): Uint8Array {
    const file = this.#open(false);
    if (file === undefined) {
      this.#length = 0;
      this.#written = 0;
      return this.#hold(NO_BYTES);
    }
    const size = file.size();
    const bytes = new Uint8Array(size);
    const read = file.read(bytes, 0);
    // An index is read once and then used from memory: its descriptor is better used elsewhere.
    file.close();
    const whole = read - read % this.#entryBytes;
    this.#length = this.#soundBytes(bytes, whole);
    this.#written = this.#length;
    this.#damaged = this.#length !== size;
    return this.#hold(bytes);
  }

  #hold(bytes: Uint8Array): Uint8Array {
    this.#bytes = bytes;
    this.#resources.indexCache.charge(this, bytes.length);
    return bytes;
  }

  #grow(bytes: Uint8Array): Uint8Array {
    const grown = new Uint8Array(Math.max(FIRST_ALLOCATION_BYTES, bytes.length * 2));
    grown.set(bytes);
    this.#bytes = grown;
    this.#resources.indexCache.charge(this, grown.length - bytes.length);
    return grown;
  }

  #cut(file: File | undefined, length: number): void {
    if (file === undefined || file.size() <= length) return;
    file.truncate(length);
    this.changes++;
  }

  #open(create: boolean): File | undefined {
    if (this.#file !== undefined) return this.#file;
    const { disk } = this.#resources;
    // Most are opened before there is a file, and an error costs more than a look.
    if (!create && disk.status(this.#path) === undefined) return undefined;
    return this.#file = disk.open(this.#path, { create });
  }
}
