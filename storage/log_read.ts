/**
 * Reading: where the batches from an offset on lie, and which batch holds a time.
 *
 * Owns the trimming of what is read to whole batches, to a limit of bytes and to an offset that
 * must not be passed. It does not own buffers, nor who may see what: the caller gives the high
 * watermark, the last stable offset or the log end offset as `maxOffset`.
 *
 * Invariants: a slice starts with the batch that holds the offset asked for and ends where a batch
 * ends; it lies in one segment; nothing at or after `maxOffset` is in it.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "./bytes/ids.ts";
import { CompressionError } from "./compression_errors.ts";
import { DiskError, type File } from "./disk.ts";
import type { LogState } from "./log_state.ts";
import type { BatchView } from "./record_batch.ts";
import { RecordCursor } from "./record.ts";
import { type BatchSpot, CorruptLogError, type Segment } from "./segment.ts";

/** How much to read. */
export interface ReadRange {
  readonly maxBytes: number;
  /** Records at this offset and after are not read. */
  readonly maxOffset: Offset;
  /** Whether the first batch is read even if it is larger than `maxBytes` (KIP-74). */
  readonly minOneBatch: boolean;
}

/** Whole batches that lie end to end in a file. */
export interface LogSlice {
  readonly kind: "slice";
  readonly file: File;
  readonly position: number;
  readonly length: number;
  /** Whether the bytes are surely in memory, so that reading them at once stalls nobody. */
  readonly hot: boolean;
}

/** Why nothing can be read. */
export interface ReadRefused {
  readonly kind: "refused";
  /** CORRUPT_MESSAGE: a record that a lookup by time had to look at cannot be decoded. */
  readonly error: "OFFSET_OUT_OF_RANGE" | "CORRUPT_MESSAGE" | "KAFKA_STORAGE_ERROR";
  readonly failure?: Error;
}

export type Located = LogSlice | { readonly kind: "empty" } | ReadRefused;

export type ReadResult =
  | { readonly kind: "batches"; readonly bytes: Uint8Array }
  | { readonly kind: "empty" }
  | ReadRefused;

/** A record found by its time. */
export interface TimestampAndOffset {
  readonly kind: "found";
  readonly timestamp: Timestamp;
  readonly offset: Offset;
  readonly leaderEpoch: Epoch;
}

export type TimeLookup = TimestampAndOffset | { readonly kind: "none" } | ReadRefused;

const EMPTY = { kind: "empty" } as const;
const NONE_FOUND = { kind: "none" } as const;

/** Reads one log. */
export class LogReader {
  readonly #state: LogState;

  constructor(state: LogState) {
    this.#state = state;
  }

  /** Finds the batches from the one that holds `fromOffset` on. */
  locate(fromOffset: Offset, range: ReadRange): Located {
    const state = this.#state;
    const { logEndOffset } = state;
    if (fromOffset < state.logStartOffset || fromOffset > logEndOffset) {
      return { kind: "refused", error: "OFFSET_OUT_OF_RANGE" };
    }
    const maxOffset = Math.min(range.maxOffset, logEndOffset);
    if (fromOffset >= maxOffset) return EMPTY;
    try {
      return this.#locate(fromOffset, maxOffset, range);
    } catch (error) {
      return refusal(error);
    }
  }

  /** As `locate`, and reads what it finds into memory of its own. */
  read(fromOffset: Offset, range: ReadRange): ReadResult {
    const located = this.locate(fromOffset, range);
    if (located.kind !== "slice") return located;
    const bytes = new Uint8Array(located.length);
    try {
      const read = located.file.read(bytes, located.position);
      return { kind: "batches", bytes: read === bytes.length ? bytes : bytes.subarray(0, read) };
    } catch (error) {
      return refusal(error);
    }
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

  #locate(fromOffset: Offset, maxOffset: Offset, range: ReadRange): Located {
    const state = this.#state;
    const { segments } = state;
    const interval = state.config.indexIntervalBytes;
    for (let index = state.segmentIndex(fromOffset); index < segments.length; index++) {
      const isActive = index === segments.length - 1;
      const segment = isActive ? state.active : segments[index]!;
      if (segment.baseOffset >= maxOffset) return EMPTY;
      const first = segment.seek(fromOffset, interval);
      // Compaction may have taken all that was left of this segment from that offset on.
      if (first === undefined) continue;
      if (first.lastOffset >= maxOffset) return EMPTY;
      const segmentEnd = isActive ? state.logEndOffset : segments[index + 1]!.baseOffset;
      const limit = maxOffset >= segmentEnd
        ? segment.size
        : segment.seek(maxOffset, interval)?.position ?? segment.size;
      const length = trim(segment, first, limit, range);
      if (length === 0) return EMPTY;
      const { position } = first;
      const hot = isActive && this.#isHot(segment, position);
      return { kind: "slice", file: segment.log, position, length, hot };
    }
    return EMPTY;
  }

  #isHot(segment: Segment, position: number): boolean {
    const { config, bytesAppended } = this.#state;
    return segment.size - position <= Math.min(config.hotTailBytes, bytesAppended);
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
      if (scan.batch.maxTimestamp <= timestamp) continue;
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

/** How many bytes from the first batch on: whole batches, up to `limit`, within `maxBytes`. */
function trim(segment: Segment, first: BatchSpot, limit: number, range: ReadRange): number {
  const available = limit - first.position;
  if (available <= range.maxBytes) return available;
  if (first.sizeInBytes >= range.maxBytes) {
    const fits = first.sizeInBytes === range.maxBytes || range.minOneBatch;
    return fits ? first.sizeInBytes : 0;
  }
  const end = segment.boundaryBefore(
    first.position + range.maxBytes,
    first.position + first.sizeInBytes,
  );
  return end - first.position;
}

function refusal(error: unknown): ReadRefused {
  if (error instanceof DiskError || error instanceof CorruptLogError) {
    return { kind: "refused", error: "KAFKA_STORAGE_ERROR", failure: error };
  }
  // A producer may send a sound batch of unsound records: the broker does not look inside.
  if (error instanceof RangeError || error instanceof CompressionError) {
    return { kind: "refused", error: "CORRUPT_MESSAGE", failure: error };
  }
  throw error;
}
