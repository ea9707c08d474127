/**
 * The outside of zstd frames (RFC 8878): where they end and what sizes they claim.
 *
 * The library behind node:zlib reports no error for a frame that is cut off or followed by
 * something else: it returns what it has. This walk over the block headers refuses both, and the
 * sizes that are too large whatever is inside, before the library sees a byte.
 *
 * Invariant: constant memory, a handful of steps for each block of up to 128 KiB.
 *
 * @module
 */

import { ByteReader } from "./bytes/byte_reader.ts";
import { CorruptCompressionError, DecompressionBombError } from "./compression_errors.ts";

const FRAME_MAGIC = 0xfd2fb528;

/** Frames whose content decoders pass over have 16 magics, of which the low 4 bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** The most that one block may hold, packed or not. */
const BLOCK_BYTES_MAX = 128 * 1024;

/** The two bits of a block header that say what follows it. */
const BLOCK_RAW = 0;
const BLOCK_RUN = 1;
const BLOCK_RESERVED = 3;

/**
 * Checks that the bytes are one or more whole frames that may come out at no more than `bytesMax`.
 *
 * @throws CorruptCompressionError, DecompressionBombError
 */
export function checkZstdFrames(bytes: Uint8Array, bytesMax: number): void {
  const reader = new ByteReader(bytes);
  let certainBytes = 0;
  try {
    do {
      certainBytes += walkFrame(reader, bytesMax);
      if (certainBytes > bytesMax) throw new DecompressionBombError("zstd", bytesMax);
    } while (reader.remaining > 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw corrupt("frame is cut off", error);
  }
}

/** Passes over one frame and returns the bytes that are sure to come out of it. */
function walkFrame(reader: ByteReader, bytesMax: number): number {
  const magic = littleEndian(reader, 4);
  if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
    reader.skip(littleEndian(reader, 4));
    return 0;
  }
  if (magic !== FRAME_MAGIC) throw corrupt("no frame at its start");
  const hasChecksum = walkFrameHeader(reader, bytesMax);
  const certainBytes = walkBlocks(reader, bytesMax);
  if (hasChecksum) reader.skip(4);
  return certainBytes;
}

/** Passes over the frame header and returns whether a checksum follows the blocks. */
function walkFrameHeader(reader: ByteReader, bytesMax: number): boolean {
  const descriptor = reader.uint8();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw corrupt("reserved bit is set");
  if (!isSingleSegment) reader.skip(1);
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!;
  if (littleEndian(reader, dictionaryIdBytes) !== 0) {
    throw corrupt("frame needs a dictionary");
  }
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  const contentSize = littleEndian(reader, contentSizeBytes) + (contentSizeBytes === 2 ? 256 : 0);
  if (contentSize > bytesMax) throw new DecompressionBombError("zstd", bytesMax);
  return (descriptor & 0x04) !== 0;
}

function walkBlocks(reader: ByteReader, bytesMax: number): number {
  let certainBytes = 0;
  for (let isLast = false; !isLast;) {
    const header = littleEndian(reader, 3);
    isLast = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === BLOCK_RESERVED || size > BLOCK_BYTES_MAX) {
      throw corrupt(`no block has type ${type} and ${size} bytes`);
    }
    reader.skip(type === BLOCK_RUN ? 1 : size);
    if (type === BLOCK_RAW || type === BLOCK_RUN) certainBytes += size;
    if (certainBytes > bytesMax) throw new DecompressionBombError("zstd", bytesMax);
  }
  return certainBytes;
}

/** Up to eight bytes, lowest first; beyond 2^53 it is rounded, which is enough to be too large. */
function littleEndian(reader: ByteReader, size: number): number {
  let value = 0;
  for (let index = 0, weight = 1; index < size; index++, weight *= 256) {
    value += reader.uint8() * weight;
  }
  return value;
}

function corrupt(reason: string, cause?: unknown): CorruptCompressionError {
  return new CorruptCompressionError("zstd", reason, { cause });
}
