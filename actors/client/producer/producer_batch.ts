/**
 * One batch on its way from `send` to its acknowledgement, and whom to tell of its records.
 *
 * Owns the records of one partition that travel together, and the settling of what they were sent
 * with: promises, callbacks, groups of `sendBatch`. Does not own its buffer, which the accumulator
 * lends and takes back, nor decide when to send.
 *
 * A promise for each record is most of the cost of sending it, so each is the cheapest there is:
 * derived from one promise of the batch by one function, which counts, as reactions run in the
 * order they were added. That takes 90 bytes where a promise with an executor takes 220 (m), and
 * with many records in flight it is the collector's work that counts.
 *
 * Invariants: each record settles exactly once; nothing is appended once it is closed; the bytes
 * stay as they are while a request carries them; the users of
 * a batch that was split are told when all parts have settled.
 *
 * @module
 */

import { type Epoch, NONE, type Offset, type Timestamp } from "../../../storage/bytes/ids.ts";
import { type ProducerStamp, setProducerStamp } from "../../../storage/record_batch.ts";
import {
  type BatchOptions,
  type HeaderContent,
  RecordBatchBuilder,
  type RecordContent,
} from "../../../storage/record_batch_builder.ts";
import { BatchOutcome } from "./batch_outcome.ts";
import type { ClientError } from "../errors.ts";
import type { FlushWaiter } from "./flush_waiter.ts";
import type { RecordMetadata, SendCallback } from "../records.ts";
import type { SendGroup } from "./send_group.ts";

/** Consecutive records of a batch that are consecutive in a group too. */
interface GroupRun {
  readonly group: SendGroup;
  readonly groupIndex: number;
  readonly batchIndex: number;
  count: number;
}

/** A batch. */
export class ProducerBatch {
  readonly topic: string;
  readonly partition: number;
  /** The order of batches within a partition; a split's parts keep their place. */
  readonly order: number;
  /** What it takes of the buffer memory. */
  readonly memoryBytes: number;
  /** Monotonic milliseconds. */
  readonly createdAt: number;

  /** How often it was sent and failed. */
  attempts = 0;
  /** Why it failed last. */
  lastError: ClientError | undefined;
  /** Monotonic time before which it is not sent again to the leader that it was sent to. */
  notBefore = 0;
  /** The leader epoch in which it was sent last. */
  leaderEpoch: Epoch = NONE;
  /** Who sends it and where its numbering begins; the sequences'. */
  stamp: ProducerStamp | undefined;
  /** A request that is not answered yet carries its bytes. */
  isInFlight = false;
  /** It takes no more records. */
  isFull = false;

  readonly #builder: RecordBatchBuilder;
  #bytes: Uint8Array | undefined;
  /** What the bytes say of their producer. */
  #bytesStamp: ProducerStamp | undefined;
  #isSettled = false;
  readonly #outcome: BatchOutcome;

  /** What all promises of records are derived from, by the one function that is not undefined. */
  #deferred: PromiseWithResolvers<void> | undefined;
  #outcomeOfNext: (() => RecordMetadata) | undefined;
  #promises = 0;
  /** Which records have promises; undefined while those are the first ones, without a gap. */
  #promised: number[] | undefined;
  #callbacks: (SendCallback | undefined)[] | undefined;
  #runs: GroupRun[] | undefined;
  #waiters: FlushWaiter[] | undefined;

  /** Parts that it was split into and that have not settled. */
  #partsLeft = 0;
  /** What it is a part of. */
  #whole: ProducerBatch | undefined;

  constructor(
    topic: string,
    partition: number,
    order: number,
    buffer: Uint8Array,
    createdAt: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.order = order;
    this.memoryBytes = buffer.length;
    this.createdAt = createdAt;
    this.#outcome = new BatchOutcome(topic, partition);
    this.#builder = new RecordBatchBuilder(buffer);
  }

  get recordsCount(): number {
    return this.#builder.recordsCount;
  }

  /** The bytes so far, before compression; after `close`, the bytes that are sent. */
  get sizeInBytes(): number {
    return this.#bytes === undefined ? this.#builder.sizeInBytes : this.#bytes.length;
  }

  /** The bytes before compression. */
  get uncompressedBytes(): number {
    return this.#builder.sizeInBytes;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** The buffer to give back. */
  get buffer(): Uint8Array {
    return this.#builder.buffer;
  }

  /** Appends a record; false when it has no room for it, and then it takes no more. */
  tryAppend(
    timestamp: Timestamp,
    key: RecordContent,
    value: RecordContent,
    headers: readonly HeaderContent[] | undefined,
  ): boolean {
    const index = this.#builder.tryAppend(timestamp, key, value, headers);
    if (index < 0) {
      this.isFull = true;
      return false;
    }
    this.#outcome.addTimestamp(index, timestamp);
    return true;
  }

  /** A promise of what becomes of the record appended last. */
  promise(): Promise<RecordMetadata> {
    const index = this.#builder.recordsCount - 1;
    if (this.#promised !== undefined) this.#promised.push(index);
    else if (index !== this.#promises) this.#listPromised(index);
    this.#promises++;
    if (this.#deferred === undefined) {
      this.#deferred = Promise.withResolvers();
      this.#outcomeOfNext = this.#outcomesInTurn();
    }
    return this.#deferred.promise.then(this.#outcomeOfNext);
  }

  /** Has `callback` told of the record appended last. */
  addCallback(callback: SendCallback): void {
    (this.#callbacks ??= [])[this.#builder.recordsCount - 1] = callback;
  }

  /** Has a group told of the record appended last, which is its `groupIndex`th. */
  addToGroup(group: SendGroup, groupIndex: number): void {
    const batchIndex = this.#builder.recordsCount - 1;
    const runs = this.#runs ??= [];
    const last = runs[runs.length - 1];
    if (
      last !== undefined && last.group === group &&
      last.groupIndex + last.count === groupIndex && last.batchIndex + last.count === batchIndex
    ) {
      last.count++;
    } else {
      runs.push({ group, groupIndex, batchIndex, count: 1 });
    }
  }

  /** Has a flush wait for the batch. */
  addWaiter(waiter: FlushWaiter): void {
    if (this.#whole !== undefined) return this.#whole.addWaiter(waiter);
    const waiters = this.#waiters ??= [];
    if (waiters.at(-1) === waiter) return;
    waiter.add();
    waiters.push(waiter);
  }

  /**
   * Ends the filling; the bytes to send, with the stamp as it is now. They must be in no request,
   * or the stamp the same. The options count at the first call.
   */
  close(options: BatchOptions): Uint8Array {
    this.isFull = true;
    const { stamp } = this;
    if (this.#bytes === undefined) {
      this.#bytes = this.#builder.build(stamp === undefined ? options : { ...options, ...stamp });
    } else if (stamp !== undefined && stamp !== this.#bytesStamp) {
      setProducerStamp(this.#bytes, 0, stamp);
    }
    this.#bytesStamp = stamp;
    return this.#bytes;
  }

  /** Tells everybody where the records are; `thrown` is given what a callback threw. */
  complete(
    baseOffset: Offset,
    logAppendTime: Timestamp,
    thrown: (error: unknown) => void,
  ): void {
    this.#outcome.baseOffset = baseOffset;
    this.#outcome.logAppendTime = logAppendTime;
    this.#settle(thrown);
  }

  /** Tells everybody that the records were not stored, as far as is known. */
  fail(error: ClientError, thrown: (error: unknown) => void): void {
    this.#outcome.error = error;
    this.#settle(thrown);
  }

  /**
   * Goes on as parts, which hold all its records, each from `firstIndex` on: for those who wait the
   * outcome of a record is now that in its part.
   */
  splitInto(
    parts: readonly { readonly batch: ProducerBatch; readonly firstIndex: number }[],
  ): void {
    this.#isSettled = true;
    this.#outcome.parts = parts.map(({ batch, firstIndex }) => {
      batch.#whole = this;
      return { outcome: batch.#outcome, firstIndex };
    });
    this.#partsLeft = parts.length;
  }

  #settle(thrown: (error: unknown) => void): void {
    this.#isSettled = true;
    const whole = this.#whole;
    if (whole === undefined) this.#tell(thrown);
    else if (--whole.#partsLeft === 0) whole.#settle(thrown);
  }

  #tell(thrown: (error: unknown) => void): void {
    const deferred = this.#deferred;
    const { error } = this.#outcome;
    if (error === undefined) deferred?.resolve();
    else deferred?.reject(error);
    this.#deferred = undefined;
    if (this.#callbacks !== undefined) this.#tellCallbacks(this.#callbacks, thrown);
    if (this.#runs !== undefined) {
      for (const { group, groupIndex, batchIndex, count } of this.#runs) {
        group.complete(groupIndex, count, this.#outcome, batchIndex);
      }
    }
    const waiters = this.#waiters;
    this.#waiters = undefined;
    if (waiters !== undefined) { for (const waiter of waiters) waiter.done(); }
  }

  #tellCallbacks(
    callbacks: readonly (SendCallback | undefined)[],
    thrown: (error: unknown) => void,
  ): void {
    this.#callbacks = undefined;
    const outcome = this.#outcome;
    for (let index = 0; index < callbacks.length; index++) {
      const callback = callbacks[index];
      if (callback === undefined) continue;
      const error = outcome.errorOf(index);
      try {
        if (error === undefined) callback(outcome.metadataOf(index), undefined);
        else callback(undefined, error);
      } catch (failure) {
        thrown(failure);
      }
    }
  }

  /** Gives, call by call, the outcomes of the records that have promises. */
  #outcomesInTurn(): () => RecordMetadata {
    const outcome = this.#outcome;
    let told = 0;
    return () => {
      const count = told++;
      const index = this.#promised === undefined ? count : this.#promised[count]!;
      const error = outcome.errorOf(index);
      if (error !== undefined) throw error;
      return outcome.metadataOf(index);
    };
  }

  #listPromised(index: number): void {
    this.#promised = Array.from({ length: this.#promises }, (_, promised) => promised);
    this.#promised.push(index);
  }
}
