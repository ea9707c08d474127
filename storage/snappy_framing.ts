/**
 * Snappy as Kafka's clients use it: a raw block, or raw blocks in the framing of the Java library
 * "xerial": 16 bytes of header, then for each block its length in four bytes and the block.
 *
 * Reads both, writes a raw block: every client accepts one (the Java library takes whatever does
 * not start with its header for a raw block; librdkafka, franz-go and kafka-python look for the
 * header too), it is what librdkafka and franz-go write, and it is smaller and one copy cheaper.
 * The two cannot be confused: read as a raw block, the header would start by copying from output
 * that does not exist yet.
 *
 * Invariant: a block announces the size of its content; native code, which allocates that much at
 * once, is called only after that size is found to be allowed and possible.
 *
 * @module
 */

import defer * as addon from "snappy";
import { ByteReader } from "./bytes/byte_reader.ts";
import {
  CodecUnavailableError,
  CorruptCompressionError,
  DecompressionBombError,
} from "./compression_errors.ts";

/** What a xerial stream starts with; two int32 follow, its version and the oldest that reads it. */
const XERIAL_MAGIC = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00);
const XERIAL_HEADER_BYTES = 16;

/** No element of the format gives more: a copy of three bytes stands for 64. */
const EXPANSION_MAX = 22;

/**
 * How many blocks a stream may have: some, and one more for each so many bytes. Writers fill blocks
 * of 32 KiB, and can be told 1 KiB; every block costs a call of some 5 µs.
 */
const BLOCKS_FREE = 16;
const BLOCK_BYTES_LIKELY = 1024;

/** Copied into memory of the runtime's own: faster than to have it adopt the addon's. */
const NATIVE_OPTIONS = { copyOutputData: true, asBuffer: true } as const;

/** Compresses into one raw block. @throws CodecUnavailableError */
export function compressSnappy(bytes: Uint8Array): Uint8Array {
  return loadAddon().compressSync(bytes, NATIVE_OPTIONS);
}

/**
 * Decompresses a raw block or a xerial stream.
 *
 * @throws CorruptCompressionError, DecompressionBombError, CodecUnavailableError
 */
export function decompressSnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (!isXerial(bytes)) {
    claimedSize(bytes, bytesMax);
    return decompressBlock(bytes);
  }
  return decompressXerial(bytes, bytesMax);
}

function isXerial(bytes: Uint8Array): boolean {
  return bytes.length >= XERIAL_HEADER_BYTES &&
    XERIAL_MAGIC.every((byte, index) => bytes[index] === byte);
}

function decompressXerial(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  let outputBytes = 0;
  for (let position = XERIAL_HEADER_BYTES; position < bytes.length;) {
    const block = xerialBlockAt(bytes, position);
    outputBytes += claimedSize(block, bytesMax - outputBytes, bytesMax);
    blocks.push(block);
    position += 4 + block.length;
  }
  if (blocks.length > BLOCKS_FREE + outputBytes / BLOCK_BYTES_LIKELY) {
    throw corrupt(`${blocks.length} blocks for ${outputBytes} bytes`);
  }
  const output = new Uint8Array(outputBytes);
  let position = 0;
  for (const block of blocks) {
    const content = decompressBlock(block);
    output.set(content, position);
    position += content.length;
  }
  return output;
}

function xerialBlockAt(bytes: Uint8Array, position: number): Uint8Array {
  const reader = new ByteReader(bytes, position);
  try {
    return reader.bytes(reader.int32());
  } catch (cause) {
    throw corrupt(`block at ${position} is cut off`, cause);
  }
}

/** The size that a raw block announces, once it is allowed and possible. */
function claimedSize(block: Uint8Array, bytesLeft: number, bytesMax = bytesLeft): number {
  const reader = new ByteReader(block);
  let size: number;
  try {
    size = reader.unsignedVarint();
  } catch (cause) {
    throw corrupt("block announces no size", cause);
  }
  if (size > reader.remaining * EXPANSION_MAX) {
    throw corrupt(`${reader.remaining} bytes cannot hold the ${size} announced`);
  }
  if (size > bytesLeft) throw new DecompressionBombError("snappy", bytesMax);
  return size;
}

function decompressBlock(block: Uint8Array): Uint8Array {
  const { uncompressSync } = loadAddon();
  try {
    // Only a string when asked for one.
    return uncompressSync(block, NATIVE_OPTIONS) as Uint8Array;
  } catch (cause) {
    throw corrupt("block is not well-formed", cause);
  }
}

/** Runs the addon at its first use; where it does not start, only this codec is missing. */
function loadAddon(): Pick<typeof addon, "compressSync" | "uncompressSync"> {
  try {
    return { compressSync: addon.compressSync, uncompressSync: addon.uncompressSync };
  } catch (cause) {
    throw new CodecUnavailableError("snappy", { cause });
  }
}

function corrupt(reason: string, cause?: unknown): CorruptCompressionError {
  return new CorruptCompressionError("snappy", reason, { cause });
}
