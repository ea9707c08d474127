/**
 * A record batch as it was fetched, for consumers that hand bytes on or decode them themselves.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "../../../storage/bytes/ids.ts";
import { BatchView } from "../../../storage/record_batch.ts";
import type { Compression } from "../../../storage/compression.ts";
import { RecordCursor } from "../../../storage/record.ts";
import type { ConsumerRecord } from "./consumer_record.ts";
import { readError, recordOf, type RecordReadingOptions } from "./record_reading.ts";
import type { AssignedState } from "./subscription.ts";

/** A batch. It and everything taken from it is valid until the next one is asked for. */
export class FetchedBatch<K = Uint8Array | null, V = Uint8Array | null> {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Of the first record; some before the consumer's position may be in the batch. */
  readonly baseOffset: Offset;
  /** Of the last record, or where it was before compaction. */
  readonly lastOffset: Offset;
  /** Of all records in it. */
  readonly recordsCount: number;
  /** How its records are compressed. */
  readonly compression: Compression;
  /** The latest of its records' times, as the producer says. */
  readonly maxTimestamp: Timestamp;
  /** The epoch of the leader that appended it. */
  readonly partitionLeaderEpoch: Epoch;
  readonly #source: Uint8Array;
  readonly #start: number;
  readonly #from: Offset;
  readonly #options: RecordReadingOptions<K, V>;

  /** Made by `Consumer.batches`. */
  constructor(state: AssignedState, batch: BatchView, options: RecordReadingOptions<K, V>) {
    this.topic = state.topic;
    this.partition = state.partition;
    this.baseOffset = batch.baseOffset;
    this.lastOffset = batch.lastOffset;
    this.recordsCount = batch.recordsCount;
    this.compression = batch.compression;
    this.maxTimestamp = batch.maxTimestamp;
    this.partitionLeaderEpoch = batch.partitionLeaderEpoch;
    this.#source = batch.source;
    this.#start = batch.position;
    this.#from = state.position;
    this.#options = options;
  }

  /** The whole batch in Kafka's RecordBatch format, header included. */
  get bytes(): Uint8Array {
    return this.#view.bytes;
  }

  /**
   * Decodes the records from the consumer's position on.
   * @throws {CorruptRecordError} when they cannot be read.
   */
  *records(): IterableIterator<ConsumerRecord<K, V>> {
    try {
      const records = new RecordCursor(this.#view);
      while (records.next()) {
        if (records.offset >= this.#from) yield recordOf(this, records, this.#options);
      }
    } catch (error) {
      throw readError(this, error);
    }
  }

  get #view(): BatchView {
    return new BatchView(this.#source, this.#start);
  }
}
