/**
 * One segment of a log: a file of batches and the indexes into it.
 *
 * Owns the file, the indexes and what is known of their content. It does not own what may be
 * appended, nor when to roll, flush or delete: that is the log's. Only the last segment of a log is
 * appended to; the others are sealed.
 *
 * Invariants: `size` is the end of the last whole batch, and nothing is written but there. An index
 * says nothing that the file does not hold; one that was damaged is built anew when first used.
 * Nothing of a segment is read before it is needed.
 *
 * @module
 */

import { NONE, type Offset, type Timestamp } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { DiskError, type File } from "./disk.ts";
import type { IndexFile } from "./index_file.ts";
import {
  DELETED_SUFFIX,
  LOG_SUFFIX,
  offsetFilePath,
  SEGMENT_SUFFIXES,
  TRANSACTION_INDEX_SUFFIX,
} from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import type { BatchView } from "./record_batch.ts";
import { SegmentIndexes } from "./segment_indexes.ts";
import { type BatchSpot, SegmentScan } from "./segment_scan.ts";
import { TransactionIndex } from "./transaction_index.ts";

const RELATIVE_OFFSET_MAX = 0x7fffffff;

/** Where a segment's batches came to an end. */
export interface SegmentTail {
  /** The offset after the last batch; the base offset of an empty segment. */
  readonly nextOffset: Offset;
  /** The leader epoch of the last batch that was looked at, or -1. */
  readonly lastEpoch: number;
}

/** A file of batches from one base offset on. */
export class Segment {
  readonly baseOffset: Offset;
  /** When it became the last segment, as far as this process knows. */
  readonly createdAt: Timestamp;
  /** Counts changes of the file of batches, and how many of them are durable. */
  changes = 0;
  changesSynced = 0;
  /** Whether the file's name is known to survive a crash; whoever syncs the folder says so. */
  nameDurable = false;
  /** How many changes there were when something was last cut off. */
  #changesAtCut = 0;
  readonly #resources: LogResources;
  readonly #folder: string;
  /** Behind the names of its files, while it is not one of the log's. */
  readonly #extension: string;
  #log: File | undefined;
  #size = -1;
  readonly #indexes: SegmentIndexes;
  /** Transactions whose abort markers stand here; whoever notes batches adds them. */
  readonly transactions: TransactionIndex;
  #firstTimestamp: Timestamp | undefined;

  constructor(
    resources: LogResources,
    folder: string,
    baseOffset: Offset,
    createdAt: Timestamp,
    extension = "",
  ) {
    this.#resources = resources;
    this.#folder = folder;
    this.#extension = extension;
    this.baseOffset = baseOffset;
    this.createdAt = createdAt;
    this.#indexes = new SegmentIndexes(resources, folder, baseOffset, extension);
    const path = offsetFilePath(folder, baseOffset, TRANSACTION_INDEX_SUFFIX) + extension;
    this.transactions = new TransactionIndex(resources, path, baseOffset);
  }

  get path(): string {
    return offsetFilePath(this.#folder, this.baseOffset, LOG_SUFFIX) + this.#extension;
  }

  /** The file of batches. @throws {DiskError} */
  get log(): File {
    return this.#log ??= this.#resources.disk.open(this.path);
  }

  /** Bytes of whole batches. @throws {DiskError} */
  get size(): number {
    if (this.#size < 0) this.#size = this.log.size();
    return this.#size;
  }

  /** The largest timestamp, or -1 where no record has one. @throws {DiskError} */
  get maxTimestamp(): Timestamp {
    return this.#indexes.maxTimestamp ?? this.#learnMaxTimestamp();
  }

  /** The largest timestamp of the first batch, or undefined. @throws {DiskError} */
  get firstTimestamp(): Timestamp | undefined {
    if (this.#firstTimestamp === undefined && this.size > 0) {
      const scan = this.#scan(0);
      if (scan.next()) this.#firstTimestamp = scan.batch.maxTimestamp;
    }
    return this.#firstTimestamp;
  }

  /** Whether an offset can be told relative to the base in 31 bits, as the indexes must. */
  canHold(offset: Offset): boolean {
    return offset - this.baseOffset <= RELATIVE_OFFSET_MAX && offset >= this.baseOffset;
  }

  /** Whether another entry would make an index file larger than `segment.index.bytes`. */
  indexFull(segmentIndexBytes: number): boolean {
    return this.#indexes.isFull(segmentIndexBytes);
  }

  /** Makes the file of a new segment. @throws {DiskError} and there is none, if there was none */
  create(): void {
    // Before the file is there: one that belongs to no segment would end the log at the next start.
    this.startRebuild();
    this.transactions.reset();
    this.#log = this.#resources.disk.open(this.path, { create: true });
    this.changes++;
    if (this.#log.size() > 0) {
      this.#log.truncate(0);
      this.#changesAtCut = this.changes;
    }
  }

  /**
   * Writes batches behind the others. {@link note} each of them then, in order.
   *
   * @throws {DiskError} after which the segment is as before
   */
  write(batches: Uint8Array): void {
    this.changes++;
    try {
      this.log.write(batches, this.#size);
    } catch (error) {
      // A part may have been written and cut off; until the cut is durable it may come back.
      this.#changesAtCut = this.changes;
      throw error;
    }
  }

  /** Takes in a batch that stands in the file at `size`. */
  note(batch: BatchView, indexIntervalBytes: number): void {
    this.#noteFields(
      batch.sizeInBytes,
      batch.lastOffset,
      batch.recordsTimestamp,
      indexIntervalBytes,
    );
  }

  /**
   * Takes in what the file holds: the last index entry and the headers after it. Batches that end
   * at `end` or later are left out, and out of the indexes, though not cut from the file.
   *
   * @throws {CorruptLogError} when the headers do not lead to the end of the file, without `end`
   * @throws {DiskError}
   */
  loadTail(indexIntervalBytes: number, end: Offset = Infinity): SegmentTail {
    const fileSize = this.log.size();
    return this.#wholeOrAsBefore(fileSize, () => this.#loadTail(fileSize, end, indexIntervalBytes));
  }

  #loadTail(fileSize: number, end: Offset, indexIntervalBytes: number): SegmentTail {
    const indexes = this.#indexes;
    this.#size = fileSize;
    if (indexes.anyLost(fileSize)) return this.#rebuild(fileSize, end, indexIntervalBytes);
    if (end !== Infinity) indexes.truncateTo(end);
    const entry = indexes.offsets.entries - 1;
    if (entry >= 0 && !this.#entryHolds(entry)) {
      return this.#rebuild(fileSize, end, indexIntervalBytes);
    }
    indexes.resume();
    this.#firstTimestamp = undefined;
    this.#size = entry < 0 ? 0 : indexes.offsets.position(entry);
    return this.#walkTail(entry < 0 ? -1 : this.#size, fileSize, end, indexIntervalBytes);
  }

  /** Forgets the indexes and takes the segment as empty, to {@link note} its batches anew. */
  startRebuild(held = false): void {
    this.#indexes.reset(held);
    this.#firstTimestamp = undefined;
    this.#size = 0;
  }

  /**
   * The first batch that ends at `offset` or later; undefined where there is none.
   *
   * @throws {CorruptLogError}
   * @throws {DiskError}
   */
  seek(offset: Offset, indexIntervalBytes: number): BatchSpot | undefined {
    const { offsets } = this.#indexes;
    if (this.#indexes.offsetsLost(this.size)) this.rebuildIndexes(indexIntervalBytes);
    const entry = offsets.floorByOffset(offset - this.baseOffset);
    if (entry < 0) return this.#seekFrom(0, offset);
    const scan = this.#scan(Math.min(offsets.position(entry), this.size));
    if (!scan.next() || !this.#fits(scan, entry)) {
      this.rebuildIndexes(indexIntervalBytes);
      return this.#seekFrom(0, offset);
    }
    return this.#seekOn(scan, offset);
  }

  /**
   * The offset after the last batch that ends before `offset`; the base offset where there is none.
   *
   * @throws as `seek`
   */
  endBefore(offset: Offset, indexIntervalBytes: number): Offset {
    const { offsets } = this.#indexes;
    if (this.#indexes.offsetsLost(this.size)) this.rebuildIndexes(indexIntervalBytes);
    const entry = offsets.floorByOffset(offset - 1 - this.baseOffset);
    const from = entry >= 0 && this.#entryHolds(entry) ? offsets.position(entry) : 0;
    const scan = this.#scan(from);
    let end = this.baseOffset;
    while (scan.next() && scan.batch.lastOffset < offset) end = scan.batch.nextOffset;
    return end;
  }

  /** The batch that starts at `position`; undefined at the end. @throws as `seek` */
  spotAt(position: number): BatchSpot | undefined {
    const scan = this.#scan(position);
    if (scan.next()) return scan.spot;
    this.#expectEnd(scan);
    return undefined;
  }

  /**
   * A batch that starts at or before `position`, at most an index interval before the last such
   * there is; at or after `from`, where a batch starts.
   *
   * @throws as `seek`
   */
  spotBefore(position: number, from: number): BatchSpot | undefined {
    const { offsets } = this.#indexes;
    const entry = offsets.floorByPosition(position);
    if (entry >= 0 && offsets.position(entry) > from) {
      const scan = this.#scan(offsets.position(entry));
      if (scan.next() && this.#fits(scan, entry)) return scan.spot;
    }
    const scan = this.#scan(from);
    while (scan.next()) if (scan.nextPosition > position) return scan.spot;
    this.#expectEnd(scan);
    return undefined;
  }

  /**
   * A place where a batch starts, before which no record is as late as `timestamp`.
   *
   * @throws {CorruptLogError}
   * @throws {DiskError}
   */
  positionBefore(timestamp: Timestamp, indexIntervalBytes: number): number {
    const { offsets, times } = this.#indexes;
    if (this.#indexes.anyLost(this.size)) this.rebuildIndexes(indexIntervalBytes);
    const time = times.lastBefore(timestamp);
    if (time < 0) return 0;
    const entry = offsets.floorByOffset(times.relativeOffset(time));
    return entry >= 0 && this.#entryHolds(entry) ? offsets.position(entry) : 0;
  }

  /** Walks over headers from a place where a batch starts. */
  scanFrom(position: number): SegmentScan {
    return this.#scan(position);
  }

  /** Builds both indexes from the headers. @throws {CorruptLogError} @throws {DiskError} */
  rebuildIndexes(indexIntervalBytes: number): void {
    const { size } = this;
    this.#wholeOrAsBefore(size, () => this.#rebuild(size, Infinity, indexIntervalBytes));
  }

  /**
   * Cuts the segment before the batch that holds `offset`, or where the next one starts. Returns
   * the offset after the last batch that is left.
   *
   * @throws {CorruptLogError} @throws {DiskError}
   */
  truncateTo(offset: Offset, indexIntervalBytes: number): SegmentTail {
    const spot = this.seek(offset, indexIntervalBytes);
    if (spot !== undefined) {
      this.log.truncate(spot.position);
      this.#changesAtCut = ++this.changes;
    }
    this.transactions.truncateTo(offset);
    return this.loadTail(indexIntervalBytes, offset);
  }

  /**
   * Whether what was cut off is gone for good. Until then nothing may be written behind the cut: a
   * power cut could leave a mix of old bytes and new ones, which might pass for sound batches.
   */
  get cutIsDurable(): boolean {
    return this.changesSynced >= this.#changesAtCut;
  }

  /** Makes everything in the file durable, before it returns. @throws {DiskError} */
  syncLog(): void {
    const { changes } = this;
    this.log.sync();
    this.changesSynced = changes;
  }

  /** Cuts what the file holds beyond `size`. @throws {DiskError} */
  cutFile(): void {
    this.changes++;
    if (this.log.size() <= this.size) return;
    this.log.truncate(this.size);
    this.#changesAtCut = this.changes;
  }

  /** No more is appended: the time index ends with the largest timestamp. */
  seal(): void {
    this.#indexes.seal();
  }

  /** Writes what the index files lack; returns those to be synced. @throws {DiskError} */
  writeIndexes(): IndexFile[] {
    const files = this.#indexes.write();
    const { transactions: { file } } = this;
    file.write();
    if (file.changes > file.changesSynced) files.push(file);
    return files;
  }

  /** Lets go of memory and descriptors. Everything is read again when needed. */
  close(): void {
    this.#indexes.discard();
    this.transactions.discard();
    this.#log?.close();
    this.#log = undefined;
  }

  /**
   * Takes the files out of the log, to be removed later: whoever reads them now may go on. Returns
   * their paths. An index that cannot be renamed goes when the log is next opened.
   *
   * @throws {DiskError} when the log file cannot be renamed; it is then as before
   */
  markDeleted(): string[] {
    const { disk } = this.#resources;
    const paths: string[] = [];
    for (const suffix of SEGMENT_SUFFIXES) {
      const path = offsetFilePath(this.#folder, this.baseOffset, suffix);
      const target = path + DELETED_SUFFIX;
      try {
        if (suffix !== LOG_SUFFIX && disk.status(path) === undefined) continue;
        disk.rename(path, target);
        paths.push(target);
      } catch (error) {
        if (suffix === LOG_SUFFIX || !(error instanceof DiskError)) throw error;
      }
    }
    this.#indexes.discard();
    this.transactions.discard();
    return paths;
  }

  #noteFields(
    sizeInBytes: number,
    lastOffset: Offset,
    maxTimestamp: Timestamp,
    indexIntervalBytes: number,
  ): void {
    if (this.#size === 0) this.#firstTimestamp = maxTimestamp;
    this.#indexes.note(this.#size, sizeInBytes, lastOffset, maxTimestamp, indexIntervalBytes);
    this.#size += sizeInBytes;
  }

  /**
   * Walks over the segment, which begins by taking it as empty. What of it cannot be read is in the
   * file all the same: nothing may be written over it.
   */
  #wholeOrAsBefore(size: number, walk: () => SegmentTail): SegmentTail {
    const { largest } = this.#indexes;
    try {
      return walk();
    } catch (error) {
      this.#size = size;
      this.#indexes.interrupted(largest, error instanceof DiskError);
      throw error;
    }
  }

  #rebuild(to: number, end: Offset, indexIntervalBytes: number): SegmentTail {
    this.startRebuild(true);
    const tail = this.#walkTail(-1, to, end, indexIntervalBytes);
    this.#indexes.complete();
    return tail;
  }

  /** Notes the batches from `size` on; the one at `indexedPosition` has its index entry already. */
  #walkTail(
    indexedPosition: number,
    to: number,
    end: Offset,
    indexIntervalBytes: number,
  ): SegmentTail {
    const scan = this.#scan(this.#size, to);
    let nextOffset = this.baseOffset;
    let lastEpoch = -1;
    while (scan.next()) {
      const { batch } = scan;
      if (batch.lastOffset >= end) return { nextOffset, lastEpoch };
      nextOffset = batch.nextOffset;
      lastEpoch = batch.partitionLeaderEpoch;
      const interval = scan.position === indexedPosition ? Infinity : indexIntervalBytes;
      this.#noteFields(batch.sizeInBytes, batch.lastOffset, batch.recordsTimestamp, interval);
    }
    if (end === Infinity) this.#expectEnd(scan, nextOffset);
    return { nextOffset, lastEpoch };
  }

  #seekFrom(position: number, offset: Offset): BatchSpot | undefined {
    const scan = this.#scan(position);
    if (scan.next()) return this.#seekOn(scan, offset);
    this.#expectEnd(scan);
    return undefined;
  }

  #seekOn(scan: SegmentScan, offset: Offset): BatchSpot | undefined {
    do {
      if (scan.batch.lastOffset >= offset) return scan.spot;
    } while (scan.next());
    this.#expectEnd(scan);
    return undefined;
  }

  #scan(from: number, to: number = this.size): SegmentScan {
    const { baseOffset } = this;
    const buffer = this.#resources.headerBuffer;
    return new SegmentScan({ file: this.log, from, to, buffer, baseOffset });
  }

  #expectEnd(scan: SegmentScan, offset: Offset = this.baseOffset): void {
    const end = scan.stoppedBy;
    if (end === "end") return;
    const reason = end === "malformed" ? "no batch starts here" : "the batch is cut off";
    const known = scan.position < scan.nextPosition ? scan.batch.nextOffset : offset;
    throw new CorruptLogError(known, this.path, scan.nextPosition, reason);
  }

  /** Whether a batch that fits the entry starts where the entry says. */
  #entryHolds(entry: number): boolean {
    const position = this.#indexes.offsets.position(entry);
    if (position >= this.size) return false;
    const scan = this.#scan(position);
    return scan.next() && this.#fits(scan, entry);
  }

  /** Kafka's older versions name the last offset of several batches at once. */
  #fits(scan: SegmentScan, entry: number): boolean {
    return scan.batch.lastOffset - this.baseOffset <= this.#indexes.offsets.relativeOffset(entry);
  }

  #learnMaxTimestamp(): Timestamp {
    const indexes = this.#indexes;
    try {
      if (!indexes.learnMaxTimestamp()) {
        const scan = this.#scan(0);
        while (scan.next()) {
          indexes.noteTimestamp(scan.batch.recordsTimestamp, scan.batch.lastOffset);
        }
      }
    } catch (error) {
      indexes.interrupted(undefined, false);
      throw error;
    }
    return indexes.maxTimestamp ?? NONE;
  }
}
