/**
 * The configs of a broker: Kafka's names and defaults, and a few of Strom's own.
 *
 * Owns the table, what may change while the broker runs, and the typed values. Keys of parts that
 * are not there yet (TLS) are not known, except where they set the default of a topic config.
 *
 * @module
 */

import { UNLIMITED } from "../../storage/log_config.ts";
import { DECOMPRESSED_BATCH_BYTES_MAX } from "../../storage/compression.ts";
import { CLEANER_CONFIGS } from "./cleaner_configs.ts";
import {
  boolean,
  checkConfig,
  type ConfigDefinition,
  ConfigError,
  type ConfigValues,
  int,
  long,
  parseConfig,
  password,
  string,
  unknownConfig,
} from "./definition.ts";
import { GROUP_CONFIGS } from "./group_configs.ts";
import { TRANSACTION_CONFIGS } from "./transaction_configs.ts";
import { brokerSynonyms, type TopicConfig, topicDefaults } from "./topic_config.ts";

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

/** Kafka's names of those it has; the last is the one that knows racks. */
const REPLICA_SELECTORS = [
  "",
  "org.apache.kafka.common.replica.LeaderSelector",
  "org.apache.kafka.common.replica.RackAwareReplicaSelector",
] as const;

const BROKER_CONFIGS = {
  nodeId: int("node.id", 1, "The node's id, different from every other node's", { min: 0 }),
  numPartitions: int(
    "num.partitions",
    1,
    "Partitions of a topic that is created without a number",
    {
      min: 1,
    },
  ),
  replicationFactor: int(
    "default.replication.factor",
    1,
    "Replicas of a topic that is created without a number",
    { min: 1, max: 0x7fff },
  ),
  autoCreateTopicsEnable: boolean(
    "auto.create.topics.enable",
    true,
    "Whether a topic that a client asks for is created where it is missing",
  ),
  maxRequestPartitionSizeLimit: int(
    "max.request.partition.size.limit",
    2000,
    "Partitions that one answer to DescribeTopicPartitions tells of at most",
    { min: 1 },
  ),
  deleteTopicEnable: boolean("delete.topic.enable", true, "Whether topics may be deleted"),

  maxConnections: int("max.connections", 0x7fffffff, "Connections that are held at a time", {
    min: 0,
    dynamic: "cluster-wide",
  }),
  connectionsMaxIdleMs: long(
    "connections.max.idle.ms",
    10 * MINUTE_MS,
    "A connection on which nothing came for this long is closed; negative keeps it",
  ),
  socketRequestMaxBytes: int("socket.request.max.bytes", 100 * MIB, "The largest request", {
    min: 1,
  }),
  queuedMaxRequestBytes: long(
    "queued.max.request.bytes",
    // Kafka has no limit here; a node whose memory is bounded needs one.
    64 * MIB,
    "Bytes of requests being worked on, over all connections, before reading stops; -1 is no limit",
    { min: -1 },
  ),
  requestTimeoutMs: int(
    "request.timeout.ms",
    30_000,
    "How long one part of a node waits for another",
    {
      min: 1,
    },
  ),
  fetchMaxBytes: int(
    "fetch.max.bytes",
    55 * MIB,
    "The most bytes of records in one fetch response",
    {
      min: 1024,
    },
  ),
  fetchSessionSlotsMax: int(
    "max.incremental.fetch.session.cache.slots",
    1000,
    "Fetch sessions that are kept",
    { min: 0 },
  ),
  nativeHandshakeTimeoutMs: int(
    "native.handshake.timeout.ms",
    10_000,
    "How long a connection may take to say who it is (Strom's own)",
    { min: 1 },
  ),
  socketWriteTimeoutMs: int(
    "socket.write.timeout.ms",
    30_000,
    "A connection that takes no bytes for this long is closed (Strom's own)",
    { min: 1 },
  ),
  queuedMaxResponseBytes: long(
    "queued.max.response.bytes",
    64 * MIB,
    "Bytes of responses that may wait on one connection before it is closed (Strom's own)",
    { min: 1 },
  ),
  queuedMaxFetchBytes: long(
    "queued.max.fetch.bytes",
    128 * MIB,
    "Bytes of records read for fetches and not yet sent, over all connections, before fetches wait" +
      " (Strom's own)",
    { min: 1 },
  ),

  logRetentionCheckIntervalMs: long(
    "log.retention.check.interval.ms",
    5 * MINUTE_MS,
    "How often old segments are looked for",
    { min: 1 },
  ),
  logFlushOffsetCheckpointIntervalMs: int(
    "log.flush.offset.checkpoint.interval.ms",
    MINUTE_MS,
    "How often it is written down up to where each log is flushed",
    { min: 0 },
  ),
  producerIdExpirationMs: int(
    "producer.id.expiration.ms",
    24 * 60 * MINUTE_MS,
    "How long the state of a producer that is silent is kept",
    { min: 1, dynamic: "cluster-wide" },
  ),
  decompressedBatchMaxBytes: int(
    "decompressed.batch.max.bytes",
    DECOMPRESSED_BATCH_BYTES_MAX,
    "The most bytes that a batch may become when it is decompressed (Strom's own)",
    { min: 1024 },
  ),

  nativeSharedSecret: password(
    "native.shared.secret",
    "",
    "What clients and other nodes must show to be let in; empty asks for nothing (Strom's own)",
  ),
  brokerRack: string("broker.rack", "", "Where the broker stands: replicas are spread over racks"),
  listeners: string(
    "listeners",
    "",
    "Where to listen, as NATIVE://host:port,PLAINTEXT://host:port; the latter for Kafka's clients",
  ),
  advertisedListeners: string(
    "advertised.listeners",
    "",
    "Where others reach the node, written as listeners; where it listens for one not named",
  ),
  processRoles: string(
    "process.roles",
    "broker,controller",
    "What the node is: broker, controller, or both",
  ),
  controllerQuorumVoters: string(
    "controller.quorum.voters",
    "",
    "The voters of the metadata quorum at first, as id@host:port,…; empty is this node alone",
  ),
  controllerQuorumBootstrapServers: string(
    "controller.quorum.bootstrap.servers",
    "",
    "Nodes of the cluster to join, as host:port,…",
  ),
  controllerQuorumElectionTimeoutMs: int(
    "controller.quorum.election.timeout.ms",
    1000,
    "How long a candidate waits for votes before it asks anew",
    { min: 1 },
  ),
  controllerQuorumFetchTimeoutMs: int(
    "controller.quorum.fetch.timeout.ms",
    2000,
    "How long a voter does without its leader before it asks for an election",
    { min: 1 },
  ),
  controllerQuorumElectionBackoffMaxMs: int(
    "controller.quorum.election.backoff.max.ms",
    1000,
    "The longest wait between two elections",
    { min: 0 },
  ),
  controllerQuorumRequestTimeoutMs: int(
    "controller.quorum.request.timeout.ms",
    2000,
    "How long a request of the metadata quorum may take",
    { min: 1 },
  ),
  controllerQuorumRetryBackoffMs: int(
    "controller.quorum.retry.backoff.ms",
    20,
    "The wait after a request of the metadata quorum that failed",
    { min: 0 },
  ),
  metadataLogSnapshotBytes: long(
    "metadata.log.max.record.bytes.between.snapshots",
    20 * MIB,
    "A snapshot of the metadata is made after so many bytes of records",
    { min: 1 },
  ),
  brokerSessionTimeoutMs: int(
    "broker.session.timeout.ms",
    9000,
    "A broker that is silent for this long is fenced",
    { min: 1 },
  ),
  brokerHeartbeatIntervalMs: int(
    "broker.heartbeat.interval.ms",
    2000,
    "How often a broker tells the controller that it is alive",
    { min: 1 },
  ),
  controlledShutdownEnable: boolean(
    "controlled.shutdown.enable",
    true,
    "Whether a broker hands over what it leads before it stops",
  ),
  autoLeaderRebalanceEnable: boolean(
    "auto.leader.rebalance.enable",
    true,
    "Whether leadership returns to preferred replicas by itself",
  ),
  leaderImbalanceCheckIntervalSeconds: long(
    "leader.imbalance.check.interval.seconds",
    300,
    "How often that is looked at",
    { min: 1 },
  ),
  replicaSelectorClass: string<(typeof REPLICA_SELECTORS)[number]>(
    "replica.selector.class",
    "",
    "Who tells consumers from which replica to read: nobody, or one that knows racks (KIP-392)",
    { allowed: REPLICA_SELECTORS },
  ),
  replicaLagTimeMaxMs: long(
    "replica.lag.time.max.ms",
    30_000,
    "A follower that has not caught up for this long is no longer in sync",
    { min: 1 },
  ),
  replicaFetchMaxBytes: int(
    "replica.fetch.max.bytes",
    MIB,
    "The most bytes of one partition that a follower asks for at once",
    { min: 0 },
  ),
  replicaFetchResponseMaxBytes: int(
    "replica.fetch.response.max.bytes",
    10 * MIB,
    "The most bytes that a follower asks for at once",
    { min: 0 },
  ),
  replicaFetchMinBytes: int(
    "replica.fetch.min.bytes",
    1,
    "A follower's fetch waits until there are so many bytes",
    { min: 0 },
  ),
  replicaFetchWaitMaxMs: int(
    "replica.fetch.wait.max.ms",
    500,
    "How long a follower's fetch waits for them",
    { min: 0 },
  ),
  replicaFetchBackoffMs: int(
    "replica.fetch.backoff.ms",
    1000,
    "How long a follower waits after a fetch that failed",
    { min: 0 },
  ),
  leaderReplicationThrottledRate: long(
    "leader.replication.throttled.rate",
    UNLIMITED,
    "Bytes a second that a leader sends to throttled replicas",
    { min: 0, dynamic: "per-broker" },
  ),
  followerReplicationThrottledRate: long(
    "follower.replication.throttled.rate",
    UNLIMITED,
    "Bytes a second that a follower takes for throttled replicas",
    { min: 0, dynamic: "per-broker" },
  ),
  ...GROUP_CONFIGS,
  ...CLEANER_CONFIGS,
  ...TRANSACTION_CONFIGS,
  quotaWindowNum: int(
    "quota.window.num",
    11,
    "Windows over which quotas are counted: so much, less one, may be taken at once after a rest",
    { min: 1 },
  ),
  quotaWindowSizeSeconds: int(
    "quota.window.size.seconds",
    1,
    "How long a window of quotas is",
    { min: 1 },
  ),
  openFilesMax: int("open.files.max", 1000, "Descriptors that log files hold (Strom's own)", {
    min: 2,
  }),
};

/** The typed configs of a broker. */
export interface BrokerConfig extends ConfigValues<typeof BROKER_CONFIGS> {
  /** What topics have that do not set it themselves. */
  readonly topicDefaults: TopicConfig;
  /** The texts that the broker was started with. */
  readonly properties: Readonly<Record<string, string>>;
}

const SYNONYMS = brokerSynonyms();

const DEFINITIONS: ReadonlyMap<string, ConfigDefinition> = new Map(
  [...Object.values(BROKER_CONFIGS), ...SYNONYMS.map(({ definition }) => definition)]
    .map((definition) => [definition.name, definition] as const)
    .sort(([a], [b]) => a < b ? -1 : 1),
);

const GROUPS: ReadonlyMap<string, readonly string[]> = new Map(
  SYNONYMS.map(({ definition, group }) => [definition.name, group]),
);

/** All broker configs, by name. */
export function brokerConfigs(): ConfigDefinition[] {
  return [...DEFINITIONS.values()];
}

export function brokerConfigDefinition(name: string): ConfigDefinition | undefined {
  return DEFINITIONS.get(name);
}

/** The configs that say the same in other units, in the order in which they count; itself too. */
export function brokerConfigGroup(name: string): readonly string[] {
  return GROUPS.get(name) ?? [name];
}

/**
 * Types the configs that a broker is started with; those not named have their defaults.
 * @throws {ConfigError} naming each that is unknown or malformed
 */
export function parseBrokerConfig(properties: Readonly<Record<string, string>>): BrokerConfig {
  return { ...typeAll(properties), properties };
}

/**
 * The configs of a broker that runs: what was set live counts before what it was started with.
 * @throws {ConfigError} naming each that is malformed
 */
export function withDynamicConfigs(
  { properties }: BrokerConfig,
  clusterWide: ReadonlyMap<string, string>,
  ofBroker: ReadonlyMap<string, string>,
): BrokerConfig {
  const dynamic = Object.fromEntries(
    // A config that a later version knew is passed over, not refused.
    [...clusterWide, ...ofBroker].filter(([name]) => DEFINITIONS.has(name)),
  );
  return { ...typeAll({ ...properties, ...dynamic }), properties };
}

function typeAll(texts: Readonly<Record<string, string>>): Omit<BrokerConfig, "properties"> {
  const problems = Object.entries(texts).flatMap(([name, text]) => {
    const problem = checkBrokerConfig(name, text);
    return problem === undefined ? [] : [problem];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const values: Record<string, unknown> = {};
  for (const [field, definition] of Object.entries<ConfigDefinition>(BROKER_CONFIGS)) {
    values[field] = parseConfig(definition, texts[definition.name] ?? definition.defaultText ?? "");
  }
  return {
    ...values as ConfigValues<typeof BROKER_CONFIGS>,
    topicDefaults: topicDefaults(texts),
  };
}

/** Why a broker cannot be started with that config; undefined when it can. */
export function checkBrokerConfig(name: string, value: string): string | undefined {
  const definition = DEFINITIONS.get(name);
  return definition === undefined
    ? unknownConfig(name, DEFINITIONS.keys())
    : checkConfig(definition, value);
}

/** Why a broker config may not be set while the broker runs; undefined when it may. */
export function checkDynamicBrokerConfig(name: string, value: string): string | undefined {
  const problem = checkBrokerConfig(name, value);
  if (problem !== undefined) return problem;
  return DEFINITIONS.get(name)?.dynamic === "read-only"
    ? `${name} cannot be changed while the broker runs`
    : undefined;
}
