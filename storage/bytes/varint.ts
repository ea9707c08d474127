/**
 * Variable-length integers: seven bits a byte, lowest first, the top bit says that more follow.
 *
 * - unsigned varint: 32 bits, at most 5 bytes; lengths and tags of Kafka's flexible messages;
 * - varint: zigzag, signed 32 bits, at most 5 bytes; lengths and deltas inside a record;
 * - varlong: zigzag, signed, within the safe integers, at most 8 bytes written; timestamp deltas.
 *
 * Owns the writing and the sizes. Reading needs a moving position: storage/bytes/byte_reader.ts.
 * The write functions return the position after what they wrote; the caller has made room. Values
 * come from this program's own code and must be in range: they are not checked here.
 *
 * @module
 */

const TWO_POW_32 = 0x1_0000_0000;

/** Bytes of `value`, 0 to 2^32 - 1 (or any int32, taken as unsigned), as an unsigned varint. */
export function sizeOfUnsignedVarint(value: number): number {
  // Bits divided by seven, rounded up, without a division; `| 1` because zero takes a byte too.
  return ((32 - Math.clz32(value | 1)) * 9 + 64) >>> 6;
}

/** Bytes of an int32 as a zigzag varint. */
export function sizeOfVarint(value: number): number {
  const zigzag = (value << 1) ^ (value >> 31);
  return (zigzag & ~0x7f) === 0 ? 1 : sizeOfUnsignedVarint(zigzag);
}

/** Bytes of a safe integer as a zigzag varlong. */
export function sizeOfVarlong(value: number): number {
  if (value === (value | 0)) return sizeOfVarint(value);
  // The zigzag value without its lowest bit, which is one bit short of its length.
  const magnitude = value < 0 ? -value - 1 : value;
  let size = 5;
  for (let reach = 2 ** 34; magnitude >= reach; reach *= 128) size++;
  return size;
}

/** Writes `value`, 0 to 2^32 - 1 (or any int32, taken as unsigned). */
export function writeUnsignedVarint(bytes: Uint8Array, position: number, value: number): number {
  while ((value & ~0x7f) !== 0) {
    bytes[position++] = value | 0x80;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}

/** Writes an int32 as a zigzag varint. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  const zigzag = (value << 1) ^ (value >> 31);
  if ((zigzag & ~0x7f) === 0) {
    bytes[position] = zigzag;
    return position + 1;
  }
  return writeUnsignedVarint(bytes, position, zigzag);
}

/** Writes a safe integer as a zigzag varlong. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value === (value | 0)) return writeVarint(bytes, position, value);
  const high = Math.floor(value / TWO_POW_32);
  const sign = high >> 31;
  // Zigzag on the two halves of the 64-bit number: shift left by one, turn over when negative.
  let zigzagLow = (value << 1) ^ sign;
  let zigzagHigh = ((high << 1) | ((value | 0) >>> 31)) ^ sign;
  while (zigzagHigh !== 0) {
    bytes[position++] = zigzagLow | 0x80;
    zigzagLow = (zigzagLow >>> 7) | (zigzagHigh << 25);
    zigzagHigh >>>= 7;
  }
  return writeUnsignedVarint(bytes, position, zigzagLow);
}
