/**
 * The real dispatcher: mailboxes with something in them stand in a queue, and turns empty them.
 *
 * It owns when messages are handled and lets I/O in between; it knows no actor. It names no global:
 * a microtask, macrotasks and a clock are given to it. Invariants: no turn runs inside another, and
 * exactly one is scheduled while messages or end-of-turn work wait and none runs.
 *
 * @module
 */

import type { Dispatcher, Mailbox } from "./environment.ts";
import { type MailboxHost, RingMailbox, SpareRings } from "./mailbox.ts";

export interface DispatcherOptions {
  /** Runs `run` once the present stack has unwound, before more I/O: a microtask. */
  soon(run: () => void): void;
  /** Runs `run` from the event loop, at little cost: a macrotask. I/O may have to wait on. */
  later(run: () => void): void;
  /** Runs `run` after I/O that is ready was let in. */
  afterIo(run: () => void): void;
  /** Monotonic milliseconds. */
  now(): number;
  /** Told of each turn of `stallMs` or more. */
  stalled?(durationMs: number): void;
  /** Told of what end-of-turn work, or a mailbox that is no actor's, threw. */
  failed?(error: unknown): void;
}

/** Messages of one turn. */
export const TURN_MESSAGES = 1_000;
/** Length of one turn; the message in hand is finished. */
export const TURN_MS = 2;
/** Messages of one mailbox in a row while others wait, and between two looks at the clock. */
export const MAILBOX_BATCH = 64;
/** A turn this long is a stall. */
const STALL_MS = 10;
/** Turns may follow each other so long before I/O is let in. */
export const IO_MS = 1;

/** First in, first out, in turns. */
export class FifoDispatcher implements Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #host: MailboxHost;
  readonly #turn = () => this.#runTurn();
  /** The run queue: a ring whose slot count is a power of two. */
  #queue: (RingMailbox | undefined)[] = new Array(64).fill(undefined);
  #head = 0;
  #waiting = 0;
  #atEnd: (() => void)[] = [];
  #afterIo: (() => void)[] = [];
  /** A turn runs or is scheduled. */
  #awake = false;
  /** When the first turn began since I/O was let in; -1 when none has. */
  #turnsSince = -1;
  #handled = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#host = {
      ready: (mailbox) => this.#enqueue(mailbox),
      spare: new SpareRings(),
    };
  }

  mailbox<Message>(
    limit: number,
    deliver: (message: Message, sender: number) => void,
  ): Mailbox<Message> {
    return new RingMailbox(
      this.#host,
      limit,
      deliver as (message: unknown, sender: number) => void,
    ) as Mailbox<Message>;
  }

  get handled(): number {
    return this.#handled;
  }

  atEndOfTurn(run: () => void): void {
    this.#atEnd.push(run);
    this.#wake();
  }

  afterIo(run: () => void): void {
    this.#afterIo.push(run);
    if (this.#afterIo.length > 1) return;
    this.#options.afterIo(() => {
      const runs = this.#afterIo;
      this.#afterIo = [];
      for (const run of runs) this.atEndOfTurn(run);
    });
  }

  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#options.soon(this.#turn);
  }

  #enqueue(mailbox: RingMailbox): void {
    if (this.#waiting === this.#queue.length) this.#growQueue();
    this.#queue[(this.#head + this.#waiting) & (this.#queue.length - 1)] = mailbox;
    this.#waiting++;
    if (!this.#awake) this.#wake();
  }

  #dequeue(): RingMailbox {
    const mailbox = this.#queue[this.#head] as RingMailbox;
    this.#queue[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#queue.length - 1);
    this.#waiting--;
    return mailbox;
  }

  #growQueue(): void {
    const old = this.#queue;
    const queue = new Array<RingMailbox | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < old.length; i++) {
      queue[i] = old[(this.#head + i) & (old.length - 1)];
    }
    this.#queue = queue;
    this.#head = 0;
  }

  #runTurn(): void {
    const start = this.#options.now();
    if (this.#turnsSince < 0) this.#turnsSince = start;
    this.#handleMessages(start);
    this.#runAtEnd();
    const end = this.#options.now();
    if (end - start >= STALL_MS) this.#options.stalled?.(end - start);
    this.#awake = this.#waiting > 0 || this.#atEnd.length > 0;
    if (this.#awake && end - this.#turnsSince < IO_MS) return this.#options.later(this.#turn);
    this.#turnsSince = -1;
    if (this.#awake) this.#options.afterIo(this.#turn);
  }

  #handleMessages(start: number): void {
    let handled = 0;
    // Handlers that cost much must not run 64 times before the first look.
    let stride = 1;
    let nextLook = stride;
    while (this.#waiting > 0 && handled < TURN_MESSAGES) {
      const mailbox = this.#dequeue();
      const batch = Math.min(nextLook - handled, TURN_MESSAGES - handled);
      handled += this.#drain(mailbox, batch);
      if (mailbox.length > 0) this.#enqueue(mailbox);
      else mailbox.ready = false;
      if (handled < nextLook) continue;
      if (this.#options.now() - start >= TURN_MS) return;
      stride = Math.min(stride * 2, MAILBOX_BATCH);
      nextLook = handled + stride;
    }
  }

  #drain(mailbox: RingMailbox, batch: number): number {
    try {
      const handled = mailbox.drain(batch);
      this.#handled += handled;
      return handled;
    } catch (error) {
      this.#options.failed?.(error);
      this.#handled += batch;
      return batch;
    }
  }

  #runAtEnd(): void {
    if (this.#atEnd.length === 0) return;
    const runs = this.#atEnd;
    this.#atEnd = [];
    for (const run of runs) {
      try {
        run();
      } catch (error) {
        this.#options.failed?.(error);
      }
    }
  }
}
