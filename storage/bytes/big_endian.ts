/**
 * Fixed-width integers in network byte order, read from and written to a position in a Uint8Array.
 *
 * A DataView would do the same but must be made for every buffer; these make nothing. The caller
 * has checked that the bytes are there: reading past the end gives wrong numbers, not an error.
 *
 * An int64 is a JavaScript number here and nowhere a bigint. Both directions refuse what is beyond
 * the safe integers (±(2^53 - 1)), so that no offset, timestamp or producer id is silently rounded.
 *
 * @module
 */

const TWO_POW_32 = 0x1_0000_0000;

/** Reads two bytes as a signed number. */
export function readInt16(bytes: Uint8Array, position: number): number {
  return ((bytes[position]! << 24) >> 16) | bytes[position + 1]!;
}

/** Reads four bytes as a signed number. */
export function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 24) | (bytes[position + 1]! << 16) |
    (bytes[position + 2]! << 8) | bytes[position + 3]!;
}

/** Reads four bytes as an unsigned number. */
export function readUint32(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) >>> 0;
}

/**
 * Reads eight bytes as a signed number.
 *
 * @throws RangeError when the value is no safe integer
 */
export function readInt64(bytes: Uint8Array, position: number): number {
  const value = readInt32(bytes, position) * TWO_POW_32 + readUint32(bytes, position + 4);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Cannot read int64 ${exactInt64(bytes, position)}: no safe integer`);
  }
  return value;
}

/** Whether the eight bytes hold a value that {@link readInt64} would return. */
export function isSafeInt64(bytes: Uint8Array, position: number): boolean {
  return Number.isSafeInteger(
    readInt32(bytes, position) * TWO_POW_32 + readUint32(bytes, position + 4),
  );
}

/** Writes the low 16 bits of `value`. */
export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 8;
  bytes[position + 1] = value;
}

/** Writes the low 32 bits of `value`, signed or unsigned. */
export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}

/**
 * Writes `value` in eight bytes.
 *
 * @throws RangeError when the value is no safe integer
 */
export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Cannot write int64 ${value}: no safe integer`);
  }
  writeInt32(bytes, position, Math.floor(value / TWO_POW_32));
  writeInt32(bytes, position + 4, value);
}

/** For error messages only: the value that a number cannot hold. */
function exactInt64(bytes: Uint8Array, position: number): bigint {
  return (BigInt(readInt32(bytes, position)) << 32n) | BigInt(readUint32(bytes, position + 4));
}
