/**
 * Requests and responses in Kafka's framing: four bytes of length, a header, the message.
 *
 * Owns the headers. A flexible version has a header with tagged fields, of which none are known
 * here: unknown ones are passed over and none are written. The exception is the response of
 * ApiVersions, whose header never has them, so that a client can read it before it knows anything.
 *
 * @module
 */

import { readInt16, readInt32, writeInt32 } from "../../storage/bytes/big_endian.ts";
import { type Frame, LENGTH_BYTES } from "../frame_reader.ts";
import type { FrameWriter } from "../frame_writer.ts";
import type { Api, Table } from "../schema.ts";
import { malformed, refuse } from "../schema/fault.ts";
import { isFlexible, readerFor, readMessage, writeMessage, writerFor } from "./codec.ts";
import { FlexibleReader, PlainReader } from "./reader.ts";
import { PlainWriter } from "./writer.ts";

/** The shortest frame of a request, without its length. */
export const KAFKA_FRAME_BYTES_MIN = 8;

const API_VERSIONS_KEY = 18;
const FRAME_BYTES_MAX = 0x7fffffff;
const HEADER = { name: "header" };

const headerWriter = new PlainWriter();
const headerReader = new PlainReader();
const tagReader = new FlexibleReader();

/** What every request begins with, whatever its version. */
export interface RequestPrefix {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
}

export interface DecodedRequest<Request> extends RequestPrefix {
  readonly clientId: string | null;
  readonly request: Request;
}

/**
 * Tells which table a request needs.
 * @throws {MalformedMessageError} if the frame is too short.
 */
export function readPrefix(frame: Frame): RequestPrefix {
  const { source, start } = frame;
  try {
    if (frame.byteLength < KAFKA_FRAME_BYTES_MIN) refuse(`a frame of ${frame.byteLength} bytes`);
  } catch (error) {
    throw malformed(error, "decode", HEADER, 0);
  }
  return {
    apiKey: readInt16(source, start),
    apiVersion: readInt16(source, start + 2),
    correlationId: readInt32(source, start + 4),
  };
}

/**
 * The request in a frame whose prefix named this API and one of its versions. Its records are
 * views: they last until the frame is released. Its arrays may have `elementsMax` elements
 * together.
 * @throws {MalformedMessageError} if the bytes are not what the table says.
 */
export function decodeRequest<Request>(
  frame: Frame,
  api: Api<Request, unknown>,
  elementsMax = Infinity,
): DecodedRequest<Request> {
  const prefix = readPrefix(frame);
  const version = prefix.apiVersion;
  const flexible = isFlexible(api.request, version);
  let clientId: string | null;
  let start = frame.start + KAFKA_FRAME_BYTES_MIN;
  try {
    // The client id has the plain form in any version.
    headerReader.reset(frame.source, start, frame.end);
    clientId = headerReader.nullableString();
    start = headerReader.position;
    if (flexible) start = skipTags(frame.source, start, frame.end);
  } catch (error) {
    throw malformed(error, "decode", HEADER, version);
  }
  const reader = readerFor(api.request, version);
  reader.reset(frame.source, start, frame.end, elementsMax);
  return { ...prefix, clientId, request: readMessage(reader, api.request, version) };
}

/**
 * The response in a frame, to a request of this API and version; `correlationIdOf` tells which.
 * @throws {MalformedMessageError} if the bytes are not what the table says.
 */
export function decodeResponse<Response>(
  frame: Frame,
  api: Api<unknown, Response>,
  version: number,
): Response {
  let start = frame.start + 4;
  try {
    if (start > frame.end) refuse(`a frame of ${frame.byteLength} bytes`);
    if (hasTaggedHeader(api, version)) start = skipTags(frame.source, start, frame.end);
  } catch (error) {
    throw malformed(error, "decode", HEADER, version);
  }
  const reader = readerFor(api.response, version);
  reader.reset(frame.source, start, frame.end);
  return readMessage(reader, api.response, version);
}

/** The correlation id of the response in a frame of four bytes or more. */
export function correlationIdOf(frame: Frame): number {
  return readInt32(frame.source, frame.start);
}

/**
 * Queues a request, and returns the bytes of its frame. Records of 256 KiB or more are not copied:
 * `target.afterwards` tells when they are no longer needed.
 * @throws {MalformedMessageError} if the message is not what the table says; nothing is queued.
 */
export function encodeRequest<Request>(
  target: FrameWriter,
  api: Api<Request, unknown>,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  request: Request,
): number {
  const flexible = isFlexible(api.request, version);
  return encode(target, api.request, version, request, () => {
    headerWriter.int16(api.key);
    headerWriter.int16(version);
    headerWriter.int32(header.correlationId);
    if (header.clientId === null) headerWriter.nullString();
    else headerWriter.string(header.clientId);
    if (flexible) headerWriter.int8(0);
  });
}

/** Queues a response; as `encodeRequest`. */
export function encodeResponse<Response>(
  target: FrameWriter,
  api: Api<unknown, Response>,
  version: number,
  correlationId: number,
  response: Response,
): number {
  return encode(target, api.response, version, response, () => {
    headerWriter.int32(correlationId);
    if (hasTaggedHeader(api, version)) headerWriter.int8(0);
  });
}

function encode<T>(
  target: FrameWriter,
  table: Table<T>,
  version: number,
  message: T,
  writeHeader: () => void,
): number {
  const writer = writerFor(table, version);
  for (;;) {
    headerWriter.reset(target.bytes, target.position + LENGTH_BYTES);
    writeHeader();
    writer.reset(target.bytes, headerWriter.position);
    writeMessage(writer, table, version, message);
    if (writer.position <= target.bytes.length) break;
    target.reserve(writer.position - target.position);
  }
  let bytes = writer.position - target.position;
  for (const insert of writer.inserts) bytes += insert.bytes.length;
  if (bytes > FRAME_BYTES_MAX) {
    throw malformed(new RangeError(`The frame has ${bytes} bytes`), "encode", table, version);
  }
  writeInt32(target.bytes, target.position, bytes - LENGTH_BYTES);
  for (const insert of writer.inserts) {
    target.advance(insert.position);
    target.append(insert.bytes);
  }
  target.advance(writer.position);
  return bytes;
}

/** Passes over the tagged fields of a header. */
function skipTags(bytes: Uint8Array, start: number, end: number): number {
  tagReader.reset(bytes, start, end);
  for (let count = tagReader.tags(); count > 0; count--) {
    tagReader.tag();
    tagReader.skipTag(tagReader.beginTag());
  }
  return tagReader.position;
}

function hasTaggedHeader(api: Api, version: number): boolean {
  return api.key !== API_VERSIONS_KEY && isFlexible(api.response, version);
}
