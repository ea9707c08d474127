/**
 * Metadata records as the values of a log's records, byte for byte as Kafka's controllers write
 * them: frame version, type and version as unsigned varints, then the fields.
 *
 * @module
 */

import type { RecordTable } from "../schema.ts";
import { malformed, refuse } from "../schema/fault.ts";
import { formatVersions, includes } from "../schema/versions.ts";
import { sizeOfUnsignedVarint, writeUnsignedVarint } from "../../storage/bytes/varint.ts";
import { ByteReader } from "../../storage/bytes/byte_reader.ts";
import { METADATA_RECORDS } from "../messages/records/table.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";

/** The version of the frame itself. */
const FRAME_VERSION = 1;
const FRAME = { name: "metadata record" };

const tables: ReadonlyMap<number, RecordTable> = new Map(
  METADATA_RECORDS.map((table) => [table.type, table]),
);

/** A record of the metadata log, told from others by the name of its table. */
export interface DecodedRecord {
  readonly kind: string;
  readonly version: number;
  readonly value: unknown;
}

/**
 * The bytes of a record.
 * @throws {MalformedMessageError} if the value is not what the table says.
 */
export function encodeRecord<T>(table: RecordTable<T>, version: number, value: T): Uint8Array {
  const fields = encodeMessage(table, version, value);
  const header = [FRAME_VERSION, table.type, version];
  const headerBytes = header.reduce((sum, number) => sum + sizeOfUnsignedVarint(number), 0);
  const bytes = new Uint8Array(headerBytes + fields.length);
  let position = 0;
  for (const number of header) position = writeUnsignedVarint(bytes, position, number);
  bytes.set(fields, position);
  return bytes;
}

/**
 * The record in bytes that hold nothing else. Fields that this program does not know are passed
 * over; a type or version that it does not know is refused, as its meaning would be lost.
 * @throws {MalformedMessageError} if the bytes are no record.
 */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  const reader = new ByteReader(bytes);
  const { table, version } = readHeader(reader);
  const value = decodeMessage(table, version, bytes.subarray(reader.position));
  return { kind: table.name, version, value };
}

function readHeader(reader: ByteReader): { table: RecordTable; version: number } {
  let version = 0;
  try {
    const frameVersion = reader.unsignedVarint();
    if (frameVersion !== FRAME_VERSION) refuse(`the frame version is ${frameVersion}`);
    const type = reader.unsignedVarint();
    version = reader.unsignedVarint();
    const table = tables.get(type) ?? refuse(`record type ${type} is unknown`);
    if (!includes(table.versions, version)) {
      refuse(`${table.name} is known in versions ${formatVersions(table.versions)} only`);
    }
    return { table, version };
  } catch (error) {
    throw malformed(error, "decode", FRAME, version);
  }
}
