/**
 * Which offset each key was last seen at, for compaction: open-addressing tables of hashes in typed
 * arrays, so that a hundred million records leave no object behind.
 *
 * Owns hashes, places and offsets; it keeps no key. Keys are told apart by 128 bits of hash, as
 * Kafka tells them apart by MD5: two keys of one hash would count as one, which chance brings about
 * for no log that was ever written. The seed is drawn anew for each run.
 *
 * The tables are small and of one size, each for the hashes that begin alike; one that is full is
 * split into two (extendible hashing). So it takes little more memory than its keys need, which is
 * what makes it fast, and no put takes long.
 *
 * Invariants: an entry takes 24 bytes; tables take at most the bytes given.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";

/** Words of an entry: four of hash, two of the offset within the range, plus one; 0 is free. */
const WORDS = 6;
const ENTRY_BYTES = WORDS * 4;
const TWO_POW_32 = 2 ** 32;
/** What `put` says besides offsets. */
export const NEW_KEY = -1;
export const NO_ROOM = -2;

/** Entries of a table. */
const TABLE_ENTRIES = 4096;
const TABLE_BYTES = TABLE_ENTRIES * ENTRY_BYTES;
/** A hash is looked for in the places that follow its own: with more taken, that takes long. */
const LOAD_MAX = 0.75;
/** Hashes that begin with as many bits alike share a table, come what may. */
const DEPTH_MAX = 24;

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** The entries of hashes that begin with the same `depth` bits. */
interface Table {
  words: Uint32Array;
  readonly entries: number;
  depth: number;
  size: number;
}

/** Offsets by key. */
export class CompactionMap {
  readonly #tablesMax: number;
  readonly #baseOffset: Offset;
  readonly #seed: number;
  /** By the first `#depth` bits of a hash. */
  #directory: Table[];
  #depth = 0;
  #tables = 1;
  #size = 0;
  /** Of the key that was hashed last. */
  #h1 = 0;
  #h2 = 0;
  #h3 = 0;
  #h4 = 0;

  /**
   * @param bytesMax as much memory as it may take
   * @param baseOffset no offset is lower
   */
  constructor(bytesMax: number, baseOffset: Offset, seed: number) {
    this.#tablesMax = Math.floor(bytesMax / TABLE_BYTES);
    const entries = Math.min(TABLE_ENTRIES, Math.max(2, Math.floor(bytesMax / ENTRY_BYTES)));
    this.#directory = [makeTable(entries, 0)];
    this.#baseOffset = baseOffset;
    this.#seed = seed | 0;
  }

  /** Keys in it. */
  get size(): number {
    return this.#size;
  }

  get sizeInBytes(): number {
    return this.#tables * this.#directory[0]!.words.byteLength;
  }

  /**
   * Takes in that a key was seen at `offset`, after all that was taken in before. Returns where it
   * was seen last, NEW_KEY, or NO_ROOM where nothing has changed.
   */
  put(bytes: Uint8Array, keyStart: number, keyLength: number, offset: Offset): number {
    this.#hash(bytes, keyStart, keyLength);
    const value = offset - this.#baseOffset + 1;
    for (;;) {
      const table = this.#table();
      const at = this.#find(table);
      const { words } = table;
      const known = words[at + 4]! + words[at + 5]! * TWO_POW_32;
      if (known !== 0) {
        words[at + 4] = value;
        words[at + 5] = value / TWO_POW_32;
        return this.#baseOffset + known - 1;
      }
      if (table.size < table.entries * LOAD_MAX - 1) {
        words[at] = this.#h1;
        words[at + 1] = this.#h2;
        words[at + 2] = this.#h3;
        words[at + 3] = this.#h4;
        words[at + 4] = value;
        words[at + 5] = value / TWO_POW_32;
        table.size++;
        this.#size++;
        return NEW_KEY;
      }
      if (!this.#split(table)) return NO_ROOM;
    }
  }

  /** The highest offset that a key was seen at, or -1. */
  get(bytes: Uint8Array, keyStart: number, keyLength: number): Offset {
    this.#hash(bytes, keyStart, keyLength);
    const table = this.#table();
    const at = this.#find(table);
    const value = table.words[at + 4]! + table.words[at + 5]! * TWO_POW_32;
    return value === 0 ? -1 : this.#baseOffset + value - 1;
  }

  #table(): Table {
    return this.#directory[this.#depth === 0 ? 0 : this.#h1 >>> (32 - this.#depth)]!;
  }

  /** Where in a table the entry of the hash stands, or would. */
  #find({ words, entries }: Table): number {
    const h1 = this.#h1 >>> 0;
    const h2 = this.#h2 >>> 0;
    const h3 = this.#h3 >>> 0;
    const h4 = this.#h4 >>> 0;
    let place = h2 % entries;
    for (;;) {
      const at = place * WORDS;
      if (
        words[at] === h1 && words[at + 1] === h2 && words[at + 2] === h3 && words[at + 3] === h4
      ) return at;
      if (words[at + 4] === 0 && words[at + 5] === 0) return at;
      if (++place === entries) place = 0;
    }
  }

  /** Makes two of a table, by the next bit of the hashes. False where there is no room for it. */
  #split(table: Table): boolean {
    if (this.#tables >= this.#tablesMax || table.depth >= DEPTH_MAX) return false;
    if (table.depth === this.#depth) {
      this.#directory = this.#directory.flatMap((each) => [each, each]);
      this.#depth++;
    }
    const { words, entries } = table;
    const depth = ++table.depth;
    const other = makeTable(entries, depth);
    this.#tables++;
    const bit = 1 << (32 - depth);
    const own = new Uint32Array(words.length);
    table.words = own;
    table.size = 0;
    for (let from = 0; from < words.length; from += WORDS) {
      if (words[from + 4] === 0 && words[from + 5] === 0) continue;
      move(words, from, (words[from]! & bit) === 0 ? table : other);
    }
    const stride = 1 << (this.#depth - depth);
    for (let index = stride; index < this.#directory.length; index += 2 * stride) {
      if (this.#directory[index] !== table) continue;
      this.#directory.fill(other, index, index + stride);
    }
    return true;
  }

  /** MurmurHash3 in its form of four words. */
  #hash(bytes: Uint8Array, start: number, length: number): void {
    const seed = this.#seed;
    let h1 = seed;
    let h2 = seed;
    let h3 = seed;
    let h4 = seed;
    const end = start + length;
    let at = start;
    for (; at + 16 <= end; at += 16) {
      h1 ^= mix(word(bytes, at), C1, 15, C2);
      h1 = Math.imul(((h1 << 19) | (h1 >>> 13)) + h2, 5) + 0x561ccd1b | 0;
      h2 ^= mix(word(bytes, at + 4), C2, 16, C3);
      h2 = Math.imul(((h2 << 17) | (h2 >>> 15)) + h3, 5) + 0x0bcaa747 | 0;
      h3 ^= mix(word(bytes, at + 8), C3, 17, C4);
      h3 = Math.imul(((h3 << 15) | (h3 >>> 17)) + h4, 5) + 0x96cd1c35 | 0;
      h4 ^= mix(word(bytes, at + 12), C4, 18, C1);
      h4 = Math.imul(((h4 << 13) | (h4 >>> 19)) + h1, 5) + 0x32ac3b17 | 0;
    }
    if (at < end) {
      h1 ^= mix(tail(bytes, at, end), C1, 15, C2);
      h2 ^= mix(tail(bytes, at + 4, end), C2, 16, C3);
      h3 ^= mix(tail(bytes, at + 8, end), C3, 17, C4);
      h4 ^= mix(tail(bytes, at + 12, end), C4, 18, C1);
    }
    h1 ^= length;
    h2 ^= length;
    h3 ^= length;
    h4 ^= length;
    h1 = h1 + h2 + h3 + h4 | 0;
    h2 = h2 + h1 | 0;
    h3 = h3 + h1 | 0;
    h4 = h4 + h1 | 0;
    h1 = finish(h1);
    h2 = finish(h2);
    h3 = finish(h3);
    h4 = finish(h4);
    this.#h1 = h1 = h1 + h2 + h3 + h4 | 0;
    this.#h2 = h2 + h1 | 0;
    this.#h3 = h3 + h1 | 0;
    this.#h4 = h4 + h1 | 0;
  }
}

function makeTable(entries: number, depth: number): Table {
  return { words: new Uint32Array(entries * WORDS), entries, depth, size: 0 };
}

/** Puts an entry into another table, which does not have it. */
function move(source: Uint32Array, from: number, table: Table): void {
  const { words, entries } = table;
  let place = source[from + 1]! % entries;
  while (words[place * WORDS + 4] !== 0 || words[place * WORDS + 5] !== 0) {
    if (++place === entries) place = 0;
  }
  for (let word = 0; word < WORDS; word++) words[place * WORDS + word] = source[from + word]!;
  table.size++;
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
}

/** A word of which the bytes from `end` on count as 0. */
function tail(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return word(bytes, at);
  let value = 0;
  for (let index = at; index < end; index++) value |= bytes[index]! << ((index - at) << 3);
  return value;
}

function mix(value: number, before: number, bits: number, after: number): number {
  const product = Math.imul(value, before);
  return Math.imul(product << bits | product >>> (32 - bits), after);
}

function finish(value: number): number {
  value = Math.imul(value ^ value >>> 16, 0x85ebca6b);
  value = Math.imul(value ^ value >>> 13, 0xc2b2ae35);
  return value ^ value >>> 16;
}
