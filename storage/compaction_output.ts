/**
 * The segment that a compaction writes: batches are gathered and written in chunks, with the
 * indexes as they come, under names that count for nothing until they are swapped in.
 *
 * Owns the buffer and the segment's files until then.
 *
 * @module
 */

import { DiskError, type File } from "./disk.ts";
import type { Offset, Timestamp } from "./bytes/ids.ts";
import { CLEANED_SUFFIX, offsetFilePath, SEGMENT_SUFFIXES } from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { BatchCursor, type BatchView } from "./record_batch.ts";
import { Segment } from "./segment.ts";

export interface OutputOptions {
  readonly resources: LogResources;
  readonly folder: string;
  readonly baseOffset: Offset;
  readonly createdAt: Timestamp;
  readonly indexIntervalBytes: number;
  /** Where batches are gathered; lent for as long as the output is written. */
  readonly buffer: Uint8Array;
}

export class CompactionOutput {
  readonly segment: Segment;
  /** Whether a batch is not as it was. */
  changed = false;
  readonly #options: OutputOptions;
  #buffer: Uint8Array;
  #length = 0;
  /** What `reserve` gives: the same each time. */
  readonly #place: { bytes: Uint8Array; position: number };

  /** @throws {DiskError} */
  constructor(options: OutputOptions) {
    const { resources, folder, baseOffset, createdAt, buffer } = options;
    this.#options = options;
    this.#buffer = buffer;
    this.#place = { bytes: buffer, position: 0 };
    this.segment = new Segment(resources, folder, baseOffset, createdAt, CLEANED_SUFFIX);
    this.segment.create();
  }

  /** Bytes of all batches so far. */
  get sizeInBytes(): number {
    return this.segment.size + this.#length;
  }

  /** Puts a batch as it is behind the others. @throws {DiskError} */
  copy(batch: BatchView): void {
    const { source, position: from, sizeInBytes } = batch;
    const { bytes, position } = this.reserve(sizeInBytes);
    bytes.set(source.subarray(from, from + sizeInBytes), position);
    this.#length += sizeInBytes;
  }

  /** Room for a batch of that size, to be written at once and {@link added}. @throws {DiskError} */
  reserve(size: number): { readonly bytes: Uint8Array; readonly position: number } {
    if (this.#length + size > this.#buffer.length) this.flush();
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size);
    this.#place.bytes = this.#buffer;
    this.#place.position = this.#length;
    return this.#place;
  }

  /** The batch that room was reserved for is there. */
  added(size: number): void {
    this.#length += size;
    this.changed = true;
  }

  /** Writes what was gathered. @throws {DiskError} */
  flush(): void {
    if (this.#length === 0) return;
    const chunk = this.#buffer.subarray(0, this.#length);
    this.segment.write(chunk);
    const cursor = new BatchCursor(chunk);
    while (cursor.next()) this.segment.note(cursor.batch, this.#options.indexIntervalBytes);
    this.#length = 0;
  }

  /** All is written: returns what is to be synced before it may count. @throws {DiskError} */
  finish(): File[] {
    this.flush();
    this.segment.seal();
    return [this.segment.log, ...this.segment.writeIndexes().map(({ file }) => file)];
  }

  /** Removes what was written; what cannot be removed goes when the log is next opened. */
  discard(): void {
    this.segment.close();
    const { resources: { disk }, folder, baseOffset } = this.#options;
    for (const suffix of SEGMENT_SUFFIXES) {
      try {
        disk.remove(offsetFilePath(folder, baseOffset, suffix) + CLEANED_SUFFIX);
      } catch (error) {
        // A disk that fails is found out by who needs it.
        if (!(error instanceof DiskError)) throw error;
      }
    }
  }
}
