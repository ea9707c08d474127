/**
 * From a user's keys and values to bytes and back.
 *
 * Without a serializer text and bytes are taken as they are, and bytes are given. A serializer may
 * give text, which is then written as UTF-8 into the batch without a copy in between.
 *
 * @module
 */

import type { Data } from "./records.ts";

/** Makes the bytes (or text) of a key or value; null stays null and is not asked for. */
export type Serializer<T> = (topic: string, value: T) => Data;

/** Makes a key or value of bytes, which are only lent: keep a copy, not the array. */
export type Deserializer<T> = (topic: string, bytes: Uint8Array) => T;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to this length joining characters beats a call into the decoder. Measured. */
const SHORT_TEXT_BYTES = 10;

/** Text of UTF-8 bytes; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  const length = bytes.length;
  if (length > SHORT_TEXT_BYTES) return decoder.decode(bytes);
  let text = "";
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte > 0x7f) return decoder.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Writes a value as JSON. */
export function jsonSerializer(_topic: string, value: unknown): string {
  return JSON.stringify(value);
}

/** Reads JSON. The result is unchecked: it is what the producer wrote. */
export function jsonDeserializer(_topic: string, bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}

/** Gives text. */
export function textDeserializer(_topic: string, bytes: Uint8Array): string {
  return textOf(bytes);
}
