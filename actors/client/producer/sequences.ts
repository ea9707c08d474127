/**
 * The sequence numbers of one partition's batches: what makes a batch that is sent twice be stored
 * once, and in its place (KIP-98, KIP-360).
 *
 * Owns the numbering, and what an outcome says of the batches that were sent. Does not own the
 * batches' order and when they are sent: it says which may go.
 *
 * A batch is numbered when it is first taken, and keeps its number until it is stored or given up,
 * as an attempt that nobody answered may be stored yet. A batch that is given up leaves a gap: the
 * log takes none of those after it, if it is not stored. Then the producer's epoch is raised, and
 * what is left is numbered anew from 0. That is safe only for batches that cannot be stored under
 * their old number:
 *
 * - those whose every attempt was refused;
 * - those after such a one that was given up, as the log takes numbers without a gap;
 * - one that the log itself finds out of order although all before it are stored.
 *
 * Others, after one of which nobody knows, go on under their old number; where the log refuses them
 * they fail, since to send them under another number might store them twice.
 *
 * Invariants: from the first batch that is not resolved to the last that is numbered there are at
 * most five, as many as a log remembers; but for the first of an epoch none is sent before one is
 * stored, since a log that knows nothing of a producer takes any number from it; numbers rise
 * without a gap, 0 after 2^31 - 1; the epoch changes only while no request carries a batch of the
 * partition.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ProducerStamp } from "../../../storage/record_batch.ts";
import type { Identity, ProducerIdAndEpoch } from "./producer_identity.ts";

/** What the numbering needs of a batch. */
export interface SequencedBatch {
  /** The order of batches within the partition; a split's parts have the same. */
  readonly order: number;
  readonly recordsCount: number;
  /** Undefined while it has no number. */
  stamp: ProducerStamp | undefined;
}

/** As many batches of a producer a log remembers. */
const BATCHES_MAX = 5;
const SEQUENCE_MAX = 0x7fffffff;

/** Answers that say that this attempt has not stored anything. All others leave it open. */
const REFUSALS: ReadonlySet<number> = new Set([
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_REQUEST,
  ErrorCode.INVALID_REQUIRED_ACKS,
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.UNKNOWN_PRODUCER_ID,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  ErrorCode.UNSUPPORTED_VERSION,
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  ErrorCode.POLICY_VIOLATION,
  ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  // Of transactions: the coordinator is asked before anything is stored.
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.INVALID_TXN_STATE,
  ErrorCode.INVALID_PRODUCER_ID_MAPPING,
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ErrorCode.TRANSACTION_ABORTABLE,
  ErrorCode.PRODUCER_FENCED,
]);

/**
 * What precedes a batch: nothing that is missing, something that may be stored and was given up, or
 * something that is not stored and never will be.
 */
type Gap = "none" | "unknown" | "certain";

interface Numbered {
  readonly batch: SequencedBatch;
  /** Its place among the batches of the epoch. */
  readonly place: number;
  /** An attempt ended without a refusal. */
  mayBeStored: boolean;
  gapBefore: Gap;
  /** A part of a batch that may be stored whole: the log does not know it again. */
  readonly mayBeStoredWhole: boolean;
}

/** What is to become of a batch that came back; undefined where the error alone decides. */
export type SequenceVerdict = "again" | "fail" | "stored" | undefined;

/** The numbering of one partition. */
export class PartitionSequences {
  readonly #identity: Pick<Identity, "current" | "bump">;
  /** What the numbers belong to. */
  #id: ProducerIdAndEpoch | undefined;
  #next = 0;
  /** Of the next batch. */
  #place = 0;
  /** Whether the log knows the id and epoch. */
  #isKnown = false;
  /** The `order` of the last batch of this epoch that is stored. */
  #lastStored = -1;
  /** Batches that are numbered and not resolved, by their numbers. */
  readonly #numbered: Numbered[] = [];
  #gapAtEnd: Gap = "none";

  constructor(identity: Pick<Identity, "current" | "bump">) {
    this.#identity = identity;
  }

  /** Whether a batch may be sent now, as far as its number goes. */
  mayTake(batch: SequencedBatch): boolean {
    // A log that knows nothing of the producer must see its first batch first.
    if (batch.stamp !== undefined) return this.#isKnown || batch.stamp.baseSequence === 0;
    const { current } = this.#identity;
    if (current === undefined || this.#gapAtEnd !== "none") return false;
    const first = this.#numbered[0];
    if (first === undefined) return true;
    if (!this.#isKnown || this.#id !== current) return false;
    if (this.#place - first.place >= BATCHES_MAX) return false;
    return this.#numbered.every(({ gapBefore }) => gapBefore === "none");
  }

  /** Gives a batch its number, unless it has one. */
  take(batch: SequencedBatch): void {
    if (batch.stamp !== undefined) return;
    const { current } = this.#identity;
    if (current === undefined) throw new Error("Cannot number batch: there is no producer id");
    if (this.#id !== current) this.#enter(current);
    batch.stamp = { ...current, baseSequence: this.#next };
    this.#next = (this.#next + batch.recordsCount) & SEQUENCE_MAX;
    this.#numbered.push({
      batch,
      place: this.#place++,
      mayBeStored: false,
      gapBefore: "none",
      mayBeStoredWhole: false,
    });
  }

  /** The batch is in the log, and so are those before it. */
  stored(batch: SequencedBatch): void {
    const index = this.#indexOf(batch);
    if (index < 0) return;
    for (let i = 0; i < index; i++) this.#numbered[i]!.gapBefore = "none";
    this.#numbered.splice(index, 1);
    this.#isKnown = true;
    this.#lastStored = Math.max(this.#lastStored, batch.order);
  }

  /** An attempt has ended with an error. */
  refused(batch: SequencedBatch, code: number): SequenceVerdict {
    const index = this.#indexOf(batch);
    if (index < 0) return undefined;
    const numbered = this.#numbered[index]!;
    if (!REFUSALS.has(code)) numbered.mayBeStored = true;
    if (code === ErrorCode.INVALID_PRODUCER_EPOCH) return "fail";
    const isUnknownProducer = code === ErrorCode.UNKNOWN_PRODUCER_ID;
    if (code !== ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && !isUnknownProducer) return undefined;
    // The log has forgotten it meanwhile.
    if (batch.order < this.#lastStored) return "stored";
    // Its turn comes when those before it are resolved.
    if (index > 0) return "again";
    // A log that has lost its memory, or that may get to what was given up, says nothing of it.
    const saysNothing = isUnknownProducer || numbered.gapBefore === "unknown" ||
      numbered.mayBeStoredWhole;
    if (numbered.mayBeStored && saysNothing) return "fail";
    numbered.gapBefore = "certain";
    return "again";
  }

  /** The batch goes on as parts, which hold its records in order. */
  split(
    batch: SequencedBatch,
    parts: readonly { readonly batch: SequencedBatch; readonly firstIndex: number }[],
  ): void {
    const index = this.#indexOf(batch);
    if (index < 0) return;
    const { place, mayBeStored, gapBefore, mayBeStoredWhole } = this.#numbered[index]!;
    const stamp = batch.stamp!;
    const numbered = parts.map(({ batch: part, firstIndex }): Numbered => {
      const baseSequence = (stamp.baseSequence + firstIndex) & SEQUENCE_MAX;
      part.stamp = { ...stamp, baseSequence };
      return {
        batch: part,
        place,
        mayBeStored,
        gapBefore: firstIndex === 0 ? gapBefore : "none",
        mayBeStoredWhole: mayBeStored || mayBeStoredWhole,
      };
    });
    this.#numbered.splice(index, 1, ...numbered);
  }

  /** The batch is not sent again, and no request carries it. */
  gaveUp(batch: SequencedBatch): void {
    const index = this.#indexOf(batch);
    if (index < 0) return;
    const { mayBeStored, gapBefore } = this.#numbered[index]!;
    this.#numbered.splice(index, 1);
    // What comes after it is stored: so is it.
    if (batch.order < this.#lastStored) return;
    const gap: Gap = gapBefore === "certain" || !mayBeStored ? "certain" : "unknown";
    const next = this.#numbered[index];
    if (next === undefined) this.#gapAtEnd = gap;
    else if (next.gapBefore !== "certain") next.gapBefore = gap;
  }

  /**
   * To be called when no request carries a batch of the partition, after anything of the above:
   * raises the epoch where numbers leave a gap, and takes back those of the batches that are left.
   */
  settle(): void {
    const first = this.#numbered[0];
    const gap = first === undefined ? this.#gapAtEnd : first.gapBefore;
    // One that may be stored can show that what was given up before it is.
    if (gap === "none" || (gap === "unknown" && first?.mayBeStored === true)) return;
    this.#identity.bump(this.#id!);
    for (const { batch } of this.#numbered) batch.stamp = undefined;
    this.#numbered.length = 0;
    this.#gapAtEnd = "none";
    this.#id = undefined;
  }

  #enter(id: ProducerIdAndEpoch): void {
    this.#id = id;
    this.#next = 0;
    this.#place = 0;
    this.#isKnown = false;
    this.#lastStored = -1;
  }

  #indexOf(batch: SequencedBatch): number {
    if (batch.stamp === undefined) return -1;
    return this.#numbered.findIndex((numbered) => numbered.batch === batch);
  }
}
