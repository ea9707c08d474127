/**
 * Cuts what a connection receives into frames: four bytes of length, then as many bytes.
 *
 * Owns the buffers that bytes are received into. Does not own what is in a frame; the native and
 * the Kafka encoding frame alike. A frame is a view of the buffer that it arrived in, never a copy,
 * and holds the buffer until it is released.
 *
 * Memory follows what really came, not what a peer claims. A connection that waits for its next
 * frame holds 1 KiB. One that fills its buffer is busy and gets 64, then 256 KiB, shared by several
 * frames. A larger frame has a buffer of its own that doubles as bytes arrive, except up to the
 * size of the largest frame that this peer has completed before. What all readers hold for such
 * frames together may be bounded from outside: then one that gets no more just waits.
 *
 * Invariants: bytes that a frame not yet released covers are never written to; the buffer that
 * `space` gave stays until the next `space`; after an error nothing more is accepted.
 *
 * @module
 */

import { readInt32 } from "../storage/bytes/big_endian.ts";
import { type BufferPool, POOLED_BYTES_MIN, type Slab } from "./buffer_pool.ts";

/** The bytes of the length before each frame. */
export const LENGTH_BYTES = 4;

const IDLE_BYTES = POOLED_BYTES_MIN;
const BUSY_BYTES_MIN = 64 * 1024;
const BUSY_BYTES_MAX = 256 * 1024;
const NO_BYTES = new Uint8Array(0);

/** Why no more frames can be read: the connection is beyond repair. */
export interface FrameError {
  readonly kind: "too-large" | "malformed";
  readonly reason: string;
}

export interface FrameReaderOptions {
  /** The longest frame accepted, without its length; it can be changed later. */
  readonly frameBytesMax: number;
  /** The shortest frame that makes sense; 0 when absent. */
  readonly frameBytesMin?: number;
  /** What bounds the buffers of large frames; nothing when absent. */
  readonly largeBuffers?: LargeBuffers;
}

/** A bound on what many readers hold for frames that do not fit a usual buffer. */
export interface LargeBuffers {
  /** Whether a buffer of so many bytes may be had now. */
  take(bytes: number): boolean;
  /** One that was taken is let go of. */
  give(bytes: number): void;
}

/** The bytes of one frame, without its length: `source` from `start` up to `end`. */
export class Frame {
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
  #slab: Slab | undefined;

  constructor(slab: Slab, start: number, end: number) {
    this.source = slab.bytes;
    this.start = start;
    this.end = end;
    this.#slab = slab;
    slab.retain();
  }

  get byteLength(): number {
    return this.end - this.start;
  }

  /** Ends the use of the bytes, and of all views of them; once. */
  release(): void {
    if (this.#slab === undefined) throw new TypeError("Cannot release a frame twice");
    this.#slab.release();
    this.#slab = undefined;
  }
}

export class FrameReader {
  readonly #pool: BufferPool;
  readonly #frameBytesMin: number;
  /** The longest frame accepted; a change counts for the next frame. */
  frameBytesMax: number;
  #slab: Slab | undefined;
  #bytes: Uint8Array = NO_BYTES;
  /** What was received and not yet handed out: from `#start` up to `#end`. */
  #start = 0;
  #end = 0;
  #spaceBytes = 0;
  /** Whether the last read filled all of its space: then more is waiting. */
  #busy = false;
  /** The longest frame that came whole so far. */
  #provenBytes = 0;
  #error: FrameError | undefined;
  readonly #largeBuffers: LargeBuffers | undefined;
  /** What of `largeBuffers` the present buffer takes. */
  #largeBytes = 0;

  constructor(pool: BufferPool, options: FrameReaderOptions) {
    this.#pool = pool;
    this.frameBytesMax = options.frameBytesMax;
    this.#frameBytesMin = options.frameBytesMin ?? 0;
    this.#largeBuffers = options.largeBuffers;
  }

  get error(): FrameError | undefined {
    return this.#error;
  }

  /** Bytes received that are in no frame yet. More than none at the end means a torn frame. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** The bytes of the buffer that the reader itself holds now. */
  get heldBytes(): number {
    return this.#bytes.length;
  }

  /**
   * Where the next bytes go; empty after an error, and while a large frame gets no buffer. Take all
   * frames with `next` first.
   */
  space(): Uint8Array {
    if (this.#error !== undefined) return NO_BYTES;
    const pending = this.#end - this.#start;
    const needed = pending < LENGTH_BYTES ? LENGTH_BYTES : this.#frameEnd() - this.#start;
    if (!this.#fits(pending, needed) && !this.#move(pending, needed)) return NO_BYTES;
    // A large frame's buffer takes just that frame, or the next one would have to be moved.
    const end = needed > BUSY_BYTES_MAX
      ? Math.min(this.#bytes.length, this.#start + needed)
      : this.#bytes.length;
    this.#spaceBytes = end - this.#end;
    return this.#bytes.subarray(this.#end, end);
  }

  /** The first `count` bytes of the space are filled. */
  filled(count: number): void {
    this.#end += count;
    this.#busy = count === this.#spaceBytes;
    this.#spaceBytes = 0;
  }

  /** The next whole frame; undefined if it has not come yet, or never will (`error`). */
  next(): Frame | undefined {
    const pending = this.#end - this.#start;
    if (pending < LENGTH_BYTES || this.#error !== undefined) return undefined;
    const end = this.#frameEnd();
    const length = end - this.#start - LENGTH_BYTES;
    if (length > this.frameBytesMax || length < this.#frameBytesMin) {
      this.#fail(length);
      return undefined;
    }
    if (end > this.#end) return undefined;
    const frame = new Frame(this.#slab!, this.#start + LENGTH_BYTES, end);
    this.#start = end;
    this.#provenBytes = Math.max(this.#provenBytes, LENGTH_BYTES + length);
    return frame;
  }

  /** Lets go of the buffer; frames handed out keep theirs. Nothing can be received any more. */
  close(): void {
    this.#slab?.release();
    this.#slab = undefined;
    this.#holdLarge(0);
    this.#bytes = NO_BYTES;
    this.#start = this.#end = 0;
    this.#error ??= { kind: "malformed", reason: "the reader was closed" };
  }

  /** The end of the frame that begins at `#start`, as its length claims. */
  #frameEnd(): number {
    return this.#start + LENGTH_BYTES + (readInt32(this.#bytes, this.#start) >>> 0);
  }

  #fail(length: number): void {
    this.#error = length > this.frameBytesMax
      ? { kind: "too-large", reason: `a frame of ${length} bytes, over ${this.frameBytesMax}` }
      : { kind: "malformed", reason: `a frame of ${length} bytes, under ${this.#frameBytesMin}` };
  }

  /** Whether the buffer can take what comes next. */
  #fits(pending: number, needed: number): boolean {
    const size = this.#bytes.length;
    if (pending === 0) {
      if (this.#slab?.holders === 1) this.#start = this.#end = 0;
      const left = size - this.#end;
      if (this.#busy) return size >= BUSY_BYTES_MIN && size <= BUSY_BYTES_MAX && left >= size / 4;
      return size === IDLE_BYTES && left >= IDLE_BYTES / 4;
    }
    if (this.#end === size) return false;
    // A frame that outgrows the buffer fills it first: copied once per doubling, not per read.
    if (this.#start + needed > size) return this.#start === 0 && size >= BUSY_BYTES_MIN;
    // Slivers are not worth a read.
    const left = size - this.#end;
    return !this.#busy || left >= size / 8 || pending >= size / 8;
  }

  /** Takes another buffer, and what is pending along; false if there is none. */
  #move(pending: number, needed: number): boolean {
    const old = this.#slab;
    const size = this.#sizeFor(pending, needed);
    const large = size > BUSY_BYTES_MAX ? size : 0;
    if (large > 0 && this.#largeBuffers?.take(large) === false) return false;
    this.#holdLarge(large);
    const slab = this.#pool.slab(size);
    slab.bytes.set(this.#bytes.subarray(this.#start, this.#end));
    old?.release();
    this.#slab = slab;
    this.#bytes = slab.bytes;
    this.#start = 0;
    this.#end = pending;
    return true;
  }

  #holdLarge(bytes: number): void {
    if (this.#largeBytes > 0) this.#largeBuffers?.give(this.#largeBytes);
    this.#largeBytes = bytes;
  }

  #sizeFor(pending: number, needed: number): number {
    const size = this.#bytes.length;
    const rising = size < BUSY_BYTES_MIN || size > BUSY_BYTES_MAX;
    const usual = !this.#busy ? IDLE_BYTES : rising ? BUSY_BYTES_MIN : BUSY_BYTES_MAX;
    if (needed <= usual) return usual;
    return Math.min(needed, Math.max(BUSY_BYTES_MIN, 2 * pending, this.#provenBytes));
  }
}
