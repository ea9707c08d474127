/**
 * The indexes of one segment together: when a batch gets entries, which timestamp is the largest,
 * and whether the files that were found can be what was written.
 *
 * Owns both indexes and the largest timestamp. It does not own the batches: the segment walks over
 * them and tells each one here, in order, when indexes are built or built anew.
 *
 * Invariant: no failure of an index is a failure of an append; an index that lacks an entry it
 * should have is lost, and says so when it is next asked.
 *
 * @module
 */

import { NONE, type Offset, type Timestamp } from "./bytes/ids.ts";
import { DiskError } from "./disk.ts";
import type { IndexFile } from "./index_file.ts";
import { OFFSET_INDEX_SUFFIX, offsetFilePath, TIME_INDEX_SUFFIX } from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from "./offset_index.ts";
import { TIME_INDEX_ENTRY_BYTES, TimeIndex } from "./time_index.ts";

/** A segment larger than this that has no index entry at all has lost its index. */
const UNINDEXED_BYTES_MAX = 1024 * 1024;

export class SegmentIndexes {
  readonly #resources: LogResources;
  readonly #folder: string;
  readonly #baseOffset: Offset;
  readonly #extension: string;
  #offsets: OffsetIndex | undefined;
  #times: TimeIndex | undefined;
  /** Whether it has been asked if the offset index was lost. */
  #checked = false;
  /** An entry could not be added: they must be built anew before they are used. */
  #stale = false;
  #bytesSinceEntry = 0;
  #maxTimestamp: Timestamp = NONE;
  #maxTimestampOffset: Offset = NONE;
  #maxTimestampKnown = false;

  constructor(
    resources: LogResources,
    folder: string,
    baseOffset: Offset,
    extension = "",
  ) {
    this.#resources = resources;
    this.#folder = folder;
    this.#baseOffset = baseOffset;
    this.#extension = extension;
  }

  /** Where in the segment offsets are. */
  get offsets(): OffsetIndex {
    return this.#offsets ??= new OffsetIndex(
      this.#resources,
      this.#path(OFFSET_INDEX_SUFFIX),
    );
  }

  /** Where in the segment times are. */
  get times(): TimeIndex {
    return this.#times ??= new TimeIndex(
      this.#resources,
      this.#path(TIME_INDEX_SUFFIX),
    );
  }

  /** The largest timestamp, -1 where no record has one; undefined while it is not known. */
  get maxTimestamp(): Timestamp | undefined {
    return this.#maxTimestampKnown ? this.#maxTimestamp : undefined;
  }

  /** The largest timestamp and where it is, while that is known. */
  get largest(): { readonly timestamp: Timestamp; readonly offset: Offset } | undefined {
    if (!this.#maxTimestampKnown) return undefined;
    return { timestamp: this.#maxTimestamp, offset: this.#maxTimestampOffset };
  }

  /**
   * A walk over the batches could not be finished: the largest timestamp is what it was. With
   * `again` the indexes must be built anew; without, they end where the walk did, for good.
   */
  interrupted(largest: SegmentIndexes["largest"], again: boolean): void {
    this.#maxTimestampKnown = largest !== undefined;
    this.#maxTimestamp = largest?.timestamp ?? NONE;
    this.#maxTimestampOffset = largest?.offset ?? NONE;
    if (again) this.#stale = true;
  }

  /** Learns the largest timestamp from the last entry; false where there is none. */
  learnMaxTimestamp(): boolean {
    const last = this.times.entries - 1;
    this.#maxTimestampKnown = true;
    if (last < 0) return false;
    this.#maxTimestamp = this.times.timestamp(last);
    this.#maxTimestampOffset = this.#baseOffset + this.times.relativeOffset(last);
    return true;
  }

  /** A batch that ends at `lastOffset` has this largest timestamp. */
  noteTimestamp(timestamp: Timestamp, lastOffset: Offset): void {
    if (timestamp <= this.#maxTimestamp) return;
    this.#maxTimestamp = timestamp;
    this.#maxTimestampOffset = lastOffset;
  }

  /** Takes in that a batch stands at `position`, adding entries where it is time for them. */
  note(
    position: number,
    sizeInBytes: number,
    lastOffset: Offset,
    timestamp: Timestamp,
    indexIntervalBytes: number,
  ): void {
    this.noteTimestamp(timestamp, lastOffset);
    if (this.#bytesSinceEntry > indexIntervalBytes) {
      this.#addEntries(position, lastOffset);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += sizeInBytes;
  }

  /** Whether another entry would make a file larger than `segment.index.bytes`. */
  isFull(segmentIndexBytes: number): boolean {
    return this.offsets.entries >= Math.floor(segmentIndexBytes / OFFSET_INDEX_ENTRY_BYTES) ||
      this.times.entries >= Math.floor(segmentIndexBytes / TIME_INDEX_ENTRY_BYTES) - 1;
  }

  /** Whether the offset index of a segment of that size must be built anew before it is used. */
  offsetsLost(segmentSize: number): boolean {
    if (this.offsets.file.takeDamage() || this.#stale) return true;
    if (this.#checked) return false;
    this.#checked = true;
    return this.offsets.entries === 0 && segmentSize > UNINDEXED_BYTES_MAX;
  }

  /** Whether either index of a segment of that size must be built anew before it is used. */
  anyLost(segmentSize: number): boolean {
    const timesDamaged = this.times.file.takeDamage();
    if (this.offsetsLost(segmentSize) || timesDamaged) return true;
    // The file's name was lost with the power, or no record has a time: then this costs a walk.
    return this.offsets.entries > 0 && this.times.entries === 0 && this.#maxTimestamp < 0;
  }

  /** Leaves the entries of batches that end before `offset`. @throws {DiskError} */
  truncateTo(offset: Offset): void {
    this.offsets.truncateTo(offset - this.#baseOffset);
    this.times.truncateTo(offset - this.#baseOffset);
  }

  /** Goes on after the last entries, as if no batch had followed them. */
  resume(): void {
    this.#startEmpty();
    this.learnMaxTimestamp();
  }

  /**
   * Drops all entries, to begin anew; where that is for batches that are there already, the files
   * are `held` empty until {@link complete}: a part would pass for the whole.
   *
   * @throws {DiskError}
   */
  reset(held = false): void {
    this.offsets.file.reset(held);
    this.times.file.reset(held);
    this.#startEmpty();
    this.#checked = true;
    this.#stale = false;
  }

  /** Every batch has been noted anew. */
  complete(): void {
    this.#noteMaxTimestamp();
    this.#pair();
    this.offsets.file.writeAllOrNone();
    this.times.file.writeAllOrNone();
  }

  /** No more is appended: the time index ends with the largest timestamp. */
  seal(): void {
    this.#noteMaxTimestamp();
    this.#pair();
    this.offsets.file.tryWrite();
    this.times.file.tryWrite();
  }

  /** Writes what the files lack; returns those to be synced. @throws {DiskError} */
  write(): IndexFile[] {
    this.#noteMaxTimestamp();
    this.#pair();
    const files: IndexFile[] = [];
    for (const { file } of [this.offsets, this.times]) {
      file.write();
      if (file.changes > file.changesSynced) files.push(file);
    }
    return files;
  }

  /** Lets go of memory and descriptors; what is not written is lost. */
  discard(): void {
    this.#offsets?.file.discard();
    this.#times?.file.discard();
  }

  #path(suffix: string): string {
    return offsetFilePath(this.#folder, this.#baseOffset, suffix) + this.#extension;
  }

  #addEntries(position: number, lastOffset: Offset): void {
    if (this.#stale) return;
    try {
      this.offsets.append(lastOffset - this.#baseOffset, position);
      this.#noteMaxTimestamp();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#stale = true;
    }
  }

  #noteMaxTimestamp(): void {
    if (!this.#maxTimestampKnown || this.#maxTimestamp < 0) return;
    this.times.maybeAppend(this.#maxTimestamp, this.#maxTimestampOffset - this.#baseOffset);
  }

  /** Kafka's tools cannot read a time index without the file of the other one, be it empty. */
  #pair(): void {
    if (this.times.entries > 0 && this.offsets.entries === 0) this.offsets.file.tryCreate();
  }

  #startEmpty(): void {
    this.#maxTimestamp = NONE;
    this.#maxTimestampOffset = NONE;
    this.#maxTimestampKnown = true;
    this.#bytesSinceEntry = 0;
  }
}
