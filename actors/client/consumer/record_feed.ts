/**
 * Gives out what was fetched: records one by one, or whole batches undecoded.
 *
 * Owns the order in which partitions take turns (that in which their data came) and the moving of
 * positions. Does not own fetching: it says when there is room again.
 *
 * Invariants: the records of a partition come by rising offset, none twice and none left out but
 * control records and, reading committed ones, those of aborted transactions; a position is moved
 * with the record that is given out; a batch that cannot be read is an error each time it is come
 * to, until the user seeks past it.
 *
 * @module
 */

import { NONE, type Offset, type ProducerId } from "../../../storage/bytes/ids.ts";
import { decodeControlRecord } from "../../../storage/control_record.ts";
import { BatchCursor, type BatchView } from "../../../storage/record_batch.ts";
import { decodeRecords, RecordCursor } from "../../../storage/record.ts";
import type { CompletedFetch } from "./completed_fetch.ts";
import type { ConsumerRecord } from "./consumer_record.ts";
import { FetchedBatch } from "./fetched_batch.ts";
import { checkCrc, readError, recordOf, type RecordReadingOptions } from "./record_reading.ts";
import type { AssignedState } from "./subscription.ts";

export interface RecordFeedOptions<K, V> extends RecordReadingOptions<K, V> {
  readonly checkCrcs: boolean;
  readonly isReadCommitted: boolean;
  /** Whether it is of interest what the user has in hand. */
  readonly tracksHeld: boolean;
  /** Bytes of a partition were given out: more may be fetched. */
  roomMade(): void;
}

/** What is being read of one fetch. */
class FetchReading {
  readonly state: AssignedState;
  readonly generation: number;
  readonly fetch: CompletedFetch;
  readonly batches: BatchCursor;
  /** Producers whose transaction, open at this place, was aborted. */
  readonly aborted = new Set<ProducerId>();
  abortedSeen = 0;

  constructor(state: AssignedState, fetch: CompletedFetch) {
    this.state = state;
    this.generation = state.generation;
    this.fetch = fetch;
    this.batches = new BatchCursor(fetch.bytes);
  }

  /** Whether nothing was sought since. */
  get isCurrent(): boolean {
    return this.state.generation === this.generation;
  }
}

/** The feed of one consumer. */
export class RecordFeed<K, V> {
  readonly #options: RecordFeedOptions<K, V>;
  /** Partitions with data, one entry for each fetch, in the order they came. */
  readonly #arrived: AssignedState[] = [];
  #reading: FetchReading | undefined;
  readonly #records = new RecordCursor();
  /** Partitions of which the user has records in hand. */
  #held: AssignedState[] = [];
  /** The records of a batch are being read. */
  #isInBatch = false;
  #recordsTaken = 0;
  #failed: AssignedState | undefined;

  constructor(options: RecordFeedOptions<K, V>) {
    this.#options = options;
  }

  /** Records given out so far. */
  get recordsTaken(): number {
    return this.#recordsTaken;
  }

  /** The partition of what was thrown last. */
  get failed(): AssignedState | undefined {
    return this.#failed;
  }

  /** The user comes for more: what it had in hand was processed. */
  cameBack(): void {
    if (this.#held.length === 0) return;
    for (const state of this.#held) state.heldFrom = NONE;
    this.#held.length = 0;
  }

  /** To be called when data of a partition, or an error for it, came. */
  arrived(state: AssignedState): void {
    this.#arrived.push(state);
  }

  /**
   * The next record; undefined when none has come.
   * @throws {ClientError} when it cannot be read.
   */
  take(): ConsumerRecord<K, V> | undefined {
    for (;;) {
      if (this.#isInBatch && this.#isReadable()) {
        const record = this.#guarded(this.#takeRecord);
        if (record !== undefined) return record;
      }
      const batch = this.#guarded(this.#findBatch);
      if (batch === undefined) return undefined;
      this.#guarded(() => this.#open(batch));
    }
  }

  /**
   * The next batch that has records to give out; undefined when none has come. It is valid until
   * the next call.
   * @throws {ClientError} when it cannot be read.
   */
  takeBatch(): FetchedBatch<K, V> | undefined {
    const batch = this.#isInBatch && this.#isReadable()
      ? this.#reading!.batches.batch
      : this.#guarded(this.#findBatch);
    this.#isInBatch = false;
    if (batch === undefined) return undefined;
    const { state } = this.#reading!;
    const given = new FetchedBatch<K, V>(state, batch, this.#options);
    if (this.#options.tracksHeld) this.#hold(state, state.position);
    state.position = batch.nextOffset;
    this.#recordsTaken += batch.recordsCount;
    return given;
  }

  /** The next record of the batch that is open; undefined at its end. */
  readonly #takeRecord = (): ConsumerRecord<K, V> | undefined => {
    const { state, batches } = this.#reading!;
    const records = this.#records;
    while (records.next()) {
      const { offset } = records;
      if (offset < state.position) continue;
      const record = recordOf(state, records, this.#options);
      if (this.#options.tracksHeld) this.#hold(state, offset);
      state.position = offset + 1;
      this.#recordsTaken++;
      return record;
    }
    this.#isInBatch = false;
    // Compaction may have removed the last records of the batch.
    state.position = Math.max(state.position, batches.batch.nextOffset);
    return undefined;
  };

  #hold(state: AssignedState, offset: Offset): void {
    if (state.heldFrom !== NONE) return;
    state.heldFrom = offset;
    this.#held.push(state);
  }

  #open(batch: BatchView): void {
    this.#records.open(batch);
    // Whoever gets a record may keep it, and it is a view of what was fetched.
    if (batch.compression === "none") this.#reading!.fetch.isGivenAway = true;
    this.#isInBatch = true;
  }

  readonly #findBatch = (): BatchView | undefined => {
    for (;;) {
      this.#isInBatch = false;
      if (!this.#isReadable()) {
        if (!this.#nextFetch()) return undefined;
      }
      const reading = this.#reading!;
      const { state, batches } = reading;
      if (!batches.next()) {
        this.#reading = undefined;
        state.shift();
        this.#options.roomMade();
      } else if (this.#isWanted(reading, batches.batch)) {
        return batches.batch;
      }
    }
  };

  /** Whether there is something being read that nothing has come between. */
  #isReadable(): boolean {
    const reading = this.#reading;
    if (reading === undefined) return false;
    if (!reading.isCurrent) {
      this.#reading = undefined;
      return false;
    }
    if (reading.state.isPaused) this.#putBack(reading);
    return this.#reading !== undefined;
  }

  /** Has a fetch be read again from its start; what is before the position is passed over. */
  #putBack({ state }: FetchReading): void {
    this.#reading = undefined;
    this.#isInBatch = false;
    this.#arrived.unshift(state);
  }

  /**
   * Begins with the fetch that came first of those that may be read.
   * @throws {ClientError} when an error came in its place.
   */
  #nextFetch(): boolean {
    const arrived = this.#arrived;
    for (let index = 0; index < arrived.length;) {
      const state = arrived[index]!;
      const fetch = state.fetched[0];
      if (state.isPaused && (fetch ?? state.error) !== undefined) {
        index++;
        continue;
      }
      arrived.splice(index, 1);
      if (fetch !== undefined) {
        this.#reading = new FetchReading(state, fetch);
        return true;
      }
      const { error } = state;
      if (error === undefined) continue; // It was sought away from.
      state.error = undefined;
      this.#failed = state;
      this.#options.roomMade();
      throw error;
    }
    return false;
  }

  #isWanted(reading: FetchReading, batch: BatchView): boolean {
    const { state } = reading;
    const isBehind = batch.nextOffset <= state.position;
    if (!isBehind && this.#options.checkCrcs) checkCrc(state, batch);
    const isAborted = this.#options.isReadCommitted && this.#isAborted(reading, batch);
    if (isBehind) return false;
    state.positionEpoch = batch.partitionLeaderEpoch;
    if (!batch.isControl && !isAborted) return true;
    state.position = batch.nextOffset;
    return false;
  }

  /** Whether the batch's transaction was aborted; keeps track of those that are open here. */
  #isAborted(reading: FetchReading, batch: BatchView): boolean {
    const { aborted, fetch } = reading;
    const transactions = fetch.abortedTransactions ?? [];
    const { lastOffset, producerId } = batch;
    for (; reading.abortedSeen < transactions.length; reading.abortedSeen++) {
      const transaction = transactions[reading.abortedSeen]!;
      if (transaction.firstOffset > lastOffset) break;
      aborted.add(transaction.producerId);
    }
    if (!aborted.has(producerId)) return false;
    if (batch.isControl && this.#isAbortMarker(batch)) aborted.delete(producerId);
    return batch.isTransactional;
  }

  #isAbortMarker(batch: BatchView): boolean {
    const [marker] = decodeRecords(batch);
    return marker !== undefined && decodeControlRecord(marker).kind === "ABORT";
  }

  /** Runs a step of reading; one that fails is come to again. */
  #guarded<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      const reading = this.#reading;
      if (reading !== undefined) {
        this.#failed = reading.state;
        this.#putBack(reading);
      }
      throw readError(reading?.state, error);
    }
  }
}
