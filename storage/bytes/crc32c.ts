/**
 * CRC-32C (Castagnoli), the checksum of a RecordBatch.
 *
 * Owns the choice between the native routine and plain TypeScript; both give the same values. It
 * does not own what the checksum covers: that is storage/record_batch.ts.
 *
 * The native addon is imported with `import defer`: it is part of the module graph, so that it is
 * downloaded and locked like any other import, but it runs at the first use, inside a `try`. On a
 * platform without a binary, or without `--allow-ffi`, plain TypeScript takes over; an ordinary
 * import would end the process before the first line of it ran.
 *
 * @module
 */

import defer * as addon from "@node-rs/crc32";

/** The reflected Castagnoli polynomial. */
const POLYNOMIAL = 0x82f63b78;

/**
 * Below this many bytes the call into native code (0.3 to 0.4 µs) costs more than it saves.
 * Measured: the two meet between 256 and 512 bytes, and at 64 KiB native is five times as fast.
 */
const NATIVE_BYTES_MIN = 384;

type NativeCrc32c = (bytes: Uint8Array) => number;

/** Not tried yet, absent, or present. */
let native: NativeCrc32c | null | undefined;

/**
 * The CRC-32C of `bytes` from `from` up to `to`, as an unsigned 32-bit number.
 *
 * @throws RangeError when the bounds are outside `bytes`
 */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  checkBounds(bytes, from, to);
  if (to - from >= NATIVE_BYTES_MIN) {
    if (native === undefined) native = loadNative();
    if (native !== null) return native(bytes.subarray(from, to));
  }
  return updateCrc(bytes, from, to);
}

/** The same as {@link crc32c}, in plain TypeScript: where the native routine is absent. */
export function crc32cPortable(bytes: Uint8Array, from = 0, to = bytes.length): number {
  checkBounds(bytes, from, to);
  return updateCrc(bytes, from, to);
}

/** Whether the native routine is in use; a node logs this once. */
export function crc32cIsNative(): boolean {
  if (native === undefined) native = loadNative();
  return native !== null;
}

function loadNative(): NativeCrc32c | null {
  try {
    const routine = addon.crc32c;
    // An addon that loads and miscounts would condemn every batch: one known value first.
    return routine(CHECK_INPUT) === CHECK_VALUE ? (bytes) => routine(bytes) : null;
  } catch {
    return null;
  }
}

function checkBounds(bytes: Uint8Array, from: number, to: number): void {
  if (from >= 0 && from <= to && to <= bytes.length) return;
  throw new RangeError(
    `Cannot checksum bytes ${from} to ${to}: there are ${bytes.length}`,
  );
}

/** "123456789", whose checksum every catalogue of CRCs lists. */
const CHECK_INPUT = Uint8Array.of(0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39);
const CHECK_VALUE = 0xe3069283;

/** Slicing-by-8: table k advances a byte that has k more bytes of its group behind it. */
const TABLES = buildTables();

function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let index = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[index] = crc;
  }
  for (let index = 256; index < tables.length; index++) {
    const previous = tables[index - 256]!;
    tables[index] = tables[previous & 0xff]! ^ (previous >>> 8);
  }
  return tables;
}

function updateCrc(bytes: Uint8Array, from: number, to: number): number {
  const tables = TABLES;
  let crc = -1;
  let position = from;
  for (const groupsEnd = to - 7; position < groupsEnd; position += 8) {
    crc ^= bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24);
    crc = tables[1792 + (crc & 0xff)]! ^
      tables[1536 + ((crc >>> 8) & 0xff)]! ^
      tables[1280 + ((crc >>> 16) & 0xff)]! ^
      tables[1024 + (crc >>> 24)]! ^
      tables[768 + bytes[position + 4]!]! ^
      tables[512 + bytes[position + 5]!]! ^
      tables[256 + bytes[position + 6]!]! ^
      tables[bytes[position + 7]!]!;
  }
  for (; position < to; position++) {
    crc = tables[(crc ^ bytes[position]!) & 0xff]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
