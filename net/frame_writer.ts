/**
 * Gathers the frames of one turn into few large writes.
 *
 * Owns the buffers between a codec and a connection, and the order of the bytes. Does not own what
 * is in a frame: a codec writes at `position`, and says by `advance` how far it came. Small blobs
 * are copied behind it; a blob of 256 KiB or more is queued by itself, uncopied.
 *
 * Invariants: bytes leave in the order in which they were appended; a buffer is written by one
 * codec until `take`, and returns to the pool when all writes out of it settled; nothing is queued
 * of a frame whose codec threw, as it had not advanced.
 *
 * @module
 */

import { type BufferPool, POOLED_BYTES_MIN, type Slab } from "./buffer_pool.ts";

/**
 * Blobs of so many bytes are not copied. A copy is ten times as quick as a write: gathering blobs
 * of 64 KiB into writes of 1 MiB was measured to carry twice the bytes.
 */
export const UNCOPIED_BYTES_MIN = 256 * 1024;

const BUFFER_BYTES_MIN = 4 * POOLED_BYTES_MIN;
const BUFFER_BYTES_MAX = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Bytes to hand to `Connection.write`, with what must be called once they are written or lost. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly settled: (sent: boolean) => void;
}

export class FrameWriter {
  readonly #pool: BufferPool;
  /** Where the next frame goes: from `position` on. Only until the next call of a method. */
  bytes: Uint8Array = NO_BYTES;
  position = 0;
  #slab: Slab | undefined;
  /** Where the bytes of the buffer start that are in no chunk yet. */
  #start = 0;
  #chunks: QueuedChunk[] = [];
  /** What to call once the bytes from `#start` to `position` are written. */
  #callbacks: (() => void)[] = [];
  #queuedBytes = 0;
  /** The bytes copied in the last turn: a guess at the next. */
  #lastBytes = 0;
  #copiedBytes = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Bytes appended since the last `take`. */
  get queuedBytes(): number {
    return this.#queuedBytes + this.position - this.#start;
  }

  /** Makes room for so many bytes from `position` on; `bytes` and `position` may change. */
  reserve(count: number): void {
    if (this.bytes.length - this.position >= count) return;
    this.#endChunk();
    this.#leaveBuffer();
    const guess = Math.max(this.#lastBytes, 2 * this.#copiedBytes, BUFFER_BYTES_MIN);
    this.#slab = this.#pool.slab(Math.max(count, Math.min(guess, BUFFER_BYTES_MAX)));
    this.bytes = this.#slab.bytes;
    this.position = 0;
    this.#start = 0;
  }

  /** Queues what was written from `position` up to `end`. */
  advance(end: number): void {
    this.#copiedBytes += end - this.position;
    this.position = end;
  }

  /** Queues a blob. If it is large it must not change until it is written: see `afterwards`. */
  append(blob: Uint8Array): void {
    if (blob.length >= UNCOPIED_BYTES_MIN) {
      this.#endChunk();
      this.#push(new QueuedChunk(blob, undefined));
      return;
    }
    const room = this.bytes.length - this.position;
    if (blob.length > room) {
      this.bytes.set(blob.subarray(0, room), this.position);
      this.advance(this.bytes.length);
      const rest = blob.subarray(room);
      this.reserve(rest.length);
      this.bytes.set(rest, 0);
      this.advance(rest.length);
    } else {
      this.bytes.set(blob, this.position);
      this.advance(this.position + blob.length);
    }
  }

  /** Calls back once all bytes queued so far are written, or lost with the connection. */
  afterwards(callback: () => void): void {
    const last = this.#chunks.at(-1);
    if (this.position > this.#start || last === undefined) this.#callbacks.push(callback);
    else last.callbacks.push(callback);
  }

  /** The bytes queued, to be written in this order. The next frame goes into another buffer. */
  take(): readonly Chunk[] {
    this.#endChunk();
    this.#leaveBuffer();
    for (const callback of this.#callbacks) callback();
    this.#callbacks = [];
    this.#lastBytes = this.#copiedBytes;
    this.#copiedBytes = 0;
    this.#queuedBytes = 0;
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  #endChunk(): void {
    const slab = this.#slab;
    if (slab === undefined || this.position === this.#start) return;
    slab.retain();
    const chunk = new QueuedChunk(this.bytes.subarray(this.#start, this.position), slab);
    chunk.callbacks = this.#callbacks;
    this.#callbacks = [];
    this.#start = this.position;
    this.#push(chunk);
  }

  #leaveBuffer(): void {
    this.#slab?.release();
    this.#slab = undefined;
    this.bytes = NO_BYTES;
    this.position = 0;
    this.#start = 0;
  }

  #push(chunk: QueuedChunk): void {
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.bytes.length;
  }
}

class QueuedChunk implements Chunk {
  callbacks: (() => void)[] = [];
  readonly bytes: Uint8Array;
  readonly #slab: Slab | undefined;

  constructor(bytes: Uint8Array, slab: Slab | undefined) {
    this.bytes = bytes;
    this.#slab = slab;
  }

  readonly settled = (_sent: boolean): void => {
    this.#slab?.release();
    for (const callback of this.callbacks) callback();
  };
}
