/**
 * What a leader knows of one of its followers in this leader epoch, by its fetches.
 *
 * Invariant: the log end offset is one that the follower itself fetched from in this leader epoch,
 * at a place where its log and the leader's agree; NONE before the first such fetch. Who was taken
 * out of sync is known by what it asked for since.
 *
 * @module
 */

import { NONE, type Offset } from "../../storage/bytes/ids.ts";

export class FollowerProgress {
  /** Everything before it the follower holds, durably where it counts only what is durable. */
  logEndOffset: Offset = NONE;
  /** The first offset that it can be read from. */
  logStartOffset: Offset = 0;
  /** Of the broker that fetched last (KIP-903). */
  brokerEpoch: Offset = NONE;
  /** When it last held all that the leader had; monotonic milliseconds. */
  lastCaughtUp: number;
  /** What was asked for up to then says nothing of it; monotonic milliseconds. */
  readonly #since: number;
  /** The latest that it asked for was asked then; on the same clock. */
  #lastAsked = -Infinity;
  #lastFetch = -Infinity;
  /** Where the leader's log ended when the follower last fetched. */
  #leaderEndAtFetch: Offset = Infinity;

  /** A member of the in-sync replicas counts as caught up when the epoch begins. */
  constructor(lastCaughtUp: number, since = -Infinity) {
    this.lastCaughtUp = lastCaughtUp;
    this.#since = since;
  }

  /**
   * Whether what was asked for at that time is from before it was taken out of sync, or from before
   * its last fetch: one that has waited meanwhile, in a session that was given up.
   */
  isOld(askedAt: number): boolean {
    return askedAt <= this.#since || askedAt < this.#lastAsked;
  }

  /** It fetched: who asks for what came after the last answer had caught up when that was given. */
  fetched(
    fetchOffset: Offset,
    brokerEpoch: Offset,
    leaderEnd: Offset,
    now: number,
    askedAt = Infinity,
  ): void {
    if (askedAt < Infinity) this.#lastAsked = askedAt;
    if (fetchOffset >= leaderEnd) {
      this.lastCaughtUp = Math.max(this.lastCaughtUp, now);
    } else if (fetchOffset >= this.#leaderEndAtFetch) {
      this.lastCaughtUp = Math.max(this.lastCaughtUp, this.#lastFetch);
    }
    this.logEndOffset = fetchOffset;
    this.brokerEpoch = brokerEpoch;
    this.#lastFetch = now;
    this.#leaderEndAtFetch = leaderEnd;
  }

  /** Whether it holds everything, or did a short while ago. */
  isCaughtUp(leaderEnd: Offset, now: number, lagTimeMaxMs: number): boolean {
    return this.logEndOffset === leaderEnd || now - this.lastCaughtUp <= lagTimeMaxMs;
  }
}
