/**
 * A bound on what many share: bytes of requests, bytes of records that were read, places to wait.
 *
 * Owns the count and who waits for room. It refuses nothing by itself: whoever takes has looked at
 * `room` before, and may pass the limit by what cannot be cut.
 *
 * @module
 */

import type { BrokerConfig } from "../../config/broker_config.ts";

export class Budget {
  readonly #limit: number;
  #held = 0;
  readonly #waiting = new Set<() => void>();

  /** @param limit -1 is no limit */
  constructor(limit: number) {
    this.#limit = limit < 0 ? Number.MAX_SAFE_INTEGER : limit;
  }

  /** What is taken now. */
  get held(): number {
    return this.#held;
  }

  /** What may still be taken; 0 when the limit is passed. */
  get room(): number {
    return Math.max(0, this.#limit - this.#held);
  }

  take(amount: number): void {
    this.#held += amount;
  }

  give(amount: number): void {
    this.#held -= amount;
    if (this.#waiting.size === 0 || this.room === 0) return;
    const resumed = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of resumed) resume();
  }

  /** Has `resume` called, once, when there is room again. It must not take at once. */
  wait(resume: () => void): void {
    this.#waiting.add(resume);
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume);
  }
}

/** Partitions that fetches wait for, over all connections: a place costs some 200 bytes. */
export const WAITING_PLACES_MAX = 500_000;

/** Bytes of requests that have come in part, where they are large, over all connections. */
const RECEIVED_BYTES_MAX = 256 * 1024 * 1024;

/** What the sessions of a node may use together. */
export class SessionBudgets {
  /** Bytes of requests that are being worked on: `queued.max.request.bytes`. */
  readonly requestBytes: Budget;
  /** Bytes of records that were read for fetches and not sent yet: `queued.max.fetch.bytes`. */
  readonly fetchedBytes: Budget;
  /** Bytes of buffers for large requests, from their first bytes until they are complete. */
  readonly receivedBytes = new Budget(RECEIVED_BYTES_MAX);
  /** Partitions that fetches wait for. */
  readonly waitingPlaces = new Budget(WAITING_PLACES_MAX);

  constructor(limits: Pick<BrokerConfig, "queuedMaxRequestBytes" | "queuedMaxFetchBytes">) {
    this.requestBytes = new Budget(limits.queuedMaxRequestBytes);
    this.fetchedBytes = new Budget(limits.queuedMaxFetchBytes);
  }
}
