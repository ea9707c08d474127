/**
 * What can go wrong with a frame in Kafka's framing, drawn from a stream: bits, cuts, lengths,
 * slices that come twice, versions and keys of others, numbers that are too large.
 *
 * Most keep the length of the frame true, so that what is wrong is found by whoever reads the
 * message, or by nobody; some do not, and what comes behind is read as part of it.
 *
 * @module
 */

import type { RandomStream } from "../../actors/runtime/environment.ts";
import { writeInt16, writeInt32 } from "../../storage/bytes/big_endian.ts";
import { concat } from "./attacked_port.ts";

const LENGTH_BYTES = 4;
const API_KEY_AT = 4;
const VERSION_AT = 6;
const BODY_AT = 12;

/** Varints and integers that are too large, negative, or none. */
const NUMBERS = [
  "ffffffff0f",
  "ffffffff07",
  "8080808008",
  "ffffffffffffffffff01",
  "ffffffffffffffffffffff",
  "80",
  "ffff7f",
  "00",
  "01",
  "7fffffff",
  "ffffffff",
  "80000000",
  "00ffffff",
  "7fff",
  "ffff",
  "7fffffffffffffff",
  "8000000000000000",
].map((hex) => Uint8Array.fromHex(hex));

const LENGTHS = [-1, 0, 1, 7, 8, 0x7fffffff, -0x80000000, 100 << 20, (100 << 20) + 1, 65_536];

type Mutation = (frame: Uint8Array, random: RandomStream, others: readonly Uint8Array[]) =>
  | Uint8Array
  | undefined;

const MUTATIONS: readonly Mutation[] = [
  // As it is: so that what comes behind meets something.
  (frame) => frame,
  (frame) => frame,
  (frame) => frame,
  flipBits,
  flipBits,
  overwriteNumber,
  overwriteNumber,
  insertNumber,
  // Cut, and the length says so.
  (frame, random) => framed(frame.subarray(0, LENGTH_BYTES + random.integer(frame.length))),
  // Cut, and the length does not: the rest is that of another.
  (frame, random) => frame.slice(0, 1 + random.integer(frame.length)),
  // More behind than the message has.
  (frame, random) => framed(concat([frame, random.bytes(1 + random.integer(12))])),
  repeatSlice,
  removeSlice,
  (frame, random) => withInt32(frame, 0, LENGTHS[random.integer(LENGTHS.length)]!),
  (frame, random) => withInt32(frame, 0, frame.length - LENGTH_BYTES + random.integer(9) - 4),
  (frame, random) => withInt16(frame, VERSION_AT, random.integer(20) - 1),
  (frame, random) => withInt16(frame, API_KEY_AT, random.integer(95)),
  spliceOther,
];

/** The frame with one or two things wrong with it, or none. `others` lend parts. */
export function mutated(
  frame: Uint8Array,
  random: RandomStream,
  others: readonly Uint8Array[],
): Uint8Array {
  let result = frame;
  for (let times = random.chance(1, 8) ? 2 : 1; times > 0; times--) {
    const mutate = MUTATIONS[random.integer(MUTATIONS.length)]!;
    if (result.length > BODY_AT) result = mutate(result, random, others) ?? result;
  }
  return result;
}

function flipBits(frame: Uint8Array, random: RandomStream): Uint8Array {
  const copy = frame.slice();
  for (let count = 1 + random.integer(4); count > 0; count--) {
    copy[bodyPlace(frame, random)]! ^= 1 << random.integer(8);
  }
  return copy;
}

function overwriteNumber(frame: Uint8Array, random: RandomStream): Uint8Array {
  const copy = frame.slice();
  const at = bodyPlace(frame, random);
  const number = NUMBERS[random.integer(NUMBERS.length)]!;
  copy.set(number.subarray(0, copy.length - at), at);
  return copy;
}

function insertNumber(frame: Uint8Array, random: RandomStream): Uint8Array {
  const at = bodyPlace(frame, random);
  const number = NUMBERS[random.integer(NUMBERS.length)]!;
  return framed(concat([frame.subarray(0, at), number, frame.subarray(at)]));
}

function repeatSlice(frame: Uint8Array, random: RandomStream): Uint8Array {
  const [from, to] = slice(frame, random);
  const times = random.chance(1, 20) ? 500 : 1;
  const more = Array.from({ length: times }, () => frame.subarray(from, to));
  return framed(concat([frame.subarray(0, to), ...more, frame.subarray(to)]));
}

function removeSlice(frame: Uint8Array, random: RandomStream): Uint8Array {
  const [from, to] = slice(frame, random);
  return framed(concat([frame.subarray(0, from), frame.subarray(to)]));
}

/** The head of one, the tail of another. */
function spliceOther(
  frame: Uint8Array,
  random: RandomStream,
  others: readonly Uint8Array[],
): Uint8Array {
  const other = others[random.integer(others.length)]!;
  const tail = other.subarray(Math.min(other.length, BODY_AT + random.integer(other.length)));
  return framed(concat([frame.subarray(0, bodyPlace(frame, random)), tail]));
}

function bodyPlace(frame: Uint8Array, random: RandomStream): number {
  return LENGTH_BYTES + 4 + random.integer(frame.length - LENGTH_BYTES - 4);
}

function slice(frame: Uint8Array, random: RandomStream): [from: number, to: number] {
  const places = [bodyPlace(frame, random), bodyPlace(frame, random)].sort((a, b) => a - b);
  return [places[0]!, places[1]! + 1];
}

/** With the length that it has. */
function framed(frame: Uint8Array): Uint8Array {
  if (frame.length < LENGTH_BYTES) return frame.slice();
  return withInt32(frame, 0, frame.length - LENGTH_BYTES);
}

function withInt32(frame: Uint8Array, at: number, value: number): Uint8Array {
  const copy = frame.slice();
  writeInt32(copy, at, value);
  return copy;
}

function withInt16(frame: Uint8Array, at: number, value: number): Uint8Array {
  const copy = frame.slice();
  writeInt16(copy, at, value);
  return copy;
}
