/**
 * Runs that are drawn from seeds, by what befalls them.
 *
 * @module
 */

import type { ClusterSimulationOptions, FaultPlan } from "../../mod.ts";
import type { SeedsGround } from "./grounds.ts";
import { SMALL, TOPIC } from "./small_cluster.ts";

type Run = NonNullable<ClusterSimulationOptions["run"]>;

/** Less than the smoke run of `deno task test` has. */
const SEEDS_MAX = 40;

const LOSSES: FaultPlan = { "power-loss": 1500, crash: 4000, partition: 4000 };
const COMINGS_AND_GOINGS: FaultPlan = {
  crash: 2500,
  partition: 2500,
  restart: 5000,
  "link-clog": 3000,
  pause: 5000,
};

function seeds(name: string, faults: FaultPlan, more: Partial<Run> = {}): SeedsGround {
  const options = { run: { ...SMALL, faults, ...more } };
  return { kind: "seeds", name, options, atMost: SEEDS_MAX };
}

/** Bursts of elections, metadata late at some brokers: followers and leaders of several epochs. */
export const ELECTIONS = seeds("elections", {
  "leader-burst": 600,
  "message-delay": 1000,
  partition: 4000,
  crash: 6000,
  "link-delay": 3000,
});

/** Nodes come and go, links break. */
export const OUTAGES = seeds("outages", COMINGS_AND_GOINGS);

/** Machines lose power. */
export const POWER = seeds("power cuts", LOSSES);

/** The same where nothing counts before it is durable. */
export const POWER_FLUSHED = seeds("power cuts, flushed", LOSSES, { flushBeforeAck: true });

/** Connections break, so that clients send again. */
export const RETRIES = seeds("retries", {
  "link-reset": 150,
  "link-clog": 1000,
  crash: 5000,
  partition: 5000,
});

/** Replicas are moved among more nodes than hold a partition. */
export const REASSIGNMENTS = seeds("reassignments", COMINGS_AND_GOINGS, {
  nodes: 5,
  topics: [{ ...TOPIC, replicationFactor: 2 }],
  adminActions: ["reassign"],
  adminEveryMs: 500,
});
