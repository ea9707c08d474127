/**
 * What a run of a simulated cluster is made of, drawn from its seed (swarm testing: each run has
 * some of everything), printed, and given instead where a run is replayed or aimed.
 *
 * @module
 */

import type { RandomStream } from "../runtime/environment.ts";
import { ADMIN_ACTIONS, type AdminAction } from "./clients/admin_engine.ts";
import type { ProduceMode, TopicPlan } from "./clients/topic_plan.ts";
import {
  CLUSTER_FAULT_KINDS,
  drawFaultPlan,
  FAULT_KINDS,
  type FaultKind,
  type FaultPlan,
} from "./faults.ts";
import { between, pick } from "./random.ts";

/** Everything about a run but its seed and the faults themselves. All numbers are whole. */
export interface ClusterRunOptions {
  /** How many nodes there are. */
  readonly nodes: number;
  /** Nodes 1 to this one are voters of the metadata quorum. */
  readonly voters: number;
  /** Whether nodes that are voters are brokers too; else there are as many brokers besides. */
  readonly combined: boolean;
  /** `flush.before.ack` of all nodes. */
  readonly flushBeforeAck: boolean;
  /** `min.insync.replicas` */
  readonly minInsyncReplicas: number;
  /** What is produced to. */
  readonly topics: readonly TopicPlan[];
  /** Producers that send to each partition. */
  readonly producersPerPartition: number;
  /** Consumers that follow each partition. */
  readonly consumersPerPartition: number;
  /** The mean time between two batches of one producer. */
  readonly sendEveryMs: number;
  /** Batches that a producer makes at once, as many times more rarely. */
  readonly batchesAtOnce: number;
  /** The most bytes of a value. */
  readonly valueBytesMax: number;
  /** Batches that a producer has under way. */
  readonly inFlightMax: number;
  /** `delivery.timeout.ms` of producers. */
  readonly deliveryTimeoutMs: number;
  /** `request.timeout.ms` of clients. */
  readonly requestTimeoutMs: number;
  /** `fetch.max.wait.ms` of consumers. */
  readonly fetchWaitMs: number;
  /** What an administrator does now and then. */
  readonly adminActions: readonly AdminAction[];
  /** The mean time between two of that. */
  readonly adminEveryMs: number;
  /** Broker configs of all nodes. */
  readonly properties: Readonly<Record<string, string>>;
  /** Which faults come, and how often. */
  readonly faults: FaultPlan;
  /** Virtual milliseconds with faults. */
  readonly faultsForMs: number;
  /** The most nodes that are down at a time. */
  readonly downAtOnceMax: number;
}

/** Faults that a cluster must bear, whatever its settings. */
export const CLUSTER_KINDS: readonly FaultKind[] = [
  ...FAULT_KINDS.filter((kind) => kind !== "bit-flip"),
  ...CLUSTER_FAULT_KINDS,
];

const FAULTS_FOR_MS = 30_000;
/** The mean time between two batches of all producers together. */
const BATCH_EVERY_MS = [175, 315, 470, 660];

/** Draws what is not given. */
export function drawClusterOptions(
  stream: RandomStream,
  given: Partial<ClusterRunOptions> = {},
  kinds: readonly FaultKind[] = CLUSTER_KINDS,
): ClusterRunOptions {
  const nodes = pick(stream, [1, 3, 3, 3, 3, 3, 3, 5]);
  const voters = pick(stream, [1, 3, 3, 3, 3, 5]);
  const combined = stream.chance(7, 8);
  const flushBeforeAck = stream.chance(1, 2);
  const minInsyncReplicas = pick(stream, [1, 2, 2, 2]);
  const properties = drawProperties(stream);
  const plan = drawFaultPlan(stream, { nodes: [], kinds });
  const nodeCount = given.nodes ?? nodes;
  const topics = given.topics ?? drawTopics(stream, nodeCount);
  const producersPerPartition = pick(stream, [1, 1, 2]);
  const partitions = topics.reduce((sum, topic) => sum + topic.partitions, 0);
  const drawn = {
    voters: Math.min(voters, nodeCount),
    combined,
    flushBeforeAck,
    minInsyncReplicas: Math.min(minInsyncReplicas, nodeCount),
    topics,
    producersPerPartition,
    consumersPerPartition: pick(stream, [1, 2, 3, 4]),
    sendEveryMs: partitions * producersPerPartition * pick(stream, BATCH_EVERY_MS),
    batchesAtOnce: pick(stream, [1, 1, 3]),
    valueBytesMax: pick(stream, [10, 100, 1000]),
    inFlightMax: between(stream, 1, 5),
    deliveryTimeoutMs: pick(stream, [2000, 15_000, 60_000]),
    requestTimeoutMs: pick(stream, [500, 2000, 5000]),
    fetchWaitMs: pick(stream, [500, 2000, 5000]),
    adminActions: ADMIN_ACTIONS.filter(() => stream.chance(1, 2)),
    adminEveryMs: pick(stream, [500, 2000, 10_000]),
    properties,
    faults: plan,
    faultsForMs: FAULTS_FOR_MS,
    downAtOnceMax: between(stream, 1, nodeCount),
  };
  return { nodes, ...drawn, ...given };
}

function drawProperties(stream: RandomStream): Readonly<Record<string, string>> {
  const session = pick(stream, [2000, 6000, 9000]);
  const fetchTimeout = pick(stream, [1000, 2000, 2000]);
  const choices: Record<string, number> = {
    "broker.session.timeout.ms": session,
    "broker.heartbeat.interval.ms": Math.floor(session / pick(stream, [3, 4])),
    "controller.quorum.fetch.timeout.ms": fetchTimeout,
    "controller.quorum.election.timeout.ms": pick(stream, [200, 1000]),
    "controller.quorum.election.backoff.max.ms": pick(stream, [100, 1000]),
    "controller.quorum.request.timeout.ms": fetchTimeout,
    "replica.lag.time.max.ms": pick(stream, [2000, 6000, 30_000]),
    "replica.fetch.wait.max.ms": pick(stream, [1000, 2000, 5000]),
    "replica.fetch.backoff.ms": pick(stream, [50, 1000]),
    "replica.fetch.max.bytes": pick(stream, [500, 1_048_576]),
    "log.segment.bytes": pick(stream, [5000, 20_000, 1_000_000]),
    "log.index.interval.bytes": pick(stream, [100, 4096]),
    "log.retention.check.interval.ms": 5000,
    "log.flush.offset.checkpoint.interval.ms": pick(stream, [1000, 5000]),
    "metadata.log.max.record.bytes.between.snapshots": pick(stream, [2000, 20_000, 20_971_520]),
    "leader.imbalance.check.interval.seconds": pick(stream, [2, 300]),
  };
  return Object.fromEntries(Object.entries(choices).map(([key, value]) => [key, String(value)]));
}

const UNCLEAN = { "unclean.leader.election.enable": "true" };
const MODES: readonly ProduceMode[] = ["idempotent", "idempotent", "all", "leader", "none"];

function drawTopics(stream: RandomStream, nodes: number): readonly TopicPlan[] {
  const count = between(stream, 1, 3);
  return Array.from({ length: count }, (_, index) => {
    const isVolatile = stream.chance(1, 4);
    const mode = pick(stream, MODES);
    const isUnclean = stream.chance(1, 5);
    const factor = Math.min(nodes, pick(stream, [1, 2, 3, 3, 3]));
    const plan = {
      name: `topic-${index}`,
      partitions: between(stream, 1, 3),
      replicationFactor: index === 0 ? Math.min(nodes, 3) : factor,
      configs: index > 0 && isUnclean ? UNCLEAN : {},
      mode: index === 0 ? "idempotent" as const : mode,
      isVolatile: index > 0 && isVolatile,
    };
    return plan;
  });
}
