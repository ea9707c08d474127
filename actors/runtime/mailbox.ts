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
  readonly spare: SpareRings;
}

/** Messages that the first ring of a busy mailbox takes. */
const FIRST_CAPACITY = 8;
/** Messages that a ring takes which is worth keeping. */
const SPARE_CAPACITY = 4096;
/** Messages that spare rings of one size take together. */
const SPARE_TOTAL = 8192;

/** Rings that no mailbox uses, by size: a burst in each turn would otherwise grow one each time. */
export class SpareRings {
  readonly #bySize: unknown[][][] = [];

  /** An empty ring for `capacity` messages, a power of two. */
  take(capacity: number): unknown[] {
    return this.#bySize[31 - Math.clz32(capacity)]?.pop() ??
      new Array<unknown>(capacity * 2).fill(undefined);
  }

  /** Takes back a ring that holds no message. */
  give(ring: unknown[]): void {
    const capacity = ring.length / 2;
    if (capacity > SPARE_CAPACITY) return;
    const size = 31 - Math.clz32(capacity);
    const rings = this.#bySize[size] ??= [];
    if (rings.length * capacity < SPARE_TOTAL) rings.push(ring);
  }
}

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
      ring = this.#ring = this.#host.spare.take(FIRST_CAPACITY);
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
    const ring = this.#ring;
    if (this.#length === 0 && ring !== undefined) {
      this.#ring = undefined;
      this.#host.spare.give(ring);
    }
    return handled;
  }

  close(): void {
    this.#closed = true;
    this.#length = 0;
    this.#ring = undefined;
  }

  #grow(old: unknown[]): unknown[] {
    const ring = this.#host.spare.take(old.length);
    for (let i = 0; i < old.length; i++) {
      ring[i] = old[(this.#head + i) & (old.length - 1)];
    }
    old.fill(undefined);
    this.#host.spare.give(old);
    this.#head = 0;
    return this.#ring = ring;
  }
}
