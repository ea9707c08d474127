/**
 * The image that decisions read: it is ahead of what is committed while this node leads, so that
 * two requests in a row see each other, and goes back when the lead is lost.
 *
 * Owns how to go back: what undoes each batch, by its offset. The image is one object throughout.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import { ClusterImage } from "./cluster_image.ts";
import type { MetadataRecord } from "./metadata_record.ts";

interface Batch {
  readonly records: readonly MetadataRecord[];
  readonly endOffset: Offset;
  undo: (() => void)[];
}

export class SpeculativeImage {
  readonly image = new ClusterImage();
  #batches: Batch[] = [];

  /** Whether it is what is committed, no more. */
  get isCommitted(): boolean {
    return this.#batches.length === 0;
  }

  /** Replays records that are committed. */
  apply(records: Iterable<MetadataRecord>): void {
    for (const record of records) this.image.replay(record);
  }

  /** Replays a batch that is in the log and not committed. */
  append(records: readonly MetadataRecord[], endOffset: Offset): void {
    const undo: (() => void)[] = [];
    for (const record of records) this.image.replay(record, undo);
    this.#batches.push({ records, endOffset, undo });
  }

  /** Everything below is committed: its records, in order. */
  commit(endOffset: Offset): MetadataRecord[] {
    const committed: MetadataRecord[] = [];
    let count = 0;
    for (const batch of this.#batches) {
      if (batch.endOffset > endOffset) break;
      for (const record of batch.records) committed.push(record);
      count++;
    }
    this.#batches.splice(0, count);
    return committed;
  }

  /** Goes back to what is committed. */
  rewind(): void {
    this.#undo();
    this.#batches = [];
  }

  /** What `look` sees of the image is committed; afterwards it is as before. */
  atCommitted<Result>(look: (image: ClusterImage) => Result): Result {
    this.#undo();
    try {
      return look(this.image);
    } finally {
      for (const batch of this.#batches) {
        batch.undo = [];
        for (const record of batch.records) this.image.replay(record, batch.undo);
      }
    }
  }

  #undo(): void {
    for (const { undo } of this.#batches.toReversed()) {
      for (const takeBack of undo.toReversed()) takeBack();
    }
  }
}
