/**
 * Whole messages in Kafka's wire protocol, from the same tables as the native encoding.
 *
 * Owns the choice between the plain and the flexible form, and the compiled functions. Does not own
 * headers and frames (framing.ts) nor the envelope of records (record_frame.ts).
 *
 * @module
 */

import type { Table } from "../schema.ts";
import { malformed } from "../schema/fault.ts";
import { compileReader, type ReadMessage } from "../schema/reading.ts";
import { Compiled } from "../schema/source.ts";
import { includes } from "../schema/versions.ts";
import { compileWriter, type WriteMessage } from "../schema/writing.ts";
import { FlexibleReader, PlainReader } from "./reader.ts";
import { FlexibleWriter, PlainWriter } from "./writer.ts";

export { MalformedMessageError } from "../schema/fault.ts";

export type KafkaWriter = PlainWriter | FlexibleWriter;
export type KafkaReader = PlainReader | FlexibleReader;

const writeFunctions = new Compiled<Table, WriteMessage<KafkaWriter>>((table, version) =>
  compileWriter(table, version, isFlexible(table, version) ? "flexible" : "plain")
);

const readFunctions = new Compiled<Table, ReadMessage<KafkaReader>>((table, version) =>
  compileReader(table, version, isFlexible(table, version) ? "flexible" : "plain")
);

const plainWriter = new PlainWriter();
const flexibleWriter = new FlexibleWriter();
const plainReader = new PlainReader();
const flexibleReader = new FlexibleReader();

/** Whether this version of the message has compact lengths and tagged fields. */
export function isFlexible(table: Table, version: number): boolean {
  return includes(table.flexibleVersions, version);
}

/** The writer for this version, to be reset before use. There is one: use it and be done. */
export function writerFor(table: Table, version: number): KafkaWriter {
  return isFlexible(table, version) ? flexibleWriter : plainWriter;
}

/** The reader for this version, to be reset before use. There is one: use it and be done. */
export function readerFor(table: Table, version: number): KafkaReader {
  return isFlexible(table, version) ? flexibleReader : plainReader;
}

/**
 * Writes a message with the writer for its version.
 * @throws {MalformedMessageError} if the message is not what the table says.
 * @throws {RangeError} if the table does not describe the version.
 */
export function writeMessage<T>(
  writer: KafkaWriter,
  table: Table<T>,
  version: number,
  message: T,
): void {
  const write = writeFunctions.get(table, version);
  try {
    write(writer, message);
  } catch (error) {
    throw malformed(error, "encode", table, version);
  }
}

/**
 * Reads a message, which must end where the bytes do, with the reader for its version. Its records
 * are views of the bytes; everything else is its own.
 * @throws {MalformedMessageError} if the bytes are not what the table says.
 * @throws {RangeError} if the table does not describe the version.
 */
export function readMessage<T>(reader: KafkaReader, table: Table<T>, version: number): T {
  const read = readFunctions.get(table, version);
  try {
    const message = read(reader);
    reader.finish();
    return message as T;
  } catch (error) {
    throw malformed(error, "decode", table, version);
  }
}

/** The bytes of a message alone, without header or frame; as `writeMessage`. */
export function encodeMessage<T>(table: Table<T>, version: number, message: T): Uint8Array {
  const writer = writerFor(table, version);
  writer.reset(new Uint8Array(256), 0);
  writeMessage(writer, table, version, message);
  const inserted = writer.inserts.reduce((sum, insert) => sum + insert.bytes.length, 0);
  const bytes = new Uint8Array(writer.position);
  writer.reset(bytes, 0);
  writeMessage(writer, table, version, message);
  if (inserted === 0) return bytes;
  const whole = new Uint8Array(bytes.length + inserted);
  let from = 0;
  let to = 0;
  for (const insert of writer.inserts) {
    whole.set(bytes.subarray(from, insert.position), to);
    to += insert.position - from;
    from = insert.position;
    whole.set(insert.bytes, to);
    to += insert.bytes.length;
  }
  whole.set(bytes.subarray(from), to);
  return whole;
}

/** The message in bytes that hold nothing else; as `readMessage`. */
export function decodeMessage<T>(table: Table<T>, version: number, bytes: Uint8Array): T {
  const reader = readerFor(table, version);
  reader.reset(bytes, 0, bytes.length);
  return readMessage(reader, table, version);
}
