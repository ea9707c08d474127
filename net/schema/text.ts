/**
 * Text between strings and UTF-8, strict in both directions, quick for the short ASCII of names.
 *
 * The same names (of topics, groups, clients, configs) come in every message, so reading keeps a
 * table of short texts seen: a hit costs no allocation and no call into the decoder.
 *
 * @module
 */

import { refuse } from "./fault.ts";

/** The most bytes of a string field, as in Kafka. */
export const STRING_BYTES_MAX = 32767;

const SEEN_BYTES_MAX = 64;
const SLOTS = 1024;
const seen: string[] = new Array(SLOTS).fill("");

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of the bytes from `start` up to `end`, all of which are there. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  if (start === end) return "";
  if (end - start > SEEN_BYTES_MAX) return decodeText(bytes, start, end);
  let hash = 0;
  for (let index = start; index < end; index++) hash = Math.imul(hash, 31) + bytes[index]! | 0;
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
  const candidate = seen[slot]!;
  if (isAsciiOf(candidate, bytes, start, end)) return candidate;
  const text = decodeText(bytes, start, end);
  // Only ASCII can be compared byte by byte.
  if (text.length === end - start) seen[slot] = text;
  return text;
}

function isAsciiOf(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; start < end; index++, start++) {
    if (text.charCodeAt(index) !== bytes[start]) return false;
  }
  return true;
}

function decodeText(bytes: Uint8Array, start: number, end: number): string {
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    return refuse("the text is not UTF-8");
  }
}

/**
 * Writes short ASCII text, and returns whether it was that; if not, what it wrote is void. Bytes
 * past the end of the array are not written.
 */
export function writeAscii(bytes: Uint8Array, position: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    bytes[position + index] = code;
  }
  return true;
}

/** The UTF-8 of a text of at most 32767 bytes. */
export function encodeText(text: string): Uint8Array {
  if (!text.isWellFormed()) refuse("the text holds a lone surrogate");
  const bytes = encoder.encode(text);
  if (bytes.length > STRING_BYTES_MAX) refuse(`the text has ${bytes.length} bytes, over 32767`);
  return bytes;
}
