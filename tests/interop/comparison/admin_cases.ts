/**
 * What administrators and transactions ask.
 *
 * A case leaves the brokers as it found them, so that each version meets the same state: the topic
 * `plain` of two partitions with three records in the first, and no groups, no transactions.
 *
 * @module
 */

import { ADD_OFFSETS_TO_TXN } from "../../../net/messages/add_offsets_to_txn.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { ALTER_CLIENT_QUOTAS } from "../../../net/messages/alter_client_quotas.ts";
import { ALTER_CONFIGS } from "../../../net/messages/alter_configs.ts";
import {
  ALTER_PARTITION_REASSIGNMENTS,
} from "../../../net/messages/alter_partition_reassignments.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../../../net/messages/consumer_group_describe.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../../net/messages/consumer_group_heartbeat.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_GROUPS } from "../../../net/messages/delete_groups.ts";
import { DELETE_RECORDS } from "../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "../../../net/messages/describe_client_quotas.ts";
import { DESCRIBE_CLUSTER } from "../../../net/messages/describe_cluster.ts";
import { DESCRIBE_CONFIGS } from "../../../net/messages/describe_configs.ts";
import { DESCRIBE_LOG_DIRS } from "../../../net/messages/describe_log_dirs.ts";
import { DESCRIBE_PRODUCERS } from "../../../net/messages/describe_producers.ts";
import { DESCRIBE_QUORUM } from "../../../net/messages/describe_quorum.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../../../net/messages/describe_topic_partitions.ts";
import { DESCRIBE_TRANSACTIONS } from "../../../net/messages/describe_transactions.ts";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { END_TXN } from "../../../net/messages/end_txn.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import {
  LIST_PARTITION_REASSIGNMENTS,
} from "../../../net/messages/list_partition_reassignments.ts";
import { LIST_CONFIG_RESOURCES } from "../../../net/messages/list_config_resources.ts";
import { LIST_TRANSACTIONS } from "../../../net/messages/list_transactions.ts";
import { OFFSET_DELETE } from "../../../net/messages/offset_delete.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../net/messages/offset_for_leader_epoch.ts";
import { TXN_OFFSET_COMMIT } from "../../../net/messages/txn_offset_commit.ts";
import { type Case, some, TOPIC, UNKNOWN_ID } from "./case.ts";

const created = (topic: object, more: object = {}) => ({
  topics: [{ name: "fresh", numPartitions: 1, replicationFactor: 1, ...topic }],
  timeoutMs: 5000,
  validateOnly: true,
  ...more,
});

const altered = (resource: object, configs: readonly object[]) => ({
  resources: [{ resourceType: 2, resourceName: TOPIC, configs, ...resource }],
  validateOnly: true,
});

const beaten = (more: object = {}) => ({
  groupId: "none",
  memberId: "m",
  memberEpoch: 0,
  rebalanceTimeoutMs: 5000,
  subscribedTopicNames: [TOPIC],
  topicPartitions: [],
  ...more,
});

const inTransaction = (more: object = {}) => ({
  transactionalId: "none",
  producerId: 7,
  producerEpoch: 0,
  ...more,
});

export const ADMIN_CASES: readonly Case[] = [
  ...some(CREATE_TOPICS, {
    "fine": created({}),
    "exists": created({ name: TOPIC }),
    "invalid name": created({ name: "a b" }),
    "empty name": created({ name: "" }),
    "dots": created({ name: ".." }),
    "long name": created({ name: "x".repeat(250) }),
    "no partitions": created({ numPartitions: 0 }),
    "negative partitions": created({ numPartitions: -5 }),
    "factor 0": created({ replicationFactor: 0 }),
    "factor 5": created({ replicationFactor: 5 }),
    "unknown config": created({ configs: [{ name: "no.such", value: "1" }] }),
    "bad value": created({ configs: [{ name: "retention.ms", value: "x" }] }),
    "bad policy": created({ configs: [{ name: "cleanup.policy", value: "burn" }] }),
    "null value": created({ configs: [{ name: "retention.ms", value: null }] }),
    "same config twice": created({
      configs: [{ name: "retention.ms", value: "1" }, { name: "retention.ms", value: "2" }],
    }),
    "twice": {
      topics: [
        { name: "fresh", numPartitions: 1, replicationFactor: 1 },
        { name: "fresh", numPartitions: 1, replicationFactor: 1 },
        { name: "other", numPartitions: 1, replicationFactor: 1 },
      ],
      timeoutMs: 5000,
      validateOnly: true,
    },
    "internal": created({ name: "__cluster_metadata" }),
    "collides": created({ name: "dotted_name" }),
    "assigned": ({ nodeId }) =>
      created({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [nodeId] }],
      }),
    "assigned to nobody": created({
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds: [77] }],
    }),
    "assigned with a gap": ({ nodeId }) =>
      created({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 1, brokerIds: [nodeId] }],
      }),
    "assigned twice": ({ nodeId }) =>
      created({
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [nodeId, nodeId] }],
      }),
    "assigned and counted": ({ nodeId }) =>
      created({ assignments: [{ partitionIndex: 0, brokerIds: [nodeId] }] }),
    "assigned to none": created({
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds: [] }],
    }),
    "none": { topics: [], timeoutMs: 1000 },
  }),
  ...some(CREATE_TOPICS, {
    "defaults": created({ numPartitions: -1, replicationFactor: -1 }),
  }, { from: 4 }),
  ...some(DELETE_TOPICS, {
    "unknown": { topicNames: ["absent"], timeoutMs: 1000 },
    "twice": { topicNames: ["absent", "absent"], timeoutMs: 1000 },
    "none": { topicNames: [], timeoutMs: 1000 },
  }, { to: 5 }),
  ...some(DELETE_TOPICS, {
    "unknown": { topics: [{ name: "absent" }], timeoutMs: 1000 },
    "unknown id": { topics: [{ name: null, topicId: UNKNOWN_ID }], timeoutMs: 1000 },
    "neither": { topics: [{ name: null }], timeoutMs: 1000 },
    "both": { topics: [{ name: "absent", topicId: UNKNOWN_ID }], timeoutMs: 1000 },
    "twice": { topics: [{ name: "absent" }, { name: "absent" }], timeoutMs: 1000 },
  }, { from: 6 }),
  ...some(DELETE_RECORDS, {
    "to 0": deleted(TOPIC, 0, 0),
    "beyond": deleted(TOPIC, 0, 99),
    "below": deleted(TOPIC, 0, -2),
    "bad partition": deleted(TOPIC, 99, 1),
    "unknown": deleted("absent", 0, 1),
    "none": { timeoutMs: 1000 },
  }),
  ...some(INIT_PRODUCER_ID, {
    "empty id": { transactionalId: "", transactionTimeoutMs: 1000 },
    "no timeout": { transactionalId: "t0", transactionTimeoutMs: 0 },
    "long timeout": { transactionalId: "t0", transactionTimeoutMs: 99_999_999 },
  }),
  ...some(INIT_PRODUCER_ID, {
    "unknown id and epoch": {
      transactionalId: "t1",
      transactionTimeoutMs: 1000,
      producerId: 5,
      producerEpoch: 2,
    },
    "id without epoch": {
      transactionalId: "t1",
      transactionTimeoutMs: 1000,
      producerId: 5,
      producerEpoch: -1,
    },
  }, { from: 3 }),
  ...some(OFFSET_FOR_LEADER_EPOCH, {
    "0": epochAsked(0, {}),
    "99": epochAsked(99, {}),
    "-1": epochAsked(-1, {}),
    "newer": epochAsked(0, { currentLeaderEpoch: 99 }),
    "bad partition": epochAsked(0, { partition: 99 }),
    "unknown": { replicaId: -2, topics: [{ topic: "absent", partitions: [{ partition: 0 }] }] },
  }),
  ...some(ADD_PARTITIONS_TO_TXN, {
    "nobody's": addedTo([{ name: TOPIC, partitions: [0] }]),
    "unknown topic": addedTo([{ name: "absent", partitions: [0] }]),
    "both": addedTo([{ name: TOPIC, partitions: [0] }, { name: "absent", partitions: [0] }]),
    "none": addedTo([]),
    "empty id": addedTo([{ name: TOPIC, partitions: [0] }], ""),
  }, { to: 3 }),
  ...some(ADD_OFFSETS_TO_TXN, {
    "nobody's": inTransaction({ groupId: "g" }),
    "empty id": inTransaction({ transactionalId: "", groupId: "g" }),
    "empty group": inTransaction({ groupId: "" }),
  }),
  ...some(END_TXN, {
    "nobody's": inTransaction({ committed: true }),
    "empty id": inTransaction({ transactionalId: "", committed: true }),
  }),
  ...some(TXN_OFFSET_COMMIT, {
    "nobody's, unknown topic": {
      ...inTransaction({ groupId: "g" }),
      topics: [{ name: "absent", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    },
    "empty group": {
      ...inTransaction({ groupId: "" }),
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    },
    "nobody's": {
      ...inTransaction({ groupId: "g" }),
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    },
  }),
  ...some(TXN_OFFSET_COMMIT, {
    "a generation of nobody": {
      ...inTransaction({ groupId: "g", generationId: 4, memberId: "m" }),
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    },
  }, { from: 3 }),
  ...some(DESCRIBE_CONFIGS, {
    "retention": configsAsked({ configurationKeys: ["retention.ms"] }),
    "no such key": configsAsked({ configurationKeys: ["no.such"] }),
    "unknown topic": configsAsked({ resourceName: "absent" }),
    "invalid topic": configsAsked({ resourceName: "a b" }),
    "empty topic": configsAsked({ resourceName: "" }),
    "unknown broker": configsAsked({ resourceType: 4, resourceName: "77" }),
    "no broker": configsAsked({ resourceType: 4, resourceName: "x" }),
    "type 99": configsAsked({ resourceType: 99 }),
    "type 0": configsAsked({ resourceType: 0 }),
    "none": { resources: [] },
    "group": configsAsked({ resourceType: 32, resourceName: "none", configurationKeys: [] }),
    "a group's session": configsAsked({
      resourceType: 32,
      resourceName: "none",
      configurationKeys: ["consumer.session.timeout.ms"],
    }),
    "nameless group": configsAsked({ resourceType: 32, resourceName: "" }),
    "topic": configsAsked({ configurationKeys: null }),
    "no keys": configsAsked({ configurationKeys: [] }),
  }),
  ...some(ALTER_CONFIGS, {
    "fine": altered({}, [{ name: "retention.ms", value: "5" }]),
    "unknown key": altered({}, [{ name: "no.such", value: "5" }]),
    "bad value": altered({}, [{ name: "retention.ms", value: "x" }]),
    "null value": altered({}, [{ name: "retention.ms", value: null }]),
    "unknown topic": altered({ resourceName: "absent" }, [{ name: "retention.ms", value: "5" }]),
    "unknown broker": altered({ resourceType: 4, resourceName: "77" }, []),
    "type 99": altered({ resourceType: 99 }, []),
  }),
  ...some(INCREMENTAL_ALTER_CONFIGS, {
    "fine": altered({}, [{ name: "retention.ms", configOperation: 0, value: "5" }]),
    "unknown key": altered({}, [{ name: "no.such", configOperation: 0, value: "5" }]),
    "bad value": altered({}, [{ name: "retention.ms", configOperation: 0, value: "x" }]),
    "null value": altered({}, [{ name: "retention.ms", configOperation: 0, value: null }]),
    "removed": altered({}, [{ name: "retention.ms", configOperation: 1, value: null }]),
    "append to no list": altered({}, [{ name: "retention.ms", configOperation: 2, value: "5" }]),
    "append": altered({}, [{ name: "cleanup.policy", configOperation: 2, value: "compact" }]),
    "operation 9": altered({}, [{ name: "retention.ms", configOperation: 9, value: "5" }]),
    "unknown topic": altered({ resourceName: "absent" }, [
      { name: "retention.ms", configOperation: 0, value: "5" },
    ]),
    "unknown broker": altered({ resourceType: 4, resourceName: "77" }, []),
    "no broker": altered({ resourceType: 4, resourceName: "x" }, []),
    "type 99": altered({ resourceType: 99 }, []),
    "same key twice": altered({}, [
      { name: "retention.ms", configOperation: 0, value: "5" },
      { name: "retention.ms", configOperation: 0, value: "6" },
    ]),
    "group": altered({ resourceType: 32, resourceName: "g" }, [
      { name: "consumer.session.timeout.ms", configOperation: 0, value: "x" },
    ]),
    "group, out of bounds": altered({ resourceType: 32, resourceName: "g" }, [
      { name: "consumer.session.timeout.ms", configOperation: 0, value: "1" },
    ]),
    "group, unknown key": altered({ resourceType: 32, resourceName: "g" }, [
      { name: "retention.ms", configOperation: 0, value: "1" },
    ]),
    "nameless group": altered({ resourceType: 32, resourceName: "" }, []),
    "same resource twice": {
      resources: [
        { resourceType: 2, resourceName: TOPIC, configs: [] },
        { resourceType: 2, resourceName: TOPIC, configs: [] },
      ],
      validateOnly: true,
    },
  }),
  ...some(DESCRIBE_LOG_DIRS, {
    "partition": { topics: [{ topic: TOPIC, partitions: [0] }] },
    "unknown": { topics: [{ topic: "absent", partitions: [0] }] },
    "none": { topics: [] },
  }),
  ...some(CREATE_PARTITIONS, {
    "more": grown({ count: 3 }),
    "same": grown({ count: 2 }),
    "fewer": grown({ count: 1 }),
    "negative": grown({ count: -1 }),
    "unknown": grown({ name: "absent", count: 3 }),
    "assigned to nobody": grown({ count: 3, assignments: [{ brokerIds: [77] }] }),
    "too few assigned": ({ nodeId }) => grown({ count: 4, assignments: [{ brokerIds: [nodeId] }] }),
    "twice": {
      topics: [
        { name: TOPIC, count: 3, assignments: null },
        { name: TOPIC, count: 4, assignments: null },
      ],
      timeoutMs: 1000,
      validateOnly: true,
    },
  }),
  ...some(DELETE_GROUPS, {
    "unknown": { groupsNames: ["none"] },
    "empty": { groupsNames: [""] },
    "none": { groupsNames: [] },
    "twice": { groupsNames: ["none", "none"] },
  }),
  ...some(ELECT_LEADERS, {
    "not needed": { topicPartitions: [{ topic: TOPIC, partitions: [0] }], timeoutMs: 1000 },
    "unknown": { topicPartitions: [{ topic: "absent", partitions: [0] }], timeoutMs: 1000 },
    "bad partition": { topicPartitions: [{ topic: TOPIC, partitions: [99] }], timeoutMs: 1000 },
    "all": { topicPartitions: null, timeoutMs: 1000 },
    "none": { topicPartitions: [], timeoutMs: 1000 },
  }),
  ...some(ELECT_LEADERS, {
    "unclean": {
      electionType: 1,
      topicPartitions: [{ topic: TOPIC, partitions: [0] }],
      timeoutMs: 1000,
    },
    "type 7": {
      electionType: 7,
      topicPartitions: [{ topic: TOPIC, partitions: [0] }],
      timeoutMs: 1000,
    },
  }, { from: 1 }),
  ...some(ALTER_PARTITION_REASSIGNMENTS, {
    "unknown": reassigned("absent", 0, [1]),
    "bad partition": reassigned(TOPIC, 99, [1]),
    "to nobody": reassigned(TOPIC, 0, [77]),
    "to none": reassigned(TOPIC, 0, []),
    "twice": ({ nodeId }) => reassigned(TOPIC, 0, [nodeId, nodeId]),
    "cancelled": reassigned(TOPIC, 0, null),
    "the same": ({ nodeId }) => reassigned(TOPIC, 0, [nodeId]),
    "nothing": { timeoutMs: 1000, topics: [] },
  }),
  ...some(LIST_PARTITION_REASSIGNMENTS, {
    "all": { timeoutMs: 1000, topics: null },
    "unknown": { timeoutMs: 1000, topics: [{ name: "absent", partitionIndexes: [0] }] },
  }),
  ...some(OFFSET_DELETE, {
    "unknown group": {
      groupId: "none",
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
    },
    "empty group": { groupId: "", topics: [] },
  }),
  ...some(DESCRIBE_CLIENT_QUOTAS, {
    "all": { components: [], strict: false },
    "strict": { components: [], strict: true },
    "unknown type": { components: [{ entityType: "moon", matchType: 2, match: null }] },
    "match type 9": { components: [{ entityType: "user", matchType: 9, match: null }] },
    "exact null": { components: [{ entityType: "user", matchType: 0, match: null }] },
    "empty type": { components: [{ entityType: "", matchType: 2, match: null }] },
    "twice": {
      components: [
        { entityType: "user", matchType: 2, match: null },
        { entityType: "user", matchType: 2, match: null },
      ],
    },
  }),
  ...some(ALTER_CLIENT_QUOTAS, {
    "unknown key": quotaAltered({ key: "no_such", value: 5 }),
    "fine": quotaAltered({ key: "producer_byte_rate", value: 5 }),
    "zero": quotaAltered({ key: "producer_byte_rate", value: 0 }),
    "half": quotaAltered({ key: "producer_byte_rate", value: 0.5 }),
    "negative": quotaAltered({ key: "producer_byte_rate", value: -5 }),
    "unknown entity": quotaAltered({ key: "producer_byte_rate", value: 5 }, [
      { entityType: "moon", entityName: "x" },
    ]),
    "no entity": quotaAltered({ key: "producer_byte_rate", value: 5 }, []),
    "empty name": quotaAltered({ key: "producer_byte_rate", value: 5 }, [
      { entityType: "user", entityName: "" },
    ]),
    "user and ip": quotaAltered({ key: "producer_byte_rate", value: 5 }, [
      { entityType: "user", entityName: "a" },
      { entityType: "ip", entityName: "127.0.0.1" },
    ]),
  }),
  ...some(DESCRIBE_QUORUM, {
    "metadata": {
      topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
    },
    "other": { topics: [{ topicName: TOPIC, partitions: [{ partitionIndex: 0 }] }] },
    "none": { topics: [] },
  }),
  ...some(DESCRIBE_CLUSTER, {
    "plain": {},
    "may do what": { includeClusterAuthorizedOperations: true },
  }),
  ...some(DESCRIBE_CLUSTER, {
    "of controllers": { endpointType: 2 },
    "type 9": { endpointType: 9 },
  }, { from: 1 }),
  ...some(DESCRIBE_PRODUCERS, {
    "none there": { topics: [{ name: TOPIC, partitionIndexes: [0, 99] }] },
    "unknown": { topics: [{ name: "absent", partitionIndexes: [0] }] },
    "invalid": { topics: [{ name: "a b", partitionIndexes: [0] }] },
  }),
  ...some(DESCRIBE_TRANSACTIONS, {
    "unknown": { transactionalIds: ["none"] },
    "empty": { transactionalIds: [""] },
    "none": { transactionalIds: [] },
  }),
  ...some(LIST_CONFIG_RESOURCES, { "client metrics": {} }, { to: 0 }),
  ...some(LIST_CONFIG_RESOURCES, {
    "groups": { resourceTypes: [32] },
    "brokers": { resourceTypes: [4, 8] },
    "type 99": { resourceTypes: [99] },
  }, { from: 1 }),
  ...some(LIST_TRANSACTIONS, {
    "all": {},
    "unknown state": { stateFilters: ["Nonsense", "Ongoing"] },
    "an id": { producerIdFilters: [12345] },
  }),
  ...some(CONSUMER_GROUP_HEARTBEAT, {
    "unknown member": beaten({ memberEpoch: 5 }),
    "empty group": beaten({ groupId: "" }),
    "no topics": beaten({ subscribedTopicNames: null }),
    "no rebalance timeout": beaten({ rebalanceTimeoutMs: -1 }),
    "epoch -7": beaten({ memberEpoch: -7 }),
    "unknown assignor": beaten({ serverAssignor: "none" }),
    "owned when joining": beaten({ topicPartitions: [{ topicId: UNKNOWN_ID, partitions: [0] }] }),
    "empty instance": beaten({ instanceId: "" }),
    "empty rack": beaten({ rackId: "" }),
    "leaves": beaten({ memberEpoch: -1 }),
    "static leaves": beaten({ memberEpoch: -2, instanceId: "i" }),
    "static leaves without instance": beaten({ memberEpoch: -2 }),
  }),
  ...some(CONSUMER_GROUP_HEARTBEAT, {
    "no member id": beaten({ memberId: "" }),
    "bad regex": beaten({ subscribedTopicNames: null, subscribedTopicRegex: "[" }),
  }, { from: 1 }),
  ...some(CONSUMER_GROUP_DESCRIBE, {
    "unknown": { groupIds: ["none"] },
    "empty": { groupIds: [""] },
    "none": { groupIds: [] },
    "twice": { groupIds: ["none", "none"] },
    "may do what": { groupIds: ["none"], includeAuthorizedOperations: true },
  }),
  ...some(DESCRIBE_TOPIC_PARTITIONS, {
    "plain": { topics: [{ name: TOPIC }], responsePartitionLimit: 10 },
    "one": { topics: [{ name: TOPIC }], responsePartitionLimit: 1 },
    "zero": { topics: [{ name: TOPIC }], responsePartitionLimit: 0 },
    "unknown": { topics: [{ name: "absent" }], responsePartitionLimit: 10 },
    "invalid": { topics: [{ name: "a b" }], responsePartitionLimit: 10 },
    "from a cursor": {
      topics: [{ name: TOPIC }],
      responsePartitionLimit: 10,
      cursor: { topicName: TOPIC, partitionIndex: 1 },
    },
    "bad cursor": {
      topics: [{ name: TOPIC }],
      responsePartitionLimit: 10,
      cursor: { topicName: TOPIC, partitionIndex: -1 },
    },
  }),
];

function deleted(name: string, partitionIndex: number, offset: number) {
  return { topics: [{ name, partitions: [{ partitionIndex, offset }] }], timeoutMs: 1000 };
}

function epochAsked(leaderEpoch: number, more: object) {
  const partitions = [{ partition: 0, leaderEpoch, ...more }];
  return { replicaId: -2, topics: [{ topic: TOPIC, partitions }] };
}

function addedTo(
  v3AndBelowTopics: readonly { readonly name: string; readonly partitions: readonly number[] }[],
  v3AndBelowTransactionalId = "none",
) {
  return { v3AndBelowTransactionalId, v3AndBelowProducerId: 7, v3AndBelowTopics };
}

function configsAsked(resource: object) {
  return { resources: [{ resourceType: 2, resourceName: TOPIC, ...resource }] };
}

function grown(topic: object) {
  return {
    topics: [{ name: TOPIC, assignments: null, ...topic }],
    timeoutMs: 1000,
    validateOnly: true,
  };
}

function reassigned(name: string, partitionIndex: number, replicas: readonly number[] | null) {
  return { timeoutMs: 1000, topics: [{ name, partitions: [{ partitionIndex, replicas }] }] };
}

function quotaAltered(
  op: { readonly key: string; readonly value: number },
  entity: readonly { readonly entityType: string; readonly entityName: string }[] = [
    { entityType: "client-id", entityName: "c" },
  ],
) {
  return { entries: [{ entity, ops: [op] }], validateOnly: true };
}
