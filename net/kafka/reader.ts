/**
 * Reads single values of Kafka's protocol from bytes that may hold anything, in both its forms.
 *
 * Invariants: nothing past the end is read; nothing is built before the bytes that fill it are
 * known to be there; unknown tagged fields are passed over.
 *
 * @module
 */

import { ByteReader } from "../../storage/bytes/byte_reader.ts";
import { refuse } from "../schema/fault.ts";
import type { FieldReader } from "../schema/reading.ts";
import { readText, STRING_BYTES_MAX } from "../schema/text.ts";
import { readUuid } from "../schema/uuid.ts";

const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

/** What both forms share. */
abstract class KafkaReader implements FieldReader {
  protected readonly input = new ByteReader();
  /** How many elements arrays may still have. */
  #elementsLeft = Infinity;

  /** Reads the bytes from `start` up to `end`, of at most so many elements of arrays in all. */
  reset(bytes: Uint8Array, start: number, end: number, elementsMax = Infinity): void {
    this.input.reset(bytes, start, end);
    this.#elementsLeft = elementsMax;
  }

  get position(): number {
    return this.input.position;
  }

  bool(): boolean {
    return this.input.uint8() !== 0;
  }

  int8(): number {
    return this.input.int8();
  }

  int16(): number {
    return this.input.int16();
  }

  uint16(): number {
    return this.input.int16() & 0xffff;
  }

  int32(): number {
    return this.input.int32();
  }

  uint32(): number {
    return this.input.uint32();
  }

  int64(): number {
    return this.input.int64();
  }

  float64(): number {
    floatBytes.set(this.input.bytes(8));
    return float.getFloat64(0);
  }

  uuid(): string {
    const start = this.input.position;
    this.input.skip(16);
    return readUuid(this.input.source, start);
  }

  string(): string {
    return this.nullableString() ?? refuse("null is not allowed");
  }

  nullableString(): string | null {
    const length = this.textLength();
    if (length < 0) return null;
    if (length > STRING_BYTES_MAX) refuse(`the text has ${length} bytes, over 32767`);
    const start = this.input.position;
    this.input.skip(length);
    return readText(this.input.source, start, start + length);
  }

  bytes(): Uint8Array {
    return this.nullableBytes() ?? refuse("null is not allowed");
  }

  /** A copy: messages outlive the frame that they came in. */
  nullableBytes(): Uint8Array | null {
    return this.nullableRecords()?.slice() ?? null;
  }

  records(): Uint8Array {
    return this.nullableRecords() ?? refuse("null is not allowed");
  }

  /** A view: it lasts as long as the frame. */
  nullableRecords(): Uint8Array | null {
    const length = this.length();
    return length < 0 ? null : this.input.bytes(length);
  }

  array(): number {
    const count = this.nullableArray();
    if (count < 0) refuse("null is not allowed");
    return count;
  }

  nullableArray(): number {
    const count = this.length();
    // Each element takes a byte at least.
    if (count > this.input.remaining) {
      refuse(`${count} elements are due, where ${this.input.remaining} bytes are left`);
    }
    this.#elementsLeft -= Math.max(0, count);
    if (this.#elementsLeft < 0) refuse("more elements than are allowed in a message");
    return count;
  }

  struct(_fields: number): void {}

  nullableStruct(_fields: number): boolean {
    return this.input.int8() >= 0;
  }

  isDefault(): boolean {
    throw new TypeError("Cannot read a default: Kafka's forms leave it out");
  }

  /** Refuses what follows the message. */
  finish(): void {
    if (this.input.remaining !== 0) refuse(`${this.input.remaining} bytes follow the message`);
  }

  abstract tags(): number;
  abstract tag(): number;
  abstract beginTag(): number;
  abstract endTag(end: number): void;
  abstract skipTag(end: number): void;
  /** The length of a text, or less than 0 for null. */
  protected abstract textLength(): number;
  /** The length of bytes or an array, or -1 for null. */
  protected abstract length(): number;
}

/** Fixed-width lengths; no tagged fields. */
export class PlainReader extends KafkaReader {
  tags(): number {
    return 0;
  }

  tag(): number {
    throw new TypeError("Cannot read tags: the plain form has none");
  }

  beginTag(): number {
    throw new TypeError("Cannot read tags: the plain form has none");
  }

  endTag(): void {
    throw new TypeError("Cannot read tags: the plain form has none");
  }

  skipTag(): void {
    throw new TypeError("Cannot read tags: the plain form has none");
  }

  protected textLength(): number {
    const length = this.input.int16();
    if (length < -1) refuse(`the length is ${length}`);
    return length;
  }

  protected length(): number {
    const length = this.input.int32();
    if (length < -1) refuse(`the length is ${length}`);
    return length;
  }
}

/** Compact lengths and tagged fields. */
export class FlexibleReader extends KafkaReader {
  tags(): number {
    const count = this.input.unsignedVarint();
    // Each takes two bytes at least.
    if (count * 2 > this.input.remaining) {
      refuse(`${count} tagged fields are due, where ${this.input.remaining} bytes are left`);
    }
    return count;
  }

  tag(): number {
    return this.input.unsignedVarint();
  }

  beginTag(): number {
    const size = this.input.unsignedVarint();
    if (size > this.input.remaining) {
      refuse(`a tagged field has ${size} bytes, where ${this.input.remaining} are left`);
    }
    return this.input.position + size;
  }

  endTag(end: number): void {
    if (this.input.position !== end) {
      refuse(`a tagged field ends ${this.input.position - end} bytes past its size`);
    }
  }

  skipTag(end: number): void {
    this.input.position = end;
  }

  protected textLength(): number {
    return this.input.unsignedVarint() - 1;
  }

  protected length(): number {
    return this.input.unsignedVarint() - 1;
  }
}
