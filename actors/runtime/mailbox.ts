/**
 * A mailbox of the real dispatcher: a bounded ring of messages and their senders.
 *
 * It owns the order of what waits for one actor, not the moment it is handled. Invariants: the ring
 * exists only while something waits; a mailbox is in the run queue exactly while it is `ready`.
 *
 * @module
 */

import type { Mailbox } from "./environment.ts";

/** What a mailbox needs of its dispatcher. */
export interface MailboxHost {
  /** Something waits in a mailbox that was empty. */
  ready(mailbox: RingMailbox): void;
  /** An empty ring of `SMALL_RING` slots. */
  takeRing(): unknown[];
  /** Takes back a ring of `SMALL_RING` slots, emptied. */
  giveRing(ring: unknown[]): void;
}

/** Slots of the first ring: message and sender of 8 messages. */
export const SMALL_RING = 16;

/** Erased in its message type: rings and run queue hold mailboxes of every kind. */
export class RingMailbox implements Mailbox<unknown> {
  readonly #host: MailboxHost;
  readonly #limit: number;
  readonly #deliver: (message: unknown, sender: number) => void;
  /** Message and sender alternate; the slot count is a power of two. */
  #ring: unknown[] | undefined = undefined;
  /** Slot of the oldest message. */
  #head = 0;
  #length = 0;
  #closed = false;
  /** Whether it stands in the run queue; the dispatcher clears it. */
  ready = false;

  constructor(
    host: MailboxHost,
    limit: number,
    deliver: (message: unknown, sender: number) => void,
  ) {
    this.#host = host;
    this.#limit = limit;
    this.#deliver = deliver;
  }

  get length(): number {
    return this.#length;
  }

  push(sender: number, message: unknown): boolean {
    const length = this.#length;
    if (length >= this.#limit || this.#closed) return false;
    let ring = this.#ring;
    if (ring === undefined) {
      ring = this.#ring = this.#host.takeRing();
      this.#head = 0;
    } else if (length * 2 === ring.length) {
      ring = this.#grow(ring);
    }
    const slot = (this.#head + length * 2) & (ring.length - 1);
    ring[slot] = message;
    ring[slot + 1] = sender;
    this.#length = length + 1;
    if (!this.ready) {
      this.ready = true;
      this.#host.ready(this);
    }
    return true;
  }

  /** Delivers up to `max` messages, those that come meanwhile included; returns how many. */
  drain(max: number): number {
    let handled = 0;
    while (handled < max && this.#length > 0) {
      const ring = this.#ring as unknown[];
      const head = this.#head;
      const message = ring[head];
      const sender = ring[head + 1] as number;
      ring[head] = undefined;
      this.#head = (head + 2) & (ring.length - 1);
      this.#length--;
      handled++;
      this.#deliver(message, sender);
    }
    if (this.#length === 0 && this.#ring !== undefined) this.#release();
    return handled;
  }

  close(): void {
    this.#closed = true;
    this.#length = 0;
    this.#ring = undefined;
  }

  #release(): void {
    const ring = this.#ring as unknown[];
    this.#ring = undefined;
    if (ring.length === SMALL_RING) this.#host.giveRing(ring);
  }

  #grow(old: unknown[]): unknown[] {
    const ring = new Array<unknown>(old.length * 2).fill(undefined);
    for (let i = 0; i < old.length; i++) {
      ring[i] = old[(this.#head + i) & (old.length - 1)];
    }
    this.#head = 0;
    return this.#ring = ring;
  }
}
