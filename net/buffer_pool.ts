/**
 * Buffers that are used again: taken by size class, given back when nobody reads them any more.
 *
 * Owns the classes (powers of two from 1 KiB to 16 MiB), the bound on what is kept, and the count
 * of who still holds a buffer (`Slab`). A larger buffer is made to measure and never kept.
 *
 * Invariants: a buffer is lent to one taker at a time; only what was lent is taken back, and once;
 * the bytes kept never exceed `keptBytesMax`. Contents are whatever the last user left.
 *
 * @module
 */

export const POOLED_BYTES_MIN = 1024;
export const POOLED_BYTES_MAX = 16 * 1024 * 1024;

const CLASS_MIN = Math.log2(POOLED_BYTES_MIN);
const CLASSES = Math.log2(POOLED_BYTES_MAX) - CLASS_MIN + 1;

export interface BufferPoolOptions {
  /** The most bytes kept for later; 64 MiB when absent. */
  readonly keptBytesMax?: number;
}

/** What a pool did since it was made, and holds now. */
export interface BufferPoolStatistics {
  /** Buffers served from what was kept, and made anew. */
  readonly reused: number;
  readonly allocated: number;
  /** Buffers let go of because the pool was full or they were too large. */
  readonly dropped: number;
  readonly lentBytes: number;
  readonly keptBytes: number;
}

export class BufferPool {
  readonly #keptBytesMax: number;
  readonly #kept: Uint8Array[][] = Array.from({ length: CLASSES }, () => []);
  /** Weak: a buffer that its taker forgot is garbage, not a leak. */
  readonly #lent = new WeakSet<Uint8Array>();
  #reused = 0;
  #allocated = 0;
  #dropped = 0;
  #lentBytes = 0;
  #keptBytes = 0;

  constructor(options: BufferPoolOptions = {}) {
    this.#keptBytesMax = options.keptBytesMax ?? 64 * 1024 * 1024;
  }

  /** A buffer of at least so many bytes, with unspecified contents. */
  take(bytesMin: number): Uint8Array {
    const buffer = this.#find(bytesMin);
    this.#lent.add(buffer);
    this.#lentBytes += buffer.length;
    return buffer;
  }

  /**
   * Takes back a buffer that `take` returned.
   * @throws {TypeError} if this pool did not lend it, or has it back already.
   */
  give(buffer: Uint8Array): void {
    if (!this.#lent.delete(buffer)) {
      throw new TypeError(`Cannot take back a buffer of ${buffer.length} bytes: it is not lent`);
    }
    this.#lentBytes -= buffer.length;
    if (buffer.length > POOLED_BYTES_MAX || this.#keptBytes + buffer.length > this.#keptBytesMax) {
      this.#dropped++;
      return;
    }
    this.#keptBytes += buffer.length;
    this.#kept[classOf(buffer.length)]!.push(buffer);
  }

  /** A buffer as `take` gives it, with a count of its holders. */
  slab(bytesMin: number): Slab {
    return new Slab(this, this.take(bytesMin));
  }

  get statistics(): BufferPoolStatistics {
    return {
      reused: this.#reused,
      allocated: this.#allocated,
      dropped: this.#dropped,
      lentBytes: this.#lentBytes,
      keptBytes: this.#keptBytes,
    };
  }

  #find(bytesMin: number): Uint8Array {
    if (bytesMin > POOLED_BYTES_MAX) {
      this.#allocated++;
      return new Uint8Array(bytesMin);
    }
    const sizeClass = classOf(bytesMin);
    const kept = this.#kept[sizeClass]!.pop();
    if (kept !== undefined) {
      this.#reused++;
      this.#keptBytes -= kept.length;
      return kept;
    }
    this.#allocated++;
    return new Uint8Array(POOLED_BYTES_MIN << sizeClass);
  }
}

/** A pooled buffer that several may hold; it returns to the pool with the last of them. */
export class Slab {
  readonly bytes: Uint8Array;
  readonly #pool: BufferPool;
  #holders = 1;

  constructor(pool: BufferPool, bytes: Uint8Array) {
    this.#pool = pool;
    this.bytes = bytes;
  }

  /** How many hold it; whoever made it is the first. */
  get holders(): number {
    return this.#holders;
  }

  /** One more holds it. */
  retain(): void {
    if (this.#holders === 0) throw new TypeError("Cannot retain a slab that was given back");
    this.#holders++;
  }

  /** One fewer holds it. */
  release(): void {
    if (this.#holders === 0) throw new TypeError("Cannot release a slab that was given back");
    if (--this.#holders === 0) this.#pool.give(this.bytes);
  }
}

/** The smallest class whose buffers have so many bytes. */
function classOf(bytes: number): number {
  return bytes <= POOLED_BYTES_MIN ? 0 : 32 - Math.clz32(bytes - 1) - CLASS_MIN;
}
