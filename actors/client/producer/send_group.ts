/**
 * The records of one `sendBatch`: spread over partitions and batches, settled by one promise.
 *
 * Invariant: the promise settles once, after the last record did; with the first error if any
 * record failed.
 *
 * @module
 */

import type { BatchOutcome } from "./batch_outcome.ts";
import type { ClientError } from "../errors.ts";
import type { RecordMetadata } from "../records.ts";

/** Where the records of a `sendBatch` are, in the order they were given. */
export interface SentRecords extends Iterable<RecordMetadata> {
  /** How many records they are. */
  readonly length: number;
  /** Of the record at `index`; undefined past the end. */
  at(index: number): RecordMetadata | undefined;
}

/** Records that follow each other in the group and in a batch. */
interface Run {
  readonly firstIndex: number;
  readonly count: number;
  readonly outcome: BatchOutcome;
  readonly outcomeIndex: number;
}

/** A group of records. */
export class SendGroup implements SentRecords {
  readonly length: number;
  readonly promise: Promise<SentRecords>;
  readonly #deferred = Promise.withResolvers<SentRecords>();
  readonly #runs: Run[] = [];
  #remaining: number;
  #failure: ClientError | undefined;

  constructor(recordsCount: number) {
    this.length = recordsCount;
    this.#remaining = recordsCount;
    this.promise = this.#deferred.promise;
    if (recordsCount === 0) this.#settle();
  }

  /** The outcome of `count` records is known, the first being the batch's `outcomeIndex`th. */
  complete(firstIndex: number, count: number, outcome: BatchOutcome, outcomeIndex: number): void {
    this.#runs.push({ firstIndex, count, outcome, outcomeIndex });
    if (this.#failure === undefined) {
      for (let i = 0; i < count && this.#failure === undefined; i++) {
        this.#failure = outcome.errorOf(outcomeIndex + i);
        if (outcome.parts === undefined) break;
      }
    }
    this.#less(count);
  }

  /** `count` records were not taken. */
  fail(count: number, error: ClientError): void {
    this.#failure ??= error;
    this.#less(count);
  }

  at(index: number): RecordMetadata | undefined {
    if (!(index >= 0 && index < this.length)) return undefined;
    let low = 0;
    for (let high = this.#runs.length - 1; low < high;) {
      const middle = (low + high + 1) >>> 1;
      if (this.#runs[middle]!.firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    const { firstIndex, outcome, outcomeIndex } = this.#runs[low]!;
    return outcome.metadataOf(outcomeIndex + index - firstIndex);
  }

  *[Symbol.iterator](): IterableIterator<RecordMetadata> {
    for (const { count, outcome, outcomeIndex } of this.#runs) {
      for (let i = 0; i < count; i++) yield outcome.metadataOf(outcomeIndex + i);
    }
  }

  #less(count: number): void {
    this.#remaining -= count;
    if (this.#remaining === 0) this.#settle();
  }

  #settle(): void {
    if (this.#failure !== undefined) return this.#deferred.reject(this.#failure);
    this.#runs.sort((a, b) => a.firstIndex - b.firstIndex);
    this.#deferred.resolve(this);
  }
}
