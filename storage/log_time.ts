/**
 * Looking records up by time, as ListOffsets asks for them.
 *
 * Owns the search: by segment, by the time index, by batch and at last inside a batch, which is
 * decoded for it. What the header of a batch says of its largest timestamp is believed.
 *
 * Invariant: nothing before the log start offset is found.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "./bytes/ids.ts";
import { type ReadRefused, refusal } from "./log_read.ts";
import type { LogState } from "./log_state.ts";
import type { BatchView } from "./record_batch.ts";
import { RecordCursor } from "./record.ts";
import type { Segment } from "./segment.ts";

/** A record found by its time. */
export interface TimestampAndOffset {
  readonly kind: "found";
  readonly timestamp: Timestamp;
  readonly offset: Offset;
  readonly leaderEpoch: Epoch;
}

export type TimeLookup = TimestampAndOffset | { readonly kind: "none" } | ReadRefused;

const NONE_FOUND = { kind: "none" } as const;

/** Looks up times in one log. */
export class LogTimes {
  readonly #state: LogState;

  constructor(state: LogState) {
    this.#state = state;
  }

  /** The first record whose timestamp is `timestamp` or later, as ListOffsets asks for it. */
  offsetForTime(timestamp: Timestamp): TimeLookup {
    const { segments, logStartOffset, config } = this.#state;
    try {
      this.#state.active;
      for (let index = this.#state.segmentIndex(logStartOffset); index < segments.length; index++) {
        const segment = segments[index]!;
        if (segment.maxTimestamp < timestamp) continue;
        const from = segment.positionBefore(timestamp, config.indexIntervalBytes);
        const found = this.#findRecord(segment, from, timestamp);
        if (found !== undefined) return found;
      }
      return NONE_FOUND;
    } catch (error) {
      return refusal(error);
    }
  }

  /** The first record with the largest timestamp: ListOffsets with -3 (KIP-734). */
  offsetOfMaxTimestamp(): TimeLookup {
    const state = this.#state;
    const { segments, logStartOffset, config } = state;
    try {
      state.active;
      let latest: Segment | undefined;
      let from = 0;
      let max = -1;
      for (let index = state.segmentIndex(logStartOffset); index < segments.length; index++) {
        const segment = segments[index]!;
        if (segment.baseOffset < logStartOffset) {
          const found = this.#maxTimestampFrom(segment, logStartOffset);
          if (found === undefined) continue;
          ({ timestamp: max, position: from } = found);
          latest = segment;
        } else if (segment.maxTimestamp > max) {
          max = segment.maxTimestamp;
          from = segment.positionBefore(max, config.indexIntervalBytes);
          latest = segment;
        }
      }
      if (latest === undefined) return NONE_FOUND;
      return this.#findRecord(latest, from, max) ?? NONE_FOUND;
    } catch (error) {
      return refusal(error);
    }
  }

  /** The largest timestamp from an offset on, and where its batch lies: for a segment cut into. */
  #maxTimestampFrom(
    segment: Segment,
    offset: Offset,
  ): { readonly timestamp: Timestamp; readonly position: number } | undefined {
    const first = segment.seek(offset, this.#state.config.indexIntervalBytes);
    if (first === undefined) return undefined;
    const scan = segment.scanFrom(first.position);
    let timestamp = -1;
    let position = -1;
    while (scan.next()) {
      if (scan.batch.recordsTimestamp <= timestamp) continue;
      const isCutInto = scan.batch.baseOffset < offset;
      const found = isCutInto ? maxOfRecords(scan.readWhole(), offset) : scan.batch.maxTimestamp;
      if (found > timestamp) {
        timestamp = found;
        position = scan.position;
      }
    }
    return position < 0 ? undefined : { timestamp, position };
  }

  /** The first record at or after the log start whose time has come, from a place in a segment. */
  #findRecord(
    segment: Segment,
    from: number,
    timestamp: Timestamp,
  ): TimestampAndOffset | undefined {
    const { logStartOffset } = this.#state;
    const scan = segment.scanFrom(from);
    while (scan.next()) {
      const { batch } = scan;
      if (batch.maxTimestamp < timestamp || batch.lastOffset < logStartOffset) continue;
      const cursor = new RecordCursor(scan.readWhole());
      while (cursor.next()) {
        if (cursor.timestamp >= timestamp && cursor.offset >= logStartOffset) {
          const leaderEpoch = batch.partitionLeaderEpoch;
          return { kind: "found", timestamp: cursor.timestamp, offset: cursor.offset, leaderEpoch };
        }
      }
    }
    return undefined;
  }
}

function maxOfRecords(batch: BatchView, from: Offset): Timestamp {
  let max = -1;
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    if (cursor.offset >= from && cursor.timestamp > max) max = cursor.timestamp;
  }
  return max;
}
