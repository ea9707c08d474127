/**
 * Which records of a range of offsets are the latest of their keys: one bit an offset, so that the
 * second walk of a compaction need not look up what the first one has just noted, nor look into
 * batches of which nothing stays.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";

/** So many bits are told by 32 bits of their place. */
const OFFSETS_MAX = 2 ** 30;

export class LatestRecords {
  readonly #from: Offset;
  readonly #bits: Uint8Array;

  /** One is made by {@link LatestRecords.of}. */
  constructor(from: Offset, to: Offset) {
    this.#from = from;
    this.#bits = new Uint8Array(Math.ceil((to - from) / 8));
  }

  /** Undefined for a range so wide that it would take more memory: then the map is asked. */
  static of(from: Offset, to: Offset, bytesMax: number): LatestRecords | undefined {
    return to - from > Math.min(bytesMax * 8, OFFSETS_MAX)
      ? undefined
      : new LatestRecords(from, to);
  }

  /** The first offset that it knows of. */
  get from(): Offset {
    return this.#from;
  }

  /** The record at `offset` is the latest of its key, and the one at `previous` no more; or -1. */
  moved(previous: Offset, offset: Offset): void {
    if (previous >= 0) this.#clear(previous - this.#from);
    this.#set(offset - this.#from);
  }

  /** What cannot be read may be the latest of some key. */
  keep(firstOffset: Offset, lastOffset: Offset): void {
    const bits = this.#bits;
    const first = Math.max(0, firstOffset - this.#from);
    const last = Math.min(lastOffset - this.#from, bits.length * 8 - 1);
    if (first > last) return;
    const firstByte = first >>> 3;
    const lastByte = last >>> 3;
    const head = 0xff << (first & 7);
    const tail = 0xff >>> (7 - (last & 7));
    if (firstByte === lastByte) bits[firstByte]! |= head & tail;
    else {
      bits[firstByte]! |= head;
      bits.fill(0xff, firstByte + 1, lastByte);
      bits[lastByte]! |= tail;
    }
  }

  has(offset: Offset): boolean {
    const bit = offset - this.#from;
    return (this.#bits[bit >>> 3]! & 1 << (bit & 7)) !== 0;
  }

  /** Whether there is any from one offset to another, both included. */
  hasAny(firstOffset: Offset, lastOffset: Offset): boolean {
    const bits = this.#bits;
    const first = firstOffset - this.#from;
    const last = lastOffset - this.#from;
    const firstByte = first >>> 3;
    const lastByte = last >>> 3;
    for (let byte = firstByte; byte <= lastByte; byte++) {
      let value = bits[byte]!;
      if (byte === firstByte) value &= 0xff << (first & 7);
      if (byte === lastByte) value &= 0xff >>> (7 - (last & 7));
      if (value !== 0) return true;
    }
    return false;
  }

  #set(bit: number): void {
    this.#bits[bit >>> 3]! |= 1 << (bit & 7);
  }

  #clear(bit: number): void {
    this.#bits[bit >>> 3]! &= ~(1 << (bit & 7));
  }
}
