/**
 * The only door to time, chance, disk, network and the outside: whatever an actor does that is not
 * a plain computation goes through the `Environment` it was given. The real one is Deno
 * (deno_environment.ts); the simulated one is a deterministic world (actors/sim).
 *
 * Every callback given to an environment is called later, never inside the call that gave it.
 *
 * @module
 */

import type { Uuid } from "../../storage/bytes/ids.ts";
import type { Disk } from "../../storage/disk.ts";
import type { Network } from "../../net/network.ts";
import type { Metrics } from "./metrics.ts";

/** Time, in its two kinds. */
export interface Clock {
  /** Milliseconds, with fractions, since some fixed moment; never goes back. For durations. */
  monotonic(): number;
  /** Whole milliseconds since 1970-01-01 UTC; may jump either way. For timestamps of records. */
  wall(): number;
}

/** Something that is to be run. */
export interface Timer {
  /** It is not run any more; nothing happens where it has been. */
  cancel(): void;
}

/** Runs things later. */
export interface Timers {
  /** Runs `run` once, `delayMs` from now at the earliest. */
  schedule(delayMs: number, run: () => void): Timer;
}

/** A stream of chance. Streams of different names do not influence each other. */
export interface RandomStream {
  /** A whole number from 0 up to, not including, `below` (at most 2^32). */
  integer(below: number): number;
  /** True `numerator` times out of `denominator`. */
  chance(numerator: number, denominator: number): boolean;
  /** So many random bytes. */
  bytes(length: number): Uint8Array;
  /** A random version 4 id whose text does not begin with `-`. */
  uuid(): Uuid;
}

/** Chance, by streams. */
export interface Random {
  /** The stream of that name; the same object each time it is asked for. */
  stream(name: string): RandomStream;
}

/** How much a line matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Of an `Error` the logger writes name and message; its stack only where that was asked for. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | Error | null | undefined>
>;

/** Writes what happened for people to read. */
export interface Logger {
  /** Writes one line: what happened, in a few fixed words, and the values that go with it. */
  log(level: LogLevel, event: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  with(fields: LogFields): Logger;
}

/** A queue of messages for one actor, made by the dispatcher that decides when it is emptied. */
export interface Mailbox<Message> {
  /**
   * Queues a message. Messages of one sender stay in order; 0 stands for anything that is not an
   * actor. Returns false, and queues nothing, when the mailbox is full or closed.
   */
  push(sender: number, message: Message): boolean;
  /** Messages that are queued. */
  readonly length: number;
  /** Drops what is queued and refuses what comes. */
  close(): void;
}

/**
 * Decides when queued messages are handled, and in which order across senders. A message pushed
 * while another is handled is never handled inside it.
 */
export interface Dispatcher {
  /** Makes a queue of at most `limit` messages, which hands each to `deliver`. */
  mailbox<Message>(
    limit: number,
    deliver: (message: Message, sender: number) => void,
  ): Mailbox<Message>;

  /**
   * Messages handled so far, of all mailboxes: where it does not grow, nobody has anything to do.
   * Those of the turn in hand may count or not.
   */
  readonly handled: number;

  /**
   * Runs once when the present turn ends: after the messages that are ready now, before more I/O
   * is taken in. For gathering what a turn produced into one write.
   */
  atEndOfTurn(run: () => void): void;

  /**
   * Runs once after what connections have received by then was taken in and handled. For gathering
   * what many bring: where nothing else is to be done, a tenth of a millisecond later.
   */
  afterIo(run: () => void): void;
}

/** All that an actor may use of the outside. */
export interface Environment {
  /** Time. */
  readonly clock: Clock;
  /** What happens later. */
  readonly timers: Timers;
  /** Chance. */
  readonly random: Random;
  /** The data folder. */
  readonly disk: Disk;
  /** Connections to others. */
  readonly network: Network;
  /** The log. */
  readonly logger: Logger;
  /** The instruments. */
  readonly metrics: Metrics;
  /** When messages are handled. */
  readonly dispatcher: Dispatcher;
  /** What names this process to people and to folder locks: a pid, or a simulated node's name. */
  readonly process: string;
}
