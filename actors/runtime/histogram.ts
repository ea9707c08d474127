/**
 * A log-linear histogram: 32 buckets for each power of two, so that a value read back is off by at
 * most 1.6 %. Invariant: `count` is the sum of all buckets.
 *
 * @module
 */

import type { Histogram } from "./metrics.ts";

/** Bits of the mantissa that choose the bucket. */
const BUCKET_BITS = 5;
const BUCKETS = 1 << BUCKET_BITS;
/** Exponents, as IEEE 754 biases them, of 2^-10 and 2^53: what lies outside counts as the edge. */
const EXPONENT_MIN = 1023 - 10;
const EXPONENT_MAX = 1023 + 53;
const SMALLEST = 2 ** -10;

/** Takes any values; what is not a number, or below 2^-10, counts as 0. */
export class LogLinearHistogram implements Histogram {
  /** Counts by power of two, made when first needed. */
  readonly #pages: (Float64Array | undefined)[] = [];
  readonly #scratch: DataView;
  #zeros = 0;
  #count = 0;
  #max = 0;

  /** `scratch` has 8 bytes, and may be shared. */
  constructor(scratch: DataView = new DataView(new ArrayBuffer(8))) {
    this.#scratch = scratch;
  }

  get count(): number {
    return this.#count;
  }

  /** The largest value recorded, exactly; 0 of none. */
  get max(): number {
    return this.#max;
  }

  record(value: number): void {
    this.#count++;
    if (!(value >= SMALLEST)) {
      this.#zeros++;
      return;
    }
    if (value > this.#max) this.#max = value;
    this.#scratch.setFloat64(0, value);
    const high = this.#scratch.getUint32(0);
    const exponent = Math.min(high >>> 20, EXPONENT_MAX) - EXPONENT_MIN;
    let page = this.#pages[exponent];
    if (page === undefined) page = this.#addPage(exponent);
    const bucket = (high >>> (20 - BUCKET_BITS)) & (BUCKETS - 1);
    page[bucket] = (page[bucket] as number) + 1;
  }

  quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count));
    if (rank >= this.#count) return this.#max;
    let below = this.#zeros;
    if (rank <= below) return 0;
    for (let exponent = 0; exponent < this.#pages.length; exponent++) {
      const page = this.#pages[exponent];
      if (page === undefined) continue;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        below += page[bucket] as number;
        if (rank <= below) return Math.min(middle(exponent, bucket), this.#max);
      }
    }
    return this.#max;
  }

  #addPage(exponent: number): Float64Array {
    while (this.#pages.length <= exponent) this.#pages.push(undefined);
    const page = new Float64Array(BUCKETS);
    this.#pages[exponent] = page;
    return page;
  }
}

function middle(exponent: number, bucket: number): number {
  return 2 ** (exponent + EXPONENT_MIN - 1023) * (1 + (bucket + 0.5) / BUCKETS);
}
