/**
 * How fast a compaction may go on beside everything else of its node: as fast as it can where it
 * is alone, and for a small share of the time where others have something to do.
 *
 * Owns what it owes them. It knows no clock: it is told of times, and of how many messages the node
 * has handled.
 *
 * Invariants: what it worked while others were there it rests for, `REST_FACTOR` times as long, in
 * rests that a timer can tell apart; a timer that is late is made up for, up to `CREDIT_MS`.
 *
 * @module
 */

/** While others have something to do: rest so many times as long as was worked. */
const REST_FACTOR = 4;
/** Others who had something to do so lately will have again. */
const BUSY_FOR_MS = 5;
/** Where others took so long between two slices, they have much to do: then it rests longer. */
const LONG_GAP_MS = 0.5;
const LONG_REST_MS = 3;
/** Of rests that were too long so much is made up for. */
const CREDIT_MS = 3;
/** Timers tell no shorter times apart. */
const TIMER_MS = 1;

export class CompactionPace {
  /** What is to be rested for; below 0 where it has rested too long. */
  #owedMs = 0;
  #othersAt = -Infinity;
  /** Messages of others that were handled until now. */
  #others = 0;
  #restsSince: number | undefined;

  /**
   * @param others messages handled by then that were not this compaction's own
   */
  constructor(others: number) {
    this.#others = others;
  }

  /** A slice of so many milliseconds has ended. */
  worked(ms: number): void {
    this.#owedMs += ms * REST_FACTOR;
  }

  /**
   * For how long to rest before the next slice: 0 or what a timer can tell.
   *
   * @param gapMs how long it took to give way
   * @param others as of the constructor
   */
  rest(now: number, gapMs: number, others: number): number {
    if (others > this.#others) this.#othersAt = now;
    this.#others = others;
    if (now - this.#othersAt > BUSY_FOR_MS) {
      this.#owedMs = 0;
      return 0;
    }
    if (gapMs > LONG_GAP_MS) this.#owedMs = Math.max(this.#owedMs, LONG_REST_MS);
    if (this.#owedMs < TIMER_MS) return 0;
    this.#restsSince = now;
    return this.#owedMs;
  }

  /** A rest is over. */
  rested(now: number): void {
    if (this.#restsSince === undefined) return;
    const ms = now - this.#restsSince;
    this.#restsSince = undefined;
    this.#owedMs = Math.max(-CREDIT_MS, this.#owedMs - ms);
  }
}
