/**
 * Rules of compaction, broken for as long as a run takes.
 *
 * @module
 */

import { CompactionTransactions } from "../../../storage/compaction_transactions.ts";
import { LatestRecords } from "../../../storage/compaction_latest.ts";
import { LogState } from "../../../storage/log_state.ts";
import { replace } from "../broken_storage.ts";

/** P39: records that were aborted take the place of those that were committed. */
export const abortedCount = replace(
  CompactionTransactions.prototype,
  "data",
  (original) =>
    function (this: CompactionTransactions, batch) {
      original.call(this, batch);
      return false;
    },
);

/** P39: markers go while records are left that they speak of. */
export const markersGo = replace(
  CompactionTransactions.prototype,
  "control",
  (original) =>
    function (this: CompactionTransactions, batch, kept) {
      original.call(this, batch, kept);
      return true;
    },
);

/** P39: of each key the record before the latest is noted as the one that stays. */
export const olderStay = replace(
  LatestRecords.prototype,
  "moved",
  (original) =>
    function (this: LatestRecords, previous, offset) {
      if (previous < 0) original.call(this, previous, offset);
    },
);

/** B20: the steps of a swap are not made durable one after the other. */
export const hastySwaps = replace(LogState.prototype, "syncNames", () => () => {});
