/**
 * LZ4 as Kafka uses it: the frame format, with blocks that do not refer to each other (Java reads
 * no others).
 *
 * Owns the walk over a frame that says how much would come out of it. The packing is native, and
 * what the addon writes is what Kafka needs: version 1, independent blocks, the right header
 * checksum, neither content size nor checksums (the batch has its own).
 *
 * Invariant: native code is called only for one whole frame, with nothing behind it, whose content
 * is known to be allowed. The walk takes constant memory, and time by the input, not by what the
 * input claims.
 *
 * @module
 */

import defer * as addon from "lz4-napi";
import { ByteReader } from "./bytes/byte_reader.ts";
import {
  CodecUnavailableError,
  CorruptCompressionError,
  DecompressionBombError,
} from "./compression_errors.ts";

/** 0x184d2204, lowest byte first. */
const FRAME_MAGIC = 0x04224d18;

/** The flags byte: version 1 in the top two bits. */
const FLAG = {
  versionMask: 0xc0,
  version: 0x40,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionaryId: 0x01,
} as const;

/** The top bit of a block's size: the block is stored as it is. */
const STORED_BLOCK = 0x80000000;

/** The shortest match; the format counts from here. */
const MATCH_BYTES_MIN = 4;

/** Compresses into one frame. @throws CodecUnavailableError */
export function compressLz4(bytes: Uint8Array): Uint8Array {
  return loadAddon().compressFrameSync(bytes);
}

/**
 * Decompresses one frame.
 *
 * @throws CorruptCompressionError, DecompressionBombError, CodecUnavailableError
 */
export function decompressLz4(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    checkFrame(new ByteReader(bytes), bytesMax);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw corrupt("frame is cut off", error);
  }
  const { decompressFrameSync } = loadAddon();
  try {
    return decompressFrameSync(bytes);
  } catch (cause) {
    throw corrupt("frame is not well-formed", cause);
  }
}

/** Walks over the one frame that the bytes must be. */
function checkFrame(reader: ByteReader, bytesMax: number): void {
  if (reader.int32() !== FRAME_MAGIC) {
    throw corrupt("no frame at its start");
  }
  const flags = reader.uint8();
  const blockBytesMax = readBlockBytesMax(reader.uint8());
  if ((flags & FLAG.versionMask) !== FLAG.version || (flags & FLAG.reserved) !== 0) {
    throw corrupt(`flags 0x${flags.toString(16)} are of no version 1`);
  }
  if ((flags & FLAG.dictionaryId) !== 0) {
    throw corrupt("frame needs a dictionary");
  }
  if ((flags & FLAG.contentSize) !== 0) checkContentSize(reader, bytesMax);
  reader.skip(1); // The header checksum: the native code compares it.
  walkBlocks(reader, blockBytesMax, (flags & FLAG.blockChecksum) !== 0 ? 4 : 0, bytesMax);
  if ((flags & FLAG.contentChecksum) !== 0) reader.skip(4);
  if (reader.remaining > 0) {
    throw corrupt(`${reader.remaining} bytes follow the frame`);
  }
}

/** Four sizes of block: 64 KiB, 256 KiB, 1 MiB and 4 MiB. */
function readBlockBytesMax(descriptor: number): number {
  const id = (descriptor >>> 4) & 7;
  if (id < 4) {
    throw corrupt(`no block size 0x${descriptor.toString(16)}`);
  }
  return 1 << (2 * id + 8);
}

function checkContentSize(reader: ByteReader, bytesMax: number): void {
  const low = littleEndian32(reader);
  const high = littleEndian32(reader);
  if (high !== 0 || low > bytesMax) throw new DecompressionBombError("lz4", bytesMax);
}

function walkBlocks(
  reader: ByteReader,
  blockBytesMax: number,
  checksumBytes: number,
  bytesMax: number,
): void {
  let outputBytes = 0;
  for (let size = littleEndian32(reader); size !== 0; size = littleEndian32(reader)) {
    const isStored = size >= STORED_BLOCK;
    const bytes = isStored ? size - STORED_BLOCK : size;
    if (bytes > blockBytesMax) {
      throw corrupt(`block of ${bytes} bytes, limit ${blockBytesMax}`);
    }
    const start = reader.position;
    reader.skip(bytes);
    outputBytes += isStored ? bytes : blockContentSize(reader.source, start, reader.position);
    if (outputBytes > bytesMax) throw new DecompressionBombError("lz4", bytesMax);
    reader.skip(checksumBytes);
  }
}

/**
 * The size of what a block holds, by the lengths of its sequences alone.
 *
 * A sequence is a token (two lengths of 4 bits, where 15 means that more bytes follow, added up
 * until one is not 255), the literals, and the distance of the match to copy. The last sequence
 * of a block ends after its literals.
 */
function blockContentSize(bytes: Uint8Array, from: number, to: number): number {
  let position = from;
  let size = 0;
  while (position < to) {
    const token = bytes[position++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255 && position < to;) literals += more = bytes[position++]!;
    }
    position += literals;
    size += literals;
    if (position >= to) break;
    position += 2;
    let match = (token & 15) + MATCH_BYTES_MIN;
    if (match === 15 + MATCH_BYTES_MIN) {
      for (let more = 255; more === 255 && position < to;) match += more = bytes[position++]!;
    }
    size += match;
  }
  if (position > to) {
    throw corrupt("block ends within a sequence");
  }
  return size;
}

function littleEndian32(reader: ByteReader): number {
  const low = reader.uint8() | (reader.uint8() << 8);
  return (low | (reader.uint8() << 16) | (reader.uint8() << 24)) >>> 0;
}

/** What is used of the package: its own types ask for a `Buffer` where it takes any bytes. */
interface FrameCodec {
  compressFrameSync(bytes: Uint8Array): Uint8Array;
  decompressFrameSync(frame: Uint8Array): Uint8Array;
}

/** Runs the addon at its first use; where it does not start, only this codec is missing. */
function loadAddon(): FrameCodec {
  try {
    return {
      compressFrameSync: addon.compressFrameSync,
      decompressFrameSync: addon.decompressFrameSync,
    } as unknown as FrameCodec;
  } catch (cause) {
    throw new CodecUnavailableError("lz4", { cause });
  }
}

function corrupt(reason: string, cause?: unknown): CorruptCompressionError {
  return new CorruptCompressionError("lz4", reason, { cause });
}
