/**
 * Writes single values as Kafka's protocol has them, in its plain and its flexible form.
 *
 * Plain: strings have two bytes of length, bytes and arrays four, -1 is null. Flexible: lengths are
 * unsigned varints of one more than the length, 0 is null, and each struct ends with tagged fields.
 *
 * Records of 256 KiB or more are not copied: they are noted in `inserts`, to be put between what is
 * written before and after them.
 *
 * Invariant: what does not fit into the buffer is counted without being written. Whoever finds
 * `position` past the end of the buffer takes a larger one and writes again.
 *
 * @module
 */

import { writeInt16, writeInt32, writeInt64 } from "../../storage/bytes/big_endian.ts";
import { sizeOfUnsignedVarint, writeUnsignedVarint } from "../../storage/bytes/varint.ts";
import { UNCOPIED_BYTES_MIN } from "../frame_writer.ts";
import { refuse } from "../schema/fault.ts";
import { encodeText, writeAscii } from "../schema/text.ts";
import { writeUuid } from "../schema/uuid.ts";
import type { FieldWriter } from "../schema/writing.ts";

const NO_BYTES = new Uint8Array(0);
/** The longest text that is tried as ASCII first; its compact length is one byte. */
const SHORT_TEXT_MAX = 126;

const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

/** Bytes that belong before the byte written at `position`. */
export interface Insert {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What both forms share. */
abstract class KafkaWriter implements FieldWriter {
  protected buffer: Uint8Array = NO_BYTES;
  /** Where the next value goes; past the end of the buffer if it was too small. */
  position = 0;
  inserts: Insert[] = [];

  /** Writes into the buffer from the position on. */
  reset(buffer: Uint8Array, position: number): void {
    this.buffer = buffer;
    this.position = position;
    this.inserts = [];
  }

  bool(value: boolean): void {
    if (typeof value !== "boolean") refuse("the value is no bool");
    this.buffer[this.position++] = value ? 1 : 0;
  }

  int8(value: number): void {
    if (value !== (value << 24) >> 24) refuse(`${value} is no int8`);
    this.buffer[this.position++] = value;
  }

  int16(value: number): void {
    if (value !== (value << 16) >> 16) refuse(`${value} is no int16`);
    writeInt16(this.buffer, this.position, value);
    this.position += 2;
  }

  uint16(value: number): void {
    if (value !== (value & 0xffff)) refuse(`${value} is no uint16`);
    writeInt16(this.buffer, this.position, value);
    this.position += 2;
  }

  int32(value: number): void {
    if (value !== (value | 0)) refuse(`${value} is no int32`);
    writeInt32(this.buffer, this.position, value);
    this.position += 4;
  }

  uint32(value: number): void {
    if (value !== value >>> 0) refuse(`${value} is no uint32`);
    writeInt32(this.buffer, this.position, value);
    this.position += 4;
  }

  int64(value: number): void {
    writeInt64(this.buffer, this.position, value);
    this.position += 8;
  }

  float64(value: number): void {
    if (typeof value !== "number") refuse("the value is no float64");
    float.setFloat64(0, value);
    this.copy(floatBytes);
  }

  uuid(value: string): void {
    if (!writeUuid(this.buffer, this.position, value)) refuse("the value is no uuid");
    this.position += 16;
  }

  string(value: string): void {
    if (typeof value !== "string") refuse("the value is no string");
    if (value.length <= SHORT_TEXT_MAX) {
      const start = this.position + this.shortTextHeaderBytes;
      if (writeAscii(this.buffer, start, value)) {
        this.textLength(value.length);
        this.position += value.length;
        return;
      }
    }
    const utf8 = encodeText(value);
    this.textLength(utf8.length);
    this.copy(utf8);
  }

  bytes(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) refuse("the value is no bytes");
    this.array(value.length);
    this.copy(value);
  }

  records(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) refuse("the value is no bytes");
    this.array(value.length);
    if (value.length < UNCOPIED_BYTES_MIN) this.copy(value);
    else this.inserts.push({ position: this.position, bytes: value });
  }

  struct(_fields: number): void {}

  presentStruct(_fields: number): void {
    this.buffer[this.position++] = 1;
  }

  nullStruct(): void {
    this.buffer[this.position++] = 0xff;
  }

  nullBytes(): void {
    this.nullArray();
  }

  nullRecords(): void {
    this.nullArray();
  }

  defaultValue(): void {
    throw new TypeError("Cannot write a default: Kafka's forms leave it out");
  }

  abstract array(length: number): void;
  abstract nullArray(): void;
  abstract nullString(): void;
  abstract tags(count: number): void;
  abstract beginTag(tag: number): number;
  abstract endTag(start: number): void;
  protected abstract readonly shortTextHeaderBytes: number;
  protected abstract textLength(length: number): void;

  protected copy(value: Uint8Array): void {
    const end = this.position + value.length;
    if (end <= this.buffer.length) this.buffer.set(value, this.position);
    this.position = end;
  }
}

/** Fixed-width lengths; no tagged fields. */
export class PlainWriter extends KafkaWriter {
  protected override readonly shortTextHeaderBytes = 2;

  array(length: number): void {
    this.int32(checkedLength(length));
  }

  nullArray(): void {
    this.int32(-1);
  }

  nullString(): void {
    this.int16(-1);
  }

  tags(): void {}

  beginTag(): number {
    throw new TypeError("Cannot write tags: the plain form has none");
  }

  endTag(): void {
    throw new TypeError("Cannot write tags: the plain form has none");
  }

  protected textLength(length: number): void {
    this.int16(length);
  }
}

/** Compact lengths and tagged fields. */
export class FlexibleWriter extends KafkaWriter {
  protected override readonly shortTextHeaderBytes = 1;

  array(length: number): void {
    this.#varint(checkedLength(length) + 1);
  }

  nullArray(): void {
    this.buffer[this.position++] = 0;
  }

  nullString(): void {
    this.buffer[this.position++] = 0;
  }

  tags(count: number): void {
    this.#varint(count);
  }

  /** Leaves one byte for the size of the value, which most fit into. */
  beginTag(tag: number): number {
    this.#varint(tag);
    return ++this.position;
  }

  endTag(start: number): void {
    const size = this.position - start;
    const extra = sizeOfUnsignedVarint(size) - 1;
    if (extra > 0) this.buffer.copyWithin(start + extra, start, this.position);
    writeUnsignedVarint(this.buffer, start - 1, size);
    this.position += extra;
  }

  protected textLength(length: number): void {
    this.#varint(length + 1);
  }

  #varint(value: number): void {
    this.position = writeUnsignedVarint(this.buffer, this.position, value);
  }
}

function checkedLength(length: number): number {
  if (length !== (length & 0x7fffffff)) refuse("the value is no array");
  return length;
}
