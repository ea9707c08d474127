/**
 * Records that could not be appended when they were sent: their topic is not known yet, or the
 * buffer is full.
 *
 * Owns their order and the time they may wait. Does not own how they are appended; it asks.
 *
 * Invariants: the records of a topic are appended in the order they were sent, as nothing goes past
 * a topic's backlog; topics take turns when memory is given back; each entry is appended or fails,
 * once.
 *
 * @module
 */

import type { Environment, Timer } from "../../runtime/environment.ts";
import type { TopicQueues } from "./accumulator.ts";
import type { ClientError } from "../errors.ts";
import type { FlushWaiter } from "./flush_waiter.ts";

/** What waits: one record, or what is left of a `sendBatch`, whose records are made one by one. */
export interface Waiting {
  /** Appends what it can. Never throws. */
  append(): "all" | "some" | "nothing";
  /** Tells that what is left was not sent. */
  fail(error: ClientError): void;
  /** Monotonic time; the backlog's. */
  deadline: number;
  /** Flushes that wait for it. */
  readonly waiters: FlushWaiter[];
}

/** The backlog of one topic. */
interface TopicBacklog {
  readonly queues: TopicQueues;
  readonly entries: Waiting[];
  head: number;
}

export interface SendBacklogOptions {
  readonly environment: Environment;
  readonly maxBlockMs: number;
  /** Why a topic's records wait: the error they fail with when they have waited too long. */
  timeoutError(topic: TopicQueues): ClientError;
  /** Fewer records wait than before. */
  shrunk(): void;
}

/** Entries whose time is up may wait so much longer. */
const EXPIRY_STEP_MS = 20;

/** All backlogs. */
export class SendBacklog {
  readonly #options: SendBacklogOptions;
  readonly #topics = new Map<string, TopicBacklog>();
  #timer: Timer | undefined;

  constructor(options: SendBacklogOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  /** Whether records of the topic wait, so that others must queue up behind them. */
  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  /** The topics that have a backlog. */
  get topics(): Iterable<TopicQueues> {
    return Array.from(this.#topics.values(), (backlog) => backlog.queues);
  }

  add(queues: TopicQueues, waiting: Waiting): void {
    let backlog = this.#topics.get(queues.name);
    if (backlog === undefined) {
      this.#topics.set(queues.name, backlog = { queues, entries: [], head: 0 });
      queues.hasBacklog = true;
    }
    waiting.deadline = this.#now() + this.#options.maxBlockMs;
    backlog.entries.push(waiting);
    if (this.#timer === undefined) this.#arm(this.#options.maxBlockMs);
  }

  /** Appends what can be now, each topic as far as it gets. */
  drain(): void {
    for (const [name, backlog] of [...this.#topics]) {
      if (backlog.queues.partitionCount === 0) continue;
      this.#drainTopic(backlog);
      this.#topics.delete(name);
      // Behind the others: the next room is theirs.
      if (backlog.head < backlog.entries.length) this.#topics.set(name, backlog);
      else backlog.queues.hasBacklog = false;
    }
    this.#options.shrunk();
  }

  /** Fails everything of a topic. */
  failTopic(name: string, error: ClientError): void {
    const backlog = this.#topics.get(name);
    if (backlog === undefined) return;
    this.#topics.delete(name);
    backlog.queues.hasBacklog = false;
    for (const entry of backlog.entries.slice(backlog.head)) failEntry(entry, error);
    this.#options.shrunk();
  }

  /** Fails everything; for the end. */
  close(error: ClientError): void {
    this.#timer?.cancel();
    for (const name of [...this.#topics.keys()]) this.failTopic(name, error);
  }

  /** Has a flush wait for everything that waits. */
  addWaiter(waiter: FlushWaiter): void {
    for (const backlog of this.#topics.values()) {
      for (let i = backlog.head; i < backlog.entries.length; i++) {
        waiter.add();
        backlog.entries[i]!.waiters.push(waiter);
      }
    }
  }

  #drainTopic(backlog: TopicBacklog): void {
    const { entries } = backlog;
    while (backlog.head < entries.length) {
      const waiting = entries[backlog.head]!;
      const appended = waiting.append();
      // Of what is left each record begins to wait when it comes first.
      if (appended === "some") waiting.deadline = this.#now() + this.#options.maxBlockMs;
      if (appended !== "all") return;
      this.#shift(backlog);
      for (const waiter of waiting.waiters) waiter.done();
    }
  }

  #shift(backlog: TopicBacklog): void {
    backlog.head++;
    if (backlog.head > 1024 && backlog.head * 2 > backlog.entries.length) {
      backlog.entries.splice(0, backlog.head);
      backlog.head = 0;
    }
  }

  #now(): number {
    return this.#options.environment.clock.monotonic();
  }

  #arm(delayMs: number): void {
    const { timers } = this.#options.environment;
    this.#timer = timers.schedule(Math.max(0, delayMs), () => this.#expire());
  }

  #expire(): void {
    this.#timer = undefined;
    const { maxBlockMs } = this.#options;
    const now = this.#now();
    let next = Infinity;
    for (const [name, backlog] of [...this.#topics]) {
      const waiting = backlog.entries.slice(backlog.head);
      const expired = waiting.filter((entry) => entry.deadline <= now);
      const left = waiting.filter((entry) => entry.deadline > now);
      for (const entry of left) next = Math.min(next, entry.deadline);
      if (expired.length === 0) continue;
      this.#topics.delete(name);
      backlog.queues.hasBacklog = left.length > 0;
      if (left.length > 0) {
        this.#topics.set(name, { queues: backlog.queues, entries: left, head: 0 });
      }
      const error = this.#options.timeoutError(backlog.queues);
      for (const entry of expired) failEntry(entry, error);
    }
    // Many deadlines that lie close together are seen to at once.
    const least = Math.min(EXPIRY_STEP_MS, maxBlockMs);
    if (next !== Infinity) this.#arm(Math.max(next - now, least));
    this.#options.shrunk();
  }
}

function failEntry(entry: Waiting, error: ClientError): void {
  entry.fail(error);
  for (const waiter of entry.waiters) waiter.done();
}
