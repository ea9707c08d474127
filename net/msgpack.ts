/**
 * The native encoding: messages as frames of a msgpack envelope and raw attachments.
 *
 *     u32 length | u32 envelope length | envelope | attachments
 *
 * The envelope is one array: api key (of a request; of a response its bitwise complement, which is
 * negative), api version, correlation id, the sizes of the attachments, then the fields of the
 * message in table order for that version. A struct is an array of its fields, a record batch the
 * index of an attachment. A tagged field at its default is nil.
 *
 * The envelope is plain msgpack without extensions, that any library can write or read. The code
 * for it is compiled from the tables, not left to msgpackr: bytes come from strangers, and here a
 * map, an extension or a length that the table does not ask for is refused before anything is built
 * from it, in half the time. The tests hold it against msgpackr in both directions.
 *
 * @module
 */

import { readInt32, writeInt32 } from "../storage/bytes/big_endian.ts";
import type { Frame } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { MsgpackReader } from "./msgpack_reader.ts";
import { MsgpackWriter } from "./msgpack_writer.ts";
import type { Api, FieldType, NamedField, Table } from "./schema.ts";
import { malformed, refuse } from "./schema/fault.ts";
import { layoutOf } from "./schema/layout.ts";
import { compileReader, type ReadMessage } from "./schema/reading.ts";
import { Compiled } from "./schema/source.ts";
import { compileWriter, type WriteMessage } from "./schema/writing.ts";

export { MalformedMessageError } from "./schema/fault.ts";

/** The shortest frame, without its length: no message is smaller. */
export const NATIVE_FRAME_BYTES_MIN = 9;

/** The longest envelope: a message is small, and what is large is attached. */
const ENVELOPE_BYTES_MAX = 16 * 1024 * 1024;

/** The two lengths before the envelope. */
const PRELUDE_BYTES = 8;
const FRAME_BYTES_MAX = 0x7fffffff;
/** The elements before the fields of the message. */
const HEADER_ELEMENTS = 4;
const ENVELOPE = { name: "envelope" };
const NO_BYTES = new Uint8Array(0);

interface Writing {
  readonly write: WriteMessage<MsgpackWriter>;
  readonly fields: number;
  readonly attaches: boolean;
}

interface Reading {
  readonly read: ReadMessage<MsgpackReader>;
  readonly fields: number;
}

const writings = new Compiled<Table, Writing>((table, version) => ({
  write: compileWriter(table, version, "native"),
  fields: layoutOf(table.fields, version, "native").present.length,
  attaches: holdsRecords(table.fields),
}));

const readings = new Compiled<Table, Reading>((table, version) => ({
  read: compileReader(table, version, "native"),
  fields: layoutOf(table.fields, version, "native").present.length,
}));

const writer = new MsgpackWriter();

/**
 * Queues a request, and returns the bytes of its frame. Records of 256 KiB or more are not copied:
 * `target.afterwards` tells when they are no longer needed.
 * @throws {MalformedMessageError} if the message is not what the table says, or too large; then
 * nothing is queued.
 */
export function encodeRequest<Request>(
  target: FrameWriter,
  api: Api<Request, unknown>,
  version: number,
  correlationId: number,
  request: Request,
): number {
  return encode(target, api.request, api.key, version, correlationId, request);
}

/** Queues a response; as `encodeRequest`. */
export function encodeResponse<Response>(
  target: FrameWriter,
  api: Api<unknown, Response>,
  version: number,
  correlationId: number,
  response: Response,
): number {
  return encode(target, api.response, ~api.key, version, correlationId, response);
}

function encode(
  target: FrameWriter,
  table: Table,
  key: number,
  version: number,
  correlationId: number,
  message: unknown,
): number {
  const writing = writings.get(table, version);
  try {
    const attachments = writing.attaches ? attachmentsOf(writing, message) : [];
    for (;;) {
      writer.reset(target.bytes, target.position + PRELUDE_BYTES);
      writer.array(HEADER_ELEMENTS + writing.fields);
      writer.int16(key);
      writer.int16(version);
      writer.int32(correlationId);
      writer.array(attachments.length);
      for (const attachment of attachments) writer.uint32(attachment.length);
      writing.write(writer, message);
      if (writer.position <= target.bytes.length) break;
      target.reserve(writer.position - target.position);
    }
    return queue(target, attachments);
  } catch (error) {
    throw malformed(error, "encode", table, version);
  }
}

/** Queues the frame whose envelope the writer has just written. */
function queue(target: FrameWriter, attachments: readonly Uint8Array[]): number {
  const envelopeBytes = writer.position - target.position - PRELUDE_BYTES;
  if (envelopeBytes > ENVELOPE_BYTES_MAX) refuse(`the envelope has ${envelopeBytes} bytes`);
  let length = PRELUDE_BYTES - 4 + envelopeBytes;
  for (const attachment of attachments) length += attachment.length;
  if (length > FRAME_BYTES_MAX) refuse(`the frame has ${length} bytes`);
  writeInt32(target.bytes, target.position, length);
  writeInt32(target.bytes, target.position + 4, envelopeBytes);
  target.advance(writer.position);
  for (const attachment of attachments) target.append(attachment);
  return length + 4;
}

/** The records of a message in the order of writing: found by writing it to nowhere. */
function attachmentsOf(writing: Writing, message: unknown): readonly Uint8Array[] {
  writer.reset(NO_BYTES, 0);
  writing.write(writer, message);
  return writer.attachments;
}

function holdsRecords(fields: readonly NamedField[]): boolean {
  const within = (type: FieldType): boolean =>
    type.kind === "records" || (type.kind === "array" && within(type.element)) ||
    (type.kind === "struct" && holdsRecords(type.fields));
  return fields.some((field) => within(field.type));
}

/** What a frame says of the message in it. */
export interface EnvelopeHeader {
  readonly kind: "request" | "response";
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
}

/**
 * Reads the messages of a connection, one after the other: first `open`, which tells what it is,
 * then `message` with the table for that.
 */
export class EnvelopeReader {
  readonly #reader: MsgpackReader;
  #elements = 0;
  #version = 0;

  /** @param elementsMax the most elements that all arrays of a message may have together */
  constructor(elementsMax?: number) {
    this.#reader = new MsgpackReader(elementsMax);
  }

  /**
   * Reads the header of a frame.
   * @throws {MalformedMessageError} if it has none.
   */
  open(frame: Frame): EnvelopeHeader {
    try {
      return this.#open(frame);
    } catch (error) {
      throw malformed(error, "decode", ENVELOPE, 0);
    }
  }

  /**
   * The message of the frame opened last. Its records are views: they last until the frame is
   * released. Everything else is its own.
   * @throws {MalformedMessageError} if it is not what the table says.
   * @throws {RangeError} if the table does not describe the version.
   */
  message<T>(table: Table<T>): T {
    const { read, fields } = readings.get(table, this.#version);
    try {
      const elements = this.#elements - HEADER_ELEMENTS;
      if (elements !== fields) refuse(`${elements} fields are there, where ${fields} are due`);
      const message = read(this.#reader);
      this.#reader.finish();
      return message as T;
    } catch (error) {
      throw malformed(error, "decode", table, this.#version);
    }
  }

  #open(frame: Frame): EnvelopeHeader {
    const { source, start, end } = frame;
    if (end - start < NATIVE_FRAME_BYTES_MIN) refuse(`a frame of ${end - start} bytes`);
    const envelopeBytes = readInt32(source, start) >>> 0;
    const envelopeEnd = start + 4 + envelopeBytes;
    if (envelopeEnd > end || envelopeBytes > ENVELOPE_BYTES_MAX) {
      refuse(`an envelope of ${envelopeBytes} bytes in a frame of ${end - start}`);
    }
    const reader = this.#reader;
    reader.reset(source, start + 4, envelopeEnd);
    this.#elements = reader.array();
    if (this.#elements < HEADER_ELEMENTS) refuse(`an array of ${this.#elements} elements`);
    const key = reader.int16();
    this.#version = reader.int16();
    const correlationId = reader.int32();
    if (this.#version < 0) refuse(`api version ${this.#version}`);
    reader.attach(this.#attachmentSizes(end - envelopeEnd), envelopeEnd);
    return {
      kind: key < 0 ? "response" : "request",
      apiKey: key < 0 ? ~key : key,
      apiVersion: this.#version,
      correlationId,
    };
  }

  /** The sizes of the attachments, which fill the bytes left to them. */
  #attachmentSizes(bytes: number): readonly number[] {
    const count = this.#reader.array();
    const sizes: number[] = [];
    let left = bytes;
    for (let index = 0; index < count; index++) {
      const size = this.#reader.uint32();
      if (size > left) refuse(`an attachment of ${size} bytes, where ${left} are left`);
      sizes.push(size);
      left -= size;
    }
    if (left !== 0) refuse(`${left} bytes follow the attachments`);
    return sizes;
  }
}
