/**
 * What compaction leaves of a batch: all of it, some of its records, none but its header, nothing.
 *
 * Owns the rule (KIP-58, KIP-534): of each key the record with the highest offset stays; one
 * without a value, a tombstone, stays until the time that its batch is given when compaction first
 * meets it; records past the end of the map stay; records without a key go. It does not own
 * transactions, nor which batches must be kept for a producer's sake.
 *
 * Invariants: a record that stays is the same bytes, at the same offset; but where its batch gets a
 * delete horizon its timestamp is told relative to that. A batch whose records cannot be read stays
 * as it is.
 *
 * @module
 */

import { CompressionError } from "./compression_errors.ts";
import { compress, decompress } from "./compression.ts";
import type { Offset, Timestamp } from "./bytes/ids.ts";
import { sizeOfVarlong, writeVarint, writeVarlong } from "./bytes/varint.ts";
import type { LatestRecords } from "./compaction_latest.ts";
import type { CompactionMap } from "./compaction_map.ts";
import type { CompactionOutput } from "./compaction_output.ts";
import { RecordWalk } from "./compaction_walk.ts";
import {
  BATCH_ATTRIBUTE,
  BATCH_HEADER_BYTES,
  type BatchView,
  writeBatchHeader,
} from "./record_batch.ts";

export interface FilterOptions {
  readonly map: CompactionMap;
  /** Knows the same of the range that the map was made from, where that is not too wide. */
  readonly latest: LatestRecords | undefined;
  /** The map knows of no record at this offset or after it. */
  readonly mapEnd: Offset;
  readonly deleteRetentionMs: number;
  readonly decompressedBytesMax: number;
}

/** What is to become of a batch whatever its records are. */
export interface BatchVerdict {
  /** None of its records stays. */
  readonly discard: boolean;
  /** Its header stays, be there a record left or not. */
  readonly keepEmpty: boolean;
  /** It is a marker that has nothing left to speak of, and is given a time to go. */
  readonly expires: boolean;
}

/** Far enough, and a timestamp less this is still a safe integer. */
const HORIZON_MAX = 2 ** 52;
/** A timestamp delta and a record's length may grow by so much when told relative to a horizon. */
const GROWTH_MAX = 14;

/** Puts what stays of batches into an output. */
export class CompactionFilter {
  readonly #options: FilterOptions;
  readonly #walk = new RecordWalk();
  /** Where runs of records that stay begin and end. */
  #runs: number[] = [];
  #kept = 0;
  #tombstones = false;
  #maxDelta = 0;
  #now: Timestamp = 0;
  /** Batches that could not be read. */
  unreadable = 0;

  constructor(options: FilterOptions) {
    this.#options = options;
  }

  /** @throws {DiskError} when the output cannot be written */
  apply(batch: BatchView, verdict: BatchVerdict, output: CompactionOutput, now: Timestamp): void {
    this.#now = now;
    if (verdict.discard || this.#holdsNoLatest(batch)) {
      if (verdict.keepEmpty) this.#writeEmpty(batch, output);
      return;
    }
    let body: Uint8Array;
    let from: number;
    let to: number;
    try {
      if (batch.compression === "none") {
        body = batch.source;
        from = batch.position + BATCH_HEADER_BYTES;
        to = batch.position + batch.sizeInBytes;
      } else {
        body = decompress(batch.compression, batch.body, this.#options.decompressedBytesMax);
        from = 0;
        to = body.length;
      }
      this.#choose(batch, body, from, to);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof CompressionError)) throw error;
      this.unreadable++;
      return output.copy(batch);
    }
    if (this.#kept === 0) {
      if (verdict.keepEmpty) this.#writeEmpty(batch, output);
      return;
    }
    const setsHorizon = (this.#tombstones || verdict.expires) && !batch.hasDeleteHorizon;
    if (this.#kept === batch.recordsCount && !setsHorizon) return output.copy(batch);
    this.#rewrite(batch, body, from, to, setsHorizon, output);
  }

  /** Whether no record of a batch stays, as can be told without a look at them. */
  #holdsNoLatest(batch: BatchView): boolean {
    const { latest, mapEnd } = this.#options;
    if (latest === undefined || batch.isControl) return false;
    const { baseOffset, lastOffset } = batch;
    return baseOffset >= latest.from && lastOffset < mapEnd &&
      !latest.hasAny(baseOffset, lastOffset);
  }

  /** Whether a record is the latest of its key, as far as the map goes. */
  #isLatest(body: Uint8Array, { keyStart, keyLength }: RecordWalk, offset: Offset): boolean {
    const { map, latest } = this.#options;
    if (latest !== undefined && offset >= latest.from) return latest.has(offset);
    return map.get(body, keyStart, keyLength) <= offset;
  }

  /** Finds out which records stay. @throws {RangeError} */
  #choose(batch: BatchView, body: Uint8Array, from: number, to: number): void {
    const { mapEnd } = this.#options;
    const walk = this.#walk;
    const { baseOffset, isControl, recordsCount, lastOffsetDelta } = batch;
    // What could not be read before may hold what a tombstone is there to hide.
    const mayGo = batch.hasDeleteHorizon && this.#now >= batch.baseTimestamp &&
      this.unreadable === 0;
    // Past the map's end nothing was compacted yet: the time of what is there begins with that.
    const isMapped = batch.lastOffset < mapEnd;
    const runs = this.#runs;
    runs.length = 0;
    this.#tombstones = false;
    let kept = 0;
    let count = 0;
    let maxDelta = -Infinity;
    walk.reset(body, from, to);
    while (walk.next()) {
      count++;
      if (!isControl) {
        const offset = baseOffset + walk.offsetDelta;
        if (offset < mapEnd) {
          if (walk.keyLength < 0 || (walk.valueLength < 0 && mayGo)) continue;
          if (!this.#isLatest(body, walk, offset)) continue;
        }
        if (walk.valueLength < 0 && isMapped) this.#tombstones = true;
      }
      kept++;
      if (walk.timestampDelta > maxDelta) maxDelta = walk.timestampDelta;
      if (runs.length > 0 && runs[runs.length - 1] === walk.start) runs[runs.length - 1] = walk.end;
      else runs.push(walk.start, walk.end);
    }
    if (count !== recordsCount || walk.offsetDelta > lastOffsetDelta) {
      throw new RangeError(`${count} records in a batch that says ${recordsCount}`);
    }
    this.#kept = kept;
    this.#maxDelta = maxDelta;
  }

  #rewrite(
    batch: BatchView,
    body: Uint8Array,
    from: number,
    to: number,
    setsHorizon: boolean,
    output: CompactionOutput,
  ): void {
    const { compression } = batch;
    const kept = setsHorizon ? this.#rebase(batch, body, from, to) : this.#join(body);
    const records = compression === "none" ? kept : compress(compression, kept);
    const size = BATCH_HEADER_BYTES + records.length;
    const { bytes, position } = output.reserve(size);
    bytes.set(records, position + BATCH_HEADER_BYTES);
    const isStamped = batch.timestampType === "LogAppendTime";
    writeBatchHeader(bytes, position, size, {
      baseOffset: batch.baseOffset,
      partitionLeaderEpoch: batch.partitionLeaderEpoch,
      attributes: setsHorizon ? batch.attributes | BATCH_ATTRIBUTE.deleteHorizon : batch.attributes,
      lastOffsetDelta: batch.lastOffsetDelta,
      baseTimestamp: setsHorizon ? this.#horizon : batch.baseTimestamp,
      maxTimestamp: isStamped ? batch.maxTimestamp : batch.baseTimestamp + this.#maxDelta,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      recordsCount: this.#kept,
    });
    output.added(size);
  }

  get #horizon(): Timestamp {
    const { deleteRetentionMs } = this.#options;
    return Math.min(this.#now + deleteRetentionMs, HORIZON_MAX);
  }

  /** The records that stay, end to end. */
  #join(body: Uint8Array): Uint8Array {
    const runs = this.#runs;
    if (runs.length === 2) return body.subarray(runs[0]!, runs[1]!);
    let size = 0;
    for (let index = 0; index < runs.length; index += 2) size += runs[index + 1]! - runs[index]!;
    const joined = new Uint8Array(size);
    let position = 0;
    for (let index = 0; index < runs.length; index += 2) {
      joined.set(body.subarray(runs[index]!, runs[index + 1]!), position);
      position += runs[index + 1]! - runs[index]!;
    }
    return joined;
  }

  /** The same, with times relative to the delete horizon, which becomes the base timestamp. */
  #rebase(batch: BatchView, body: Uint8Array, from: number, to: number): Uint8Array {
    const walk = this.#walk;
    const shift = batch.baseTimestamp - this.#horizon;
    const rebased = new Uint8Array(to - from + this.#kept * GROWTH_MAX);
    const runs = this.#runs;
    let position = 0;
    for (let index = 0; index < runs.length; index += 2) {
      walk.reset(body, runs[index]!, runs[index + 1]!);
      while (walk.next()) {
        const [timeStart, timeEnd] = walk.timestampSpan();
        const delta = walk.timestampDelta + shift;
        const length = 1 + sizeOfVarlong(delta) + walk.end - timeEnd;
        position = writeVarint(rebased, position, length);
        rebased[position] = body[timeStart - 1]!;
        position = writeVarlong(rebased, position + 1, delta);
        rebased.set(body.subarray(timeEnd, walk.end), position);
        position += walk.end - timeEnd;
      }
    }
    return rebased.subarray(0, position);
  }

  /** A batch without records: offsets, producer and epoch are all that it tells. */
  #writeEmpty(batch: BatchView, output: CompactionOutput): void {
    if (batch.recordsCount === 0) return output.copy(batch);
    const { bytes, position } = output.reserve(BATCH_HEADER_BYTES);
    const dropped = BATCH_ATTRIBUTE.compressionMask | BATCH_ATTRIBUTE.deleteHorizon;
    writeBatchHeader(bytes, position, BATCH_HEADER_BYTES, {
      baseOffset: batch.baseOffset,
      partitionLeaderEpoch: batch.partitionLeaderEpoch,
      attributes: batch.attributes & ~dropped,
      lastOffsetDelta: batch.lastOffsetDelta,
      baseTimestamp: batch.maxTimestamp,
      maxTimestamp: batch.maxTimestamp,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      recordsCount: 0,
    });
    output.added(BATCH_HEADER_BYTES);
  }
}
