/**
 * How much memory the indexes of all logs of a node may take.
 *
 * Owns the budget and the choice of what goes when it is spent (the clock algorithm: what was not
 * used since the hand last passed). It does not own the indexes: they load themselves on use and
 * write what they have not written when they are told to unload.
 *
 * Invariant: the index that is being charged is never the one that is unloaded.
 *
 * @module
 */

/** Something that can be loaded again. */
export interface CachedIndex {
  /** Set on every use; cleared by the hand of the clock. */
  referenced: boolean;
  /** Where it stands in the cache, or -1; written by the cache only. */
  slot: number;
  /** Bytes of memory held now. */
  readonly heldBytes: number;
  /** Lets go of the memory; false when that must wait (what it holds cannot be written now). */
  unload(): boolean;
}

/** A budget of bytes shared by indexes. */
export class IndexCache {
  readonly #bytesMax: number;
  readonly #entries: CachedIndex[] = [];
  #hand = 0;
  #bytes = 0;

  /** @param bytesMax what all indexes together may hold; exceeded only by what is in use */
  constructor(bytesMax: number = 64 * 1024 * 1024) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held by all indexes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many indexes are in memory. */
  get size(): number {
    return this.#entries.length;
  }

  /** The index has come to hold `delta` more bytes than before; others may have to go. */
  charge(index: CachedIndex, delta: number): void {
    if (index.slot < 0) {
      index.slot = this.#entries.length;
      this.#entries.push(index);
    }
    index.referenced = true;
    this.#bytes += delta;
    // Two rounds reach everything that is not in use: the first clears the marks.
    for (let left = 2 * this.#entries.length; this.#bytes > this.#bytesMax && left > 0; left--) {
      this.#advance(index);
    }
  }

  /** The index holds nothing any more. `heldBytes` is what it held. */
  forget(index: CachedIndex, heldBytes: number): void {
    if (index.slot < 0) return;
    const last = this.#entries.pop()!;
    if (last !== index) {
      this.#entries[index.slot] = last;
      last.slot = index.slot;
    }
    index.slot = -1;
    this.#bytes -= heldBytes;
  }

  #advance(inUse: CachedIndex): void {
    if (this.#hand >= this.#entries.length) this.#hand = 0;
    const candidate = this.#entries[this.#hand]!;
    if (candidate === inUse) {
      this.#hand++;
    } else if (candidate.referenced) {
      candidate.referenced = false;
      this.#hand++;
    } else if (!candidate.unload()) {
      this.#hand++;
    }
  }
}
