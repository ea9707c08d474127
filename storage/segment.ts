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

import type { Offset, Timestamp } from "./bytes/ids.ts";
import { DiskError, type File } from "./disk.ts";
import type { IndexFile } from "./index_file.ts";
import {
  DELETED_SUFFIX,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetFilePath,
  SEGMENT_SUFFIXES,
  TIME_INDEX_SUFFIX,
} from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from "./offset_index.ts";
import type { BatchView } from "./record_batch.ts";
import { SegmentScan } from "./segment_scan.ts";
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from "./time_index.ts";

/** A segment larger than this that has no index entry at all has lost its index. */
const UNINDEXED_BYTES_MAX = 1024 * 1024;
const RELATIVE_OFFSET_MAX = 0x7fffffff;

/** Bytes of a log that are not what was written; found by reading them. */
export class CorruptLogError extends Error {
  override readonly name = "CorruptLogError";
  constructor(
    /** The first offset that cannot be read. */
    readonly offset: Offset,
    readonly file: string,
    readonly position: number,
    readonly reason: string,
  ) {
    super(`Cannot read offset ${offset} from ${file} at ${position}: ${reason}`);
  }
}

/** Where a batch lies in its segment, and what its header says. */
export interface BatchSpot {
  readonly position: number;
  readonly sizeInBytes: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly maxTimestamp: Timestamp;
}

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
  /** How many changes there were when batches were last cut off that had been sound. */
  #changesAtCut = 0;
  readonly #resources: LogResources;
  readonly #folder: string;
  #log: File | undefined;
  #size = -1;
  #offsetIndex: OffsetIndex | undefined;
  #timeIndex: TimeIndex | undefined;
  #indexesChecked = false;
  /** An entry could not be added: they must be built anew before they are used. */
  #indexesStale = false;
  /** Known once #maxTimestampKnown is set. */
  #maxTimestamp: Timestamp = -1;
  #maxTimestampOffset: Offset = -1;
  #maxTimestampKnown = false;
  #firstTimestamp: Timestamp | undefined;
  #bytesSinceIndexEntry = 0;
  constructor(
    resources: LogResources,
    folder: string,
    baseOffset: Offset,
    createdAt: Timestamp,
  ) {
    this.#resources = resources;
    this.#folder = folder;
    this.baseOffset = baseOffset;
    this.createdAt = createdAt;
  }

  get path(): string {
    return offsetFilePath(this.#folder, this.baseOffset, LOG_SUFFIX);
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

  /** Where in the log offsets are. */
  get offsetIndex(): OffsetIndex {
    return this.#offsetIndex ??= new OffsetIndex(
      this.#resources,
      offsetFilePath(this.#folder, this.baseOffset, OFFSET_INDEX_SUFFIX),
    );
  }

  /** Where in the log times are. */
  get timeIndex(): TimeIndex {
    return this.#timeIndex ??= new TimeIndex(
      this.#resources,
      offsetFilePath(this.#folder, this.baseOffset, TIME_INDEX_SUFFIX),
    );
  }

  /** The largest timestamp, or -1 where no record has one. @throws {DiskError} */
  get maxTimestamp(): Timestamp {
    if (!this.#maxTimestampKnown) this.#learnMaxTimestamp();
    return this.#maxTimestamp;
  }

  /** The last offset of the first batch with the largest timestamp, or -1. @throws {DiskError} */
  get maxTimestampOffset(): Offset {
    if (!this.#maxTimestampKnown) this.#learnMaxTimestamp();
    return this.#maxTimestampOffset;
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
    return this.offsetIndex.entries >= Math.floor(segmentIndexBytes / OFFSET_INDEX_ENTRY_BYTES) ||
      this.timeIndex.entries >= Math.floor(segmentIndexBytes / TIME_INDEX_ENTRY_BYTES) - 1;
  }

  /** Makes the file of a new segment. @throws {DiskError} */
  create(): void {
    this.#log = this.#resources.disk.open(this.path, { create: true });
    this.changes++;
    if (this.#log.size() > 0) {
      this.#log.truncate(0);
      this.#changesAtCut = this.changes;
    }
    this.startRebuild();
    this.#indexesChecked = true;
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
    this.#noteFields(batch.sizeInBytes, batch.lastOffset, batch.maxTimestamp, indexIntervalBytes);
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
    this.#size = fileSize;
    if (this.#indexesLost()) return this.#rebuild(fileSize, end, indexIntervalBytes);
    if (end !== Infinity) {
      this.offsetIndex.truncateTo(end - this.baseOffset);
      this.timeIndex.truncateTo(end - this.baseOffset);
    }
    const entry = this.offsetIndex.entries - 1;
    if (entry >= 0 && !this.#entryHolds(entry)) {
      return this.#rebuild(fileSize, end, indexIntervalBytes);
    }
    this.#startEmpty();
    const lastTime = this.timeIndex.entries - 1;
    if (lastTime >= 0) {
      this.#maxTimestamp = this.timeIndex.timestamp(lastTime);
      this.#maxTimestampOffset = this.baseOffset + this.timeIndex.relativeOffset(lastTime);
    }
    this.#size = entry < 0 ? 0 : this.offsetIndex.position(entry);
    return this.#walkTail(entry < 0 ? -1 : this.#size, fileSize, end, indexIntervalBytes);
  }

  /** Forgets the indexes and takes the segment as empty, to {@link note} its batches anew. */
  startRebuild(): void {
    this.offsetIndex.file.reset();
    this.timeIndex.file.reset();
    this.#startEmpty();
  }

  /**
   * The first batch that ends at `offset` or later; undefined where there is none.
   *
   * @throws {CorruptLogError}
   * @throws {DiskError}
   */
  seek(offset: Offset, indexIntervalBytes: number): BatchSpot | undefined {
    if (this.#offsetIndexLost()) this.rebuildIndexes(indexIntervalBytes);
    const entry = this.offsetIndex.floorByOffset(offset - this.baseOffset);
    if (entry < 0) return this.#seekFrom(0, offset);
    const scan = this.#scan(Math.min(this.offsetIndex.position(entry), this.size));
    if (!scan.next() || !this.#fits(scan, entry)) {
      this.rebuildIndexes(indexIntervalBytes);
      return this.#seekFrom(0, offset);
    }
    return this.#seekOn(scan, offset);
  }

  /** The batch that starts at `position`; undefined at the end. @throws as `seek` */
  spotAt(position: number): BatchSpot | undefined {
    const scan = this.#scan(position);
    if (scan.next()) return spotOf(scan);
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
    const entry = this.offsetIndex.floorByPosition(position);
    if (entry >= 0 && this.offsetIndex.position(entry) > from) {
      const scan = this.#scan(this.offsetIndex.position(entry));
      if (scan.next() && this.#fits(scan, entry)) return spotOf(scan);
    }
    const scan = this.#scan(from);
    while (scan.next()) if (scan.nextPosition > position) return spotOf(scan);
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
    if (this.#indexesLost()) this.rebuildIndexes(indexIntervalBytes);
    const time = this.timeIndex.lastBefore(timestamp);
    if (time < 0) return 0;
    const entry = this.offsetIndex.floorByOffset(this.timeIndex.relativeOffset(time));
    return entry >= 0 && this.#entryHolds(entry) ? this.offsetIndex.position(entry) : 0;
  }

  /** Walks over headers from a place where a batch starts. */
  scanFrom(position: number): SegmentScan {
    return this.#scan(position);
  }

  /** Builds both indexes from the headers. @throws {CorruptLogError} @throws {DiskError} */
  rebuildIndexes(indexIntervalBytes: number): void {
    this.#rebuild(this.size, Infinity, indexIntervalBytes);
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
    this.#firstTimestamp = undefined;
    return this.loadTail(indexIntervalBytes, offset);
  }

  /**
   * Whether batches that were cut off are gone for good. Until then nothing may be written behind
   * the cut: a power cut could leave a mix of old batches and new ones, each of them sound.
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
    if (this.log.size() > this.size) this.log.truncate(this.size);
    this.changes++;
  }

  /** No more is appended: the time index ends with the largest timestamp. */
  seal(): void {
    this.#noteMaxTimestamp();
    this.offsetIndex.file.tryWrite();
    this.timeIndex.file.tryWrite();
  }

  /** Writes what the index files lack; returns those to be synced. @throws {DiskError} */
  writeIndexes(): IndexFile[] {
    this.#noteMaxTimestamp();
    const indexes: IndexFile[] = [];
    for (const { file } of [this.offsetIndex, this.timeIndex]) {
      file.write();
      if (file.changes > file.changesSynced) indexes.push(file);
    }
    return indexes;
  }

  /** Lets go of memory and descriptors. Everything is read again when needed. */
  close(): void {
    this.#offsetIndex?.file.discard();
    this.#timeIndex?.file.discard();
    this.#log?.close();
    this.#log = undefined;
  }

  /**
   * Takes the files out of the log, to be removed later: whoever reads them now may go on. Returns
   * their paths.
   *
   * @throws {DiskError} when the log file cannot be renamed; it is then as before
   */
  markDeleted(): string[] {
    const paths: string[] = [];
    for (const suffix of SEGMENT_SUFFIXES) {
      const path = offsetFilePath(this.#folder, this.baseOffset, suffix);
      if (suffix !== LOG_SUFFIX && this.#resources.disk.status(path) === undefined) continue;
      const target = path + DELETED_SUFFIX;
      this.#resources.disk.rename(path, target);
      paths.push(target);
    }
    this.#offsetIndex?.file.discard();
    this.#timeIndex?.file.discard();
    return paths;
  }

  #noteFields(
    sizeInBytes: number,
    lastOffset: Offset,
    maxTimestamp: Timestamp,
    indexIntervalBytes: number,
  ): void {
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp;
      this.#maxTimestampOffset = lastOffset;
    }
    if (this.#size === 0) this.#firstTimestamp = maxTimestamp;
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      this.#addIndexEntries(lastOffset);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += sizeInBytes;
    this.#size += sizeInBytes;
  }

  /** The batch is in the log whatever befalls its index. */
  #addIndexEntries(lastOffset: Offset): void {
    if (this.#indexesStale) return;
    try {
      this.offsetIndex.append(lastOffset - this.baseOffset, this.#size);
      this.#noteMaxTimestamp();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#indexesStale = true;
    }
  }

  #noteMaxTimestamp(): void {
    if (!this.#maxTimestampKnown || this.#maxTimestamp < 0) return;
    this.timeIndex.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset - this.baseOffset);
  }

  #startEmpty(): void {
    this.#size = 0;
    this.#maxTimestamp = -1;
    this.#maxTimestampOffset = -1;
    this.#maxTimestampKnown = true;
    this.#firstTimestamp = undefined;
    this.#bytesSinceIndexEntry = 0;
  }

  #rebuild(to: number, end: Offset, indexIntervalBytes: number): SegmentTail {
    this.startRebuild();
    this.#indexesChecked = true;
    this.#indexesStale = false;
    return this.#walkTail(-1, to, end, indexIntervalBytes);
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
      this.#noteFields(batch.sizeInBytes, batch.lastOffset, batch.maxTimestamp, interval);
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
      if (scan.batch.lastOffset >= offset) return spotOf(scan);
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
    const position = this.offsetIndex.position(entry);
    if (position >= this.size) return false;
    const scan = this.#scan(position);
    return scan.next() && this.#fits(scan, entry);
  }

  /** Kafka's older versions name the last offset of several batches at once. */
  #fits(scan: SegmentScan, entry: number): boolean {
    return scan.batch.lastOffset - this.baseOffset <= this.offsetIndex.relativeOffset(entry);
  }

  #offsetIndexLost(): boolean {
    if (this.offsetIndex.file.takeDamage() || this.#indexesStale) return true;
    if (this.#indexesChecked) return false;
    this.#indexesChecked = true;
    return this.offsetIndex.entries === 0 && this.size > UNINDEXED_BYTES_MAX;
  }

  #indexesLost(): boolean {
    const timeIndexDamaged = this.timeIndex.file.takeDamage();
    if (this.#offsetIndexLost() || timeIndexDamaged) return true;
    // The file's name was lost with the power, or no record has a time: then this costs a walk.
    return this.offsetIndex.entries > 0 && this.timeIndex.entries === 0 && this.#maxTimestamp < 0;
  }

  #learnMaxTimestamp(): void {
    const last = this.timeIndex.entries - 1;
    if (last >= 0) {
      this.#maxTimestamp = this.timeIndex.timestamp(last);
      this.#maxTimestampOffset = this.baseOffset + this.timeIndex.relativeOffset(last);
    } else {
      const scan = this.#scan(0);
      while (scan.next()) {
        if (scan.batch.maxTimestamp <= this.#maxTimestamp) continue;
        this.#maxTimestamp = scan.batch.maxTimestamp;
        this.#maxTimestampOffset = scan.batch.lastOffset;
      }
    }
    this.#maxTimestampKnown = true;
  }
}

function spotOf(scan: SegmentScan): BatchSpot {
  const { batch } = scan;
  return {
    position: scan.position,
    sizeInBytes: batch.sizeInBytes,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    maxTimestamp: batch.maxTimestamp,
  };
}
