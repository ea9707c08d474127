/**
 * Which offset each key was last seen at, for compaction: an open-addressing table of hashes in one
 * typed array, so that a hundred million records leave no object behind.
 *
 * Owns hashes, places and offsets; it keeps no key. Keys are told apart by 128 bits of hash, as
 * Kafka tells them apart by MD5: two keys of one hash would count as one, which chance brings about
 * for no log that was ever written. The seed is drawn anew for each run.
 *
 * Invariants: an entry takes 24 bytes and none is ever moved; at most `capacity` keys are in it, a
 * part of the places, so that a search ends soon; of a key the highest offset is kept.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";

/** Words of an entry: four of hash, two of the offset within the range, plus one; 0 is free. */
const WORDS = 6;
const ENTRY_BYTES = WORDS * 4;
const TWO_POW_32 = 2 ** 32;
/** A hash is looked for in the places that follow its own: with more taken, that takes long. */
const LOAD_MAX = 0.9;

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** Offsets by key. */
export class CompactionMap {
  /** As many keys as it takes. */
  readonly capacity: number;
  readonly #baseOffset: Offset;
  readonly #seed: number;
  readonly #words: Uint32Array;
  readonly #places: number;
  #size = 0;
  /** Of the key that was hashed last. */
  #h1 = 0;
  #h2 = 0;
  #h3 = 0;
  #h4 = 0;

  /**
   * @param bytesMax as much memory as it may take
   * @param keysMax no more keys will come
   * @param baseOffset no offset is lower
   */
  constructor(bytesMax: number, keysMax: number, baseOffset: Offset, seed: number) {
    const places = Math.min(Math.floor(bytesMax / ENTRY_BYTES), Math.ceil(keysMax / LOAD_MAX) + 1);
    this.#places = Math.max(places, 2);
    this.capacity = Math.max(1, Math.floor(this.#places * LOAD_MAX));
    this.#words = new Uint32Array(this.#places * WORDS);
    this.#baseOffset = baseOffset;
    this.#seed = seed | 0;
  }

  /** Keys in it. */
  get size(): number {
    return this.#size;
  }

  get sizeInBytes(): number {
    return this.#words.byteLength;
  }

  /** Takes in that a key was seen at `offset`. False, and nothing changes, where there is no room. */
  put(bytes: Uint8Array, keyStart: number, keyLength: number, offset: Offset): boolean {
    this.#hash(bytes, keyStart, keyLength);
    const at = this.#find();
    const words = this.#words;
    const value = offset - this.#baseOffset + 1;
    if (words[at + 4] === 0 && words[at + 5] === 0) {
      if (this.#size >= this.capacity) return false;
      this.#size++;
      words[at] = this.#h1;
      words[at + 1] = this.#h2;
      words[at + 2] = this.#h3;
      words[at + 3] = this.#h4;
    } else if (value <= words[at + 4]! + words[at + 5]! * TWO_POW_32) return true;
    words[at + 4] = value;
    words[at + 5] = value / TWO_POW_32;
    return true;
  }

  /** The highest offset that a key was seen at, or -1. */
  get(bytes: Uint8Array, keyStart: number, keyLength: number): Offset {
    this.#hash(bytes, keyStart, keyLength);
    const at = this.#find();
    const value = this.#words[at + 4]! + this.#words[at + 5]! * TWO_POW_32;
    return value === 0 ? -1 : this.#baseOffset + value - 1;
  }

  /** Where the entry of the hash stands, or would. */
  #find(): number {
    const words = this.#words;
    const places = this.#places;
    const h1 = this.#h1 >>> 0;
    const h2 = this.#h2 >>> 0;
    const h3 = this.#h3 >>> 0;
    const h4 = this.#h4 >>> 0;
    // A multiplication in place of a division: the hash's first word, taken as a part of one.
    let place = Math.floor(h1 / TWO_POW_32 * places);
    for (;;) {
      const at = place * WORDS;
      if (
        words[at] === h1 && words[at + 1] === h2 && words[at + 2] === h3 && words[at + 3] === h4
      ) return at;
      if (words[at + 4] === 0 && words[at + 5] === 0) return at;
      if (++place === places) place = 0;
    }
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
