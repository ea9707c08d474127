/**
 * Rules of transactions, broken for as long as a run takes.
 *
 * @module
 */

import type { Transaction } from "../../../actors/coordinator/transaction/transaction.ts";
import { TransactionRules } from "../../../actors/coordinator/transaction/rules.ts";
import { Verification } from "../../../actors/partition/verification.ts";
import { Log } from "../../../storage/log.ts";
import { ProducerState } from "../../../storage/producer_state.ts";
import { allOf, replace } from "../broken_storage.ts";

/** P32: whoever reads what is committed reads what is not decided. */
export const noStableOffset = replace(
  Log.prototype,
  "lastStableOffset",
  () => (highWatermark) => highWatermark,
);

/** B13: the last stable offset is taken for the last one that may be read. */
export const stableOffsetIncluded = replace(
  Log.prototype,
  "lastStableOffset",
  (original) =>
    function (this: Log, highWatermark) {
      return Math.min(original.call(this, highWatermark) + 1, highWatermark);
    },
);

/** P33: whoever once had a transactional id may end what its heir has begun. */
export const unfencedEnds = replace(
  TransactionRules.prototype,
  "endTransaction",
  (original) =>
    function (this: TransactionRules, known, request, ...rest) {
      const { producerEpoch } = known ?? request;
      return original.call(this, known, { ...request, producerEpoch }, ...rest);
    },
);

/** B16: transactions of one producer do not differ in their epochs (before KIP-890). */
export const sameEpoch = replace(
  TransactionRules.prototype,
  "endTransaction",
  (original) =>
    function (this: TransactionRules, known, request, ...rest) {
      const ruling = original.call(this, known, request, ...rest);
      if (ruling.kind !== "next" || request.clientVersion < 2) return ruling;
      const { producerEpoch } = request;
      return {
        ...ruling,
        next: { ...ruling.next, producerEpoch },
        answer: { ...ruling.answer, producerEpoch },
      };
    },
);

/** B16: records are appended without asking whether their transaction is open. */
export const noVerification = replace(
  Verification.prototype,
  "admit",
  () => () => ({ kind: "admitted" }),
);

/** B17: a marker ends what the producer id has open, whatever its epoch. */
export const markersByIdAlone = replace(
  ProducerState.prototype,
  "checkMarker",
  () => () => undefined,
);

/** What coordinators have in memory only. */
const begun = new WeakMap<TransactionRules, Map<string, Transaction>>();

function remembered(rules: TransactionRules, known: Transaction | undefined) {
  return known === undefined ? known : begun.get(rules)?.get(known.transactionalId) ?? known;
}

/** B18: that a transaction is open is noted nowhere but in memory. */
export const begunInMemory = allOf(
  replace(
    TransactionRules.prototype,
    "addPartitions",
    (original) =>
      function (this: TransactionRules, known, ...rest) {
        const ruling = original.call(this, remembered(this, known), ...rest);
        if (ruling.kind !== "next") return ruling;
        const memory = begun.get(this) ?? new Map<string, Transaction>();
        begun.set(this, memory.set(ruling.next.transactionalId, ruling.next));
        return { kind: "done", answer: ruling.answer };
      },
  ),
  replace(
    TransactionRules.prototype,
    "verifyPartition",
    (original) =>
      function (this: TransactionRules, known, ...rest) {
        return original.call(this, remembered(this, known) as Transaction, ...rest);
      },
  ),
  replace(
    TransactionRules.prototype,
    "endTransaction",
    (original) =>
      function (this: TransactionRules, known, ...rest) {
        const ruling = original.call(this, remembered(this, known), ...rest);
        if (known !== undefined) begun.get(this)?.delete(known.transactionalId);
        return ruling;
      },
  ),
);
