/**
 * A log as a checker remembers it: the headers of its batches, one after the other.
 *
 * @module
 */

import type { Epoch, Offset, ProducerId } from "../../../storage/bytes/ids.ts";

/** One batch, as its header tells. */
export interface ObservedBatch {
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly epoch: Epoch;
  /** Of everything behind the leader epoch. */
  readonly hash: number;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isControl: boolean;
}

/** Whether they are the same batch at the same place. */
export function isSame(a: ObservedBatch | undefined, b: ObservedBatch | undefined): boolean {
  return a !== undefined && b !== undefined && a.baseOffset === b.baseOffset &&
    a.nextOffset === b.nextOffset && a.epoch === b.epoch && a.hash === b.hash;
}

/** For messages: `[5,7) of epoch 2, 1a2b3c4d`. */
export function describeBatch(batch: ObservedBatch | undefined): string {
  if (batch === undefined) return "nothing";
  const { baseOffset, nextOffset, epoch, hash } = batch;
  return `[${baseOffset},${nextOffset}) of epoch ${epoch}, ${(hash >>> 0).toString(16)}`;
}

/** Batches in the order of their offsets. */
export class ShadowLog {
  #batches: ObservedBatch[] = [];
  /** Where it stands while it is empty. */
  #emptyAt: Offset = 0;

  get batches(): readonly ObservedBatch[] {
    return this.#batches;
  }

  get last(): ObservedBatch | undefined {
    return this.#batches[this.#batches.length - 1];
  }

  /** Where the first batch begins; where the next will, if there is none. */
  get startOffset(): Offset {
    return this.#batches[0]?.baseOffset ?? this.#emptyAt;
  }

  /** Where the last batch ends. */
  get endOffset(): Offset {
    return this.last?.nextOffset ?? this.#emptyAt;
  }

  append(batch: ObservedBatch): void {
    this.#batches.push(batch);
  }

  /** Cuts what ends past `offset`; returns it. */
  truncateTo(offset: Offset): readonly ObservedBatch[] {
    return this.#batches.splice(this.countBelow(offset));
  }

  /** Takes other batches instead; `endOffset` is where they end. */
  replace(batches: readonly ObservedBatch[], endOffset: Offset): void {
    this.#batches = [...batches];
    this.#emptyAt = endOffset;
  }

  /** The last batch that ends at or before `offset`. */
  lastBelow(offset: Offset): ObservedBatch | undefined {
    // Mostly asked for the end.
    const { last } = this;
    if (last !== undefined && last.nextOffset <= offset) return last;
    return this.#batches[this.countBelow(offset) - 1];
  }

  /** The batch that holds `offset`. */
  at(offset: Offset): ObservedBatch | undefined {
    const batch = this.#batches[this.countBelow(offset)];
    return batch !== undefined && batch.baseOffset <= offset ? batch : undefined;
  }

  /** How many batches end at or before `offset`. */
  countBelow(offset: Offset): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
