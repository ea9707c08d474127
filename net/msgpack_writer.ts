/**
 * Writes single values in msgpack: nil, booleans, integers, floats, text, bytes, arrays.
 *
 * A uuid is 16 bytes, and the zero uuid nil. Records are the index of an attachment, in order.
 * Integers take their shortest form.
 *
 * Invariant: what does not fit into the buffer is counted without being written. Whoever finds
 * `position` past the end of the buffer takes a larger one and writes again.
 *
 * @module
 */

import { writeInt32 } from "../storage/bytes/big_endian.ts";
import { ZERO_UUID } from "../storage/bytes/ids.ts";
import {
  ARRAY16,
  ARRAY32,
  BIN8,
  FALSE,
  FLOAT64,
  INT16,
  INT32,
  INT64,
  INT8,
  NIL,
  STR8,
  TRUE,
  UINT16,
  UINT32,
  UINT64,
  UINT8,
} from "./msgpack_tokens.ts";
import { refuse } from "./schema/fault.ts";
import { encodeText, writeAscii } from "./schema/text.ts";
import { writeUuid } from "./schema/uuid.ts";
import type { FieldWriter } from "./schema/writing.ts";

const TWO_POW_32 = 0x1_0000_0000;
/** The longest text that is tried as ASCII first. */
const SHORT_TEXT_MAX = 255;
const NO_BYTES = new Uint8Array(0);

/** The bits of a float; such values are rare. */
const float = new DataView(new ArrayBuffer(8));
const floatBytes = new Uint8Array(float.buffer);

/** Writes values one after the other into a buffer. */
export class MsgpackWriter implements FieldWriter {
  #bytes: Uint8Array = NO_BYTES;
  /** Where the next value goes; past the end of the buffer if it was too small. */
  position = 0;
  /** The records referred to, by their indexes. */
  attachments: Uint8Array[] = [];

  /** Writes into the buffer from the position on. */
  reset(bytes: Uint8Array, position: number): void {
    this.#bytes = bytes;
    this.position = position;
    this.attachments = [];
  }

  bool(value: boolean): void {
    if (typeof value !== "boolean") refuse(`${show(value)} is no bool`);
    this.#bytes[this.position++] = value ? TRUE : FALSE;
  }

  int8(value: number): void {
    if (value !== (value << 24) >> 24) refuse(`${show(value)} is no int8`);
    this.#integer(value);
  }

  int16(value: number): void {
    if (value !== (value << 16) >> 16) refuse(`${show(value)} is no int16`);
    this.#integer(value);
  }

  uint16(value: number): void {
    if (value !== (value & 0xffff)) refuse(`${show(value)} is no uint16`);
    this.#integer(value);
  }

  int32(value: number): void {
    if (value !== (value | 0)) refuse(`${show(value)} is no int32`);
    this.#integer(value);
  }

  uint32(value: number): void {
    if (value !== value >>> 0) refuse(`${show(value)} is no uint32`);
    this.#integer(value);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) refuse(`${show(value)} is no int64 (a safe integer)`);
    this.#integer(value);
  }

  float64(value: number): void {
    if (typeof value !== "number") refuse(`${show(value)} is no float64`);
    float.setFloat64(0, value);
    this.#bytes[this.position++] = FLOAT64;
    this.#copy(floatBytes);
  }

  string(value: string): void {
    if (typeof value !== "string") refuse(`${show(value)} is no string`);
    const length = value.length;
    if (length < 32) {
      if (writeAscii(this.#bytes, this.position + 1, value)) {
        this.#bytes[this.position] = 0xa0 | length;
        this.position += 1 + length;
        return;
      }
    } else if (length <= SHORT_TEXT_MAX && writeAscii(this.#bytes, this.position + 2, value)) {
      this.#bytes[this.position] = STR8;
      this.#bytes[this.position + 1] = length;
      this.position += 2 + length;
      return;
    }
    this.#text(encodeText(value));
  }

  uuid(value: string): void {
    if (value === ZERO_UUID) {
      this.#bytes[this.position++] = NIL;
      return;
    }
    if (!writeUuid(this.#bytes, this.position + 2, value)) refuse(`${show(value)} is no uuid`);
    this.#bytes[this.position] = BIN8;
    this.#bytes[this.position + 1] = 16;
    this.position += 18;
  }

  bytes(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) refuse(`${show(value)} is no bytes`);
    this.#header(BIN8, value.length);
    this.#copy(value);
  }

  records(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) refuse(`${show(value)} is no bytes`);
    this.#integer(this.attachments.length);
    this.attachments.push(value);
  }

  array(length: number): void {
    if (length !== length >>> 0) refuse("the value is no array");
    if (length < 16) {
      this.#bytes[this.position++] = 0x90 | length;
      return;
    }
    const wide = length > 0xffff;
    this.#bytes[this.position] = wide ? ARRAY32 : ARRAY16;
    if (wide) writeInt32(this.#bytes, this.position + 1, length);
    else {
      this.#bytes[this.position + 1] = length >>> 8;
      this.#bytes[this.position + 2] = length;
    }
    this.position += wide ? 5 : 3;
  }

  struct(fields: number): void {
    this.array(fields);
  }

  presentStruct(fields: number): void {
    this.array(fields);
  }

  nullString(): void {
    this.#bytes[this.position++] = NIL;
  }

  nullBytes(): void {
    this.#bytes[this.position++] = NIL;
  }

  nullRecords(): void {
    this.#bytes[this.position++] = NIL;
  }

  nullArray(): void {
    this.#bytes[this.position++] = NIL;
  }

  nullStruct(): void {
    this.#bytes[this.position++] = NIL;
  }

  defaultValue(): void {
    this.#bytes[this.position++] = NIL;
  }

  tags(): void {
    throw new TypeError("Cannot write tags: the native form has none");
  }

  beginTag(): number {
    throw new TypeError("Cannot write tags: the native form has none");
  }

  endTag(): void {
    throw new TypeError("Cannot write tags: the native form has none");
  }

  /** A safe integer in its shortest form. */
  #integer(value: number): void {
    const bytes = this.#bytes;
    const position = this.position;
    if (value >= 0) {
      if (value < 0x80) {
        bytes[position] = value;
        this.position = position + 1;
      } else if (value < 0x100) {
        bytes[position] = UINT8;
        bytes[position + 1] = value;
        this.position = position + 2;
      } else if (value < 0x10000) {
        bytes[position] = UINT16;
        bytes[position + 1] = value >>> 8;
        bytes[position + 2] = value;
        this.position = position + 3;
      } else if (value < TWO_POW_32) {
        bytes[position] = UINT32;
        writeInt32(bytes, position + 1, value);
        this.position = position + 5;
      } else this.#long(UINT64, value);
    } else if (value >= -32) {
      bytes[position] = value;
      this.position = position + 1;
    } else if (value >= -0x80000000) {
      this.#negative(value);
    } else this.#long(INT64, value);
  }

  #negative(value: number): void {
    const bytes = this.#bytes;
    const position = this.position;
    if (value >= -0x80) {
      bytes[position] = INT8;
      bytes[position + 1] = value;
      this.position = position + 2;
    } else if (value >= -0x8000) {
      bytes[position] = INT16;
      bytes[position + 1] = value >>> 8;
      bytes[position + 2] = value;
      this.position = position + 3;
    } else {
      bytes[position] = INT32;
      writeInt32(bytes, position + 1, value);
      this.position = position + 5;
    }
  }

  #long(kind: number, value: number): void {
    this.#bytes[this.position] = kind;
    writeInt32(this.#bytes, this.position + 1, Math.floor(value / TWO_POW_32));
    writeInt32(this.#bytes, this.position + 5, value);
    this.position += 9;
  }

  #text(utf8: Uint8Array): void {
    if (utf8.length < 32) this.#bytes[this.position++] = 0xa0 | utf8.length;
    else this.#header(STR8, utf8.length);
    this.#copy(utf8);
  }

  /** The header of a str or bin, whose three kinds follow each other. */
  #header(kind: number, length: number): void {
    const bytes = this.#bytes;
    const position = this.position;
    if (length < 0x100) {
      bytes[position] = kind;
      bytes[position + 1] = length;
      this.position = position + 2;
    } else if (length < 0x10000) {
      bytes[position] = kind + 1;
      bytes[position + 1] = length >>> 8;
      bytes[position + 2] = length;
      this.position = position + 3;
    } else {
      bytes[position] = kind + 2;
      writeInt32(bytes, position + 1, length);
      this.position = position + 5;
    }
  }

  #copy(value: Uint8Array): void {
    const end = this.position + value.length;
    if (end <= this.#bytes.length) this.#bytes.set(value, this.position);
    this.position = end;
  }
}

/** A value in an error message: short, whatever it is. */
function show(value: unknown): string {
  if (typeof value === "number" || value === null || value === undefined) return String(value);
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : `a ${typeof value}`;
}
