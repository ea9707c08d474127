/**
 * Decides which files keep their descriptor: the least recently used ones lose it when the budget
 * is spent. Knows numbers, not files: opening and closing are the disk's.
 *
 * A slot is pinned while an operation off the loop uses its descriptor; a pinned slot is never
 * evicted, and closes only when its last pin goes. Slots that hold no descriptor are in no list
 * and cost nothing here.
 *
 * @module
 */

/** The place of one file in the budget. */
export class DescriptorSlot {
  /** The descriptor, or -1. Written by the budget only. */
  descriptor = -1;
  pins = 0;
  /** Asked to close while pinned. */
  closing = false;
  newer: DescriptorSlot | undefined = undefined;
  older: DescriptorSlot | undefined = undefined;
}

export class DescriptorBudget {
  readonly #max: number;
  readonly #close: (descriptor: number) => void;
  #newest: DescriptorSlot | undefined;
  #oldest: DescriptorSlot | undefined;
  #held = 0;
  #pinned = 0;

  /**
   * @param max descriptors held at a time; one more is held only where all of them are pinned
   * @param close closes a descriptor; must not throw
   */
  constructor(max: number, close: (descriptor: number) => void) {
    if (!(max >= 2)) throw new RangeError(`Cannot keep ${max} descriptors: at least 2 are needed`);
    this.#max = max;
    this.#close = close;
  }

  /** How many descriptors are open. */
  get held(): number {
    return this.#held;
  }

  /** Notes that the slot's descriptor is used now. */
  touch(slot: DescriptorSlot): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#linkNewest(slot);
  }

  /** Takes in a descriptor that was just opened, evicting others beyond the budget. */
  admit(slot: DescriptorSlot, descriptor: number): void {
    while (this.#held >= this.#max && this.evict());
    slot.descriptor = descriptor;
    slot.closing = false;
    this.#held++;
    this.#linkNewest(slot);
  }

  /** Closes the least recently used descriptor that is not pinned; false where there is none. */
  evict(): boolean {
    let slot = this.#oldest;
    while (slot !== undefined && slot.pins > 0) slot = slot.newer;
    if (slot === undefined) return false;
    this.#drop(slot);
    return true;
  }

  /** Closes the slot's descriptor, at once or when its last pin goes. */
  release(slot: DescriptorSlot): void {
    if (slot.descriptor < 0) return;
    if (slot.pins > 0) slot.closing = true;
    else this.#drop(slot);
  }

  /** Whether the slot may be pinned; one descriptor is left for operations that cannot wait. */
  mayPin(slot: DescriptorSlot): boolean {
    return slot.pins > 0 || this.#pinned < this.#max - 1;
  }

  pin(slot: DescriptorSlot): void {
    if (slot.pins++ === 0) this.#pinned++;
  }

  unpin(slot: DescriptorSlot): void {
    if (--slot.pins > 0) return;
    this.#pinned--;
    if (slot.closing || this.#held > this.#max) this.#drop(slot);
  }

  /** Closes all that are not pinned. */
  releaseAll(): void {
    let slot = this.#oldest;
    while (slot !== undefined) {
      const next: DescriptorSlot | undefined = slot.newer;
      this.release(slot);
      slot = next;
    }
  }

  #drop(slot: DescriptorSlot): void {
    const descriptor = slot.descriptor;
    this.#unlink(slot);
    slot.descriptor = -1;
    slot.closing = false;
    this.#held--;
    this.#close(descriptor);
  }

  #linkNewest(slot: DescriptorSlot): void {
    slot.older = this.#newest;
    slot.newer = undefined;
    if (this.#newest === undefined) this.#oldest = slot;
    else this.#newest.newer = slot;
    this.#newest = slot;
  }

  #unlink(slot: DescriptorSlot): void {
    if (slot.newer === undefined) this.#newest = slot.older;
    else slot.newer.older = slot.older;
    if (slot.older === undefined) this.#oldest = slot.newer;
    else slot.older.newer = slot.newer;
    slot.newer = undefined;
    slot.older = undefined;
  }
}
