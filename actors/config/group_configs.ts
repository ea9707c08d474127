/**
 * The broker configs of group coordinators and of the topic that they live on: Kafka's names and
 * defaults.
 *
 * @module
 */

import { int, list, long } from "./definition.ts";

const INT_MAX = 0x7fffffff;

export const GROUP_CONFIGS = {
  offsetsTopicNumPartitions: int(
    "offsets.topic.num.partitions",
    50,
    "Partitions of __consumer_offsets; not to be changed once it exists",
    { min: 1 },
  ),
  offsetsTopicReplicationFactor: int(
    "offsets.topic.replication.factor",
    3,
    "Replicas of __consumer_offsets; fewer while there are fewer brokers",
    { min: 1, max: 0x7fff },
  ),
  offsetsTopicSegmentBytes: int(
    "offsets.topic.segment.bytes",
    100 * 1024 * 1024,
    "The size of a segment of __consumer_offsets",
    { min: 1 },
  ),
  offsetMetadataMaxBytes: int(
    "offset.metadata.max.bytes",
    4096,
    "The most bytes of metadata that may go with a committed offset",
    { min: 0 },
  ),
  offsetsCommitTimeoutMs: int(
    "offsets.commit.timeout.ms",
    5000,
    "How long a commit waits for its replicas",
    { min: 1 },
  ),
  offsetsRetentionMinutes: int(
    "offsets.retention.minutes",
    7 * 24 * 60,
    "How long the offsets of a group without members are kept",
    { min: 1 },
  ),
  offsetsRetentionCheckIntervalMs: long(
    "offsets.retention.check.interval.ms",
    600_000,
    "How often old offsets are looked for",
    { min: 1 },
  ),
  groupInitialRebalanceDelayMs: int(
    "group.initial.rebalance.delay.ms",
    3000,
    "How long the first rebalance of an empty group waits for more members",
    { min: 0 },
  ),
  groupMinSessionTimeoutMs: int(
    "group.min.session.timeout.ms",
    6000,
    "The shortest session timeout that a member may ask for",
    { min: 0 },
  ),
  groupMaxSessionTimeoutMs: int(
    "group.max.session.timeout.ms",
    1_800_000,
    "The longest session timeout that a member may ask for",
    { min: 0 },
  ),
  groupMaxSize: int("group.max.size", INT_MAX, "The most members of a group", { min: 1 }),
  groupConsumerSessionTimeoutMs: int(
    "group.consumer.session.timeout.ms",
    45_000,
    "A member of a consumer group that is silent for this long is out (KIP-848)",
    { min: 1 },
  ),
  groupConsumerHeartbeatIntervalMs: int(
    "group.consumer.heartbeat.interval.ms",
    5000,
    "How often members of consumer groups send a heartbeat (KIP-848)",
    { min: 1 },
  ),
  groupConsumerMinSessionTimeoutMs: int(
    "group.consumer.min.session.timeout.ms",
    45_000,
    "The shortest session timeout that a consumer group may set for itself (KIP-848)",
    { min: 1 },
  ),
  groupConsumerMaxSessionTimeoutMs: int(
    "group.consumer.max.session.timeout.ms",
    60_000,
    "The longest session timeout that a consumer group may set for itself (KIP-848)",
    { min: 1 },
  ),
  groupConsumerMinHeartbeatIntervalMs: int(
    "group.consumer.min.heartbeat.interval.ms",
    5000,
    "The shortest heartbeat interval that a consumer group may set for itself (KIP-848)",
    { min: 1 },
  ),
  groupConsumerMaxHeartbeatIntervalMs: int(
    "group.consumer.max.heartbeat.interval.ms",
    15_000,
    "The longest heartbeat interval that a consumer group may set for itself (KIP-848)",
    { min: 1 },
  ),
  groupConsumerMaxSize: int(
    "group.consumer.max.size",
    INT_MAX,
    "The most members of a consumer group (KIP-848)",
    { min: 1 },
  ),
  groupConsumerAssignors: list(
    "group.consumer.assignors",
    "uniform,range",
    "What shares out partitions in consumer groups (KIP-848); the first is the default",
    { allowed: ["uniform", "range"] },
  ),
  transactionStateLogNumPartitions: int(
    "transaction.state.log.num.partitions",
    50,
    "Partitions of __transaction_state; not to be changed once it exists",
    { min: 1 },
  ),
  transactionStateLogReplicationFactor: int(
    "transaction.state.log.replication.factor",
    3,
    "Replicas of __transaction_state; fewer while there are fewer brokers",
    { min: 1, max: 0x7fff },
  ),
  transactionStateLogMinIsr: int(
    "transaction.state.log.min.isr",
    2,
    "min.insync.replicas of __transaction_state; at most its replicas",
    { min: 1 },
  ),
  transactionStateLogSegmentBytes: int(
    "transaction.state.log.segment.bytes",
    100 * 1024 * 1024,
    "The size of a segment of __transaction_state",
    { min: 1 },
  ),
};
