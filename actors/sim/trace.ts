/**
 * What happened, as a hash that grows with every event and, on request, as lines.
 *
 * Two runs of one seed must give the same hash; the first line that differs says where they part.
 * Nothing here reads a clock or depends on the identity of objects.
 *
 * @module
 */

import type { SimulatedEvent } from "./event_loop.ts";
import { finish, hashText, mix } from "./random.ts";

export class Trace {
  readonly #sink: ((line: string) => void) | undefined;
  readonly #words = new Map<string, number>();
  #low = 1;
  #high = 2;

  constructor(sink?: (line: string) => void) {
    this.#sink = sink;
  }

  /** Takes in an event that is about to run. */
  event(event: SimulatedEvent): void {
    this.#take(event.time % 2 ** 32);
    this.#take((event.order << 6) ^ event.owner.id);
    this.#take(this.#word(event.what) ^ event.detail);
    this.#sink?.(
      `${(event.time / 1000).toFixed(3)} #${event.order} ${event.owner.name} ` +
        `${event.what} ${event.detail}`,
    );
  }

  /** Takes in more about the event that runs: whom it is for, and what it says. */
  note(who: string, what: string): void {
    this.#take(Math.imul(this.#word(who), 31) ^ this.#word(what));
    this.#sink?.(`    ${who} ${what}`);
  }

  /** Takes in which message is handled: the mailbox it waited in, and its sender. */
  message(mailbox: number, sender: number): void {
    this.#take((mailbox << 16) ^ sender);
  }

  /** Takes in bytes, by their length and some of them. */
  bytes(from: string, to: string, bytes: Uint8Array): void {
    this.#take(Math.imul(this.#word(from), 31) ^ this.#word(to));
    this.#take(bytes.length);
    const stride = 4 + (Math.floor(bytes.length / 64) & ~3);
    for (let i = 3; i < bytes.length; i += stride) this.#take(word(bytes, i));
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (half: number) => finish(half).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #take(value: number): void {
    this.#low = mix(this.#low, value);
    this.#high = mix(this.#high ^ value, this.#low);
  }

  /** The hash of a word, kept: there are few of them. */
  #word(word: string): number {
    let hash = this.#words.get(word);
    if (hash === undefined) {
      hash = hashText(word, 7);
      if (this.#words.size < WORDS_MAX) this.#words.set(word, hash);
    }
    return hash;
  }
}

/** The four bytes that end there. */
function word(bytes: Uint8Array, end: number): number {
  return bytes[end]! | (bytes[end - 1]! << 8) | (bytes[end - 2]! << 16) | (bytes[end - 3]! << 24);
}

const WORDS_MAX = 10_000;
