/**
 * Uuids between their 16 bytes and their text: base64url without padding, 22 characters.
 *
 * The same few ids (of topics and directories) come in every message, so reading keeps a table of
 * texts seen: a hit costs no allocation, and gives the one string whose hash is known already.
 *
 * @module
 */

import { type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { readInt32 } from "../../storage/bytes/big_endian.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TEXT_LENGTH = 22;

const codes = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const values = new Int8Array(128).fill(-1);
codes.forEach((code, value) => values[code] = value);

/** A direct-mapped table: four words of id per slot, and its text. */
const SLOTS = 2048;
const seenWords = new Int32Array(4 * SLOTS);
const seenTexts: Uuid[] = new Array(SLOTS).fill(ZERO_UUID);

/** The text of the 16 bytes at the position, all of which are there. */
export function readUuid(bytes: Uint8Array, position: number): Uuid {
  const a = readInt32(bytes, position);
  const b = readInt32(bytes, position + 4);
  const c = readInt32(bytes, position + 8);
  const d = readInt32(bytes, position + 12);
  const slot = Math.imul(a ^ b ^ c ^ d, 0x9e3779b1) >>> 21;
  const word = slot * 4;
  if (
    seenWords[word] === a && seenWords[word + 1] === b && seenWords[word + 2] === c &&
    seenWords[word + 3] === d
  ) return seenTexts[slot]!;
  const text = encodeText(bytes, position);
  seenWords[word] = a;
  seenWords[word + 1] = b;
  seenWords[word + 2] = c;
  seenWords[word + 3] = d;
  seenTexts[slot] = text;
  return text;
}

/** Writes the 16 bytes of a uuid's text. False if it is none; what was written then is void. */
export function writeUuid(bytes: Uint8Array, position: number, text: string): boolean {
  if (typeof text !== "string" || text.length !== TEXT_LENGTH) return false;
  let wrong = 0;
  for (let index = 0; index < 20; index += 4) {
    const a = values[text.charCodeAt(index)] ?? -1;
    const b = values[text.charCodeAt(index + 1)] ?? -1;
    const c = values[text.charCodeAt(index + 2)] ?? -1;
    const d = values[text.charCodeAt(index + 3)] ?? -1;
    wrong |= a | b | c | d;
    bytes[position++] = (a << 2) | (b >> 4);
    bytes[position++] = (b << 4) | (c >> 2);
    bytes[position++] = (c << 6) | d;
  }
  const a = values[text.charCodeAt(20)] ?? -1;
  const b = values[text.charCodeAt(21)] ?? -1;
  bytes[position] = (a << 2) | (b >> 4);
  // The last character carries two bits only: the other four must be zero, or two texts are one id.
  return (wrong | a | b) >= 0 && (b & 0x0f) === 0;
}

/** Whether the text is that of a uuid. */
export function isUuid(text: string): boolean {
  return writeUuid(scratch, 0, text);
}

const scratch = new Uint8Array(16);

function encodeText(bytes: Uint8Array, position: number): Uuid {
  const text = new Array<number>(TEXT_LENGTH);
  let index = 0;
  const end = position + 15;
  for (; position < end; position += 3) {
    const bits = (bytes[position]! << 16) | (bytes[position + 1]! << 8) | bytes[position + 2]!;
    text[index++] = codes[bits >> 18]!;
    text[index++] = codes[(bits >> 12) & 63]!;
    text[index++] = codes[(bits >> 6) & 63]!;
    text[index++] = codes[bits & 63]!;
  }
  text[index++] = codes[bytes[position]! >> 2]!;
  text[index] = codes[(bytes[position]! & 3) << 4]!;
  return String.fromCharCode(...text);
}
