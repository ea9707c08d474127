/**
 * P26: the sequences of each idempotent producer in the committed log of one partition.
 *
 * Gap-free and rising within an epoch, wrapping from 2^31-1 to 0; a new epoch begins at 0.
 *
 * @module
 */

import type { ProducerId } from "../../../storage/bytes/ids.ts";
import { describeBatch, type ObservedBatch } from "./shadow_log.ts";
import type { Verdicts } from "./verdicts.ts";

const SEQUENCES = 2 ** 31;

export class Sequences {
  readonly #name: string;
  readonly #verdicts: Verdicts;
  readonly #producers = new Map<ProducerId, { epoch: number; next: number }>();
  #forgot = false;

  constructor(name: string, verdicts: Verdicts) {
    this.#name = name;
    this.#verdicts = verdicts;
  }

  /** A batch was committed. */
  committed(batch: ObservedBatch): void {
    const { producerId, producerEpoch, baseSequence, nextOffset, baseOffset } = batch;
    // What a group's coordinator appends for a producer has no sequence: TxnOffsetCommit.
    if (producerId < 0 || batch.isControl || baseSequence < 0) return;
    const known = this.#producers.get(producerId);
    const next = (baseSequence + nextOffset - baseOffset) % SEQUENCES;
    const expected = known?.epoch === producerEpoch ? known.next : 0;
    const isBeginning = known === undefined && this.#forgot;
    const holds = isBeginning ||
      baseSequence === expected && producerEpoch >= (known?.epoch ?? 0);
    this.#verdicts.hold("P26 sequences", holds, () => {
      return `${this.#name}: producer ${producerId}, epoch ${producerEpoch}: sequence ` +
        `${baseSequence} in ${describeBatch(batch)}, where ${expected} of epoch ` +
        `${known?.epoch ?? producerEpoch} comes next`;
    });
    this.#producers.set(producerId, { epoch: producerEpoch, next });
  }

  /** Records were given up: whatever comes next is taken as the beginning. */
  forget(): void {
    this.#producers.clear();
    this.#forgot = true;
  }
}
