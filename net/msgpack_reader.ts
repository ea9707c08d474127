/**
 * Reads single values in msgpack from bytes that may hold anything.
 *
 * Integers may come in any form, also in that of a float, which some encoders use past 32 bits;
 * what is no integer of the field's range is refused. So are maps, extensions and whatever else
 * messages do not use, at their first byte.
 *
 * Invariants: nothing at or past `end` is read; nothing is built before the bytes that fill it are
 * known to be there; each attachment is referred to exactly once, in order.
 *
 * @module
 */

import { readInt32 } from "../storage/bytes/big_endian.ts";
import { ZERO_UUID } from "../storage/bytes/ids.ts";
import {
  ARRAY16,
  ARRAY32,
  BIN16,
  BIN32,
  BIN8,
  FALSE,
  FLOAT32,
  FLOAT64,
  INT16,
  INT32,
  INT64,
  INT8,
  NIL,
  STR16,
  STR8,
  TRUE,
  UINT16,
  UINT32,
  UINT64,
  UINT8,
} from "./msgpack_tokens.ts";
import { refuse } from "./schema/fault.ts";
import type { FieldReader } from "./schema/reading.ts";
import { readText, STRING_BYTES_MAX } from "./schema/text.ts";
import { readUuid } from "./schema/uuid.ts";

const TWO_POW_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);

/** The bits of a float; such values are rare. */
const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

/** Reads values one after the other from bytes that may hold anything. */
export class MsgpackReader implements FieldReader {
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;
  #end = 0;
  #attachmentSizes: readonly number[] = [];
  #attachmentsUsed = 0;
  /** Where the next attachment starts. */
  #attachmentStart = 0;
  readonly #elementsMax: number;
  #elements = 0;

  /** @param elementsMax the most elements that all arrays of what is read may have together */
  constructor(elementsMax = Infinity) {
    this.#elementsMax = elementsMax;
  }

  /** Reads the bytes from `start` up to `end`. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#elements = 0;
    this.attach([], end);
  }

  /** What records refer to: attachments of these sizes, one after the other from `start` on. */
  attach(sizes: readonly number[], start: number): void {
    this.#attachmentSizes = sizes;
    this.#attachmentsUsed = 0;
    this.#attachmentStart = start;
  }

  bool(): boolean {
    const token = this.#token();
    if (token === FALSE) return false;
    if (token === TRUE) return true;
    return this.#unexpected(token, "bool");
  }

  int8(): number {
    return this.#integer(-0x80, 0x7f, "int8");
  }

  int16(): number {
    return this.#integer(-0x8000, 0x7fff, "int16");
  }

  uint16(): number {
    return this.#integer(0, 0xffff, "uint16");
  }

  int32(): number {
    return this.#integer(-0x80000000, 0x7fffffff, "int32");
  }

  uint32(): number {
    return this.#integer(0, 0xffffffff, "uint32");
  }

  int64(): number {
    return this.#integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "int64");
  }

  float64(): number {
    const token = this.#token();
    if (token === FLOAT64 || token === FLOAT32) return this.#float(token);
    // Some encoders write a float without a fraction as an integer.
    this.#position--;
    return this.#integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "float64");
  }

  string(): string {
    const token = this.#token();
    const length = (token & 0xe0) === 0xa0 ? token & 0x1f : this.#length(token, STR8, "string");
    if (length > STRING_BYTES_MAX) refuse(`the text has ${length} bytes, over 32767`);
    const start = this.#take(length);
    return readText(this.#bytes, start, start + length);
  }

  uuid(): string {
    const token = this.#token();
    if (token === NIL) return ZERO_UUID;
    const length = this.#length(token, BIN8, "uuid");
    if (length !== 16) refuse(`${length} bytes are no uuid`);
    return readUuid(this.#bytes, this.#take(16));
  }

  /** A copy: messages outlive the frame that they came in. */
  bytes(): Uint8Array {
    const length = this.#length(this.#token(), BIN8, "bytes");
    const start = this.#take(length);
    return this.#bytes.slice(start, start + length);
  }

  /** A view of an attachment: it lasts as long as the frame. */
  records(): Uint8Array {
    const index = this.uint32();
    const due = this.#attachmentsUsed;
    if (index !== due) refuse(`attachment ${index} is not the next one, ${due}`);
    const size = this.#attachmentSizes[index] ?? refuse(`there is no attachment ${index}`);
    const start = this.#attachmentStart;
    this.#attachmentStart = start + size;
    this.#attachmentsUsed++;
    return this.#bytes.subarray(start, start + size);
  }

  array(): number {
    const count = this.#header();
    this.#elements += count;
    if (this.#elements > this.#elementsMax) refuse(`more than ${this.#elementsMax} elements`);
    return count;
  }

  #header(): number {
    const token = this.#token();
    if ((token & 0xf0) === 0x90) return this.#count(token & 0x0f);
    if (token === ARRAY16) return this.#count(this.#unsigned(2));
    if (token === ARRAY32) return this.#count(this.#unsigned(4));
    return this.#unexpected(token, "array");
  }

  struct(fields: number): void {
    const count = this.#header();
    if (count !== fields) refuse(`${count} fields are there, where ${fields} are due`);
  }

  nullableString(): string | null {
    return this.#nil() ? null : this.string();
  }

  nullableBytes(): Uint8Array | null {
    return this.#nil() ? null : this.bytes();
  }

  nullableRecords(): Uint8Array | null {
    return this.#nil() ? null : this.records();
  }

  nullableArray(): number {
    return this.#nil() ? -1 : this.array();
  }

  nullableStruct(fields: number): boolean {
    if (this.#nil()) return false;
    this.struct(fields);
    return true;
  }

  isDefault(): boolean {
    return this.#nil();
  }

  tags(): number {
    throw new TypeError("Cannot read tags: the native form has none");
  }

  tag(): number {
    throw new TypeError("Cannot read tags: the native form has none");
  }

  beginTag(): number {
    throw new TypeError("Cannot read tags: the native form has none");
  }

  endTag(): void {
    throw new TypeError("Cannot read tags: the native form has none");
  }

  skipTag(): void {
    throw new TypeError("Cannot read tags: the native form has none");
  }

  /** Refuses what follows the message, and attachments that it does not refer to. */
  finish(): void {
    const left = this.#end - this.#position;
    if (left !== 0) refuse(`${left} bytes follow the message`);
    const unused = this.#attachmentSizes.length - this.#attachmentsUsed;
    if (unused !== 0) refuse(`${unused} attachments belong to no field`);
  }

  #token(): number {
    if (this.#position >= this.#end) refuse("the bytes end here");
    return this.#bytes[this.#position++]!;
  }

  /** Passes over a nil, if it is next. */
  #nil(): boolean {
    if (this.#position >= this.#end || this.#bytes[this.#position] !== NIL) return false;
    this.#position++;
    return true;
  }

  /** Moves past so many bytes and returns where they start. */
  #take(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) {
      refuse(`${length} bytes are due, where ${this.#end - start} are left`);
    }
    this.#position = start + length;
    return start;
  }

  #integer(min: number, max: number, kind: string): number {
    const token = this.#token();
    if (token < 0x80) return token;
    const value = token >= 0xe0 ? token - 0x100 : this.#wide(token, kind);
    if (!(value >= min && value <= max)) refuse(`${value} is no ${kind}`);
    return value;
  }

  /** An integer of more than one byte; it may still be out of the field's range. */
  #wide(token: number, kind: string): number {
    switch (token) {
      case UINT8:
        return this.#unsigned(1);
      case UINT16:
        return this.#unsigned(2);
      case UINT32:
        return this.#unsigned(4);
      case UINT64:
        return this.#unsigned(4) * TWO_POW_32 + this.#unsigned(4);
      case INT8:
        return (this.#unsigned(1) << 24) >> 24;
      case INT16:
        return (this.#unsigned(2) << 16) >> 16;
      case INT32:
        return this.#unsigned(4) | 0;
      case INT64:
        return (this.#unsigned(4) | 0) * TWO_POW_32 + this.#unsigned(4);
      case FLOAT32:
      case FLOAT64: {
        const value = this.#float(token);
        if (!Number.isSafeInteger(value)) refuse(`${value} is no ${kind}`);
        return value + 0; // There is no integer -0.
      }
      default:
        return this.#unexpected(token, kind);
    }
  }

  #unsigned(size: 1 | 2 | 4): number {
    const start = this.#take(size);
    const bytes = this.#bytes;
    if (size === 1) return bytes[start]!;
    if (size === 2) return (bytes[start]! << 8) | bytes[start + 1]!;
    return readInt32(bytes, start) >>> 0;
  }

  #float(token: number): number {
    const size = token === FLOAT64 ? 8 : 4;
    const start = this.#take(size);
    for (let index = 0; index < size; index++) floatBytes[index] = this.#bytes[start + index]!;
    return size === 8 ? float.getFloat64(0) : float.getFloat32(0);
  }

  /** The length of a str or bin, whose three kinds follow each other. */
  #length(token: number, kind: typeof STR8 | typeof BIN8, name: string): number {
    switch (token - kind) {
      case 0:
        return this.#unsigned(1);
      case STR16 - STR8:
      case BIN16 - BIN8:
        return this.#unsigned(2);
      case BIN32 - BIN8:
        return this.#unsigned(4);
      default:
        return this.#unexpected(token, name);
    }
  }

  /** A count of elements, each of which takes a byte at least. */
  #count(count: number): number {
    if (count > this.#end - this.#position) {
      refuse(`${count} elements are due, where ${this.#end - this.#position} bytes are left`);
    }
    return count;
  }

  #unexpected(token: number, kind: string): never {
    if (token === NIL) refuse("null is not allowed");
    return refuse(`0x${token.toString(16)} begins no ${kind}`);
  }
}
