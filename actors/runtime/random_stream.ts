/**
 * A stream of chance from a seed: sfc32, whole numbers only, so that it draws the same everywhere.
 *
 * Not for secrets. Where the seed comes from is the environment's matter.
 *
 * @module
 */

import type { Uuid } from "../../storage/bytes/ids.ts";
import type { RandomStream } from "./environment.ts";

/** Draws thrown away first, so that seeds that are near each other part. */
const WARM_UP = 12;

export class SeededStream implements RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Three numbers of 32 bits. */
  constructor(a: number, b: number, c: number) {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    for (let i = 0; i < WARM_UP; i++) this.next();
  }

  /** 32 bits, as a whole number from 0. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  integer(below: number): number {
    if (!(below >= 1 && below <= 2 ** 32)) {
      throw new RangeError(`Cannot draw an integer below ${below}: must be 1 to 2^32`);
    }
    // What lies past the last whole multiple would make small numbers likelier.
    const end = 2 ** 32 - (2 ** 32 % below);
    let drawn = this.next();
    while (drawn >= end) drawn = this.next();
    return drawn % below;
  }

  chance(numerator: number, denominator: number): boolean {
    return this.integer(denominator) < numerator;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const drawn = this.next();
      for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = drawn >>> (j * 8);
    }
    return bytes;
  }

  uuid(): Uuid {
    return uuidFrom((length) => this.bytes(length));
  }
}

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A version 4 id from 16 random bytes, drawn again while its text begins with `-`. */
export function uuidFrom(draw: (length: number) => Uint8Array): Uuid {
  for (;;) {
    const bytes = draw(16);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const text = base64url(bytes);
    if (!text.startsWith("-")) return text;
  }
}

function base64url(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += BASE64URL.charAt((held >>> bits) & 63);
    }
  }
  return bits === 0 ? text : text + BASE64URL.charAt((held << (6 - bits)) & 63);
}
