/**
 * Reading: where the batches from an offset on lie.
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

import type { Offset } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { CompressionError } from "./compression_errors.ts";
import { DiskError, type File } from "./disk.ts";
import type { LogState } from "./log_state.ts";
import type { Segment } from "./segment.ts";
import type { BatchSpot } from "./segment_scan.ts";

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
  /** No record of the slice is at this offset or after it. */
  readonly endOffset: Offset;
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

const EMPTY = { kind: "empty" } as const;
/** As many readers go on where they were without a search. */
const READ_MARKS = 4;

/** Reads one log. */
export class LogReader {
  readonly #state: LogState;
  readonly #marks = new ReadMarks();
  /** Of the slice that is being trimmed. */
  #endOffset: Offset = 0;

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

  #locate(fromOffset: Offset, maxOffset: Offset, range: ReadRange): Located {
    const state = this.#state;
    const { segments } = state;
    for (let index = state.segmentIndex(fromOffset); index < segments.length; index++) {
      const isActive = index === segments.length - 1;
      const segment = isActive ? state.active : segments[index]!;
      if (segment.baseOffset >= maxOffset) return EMPTY;
      const first = this.#find(segment, fromOffset);
      // Compaction may have taken all that was left of this segment from that offset on.
      if (first === undefined) continue;
      const segmentEnd = isActive ? state.logEndOffset : segments[index + 1]!.baseOffset;
      const reachesEnd = maxOffset >= segmentEnd;
      const limit = reachesEnd ? undefined : this.#find(segment, maxOffset);
      const end = limit?.position ?? segment.size;
      this.#endOffset = limit?.baseOffset ?? segmentEnd;
      const length = this.#trim(segment, first, end, range);
      if (length === 0) return EMPTY;
      if (isActive && first.position + length === end) {
        if (limit !== undefined) this.#marks.add(segment, limit.baseOffset, end, limit);
        else this.#marks.add(segment, segmentEnd, end, undefined);
      }
      const { position } = first;
      const hot = this.#isHot(index, position);
      const endOffset = this.#endOffset;
      return { kind: "slice", file: segment.log, position, length, endOffset, hot };
    }
    return EMPTY;
  }

  /** The first batch that ends at `offset` or later: where the last read ended, often. */
  #find(segment: Segment, offset: Offset): BatchSpot | undefined {
    const { truncations, config } = this.#state;
    return this.#marks.find(segment, offset, truncations) ??
      segment.seek(offset, config.indexIntervalBytes);
  }

  /** How many bytes from the first batch on: whole batches, up to `end`, within `maxBytes`. */
  #trim(segment: Segment, first: BatchSpot, end: number, range: ReadRange): number {
    const { position, sizeInBytes } = first;
    const { maxBytes } = range;
    if (end - position <= maxBytes) return end - position;
    if (sizeInBytes >= maxBytes) {
      this.#endOffset = first.lastOffset + 1;
      return sizeInBytes === maxBytes || range.minOneBatch ? sizeInBytes : 0;
    }
    const next = segment.spotBefore(position + maxBytes, position + sizeInBytes);
    if (next === undefined) return end - position;
    this.#marks.add(segment, next.baseOffset, next.position, next);
    this.#endOffset = next.baseOffset;
    return next.position - position;
  }

  /** Whether all from a position in a segment up to the log's end is surely in memory. */
  #isHot(index: number, position: number): boolean {
    const { segments, hotTail } = this.#state;
    let left = hotTail.bytes + position;
    for (let later = segments.length - 1; later >= index && left >= 0; later--) {
      left -= segments[later]!.size;
    }
    return left >= 0;
  }
}

interface ReadMark {
  readonly segment: Segment;
  readonly offset: Offset;
  readonly position: number;
  spot: BatchSpot | undefined;
}

/**
 * Where the last few reads ended, for that is where readers go on. A mark is a place where a batch
 * starts, or will; it holds as long as nothing is cut from the log's end.
 */
class ReadMarks {
  readonly #marks: ReadMark[] = [];
  #next = 0;
  #truncations = 0;

  add(segment: Segment, offset: Offset, position: number, spot: BatchSpot | undefined): void {
    this.#marks[this.#next] = { segment, offset, position, spot };
    this.#next = (this.#next + 1) % READ_MARKS;
  }

  find(segment: Segment, offset: Offset, truncations: number): BatchSpot | undefined {
    if (truncations !== this.#truncations) {
      this.#truncations = truncations;
      this.#marks.length = this.#next = 0;
    }
    for (const mark of this.#marks) {
      if (mark.offset !== offset || mark.segment !== segment) continue;
      return mark.spot ??= segment.spotAt(mark.position);
    }
    return undefined;
  }
}

/** What a failure while reading is answered with; others are thrown on. */
export function refusal(error: unknown): ReadRefused {
  if (error instanceof DiskError || error instanceof CorruptLogError) {
    return { kind: "refused", error: "KAFKA_STORAGE_ERROR", failure: error };
  }
  // A producer may send a sound batch of unsound records: the broker does not look inside.
  if (error instanceof RangeError || error instanceof CompressionError) {
    return { kind: "refused", error: "CORRUPT_MESSAGE", failure: error };
  }
  throw error;
}
