/**
 * P9 and P10 of one log that several nodes hold: epoch and offset name a batch, and the one before
 * it, wherever and whenever they are seen.
 *
 * That makes equal prefixes of all logs by induction: whoever holds the same last batch holds the
 * same batches before it.
 *
 * @module
 */

import type { Epoch, NodeId } from "../../../storage/bytes/ids.ts";
import { describeBatch, type ObservedBatch } from "./shadow_log.ts";
import type { StateRule, Verdicts } from "./verdicts.ts";

interface Identity {
  readonly batch: ObservedBatch;
  readonly by: string;
  /** The one before it, once seen. */
  before: ObservedBatch | undefined;
}

const OFFSETS = 2 ** 32;

export class Identities {
  readonly #name: string;
  readonly #verdicts: Verdicts;
  readonly #batches = new Map<number, Identity>();
  readonly #leaders = new Map<Epoch, NodeId>();

  constructor(name: string, verdicts: Verdicts) {
    this.#name = name;
    this.#verdicts = verdicts;
  }

  /** Whether somebody has held this batch. */
  has({ epoch, baseOffset, nextOffset, hash }: ObservedBatch): boolean {
    const known = this.#batches.get(epoch * OFFSETS + baseOffset)?.batch;
    return known?.hash === hash && known.nextOffset === nextOffset;
  }

  /** A node holds this batch, behind that one. */
  seen(by: string, batch: ObservedBatch, before: ObservedBatch | undefined): void {
    const key = batch.epoch * OFFSETS + batch.baseOffset;
    const known = this.#batches.get(key);
    if (known === undefined) {
      this.#batches.set(key, { batch, by, before });
      return;
    }
    const same = known.batch.hash === batch.hash && known.batch.nextOffset === batch.nextOffset;
    this.#verdicts.hold("P10 one-leader", same, () => {
      return `${this.#name}: ${describeBatch(batch)} at ${by} is ` +
        `${describeBatch(known.batch)} at ${known.by}`;
    });
    if (before === undefined) return;
    known.before ??= before;
    const expected = known.before;
    const matches = expected.epoch === before.epoch && expected.baseOffset === before.baseOffset;
    this.#verdicts.hold("P9 log-matching", matches, () => {
      return `${this.#name}: ${describeBatch(batch)} stands behind ${describeBatch(before)} at ` +
        `${by}, behind ${describeBatch(expected)} elsewhere`;
    });
  }

  /** A node leads in that epoch. */
  leads(nodeId: NodeId, epoch: Epoch, rule: StateRule = "P10 one-leader"): void {
    const known = this.#leaders.get(epoch);
    if (known === undefined) this.#leaders.set(epoch, nodeId);
    this.#verdicts.hold(rule, known === undefined || known === nodeId, () => {
      return `${this.#name}: ${known} and ${nodeId} lead in epoch ${epoch}`;
    });
  }
}
