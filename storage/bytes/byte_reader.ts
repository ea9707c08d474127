/**
 * A position that moves over bytes from outside: fixed-width integers, varints and slices.
 *
 * Invariants: `position` is never past `end`; nothing at or after `end` is read; a read that would
 * pass `end` throws RangeError. Reads of numbers allocate nothing. After a RangeError the position
 * is somewhere inside the value that could not be read.
 *
 * @module
 */

import { readInt16, readInt32, readInt64 } from "./big_endian.ts";

const TWO_POW_27 = 2 ** 27;
const TWO_POW_55 = 2 ** 55;
const NO_BYTES = new Uint8Array(0);

/** Reads values one after the other from a range of a Uint8Array. */
export class ByteReader {
  /** Where the next read starts, as an index into the whole array. */
  position = 0;
  #end = 0;
  #source: Uint8Array = NO_BYTES;

  /** @throws RangeError when the range is outside `source` */
  constructor(source: Uint8Array = NO_BYTES, from = 0, to: number = source.length) {
    this.reset(source, from, to);
  }

  /**
   * Reads from `from` up to `to` of another array from now on.
   *
   * @throws RangeError when the range is outside `source`
   */
  reset(source: Uint8Array, from = 0, to: number = source.length): this {
    if (!(from >= 0 && from <= to && to <= source.length)) {
      throw new RangeError(`Cannot read bytes ${from} to ${to}: there are ${source.length}`);
    }
    this.#source = source;
    this.position = from;
    this.#end = to;
    return this;
  }

  /** The array read from. */
  get source(): Uint8Array {
    return this.#source;
  }

  /** The index that no read passes. */
  get end(): number {
    return this.#end;
  }

  /** Bytes left to read. */
  get remaining(): number {
    return this.#end - this.position;
  }

  /** @throws RangeError at the end */
  uint8(): number {
    return this.#source[this.#take(1)]!;
  }

  /** @throws RangeError at the end */
  int8(): number {
    return (this.#source[this.#take(1)]! << 24) >> 24;
  }

  /** @throws RangeError when fewer than two bytes are left */
  int16(): number {
    return readInt16(this.#source, this.#take(2));
  }

  /** @throws RangeError when fewer than four bytes are left */
  int32(): number {
    return readInt32(this.#source, this.#take(4));
  }

  /** @throws RangeError when fewer than four bytes are left */
  uint32(): number {
    return readInt32(this.#source, this.#take(4)) >>> 0;
  }

  /** @throws RangeError when fewer than eight bytes are left or the value is no safe integer */
  int64(): number {
    return readInt64(this.#source, this.#take(8));
  }

  /** @throws RangeError when it passes the end, 5 bytes or 32 bits */
  unsignedVarint(): number {
    const position = this.position;
    if (position < this.#end) {
      const first = this.#source[position]!;
      if (first < 0x80) {
        this.position = position + 1;
        return first;
      }
    }
    return this.#longVarint();
  }

  /** Reads a zigzag varint. @throws RangeError when it passes the end, 5 bytes or 32 bits */
  varint(): number {
    const zigzag = this.unsignedVarint();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  /**
   * Reads a zigzag varlong.
   *
   * @throws RangeError when it passes the end or 10 bytes, or the value is no safe integer
   */
  varlong(): number {
    const position = this.position;
    if (position < this.#end) {
      const first = this.#source[position]!;
      if (first < 0x80) {
        this.position = position + 1;
        return (first >>> 1) ^ -(first & 1);
      }
    }
    return this.#longVarlong();
  }

  /**
   * A view of the next `length` bytes: it shares memory with the source.
   *
   * @throws RangeError when `length` is negative or more than what is left
   */
  bytes(length: number): Uint8Array {
    const from = this.#take(length);
    return this.#source.subarray(from, from + length);
  }

  /** Passes over `length` bytes. @throws RangeError when negative or more than what is left */
  skip(length: number): void {
    this.#take(length);
  }

  /** Moves past `length` bytes and returns where they start. */
  #take(length: number): number {
    const from = this.position;
    if (length < 0 || length > this.#end - from) this.#refuse(length);
    this.position = from + length;
    return from;
  }

  #longVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    const last = this.uint8();
    if (last > 0x0f) throw new RangeError("Cannot read varint: longer than 32 bits");
    return (value | (last << 28)) >>> 0;
  }

  #longVarlong(): number {
    // Three parts of at most 28 bits, since a 64-bit value fits no JavaScript number.
    const low = this.#varlongPart(4);
    const middle = this.#more ? this.#varlongPart(4) : 0;
    const high = this.#more ? this.#varlongPart(2) : 0;
    if (this.#more || high > 0xff) throw new RangeError("Cannot read varlong: longer than 64 bits");
    const magnitude = high * TWO_POW_55 + middle * TWO_POW_27 + (low >>> 1);
    const value = (low & 1) === 0 ? magnitude : -magnitude - 1;
    if (!Number.isSafeInteger(value)) {
      throw new RangeError(`Cannot read varlong near ${value}: no safe integer`);
    }
    return value;
  }

  /** Whether the last byte that `#varlongPart` read says that more follow. */
  #more = false;

  #varlongPart(bytesMax: number): number {
    let part = 0;
    this.#more = true;
    for (let index = 0; this.#more && index < bytesMax; index++) {
      const byte = this.uint8();
      part |= (byte & 0x7f) << (7 * index);
      this.#more = byte >= 0x80;
    }
    return part;
  }

  #refuse(length: number): never {
    throw new RangeError(
      `Cannot read ${length} bytes at ${this.position}: ${this.#end - this.position} are left`,
    );
  }
}
