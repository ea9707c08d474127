/**
 * The outside of zstd frames (RFC 8878): where they end and what sizes they claim.
 *
 * The library behind node:zlib reads the first frame only, and reports no error where that is cut
 * off: it returns what it has. This walk over the block headers finds every frame, refuses what is
 * cut off or no frame, and sizes that are too large whatever is inside, before the library sees a
 * byte.
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

/** The most frames to unpack: writers make one, and each costs a call of some 30 µs. */
const FRAMES_MAX = 8;

/** The most that one block may hold, packed or not. */
const BLOCK_BYTES_MAX = 128 * 1024;

/** The two bits of a block header that say what follows it. */
const BLOCK_RAW = 0;
const BLOCK_RUN = 1;
const BLOCK_RESERVED = 3;

/**
 * Finds the frames that the bytes consist of, all of them whole, which may come out at no more than
 * `bytesMax` together. Frames to be passed over are left out.
 *
 * @throws CorruptCompressionError, DecompressionBombError
 */
export function findZstdFrames(bytes: Uint8Array, bytesMax: number): Uint8Array[] {
  const reader = new ByteReader(bytes);
  const frames: Uint8Array[] = [];
  let certainBytes = 0;
  try {
    do {
      const start = reader.position;
      const magic = littleEndian(reader, 4);
      if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
        reader.skip(littleEndian(reader, 4));
        continue;
      }
      if (magic !== FRAME_MAGIC) throw corrupt("no frame at its start");
      certainBytes += walkFrame(reader, bytesMax - certainBytes, bytesMax);
      frames.push(bytes.subarray(start, reader.position));
      if (frames.length > FRAMES_MAX) throw corrupt(`more than ${FRAMES_MAX} frames`);
    } while (reader.remaining > 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw corrupt("frame is cut off", error);
  }
  return frames;
}

/** Passes over one frame behind its magic and returns the bytes that are sure to come out of it. */
function walkFrame(reader: ByteReader, bytesLeft: number, bytesMax: number): number {
  const { contentSize, hasChecksum } = readFrameHeader(reader);
  if (contentSize > bytesLeft) throw new DecompressionBombError("zstd", bytesMax);
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
    if (certainBytes > bytesLeft) throw new DecompressionBombError("zstd", bytesMax);
  }
  if (hasChecksum) reader.skip(4);
  return certainBytes;
}

/** The size is 0 where the frame does not tell. */
function readFrameHeader(reader: ByteReader): { contentSize: number; hasChecksum: boolean } {
  const descriptor = reader.uint8();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw corrupt("reserved bit is set");
  if (!isSingleSegment) reader.skip(1);
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!;
  if (littleEndian(reader, dictionaryIdBytes) !== 0) throw corrupt("frame needs a dictionary");
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  const contentSize = littleEndian(reader, contentSizeBytes) + (contentSizeBytes === 2 ? 256 : 0);
  return { contentSize, hasChecksum: (descriptor & 0x04) !== 0 };
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
