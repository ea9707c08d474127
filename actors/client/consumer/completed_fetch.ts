/**
 * What a fetch brought of one partition, until it was given out.
 *
 * @module
 */

import type { Epoch, Offset } from "../../../storage/bytes/ids.ts";
import type { AbortedTransaction } from "../../../net/messages/fetch.ts";
import type { Hold } from "../../link/node_link.ts";

/** The memory of a response whose records several partitions share. */
export class SharedHold {
  readonly #hold: Hold;
  #holders = 1;

  /** Held once, by whoever makes it. */
  constructor(hold: Hold) {
    this.#hold = hold;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#hold.release();
  }
}

/** Record batches of a partition, and the memory that they lie in. */
export class CompletedFetch {
  readonly bytes: Uint8Array;
  /** The offset after the last whole batch. */
  readonly nextOffset: Offset;
  /** Of the leader that appended the last batch. */
  readonly leaderEpoch: Epoch;
  /** By first offset; null unless only committed records are read. */
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
  /**
   * Set when views of the memory were given to the user, who may keep them: then the memory is
   * never used again, and goes when they do.
   */
  isGivenAway = false;
  readonly #hold: SharedHold;

  constructor(
    bytes: Uint8Array,
    nextOffset: Offset,
    leaderEpoch: Epoch,
    abortedTransactions: readonly AbortedTransaction[] | null,
    hold: SharedHold,
  ) {
    this.bytes = bytes;
    this.nextOffset = nextOffset;
    this.leaderEpoch = leaderEpoch;
    // Kafka tells of them in the order in which they ended.
    this.abortedTransactions =
      abortedTransactions?.toSorted((a, b) => a.firstOffset - b.firstOffset) ?? null;
    this.#hold = hold;
    hold.retain();
  }

  get sizeInBytes(): number {
    return this.bytes.length;
  }

  /** Ends the use of the bytes; once. */
  release(): void {
    if (!this.isGivenAway) this.#hold.release();
  }
}
