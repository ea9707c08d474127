/**
 * The bytes of one file in memory, and what a power cut may make of them.
 *
 * Kept are the present bytes (the page cache) and the unsynced operations in order, each with the
 * bytes it overwrote, so that any of them can be undone; an append overwrites nothing. What is
 * durable is the present state with all of them undone.
 *
 * A power cut leaves each sector of 512 bytes in one of the states it went through since the last
 * sync, independently of the others: a device writes whole sectors, in any order, at any time.
 * The file's length is, likewise, one that it went through. Bytes that were synced and not
 * overwritten since are never touched.
 *
 * Invariant: bytes beyond `size` are zero, in pages or for want of them.
 *
 * @module
 */

import type { CrashModel, DiskChance } from "./disk_faults.ts";

const PAGE = 4096;
const SECTOR = 512;

/** Beyond this many unsynced operations the older half is taken as written back by the system. */
const UNSYNCED_MAX = 16_384;

/** A write or truncation: what it changed, and what was there. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  /** The bytes from `start` that it overwrote; those from there to `end` were beyond the size. */
  readonly before: Uint8Array | undefined;
}

interface Fate {
  /** How many unsynced changes touch the sector, and how many of them, from the first, it keeps. */
  touched: number;
  kept: number;
}

export class DiskContents {
  #size = 0;
  #pages: (Uint8Array | undefined)[] = [];
  #changes: Change[] = [];
  /** The number of the first of `#changes`, counted over the life of the file. */
  #firstChange = 0;
  /** What is durable of sectors that a failed sync left clean in memory, but not on the medium. */
  #lost: Map<number, Uint8Array> | undefined;
  #lostSize: number | undefined;

  get size(): number {
    return this.#size;
  }

  /** Whether a power cut could change anything. */
  get unsynced(): boolean {
    return this.#changes.length > 0 || this.#lost !== undefined;
  }

  /** Reads from `position`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): number {
    const length = Math.min(target.length, this.#size - position);
    if (length <= 0) return 0;
    let done = 0;
    while (done < length) {
      const at = position + done;
      const from = at % PAGE;
      const count = Math.min(PAGE - from, length - done);
      const page = this.#pages[(at - from) / PAGE];
      if (page === undefined) target.fill(0, done, done + count);
      else if (count === PAGE) target.set(page, done);
      else target.set(page.subarray(from, from + count), done);
      done += count;
    }
    return length;
  }

  write(source: Uint8Array, position: number): void {
    if (source.length === 0) return;
    const end = position + source.length;
    const size = this.#size;
    const before = position < size ? this.#copy(position, Math.min(end, size)) : undefined;
    const sizeAfter = end > size ? end : size;
    this.#note({ start: position, end, sizeBefore: size, sizeAfter, before });
    this.#put(source, position);
    this.#size = sizeAfter;
  }

  truncate(size: number): void {
    const was = this.#size;
    if (size === was) return;
    if (size > was) {
      this.#note({ start: size, end: size, sizeBefore: was, sizeAfter: size, before: undefined });
      this.#size = size;
      return;
    }
    const before = this.#copy(size, was);
    this.#note({ start: size, end: was, sizeBefore: was, sizeAfter: size, before });
    this.#cut(size);
  }

  /** Names the changes up to now, for `settle`. */
  mark(): number {
    return this.#firstChange + this.#changes.length;
  }

  /** Makes the changes up to a mark durable. */
  settle(mark: number): void {
    const count = mark - this.#firstChange;
    if (count <= 0) return;
    this.#firstChange = mark;
    if (this.#lost !== undefined) this.#regain(count);
    if (count === this.#changes.length) this.#changes = [];
    else this.#changes.splice(0, count);
  }

  /**
   * What a failed sync leaves: everything counts as clean, so that no later sync writes it, but of
   * each sector chance decides whether it is on the medium; without chance none is.
   */
  failSync(chance: DiskChance | undefined): void {
    if (this.#changes.length === 0) return;
    const durable = this.clone();
    durable.#undoAll();
    const lost = this.#lost ?? new Map<number, Uint8Array>();
    const sectors = this.#sectors().keys();
    for (const sector of sectors) {
      if (chance !== undefined && chance.integer(2) === 0) lost.delete(sector);
      else if (!lost.has(sector)) {
        lost.set(sector, durable.#copy(sector * SECTOR, (sector + 1) * SECTOR));
      }
    }
    const sizeIsLost = chance === undefined || chance.integer(2) === 1;
    if (sizeIsLost) this.#lostSize ??= durable.#size;
    else this.#lostSize = undefined;
    this.#lost = lost.size > 0 || this.#lostSize !== undefined ? lost : undefined;
    this.#firstChange += this.#changes.length;
    this.#changes = [];
  }

  /**
   * Leaves what a power cut left, all of it durable from now. Without chance all that was not
   * synced is lost.
   */
  crash(chance: DiskChance | undefined, model: CrashModel): void {
    if (!this.unsynced) return;
    if (chance === undefined) {
      this.#undoAll();
      this.#restoreLost(undefined);
      this.#cut(this.#lostSize ?? this.#size);
    } else {
      this.#crashBySector(chance, model);
    }
    this.#firstChange += this.#changes.length;
    this.#changes = [];
    this.#lost = undefined;
    this.#lostSize = undefined;
  }

  /** Turns a bit round where it lies, in memory and on the medium; false beyond the end. */
  flip(bit: number): boolean {
    const position = Math.floor(bit / 8);
    if (position < 0 || position >= this.#size) return false;
    const from = position % PAGE;
    this.#page((position - from) / PAGE)[from]! ^= 1 << (bit % 8);
    return true;
  }

  clone(): DiskContents {
    const copy = new DiskContents();
    copy.#size = this.#size;
    copy.#pages = this.#pages.map((page) => page?.slice());
    copy.#changes = this.#changes.slice();
    copy.#firstChange = this.#firstChange;
    copy.#lost = this.#lost === undefined ? undefined : new Map(this.#lost);
    copy.#lostSize = this.#lostSize;
    return copy;
  }

  #note(change: Change): void {
    this.#changes.push(change);
    if (this.#changes.length > UNSYNCED_MAX) this.settle(this.mark() - UNSYNCED_MAX / 2);
  }

  #page(index: number): Uint8Array {
    return this.#pages[index] ??= new Uint8Array(PAGE);
  }

  #put(source: Uint8Array, position: number): void {
    const length = source.length;
    let done = 0;
    while (done < length) {
      const at = position + done;
      const from = at % PAGE;
      const count = Math.min(PAGE - from, length - done);
      const part = count === length ? source : source.subarray(done, done + count);
      this.#page((at - from) / PAGE).set(part, from);
      done += count;
    }
  }

  #zero(start: number, end: number): void {
    let at = start;
    while (at < end) {
      const from = at % PAGE;
      const count = Math.min(PAGE - from, end - at);
      this.#pages[(at - from) / PAGE]?.fill(0, from, from + count);
      at += count;
    }
  }

  /** The bytes of a range, zero where it passes the size. */
  #copy(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - start);
    this.read(bytes, start);
    return bytes;
  }

  /** Sets the size, and drops whatever lies beyond it. */
  #cut(size: number): void {
    this.#size = size;
    const pages = Math.ceil(size / PAGE);
    if (this.#pages.length > pages) this.#pages.length = pages;
    if (size % PAGE !== 0) this.#pages[pages - 1]?.fill(0, size % PAGE);
  }

  /** Undoes a change within a range of bytes. */
  #undo(change: Change, from: number, to: number): void {
    const start = Math.max(from, change.start);
    const end = Math.min(to, change.end);
    const old = change.before;
    const known = change.start + (old === undefined ? 0 : old.length);
    if (old !== undefined && start < known) {
      this.#put(old.subarray(start - change.start, Math.min(end, known) - change.start), start);
    }
    if (end > known) this.#zero(Math.max(start, known), end);
  }

  #undoAll(): void {
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]!;
      this.#undo(change, change.start, change.end);
      if (change.sizeBefore < change.sizeAfter) this.#cut(change.sizeBefore);
      else this.#size = change.sizeBefore;
    }
    this.#firstChange += this.#changes.length;
    this.#changes = [];
  }

  /** The sectors that unsynced changes touch, in order of their first touch. */
  #sectors(): Map<number, Fate> {
    const sectors = new Map<number, Fate>();
    for (const { start, end } of this.#changes) {
      for (let at = Math.floor(start / SECTOR); at * SECTOR < end; at++) {
        const fate = sectors.get(at);
        if (fate === undefined) sectors.set(at, { touched: 1, kept: 0 });
        else fate.touched++;
      }
    }
    return sectors;
  }

  #crashBySector(chance: DiskChance, model: CrashModel): void {
    const size = this.#crashedSize(chance);
    const sectors = this.#sectors();
    for (const fate of sectors.values()) fate.kept = chance.integer(fate.touched + 1);
    const left = new Map<number, number>();
    for (const [sector, fate] of sectors) left.set(sector, fate.touched);
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]!;
      for (let at = Math.floor(change.start / SECTOR); at * SECTOR < change.end; at++) {
        const rank = left.get(at)! - 1;
        left.set(at, rank);
        const { kept } = sectors.get(at)!;
        if (rank >= kept) this.#undo(change, at * SECTOR, (at + 1) * SECTOR);
        else if (rank === kept - 1) this.#maybeTear(change, at, chance, model);
      }
    }
    this.#restoreLost(sectors);
    if (model.unwritten !== "zeros") this.#fillUnwritten(sectors, size, chance);
    this.#cut(size);
  }

  /** One of the lengths the file went through, a long write being written sector by sector. */
  #crashedSize(chance: DiskChance): number {
    const sizes = [this.#lostSize ?? this.#changes[0]?.sizeBefore ?? this.#size];
    for (const { start, sizeBefore, sizeAfter } of this.#changes) {
      if (sizeAfter === sizeBefore) continue;
      let at = (Math.floor(Math.max(start, sizeBefore) / SECTOR) + 1) * SECTOR;
      for (; at < sizeAfter; at += SECTOR) sizes.push(at);
      sizes.push(sizeAfter);
    }
    return sizes.length === 1 ? sizes[0]! : sizes[chance.integer(sizes.length)]!;
  }

  #maybeTear(change: Change, sector: number, chance: DiskChance, model: CrashModel): void {
    const torn = model.tornOf1024 ?? 100;
    if (torn === 0 || chance.integer(1024) >= torn) return;
    const start = Math.max(change.start, sector * SECTOR);
    const end = Math.min(change.end, (sector + 1) * SECTOR, change.sizeAfter);
    if (start >= end) return;
    const from = start + chance.integer(end - start);
    this.#put(noise(1 + chance.integer(end - from), chance), from);
  }

  #restoreLost(sectors: Map<number, Fate> | undefined): void {
    for (const [sector, bytes] of this.#lost ?? []) {
      if ((sectors?.get(sector)?.kept ?? 0) === 0) this.#put(bytes, sector * SECTOR);
    }
  }

  #fillUnwritten(sectors: Map<number, Fate>, size: number, chance: DiskChance): void {
    const written = this.#lostSize ?? this.#changes[0]?.sizeBefore ?? this.#size;
    for (const [sector, { kept }] of sectors) {
      const start = sector * SECTOR;
      if (kept === 0 && start >= written && start < size) this.#put(noise(SECTOR, chance), start);
    }
  }

  /** The first changes are on the medium now, and with them the whole sectors they touch. */
  #regain(count: number): void {
    for (let index = 0; index < count; index++) {
      const { start, end, sizeBefore, sizeAfter } = this.#changes[index]!;
      for (let at = Math.floor(start / SECTOR); at * SECTOR < end; at++) this.#lost!.delete(at);
      if (sizeBefore !== sizeAfter) this.#lostSize = undefined;
    }
    if (this.#lost!.size === 0 && this.#lostSize === undefined) this.#lost = undefined;
  }
}

/** Bytes that nobody wrote (xorshift32). */
function noise(length: number, chance: DiskChance): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = chance.integer(0xffff_ffff) + 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}
