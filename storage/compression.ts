/**
 * The four codecs of a RecordBatch: the names and numbers they go by, and bytes in, bytes out.
 *
 * Owns the dispatch and the two codecs that come with the runtime, gzip and zstd. What needs a look
 * inside before native code sees it: storage/lz4_frame.ts, snappy_framing.ts, zstd_frame.ts.
 *
 * Invariants: everything is synchronous (a caller with much to do sends it to
 * `Environment.compute`); no output is larger than the caller allows, and no memory is taken on the
 * strength of a size that the input merely claims; whatever the input, only the errors of
 * storage/compression_errors.ts come out.
 *
 * @module
 */

import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import {
  type Compression,
  CorruptCompressionError,
  DecompressionBombError,
} from "./compression_errors.ts";
import { compressLz4, decompressLz4 } from "./lz4_frame.ts";
import { compressSnappy, decompressSnappy } from "./snappy_framing.ts";
import { findZstdFrames } from "./zstd_frame.ts";

export type { Compression } from "./compression_errors.ts";

/** The codecs in the order of their ids in a batch's attributes. */
const CODECS: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** The highest id that the attributes of a batch may name. */
export const COMPRESSION_ID_MAX = CODECS.length - 1;

/** What `decompressed.batch.max.bytes` is unless configured: 64 MiB. */
export const DECOMPRESSED_BATCH_BYTES_MAX = 64 * 1024 * 1024;

/** @throws RangeError when no codec has that id */
export function compressionOfId(id: number): Compression {
  const codec = CODECS[id];
  if (codec === undefined) throw new RangeError(`Cannot find codec ${id}: ids go from 0 to 4`);
  return codec;
}

/** The id that stands for the codec in a batch's attributes. */
export function idOfCompression(codec: Compression): number {
  return CODECS.indexOf(codec);
}

/**
 * Compresses bytes; "none" gives back the same array.
 *
 * @param level of gzip (1 to 9) and zstd (1 to 22); the others have none
 * @throws CodecUnavailableError
 */
export function compress(codec: Compression, bytes: Uint8Array, level?: number): Uint8Array {
  switch (codec) {
    case "none":
      return bytes;
    case "gzip":
      return gzipSync(bytes, level === undefined ? {} : { level });
    case "snappy":
      return compressSnappy(bytes);
    case "lz4":
      return compressLz4(bytes);
    case "zstd":
      return compressZstd(bytes, level);
  }
}

/**
 * Decompresses bytes from anywhere; "none" gives back the same array.
 *
 * @param bytesMax more than this never comes out; gzip and zstd hold twice as much at the end, when
 *   they put their pieces together
 * @throws CorruptCompressionError, DecompressionBombError, CodecUnavailableError
 */
export function decompress(codec: Compression, bytes: Uint8Array, bytesMax: number): Uint8Array {
  switch (codec) {
    case "none":
      if (bytes.length > bytesMax) throw new DecompressionBombError(codec, bytesMax);
      return bytes;
    case "gzip":
      return decompressGzip(bytes, bytesMax);
    case "snappy":
      return decompressSnappy(bytes, bytesMax);
    case "lz4":
      return decompressLz4(bytes, bytesMax);
    case "zstd":
      return decompressZstd(bytes, bytesMax);
  }
}

function compressZstd(bytes: Uint8Array, level: number | undefined): Uint8Array {
  if (level === undefined) return zstdCompressSync(bytes);
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

/** All members of a gzip file, one after the other. */
function decompressGzip(bytes: Uint8Array, bytesMax: number): Uint8Array {
  return runZlib("gzip", bytesMax, (options) => gunzipSync(bytes, options));
}

/** All frames, one after the other; writers of batches make but one. */
function decompressZstd(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const contents: Uint8Array[] = [];
  let outputBytes = 0;
  for (const frame of findZstdFrames(bytes, bytesMax)) {
    const bytesLeft = bytesMax - outputBytes;
    const content = runZlib("zstd", bytesLeft, (options) => zstdDecompressSync(frame, options));
    outputBytes += content.length;
    contents.push(content);
  }
  return contents.length === 1 ? contents[0]! : concatenate(contents, outputBytes);
}

function concatenate(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

/** Calls node:zlib, which grows its output as it comes, and names what goes wrong. */
function runZlib(
  codec: Compression,
  bytesMax: number,
  run: (options: { maxOutputLength: number }) => Uint8Array,
): Uint8Array {
  let output: Uint8Array;
  try {
    output = run({ maxOutputLength: Math.max(1, bytesMax) });
  } catch (cause) {
    if (isBufferTooLarge(cause)) throw new DecompressionBombError(codec, bytesMax, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CorruptCompressionError(codec, reason, { cause });
  }
  if (output.length > bytesMax) throw new DecompressionBombError(codec, bytesMax);
  return output;
}

/** Whether node:zlib gave up because the output passed `maxOutputLength`. */
function isBufferTooLarge(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}
