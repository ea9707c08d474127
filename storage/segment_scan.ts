/**
 * Walks over the batches in a segment's file: their headers only, or whole batches.
 *
 * Owns how the file is read for that: in windows, small ones where batches are large and only
 * headers are wanted. It checks what a header must say to lead to the next one; checksums,
 * and that no offset is missing, are the caller's.
 *
 * Invariant: nothing at or after `to` is read.
 *
 * @module
 */

import { isSafeInt64, readInt32, readInt64 } from "./bytes/big_endian.ts";
import type { Offset } from "./bytes/ids.ts";
import type { File } from "./disk.ts";
import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchSizeAt,
  BatchView,
  type BatchWalkEnd,
} from "./record_batch.ts";

/** Beyond this size of the last batch, only the next header is read, not the bytes behind it. */
const SMALL_BATCH_BYTES = 2048;

export interface SegmentScanOptions {
  readonly file: File;
  /** Where the first batch starts. */
  readonly from: number;
  readonly to: number;
  /** Where bytes are read into; its length is that of a window. Lent for as long as the walk. */
  readonly buffer: Uint8Array;
  /** No batch in the file has a lower offset; default 0. */
  readonly baseOffset?: Offset;
  /** Whether the view shows whole batches, not only headers. */
  readonly whole?: boolean;
}

/** Where a batch lies in its segment, and what its header says. */
export interface BatchSpot {
  readonly position: number;
  readonly sizeInBytes: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
}

/** A walk over batches, forward. */
export class SegmentScan {
  /** The batch that the last `next()` found: the same view each time, valid until the next call. */
  readonly batch: BatchView;
  /** Bytes read from the file so far. */
  bytesRead = 0;
  readonly #file: File;
  readonly #to: number;
  readonly #whole: boolean;
  /** What the next batch must at least begin with; headers have no checksum of their own. */
  #leastOffset: Offset;
  #buffer: Uint8Array;
  #windowStart = 0;
  #windowEnd = 0;
  #position: number;
  #next: number;
  #lastSize = 0;

  constructor({ file, from, to, buffer, baseOffset = 0, whole = false }: SegmentScanOptions) {
    this.batch = new BatchView(buffer, 0);
    this.#file = file;
    this.#position = from;
    this.#next = from;
    this.#to = to;
    this.#buffer = buffer;
    this.#whole = whole;
    this.#leastOffset = baseOffset;
  }

  /** Where in the file the batch of the last `next()` starts. */
  get position(): number {
    return this.#position;
  }

  /** Where the next batch starts: everything before it has been walked over. */
  get nextPosition(): number {
    return this.#next;
  }

  /** The batch of the last `next()`, to keep. */
  get spot(): BatchSpot {
    const { batch: { sizeInBytes, baseOffset, lastOffset } } = this;
    return { position: this.#position, sizeInBytes, baseOffset, lastOffset };
  }

  /**
   * Moves to the next batch; false at the end or at what is none, see {@link stoppedBy}.
   *
   * @throws {DiskError}
   */
  next(): boolean {
    const at = this.#next;
    if (this.#to - at < BATCH_HEADER_BYTES) return false;
    if (at < this.#windowStart || at + BATCH_HEADER_BYTES > this.#windowEnd) {
      this.#fill(at, BATCH_HEADER_BYTES);
      if (at + BATCH_HEADER_BYTES > this.#windowEnd) return false;
    }
    const size = this.#sizeAt(at);
    if (size === 0 || size > this.#to - at) return false;
    if (this.#whole && at + size > this.#windowEnd) {
      this.#fill(at, size);
      if (at + size > this.#windowEnd) return false;
    }
    this.batch.moveTo(this.#buffer, at - this.#windowStart);
    this.#position = at;
    this.#lastSize = size;
    this.#next = at + size;
    // With whole batches at hand whoever walks can tell more exactly what is wrong.
    if (!this.#whole) this.#leastOffset = this.batch.nextOffset;
    return true;
  }

  /**
   * The whole batch that the last `next()` found, where only headers are read otherwise. In memory
   * of its own.
   *
   * @throws {DiskError}
   */
  readWhole(): BatchView {
    const bytes = new Uint8Array(this.#lastSize);
    this.bytesRead += this.#file.read(bytes, this.#position);
    return new BatchView(bytes, 0);
  }

  /** What lies at {@link nextPosition} once `next()` has returned false. */
  get stoppedBy(): BatchWalkEnd {
    const at = this.#next;
    if (at >= this.#to) return "end";
    const headerRead = at >= this.#windowStart && at + BATCH_HEADER_BYTES <= this.#windowEnd;
    return headerRead && this.#sizeAt(at) === 0 ? "malformed" : "incomplete";
  }

  /** The size of the batch whose header is in the window, or 0 where this is no header. */
  #sizeAt(at: number): number {
    const buffer = this.#buffer;
    const start = at - this.#windowStart;
    const size = batchSizeAt(buffer, start, this.#windowEnd - this.#windowStart);
    const sound = size >= BATCH_HEADER_BYTES && buffer[start + BATCH_FIELD.magic] === BATCH_MAGIC &&
      isSafeInt64(buffer, start) && readInt64(buffer, start) >= this.#leastOffset &&
      isSafeInt64(buffer, start + BATCH_FIELD.baseTimestamp) &&
      isSafeInt64(buffer, start + BATCH_FIELD.maxTimestamp) &&
      isSafeInt64(buffer, start + BATCH_FIELD.producerId) &&
      readInt32(buffer, start + BATCH_FIELD.lastOffsetDelta) >= 0;
    return sound ? size : 0;
  }

  #fill(at: number, least: number): void {
    let length = this.#buffer.length;
    if (!this.#whole && this.#lastSize > SMALL_BATCH_BYTES) length = BATCH_HEADER_BYTES;
    length = Math.min(Math.max(length, least), this.#to - at);
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
    const target = length === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, length);
    const read = this.#file.read(target, at);
    this.bytesRead += read;
    this.#windowStart = at;
    this.#windowEnd = at + read;
  }
}
