/**
 * What compaction must know of transactions as it walks over a log from offset to offset: which
 * batches were aborted, and may go at once; which markers have nothing left to say.
 *
 * Invariants: a marker goes in a later run than the last of its transaction's batches; it never
 * goes while one is left, be it empty, or the transaction would seem to be open for ever. That
 * holds also where the transaction index does not know of an aborted one.
 *
 * @module
 */

import type { Offset, ProducerId } from "./bytes/ids.ts";
import { tryReadMarker } from "./producer_replay.ts";
import type { BatchView } from "./record_batch.ts";
import type { AbortedTransaction } from "./transaction_index.ts";

interface OngoingAbort {
  readonly aborted: AbortedTransaction;
  /** Whether a batch of it was met. */
  observed: boolean;
}

/** The transactions of one walk. */
export class CompactionTransactions {
  /** Not begun yet, by their first offsets. */
  #coming: AbortedTransaction[] = [];
  readonly #aborted = new Map<ProducerId, OngoingAbort>();
  /** Producers of which transactional batches were met since their last marker. */
  readonly #observed = new Set<ProducerId>();

  /** The aborted transactions of what comes next, by their first offsets; they may be known. */
  add(aborted: readonly AbortedTransaction[]): void {
    this.#coming = [...this.#coming, ...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** A batch of data comes. Returns whether its transaction was aborted. */
  data(batch: BatchView): boolean {
    this.#beginUpTo(batch.lastOffset);
    if (!batch.isTransactional) return false;
    const { producerId } = batch;
    const ongoing = this.#aborted.get(producerId);
    if (ongoing === undefined) {
      this.#observed.add(producerId);
      return false;
    }
    ongoing.observed = true;
    return true;
  }

  /**
   * A control batch comes. Returns whether nothing is left for it to speak of; `kept` is told of
   * the aborted transaction that its marker ends, where something is.
   */
  control(batch: BatchView, kept: (aborted: AbortedTransaction) => void): boolean {
    this.#beginUpTo(batch.lastOffset);
    if (batch.recordsCount === 0) return true;
    const marker = tryReadMarker(batch);
    if (marker === undefined || marker === null) return false;
    const { producerId } = batch;
    const wasObserved = this.#observed.delete(producerId);
    const ongoing = this.#aborted.get(producerId);
    if (marker.kind === "COMMIT" || ongoing === undefined) return !wasObserved;
    this.#aborted.delete(producerId);
    if (!ongoing.observed && !wasObserved) return true;
    kept(ongoing.aborted);
    return false;
  }

  #beginUpTo(offset: Offset): void {
    const coming = this.#coming;
    let begun = 0;
    while (begun < coming.length && coming[begun]!.firstOffset <= offset) {
      const aborted = coming[begun++]!;
      if (!this.#aborted.has(aborted.producerId)) {
        this.#aborted.set(aborted.producerId, { aborted, observed: false });
      }
    }
    if (begun > 0) this.#coming = coming.slice(begun);
  }
}
