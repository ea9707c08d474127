/**
 * Reads the batches of a sealed segment one after the other, off the loop: a window is asked for,
 * and when it is there its batches are walked over in memory.
 *
 * Owns the window. Whoever walks waits where it is told to, and is woken.
 *
 * @module
 */

import { CorruptLogError } from "./corrupt_log_error.ts";
import { DiskError } from "./disk.ts";
import { BATCH_HEADER_BYTES, BATCH_MAGIC, batchSizeAt, BatchView } from "./record_batch.ts";
import type { Segment } from "./segment.ts";

export interface InputOptions {
  readonly segment: Segment;
  /** Where the first batch starts. */
  readonly from: number;
  /** Where bytes are read into; the input's while it lives, and the disk's while it reads. */
  readonly buffer: Uint8Array;
  /** Called when a read that was waited for has ended. */
  wake(): void;
}

export class CompactionInput {
  /** The batch that the last `next()` found: whole, in the window. */
  readonly batch = new BatchView();
  readonly #options: InputOptions;
  readonly #to: number;
  #buffer: Uint8Array;
  #windowStart: number;
  #windowEnd: number;
  #next: number;
  #reading = false;
  #failure: DiskError | undefined;

  /** @throws {DiskError} */
  constructor(options: InputOptions) {
    this.#options = options;
    this.#buffer = options.buffer;
    this.#to = options.segment.size;
    this.#next = this.#windowStart = this.#windowEnd = options.from;
  }

  /** Where the window lies; another one where a batch was larger than what was lent. */
  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Whether the present batch is the segment's last. */
  get isAtEnd(): boolean {
    return this.#next >= this.#to;
  }

  /**
   * Moves to the next batch, or says that it has to be waited for. Its checksum is right.
   *
   * @throws {DiskError} @throws {CorruptLogError}
   */
  next(): "batch" | "waiting" | "end" {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#reading) return "waiting";
    const at = this.#next;
    if (at >= this.#to) return "end";
    const start = at - this.#windowStart;
    const available = this.#windowEnd - at;
    const size = available < BATCH_HEADER_BYTES
      ? BATCH_HEADER_BYTES
      : batchSizeAt(this.#buffer, start, start + available);
    if (size < BATCH_HEADER_BYTES || size > this.#to - at) {
      throw this.#corrupt("no whole batch starts here");
    }
    if (size > available || available < BATCH_HEADER_BYTES) {
      this.#read(at, size);
      return "waiting";
    }
    const { batch } = this;
    batch.moveTo(this.#buffer, start);
    if (batch.magic !== BATCH_MAGIC || batch.computeCrc() !== batch.crc) {
      throw this.#corrupt("its checksum is wrong");
    }
    this.#next = at + size;
    return "batch";
  }

  #read(at: number, size: number): void {
    const { segment, wake } = this.#options;
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size);
    const length = Math.min(this.#buffer.length, this.#to - at);
    this.#reading = true;
    segment.log.readLater(this.#buffer.subarray(0, length), at, (result) => {
      this.#reading = false;
      if (typeof result !== "number") this.#failure = result;
      else if (result < length) {
        const missing = `Cannot read ${segment.path}: it ends at ${at + result}`;
        this.#failure = new DiskError("io", missing);
      }
      this.#windowStart = at;
      this.#windowEnd = at + length;
      wake();
    });
  }

  #corrupt(reason: string): CorruptLogError {
    const { segment } = this.#options;
    return new CorruptLogError(segment.baseOffset, segment.path, this.#next, reason);
  }
}
