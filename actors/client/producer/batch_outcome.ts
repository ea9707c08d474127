/**
 * What became of the records of one batch: enough to tell of each, without the batch's bytes.
 *
 * A batch that was split has the outcomes of its parts.
 *
 * @module
 */

import type { Offset, Timestamp } from "../../../storage/bytes/ids.ts";
import type { ClientError } from "../errors.ts";
import { RecordMetadata } from "../records.ts";

/** The outcome of a part of a batch, whose records begin at `firstIndex` of the whole. */
export interface PartOutcome {
  readonly outcome: BatchOutcome;
  readonly firstIndex: number;
}

/** Where the records are, or why they are nowhere. */
export class BatchOutcome {
  readonly topic: string;
  readonly partition: number;
  /** Set when the whole batch failed. */
  error: ClientError | undefined;
  /** -1 when nobody said. */
  baseOffset: Offset = -1;
  /** The broker's time, or -1 when the records keep their own. */
  logAppendTime: Timestamp = -1;
  parts: readonly PartOutcome[] | undefined;
  /** Times that hold from a record on: index and time in turn. */
  readonly #timestamps: number[] = [];
  #lastTimestamp: Timestamp = -1;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  /** Takes down the time of the next record. */
  addTimestamp(index: number, timestamp: Timestamp): void {
    if (timestamp === this.#lastTimestamp && index > 0) return;
    this.#lastTimestamp = timestamp;
    this.#timestamps.push(index, timestamp);
  }

  /** Why the record was not stored; undefined when it was. */
  errorOf(index: number): ClientError | undefined {
    if (this.parts === undefined) return this.error;
    const { outcome, firstIndex } = partOf(this.parts, index);
    return outcome.errorOf(index - firstIndex);
  }

  /** Where the record is; it must have been stored. */
  metadataOf(index: number): RecordMetadata {
    if (this.parts !== undefined) {
      const { outcome, firstIndex } = partOf(this.parts, index);
      return outcome.metadataOf(index - firstIndex);
    }
    const offset = this.baseOffset < 0 ? -1 : this.baseOffset + index;
    const time = this.logAppendTime < 0 ? this.#timestampOf(index) : this.logAppendTime;
    return new RecordMetadata(this.topic, this.partition, offset, time);
  }

  #timestampOf(index: number): Timestamp {
    const timestamps = this.#timestamps;
    // The last entry whose index is not past the record's.
    let low = 0;
    for (let high = timestamps.length / 2 - 1; low < high;) {
      const middle = (low + high + 1) >>> 1;
      if (timestamps[2 * middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return timestamps[2 * low + 1]!;
  }
}

function partOf(parts: readonly PartOutcome[], index: number): PartOutcome {
  return parts.findLast(({ firstIndex }) => firstIndex <= index)!;
}
