/**
 * The cluster in which canaries are looked for: small, with much traffic and quick time-outs, so
 * that what is aimed at happens often.
 *
 * @module
 */

import type { ClusterSimulationOptions } from "../../mod.ts";

type Run = NonNullable<ClusterSimulationOptions["run"]>;

export const TOPIC = {
  name: "topic-0",
  partitions: 2,
  replicationFactor: 3,
  configs: {},
  mode: "idempotent",
  isVolatile: false,
} as const;

const PROPERTIES = {
  "broker.session.timeout.ms": "1000",
  "broker.heartbeat.interval.ms": "200",
  "controller.quorum.fetch.timeout.ms": "500",
  "controller.quorum.election.timeout.ms": "200",
  "controller.quorum.election.backoff.max.ms": "100",
  "controller.quorum.request.timeout.ms": "500",
  "replica.lag.time.max.ms": "500",
  "replica.fetch.wait.max.ms": "50",
  "replica.fetch.backoff.ms": "50",
  "leader.imbalance.check.interval.seconds": "300",
};

/** Three nodes, one topic. */
export const SMALL = {
  nodes: 3,
  voters: 3,
  combined: true,
  flushBeforeAck: false,
  minInsyncReplicas: 2,
  topics: [TOPIC],
  producersPerPartition: 1,
  consumersPerPartition: 1,
  sendEveryMs: 20,
  valueBytesMax: 20,
  inFlightMax: 3,
  deliveryTimeoutMs: 5000,
  requestTimeoutMs: 500,
  fetchWaitMs: 50,
  adminActions: [],
  adminEveryMs: 10_000,
  properties: PROPERTIES,
  faultsForMs: 20_000,
  downAtOnceMax: 2,
} satisfies Run;
