/**
 * The requests of one connection from `send` to their end.
 *
 * Owns which wait for the connection, which for an answer, and until when. Does not own the
 * connection.
 *
 * Invariants: a request is in one place at a time and ends once; one timer stands for all of their
 * deadlines, set for no later than the first.
 *
 * @module
 */

import type { Frame } from "../../net/frame_reader.ts";
import type { Api } from "../../net/schema.ts";
import type { Environment, Timer } from "../runtime/environment.ts";

/** Takes a response, and the frame that it lies in, which it must release; or an error. */
export type ExchangeEnd = (result: unknown, frame: Frame | undefined) => void;

/** A request under way. */
export interface Exchange {
  readonly api: Api;
  readonly request: unknown;
  readonly timeoutMs: number;
  /** Monotonic time by which it must be answered. */
  readonly deadline: number;
  /** The version that it was sent in. */
  version: number;
  readonly done: ExchangeEnd;
}

export interface ExchangesOptions {
  readonly environment: Environment;
  /** The time of these is up, and they were never sent. */
  expired(exchanges: readonly Exchange[]): void;
  /** The time of one is up that was sent. It is still among the others. */
  late(exchange: Exchange): void;
}

/** All requests of one connection. */
export class Exchanges {
  readonly #options: ExchangesOptions;
  #unsent: Exchange[] = [];
  readonly #unanswered = new Map<number, Exchange>();
  #nextCorrelationId = 0;
  #timer: Timer | undefined;
  #timerDue = Infinity;

  constructor(options: ExchangesOptions) {
    this.#options = options;
  }

  /** Requests that have not ended. */
  get count(): number {
    return this.#unsent.length + this.#unanswered.size;
  }

  get hasUnsent(): boolean {
    return this.#unsent.length > 0;
  }

  make(api: Api, request: unknown, timeoutMs: number, done: ExchangeEnd): Exchange {
    const deadline = this.#options.environment.clock.monotonic() + timeoutMs;
    return { api, request, timeoutMs, deadline, version: 0, done };
  }

  /** Keeps a request until there is a connection. */
  addUnsent(exchange: Exchange): void {
    this.#unsent.push(exchange);
    this.#watch(exchange.deadline);
  }

  /** Takes out what waits for a connection, in order. */
  takeUnsent(): readonly Exchange[] {
    const unsent = this.#unsent;
    this.#unsent = [];
    return unsent;
  }

  /** A number that no other request bears. */
  takeCorrelationId(): number {
    return this.#nextCorrelationId = (this.#nextCorrelationId + 1) & 0x7fffffff;
  }

  /** Keeps a request until it is answered. */
  addUnanswered(correlationId: number, exchange: Exchange): void {
    this.#unanswered.set(correlationId, exchange);
    this.#watch(exchange.deadline);
  }

  unanswered(correlationId: number): Exchange | undefined {
    return this.#unanswered.get(correlationId);
  }

  /** Takes a request out, which was answered. */
  removeUnanswered(correlationId: number): void {
    this.#unanswered.delete(correlationId);
  }

  /** Takes all out, those first that were sent. */
  clear(): readonly Exchange[] {
    const all = [...this.#unanswered.values(), ...this.#unsent];
    this.#unanswered.clear();
    this.#unsent = [];
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDue = Infinity;
    return all;
  }

  #watch(deadline: number): void {
    if (deadline >= this.#timerDue) return;
    const { clock, timers } = this.#options.environment;
    this.#timer?.cancel();
    this.#timerDue = deadline;
    const delayMs = Math.max(0, deadline - clock.monotonic());
    this.#timer = timers.schedule(delayMs, () => this.#check());
  }

  #check(): void {
    this.#timerDue = Infinity;
    const now = this.#options.environment.clock.monotonic();
    const expired = this.#unsent.filter((exchange) => exchange.deadline <= now);
    this.#unsent = this.#unsent.filter((exchange) => exchange.deadline > now);
    let next = Infinity;
    let late: Exchange | undefined;
    for (const exchange of this.#unanswered.values()) {
      if (exchange.deadline <= now) late ??= exchange;
      else next = Math.min(next, exchange.deadline);
    }
    for (const exchange of this.#unsent) next = Math.min(next, exchange.deadline);
    if (next !== Infinity) this.#watch(next);
    if (late !== undefined) this.#options.late(late);
    if (expired.length > 0) this.#options.expired(expired);
  }
}
