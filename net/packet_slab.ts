/**
 * Memory for packets under way: many small copies out of one large piece, as each piece of its own
 * would cost more than what is copied into it.
 *
 * @module
 */

const SLAB_BYTES = 64 * 1024;
/** Larger ones are pieces of their own, so that little of a slab stays unused. */
const SHARED_BYTES_MAX = SLAB_BYTES / 8;

/** Gives out copies; a slab goes when the last of its copies does. */
export class PacketSlab {
  #slab = new ArrayBuffer(SLAB_BYTES);
  #used = 0;

  /** A copy of the bytes from `from` up to `to`. */
  copy(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const size = to - from;
    if (size > SHARED_BYTES_MAX) return bytes.slice(from, to);
    if (this.#used + size > SLAB_BYTES) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#slab, this.#used, size);
    this.#used += size;
    copy.set(size === bytes.length ? bytes : bytes.subarray(from, to));
    return copy;
  }
}
