/**
 * The bounds within which everything that can happen is walked (replication_model.ts), by names.
 *
 * @module
 */

import type { Bounds } from "./replication_model.ts";

/** Leader epochs 0 and 1, AlterPartition as a message whose answer may be lost. */
const SLOW_ISR: Bounds = {
  logSize: 2,
  recordsMax: 2,
  leaderEpochMax: 1,
  isrChangesMax: 1,
  proposalsTakeTime: true,
  statesMax: 200_000,
};

/** Leader epochs 0 to 2, logs of one record. */
const ELECTIONS: Bounds = {
  ...SLOW_ISR,
  logSize: 1,
  leaderEpochMax: 2,
  proposalsTakeTime: false,
  statesMax: 500_000,
};

export const WALKS = {
  "two leader epochs, slow changes of the ISR": SLOW_ISR,
  "three leader epochs, a record": ELECTIONS,
  /** As far as a few seconds go. */
  "three leader epochs, two records": { ...ELECTIONS, logSize: 2 },
} satisfies Readonly<Record<string, Bounds>>;

/** The name of such bounds. */
export type WalkName = keyof typeof WALKS;
