/**
 * What producers, consumers and members of groups ask.
 *
 * A case leaves the brokers as it found them, so that each version meets the same state: the topic
 * `plain` of two partitions with three records in the first, and no groups, no transactions.
 *
 * @module
 */

import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../net/messages/leave_group.ts";
import { LIST_GROUPS } from "../../../net/messages/list_groups.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { SYNC_GROUP } from "../../../net/messages/sync_group.ts";
import { type Case, type Ground, some, TOPIC, UNKNOWN_ID } from "./case.ts";

const listed = (timestamp: number, more = {}, isolationLevel = 0) => ({
  replicaId: -1,
  isolationLevel,
  topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp, ...more }] }],
});

const fetched = (partition: object, more: object = {}, topic: object = {}) => (ground: Ground) => ({
  maxWaitMs: 1,
  minBytes: 0,
  maxBytes: 1_000_000,
  sessionId: 0,
  sessionEpoch: -1,
  topics: [{
    topic: TOPIC,
    topicId: ground.topicId,
    partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100_000, ...partition }],
    ...topic,
  }],
  ...more,
});

const committed = (more: object = {}, partition: object = {}, topic: object = {}) => ({
  groupId: "none",
  generationIdOrMemberEpoch: 1,
  memberId: "nobody",
  topics: [{
    name: TOPIC,
    partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "", ...partition }],
    ...topic,
  }],
  ...more,
});

const joined = (more: object = {}) => ({
  groupId: "none",
  sessionTimeoutMs: 6000,
  rebalanceTimeoutMs: 6000,
  memberId: "nobody",
  protocolType: "consumer",
  protocols: [{ name: "range", metadata: new Uint8Array() }],
  ...more,
});

export const RECORD_CASES: readonly Case[] = [
  ...some(PRODUCE, {
    "no topics": { acks: 1, timeoutMs: 1000 },
    "bad acks": { acks: 5, timeoutMs: 1000, topicData: [producedTo()] },
    "no records": { acks: 1, timeoutMs: 1000, topicData: [producedTo({ records: null })] },
    "unknown topic": { acks: 1, timeoutMs: 1000, topicData: [{ ...producedTo(), name: "absent" }] },
    "bad partition": { acks: 1, timeoutMs: 1000, topicData: [producedTo({ index: 99 })] },
    "garbage": { acks: 1, timeoutMs: 1000, topicData: [producedTo()] },
    "transactional id of nobody": {
      transactionalId: "none",
      acks: -1,
      timeoutMs: 1000,
      topicData: [producedTo()],
    },
  }, { from: 3 }),
  ...some(FETCH, {
    "from 0": fetched({}),
    "read committed": fetched({}, { isolationLevel: 1 }),
    "at the end": fetched({ fetchOffset: 3 }),
    "beyond the end": fetched({ fetchOffset: 99 }),
    "below 0": fetched({ fetchOffset: -1 }),
    "bad partition": fetched({ partition: 99 }),
    "negative partition": fetched({ partition: -1 }),
    "newer epoch": fetched({ currentLeaderEpoch: 99 }),
    "fetched epoch": fetched({ lastFetchedEpoch: 99 }),
    "unknown topic": fetched({}, {}, { topic: "absent", topicId: UNKNOWN_ID }),
    "unknown session": fetched({}, { sessionId: 12345, sessionEpoch: 1 }),
    "no session, epoch 5": fetched({}, { sessionId: 0, sessionEpoch: 5 }),
    "new session": fetched({}, { sessionId: 0, sessionEpoch: 0 }),
    "no topics": { maxWaitMs: 1, minBytes: 0, maxBytes: 1000, sessionEpoch: -1 },
    "max bytes 0": fetched({ partitionMaxBytes: 0 }),
  }),
  ...some(LIST_OFFSETS, {
    "latest": listed(-1),
    "latest committed": listed(-1, {}, 1),
    "earliest": listed(-2),
    "max timestamp": listed(-3),
    "earliest local": listed(-4),
    "latest tiered": listed(-5),
    "-6": listed(-6),
    "-7": listed(-7),
    "0": listed(0),
    "1002": listed(1002),
    "far": listed(99_999_999_999_999),
    "newer epoch": listed(-1, { currentLeaderEpoch: 99 }),
    "bad partition": listed(-1, { partitionIndex: 99 }),
    "negative partition": listed(-1, { partitionIndex: -1 }),
    "unknown topic": {
      replicaId: -1,
      topics: [{ name: "absent", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    },
    "twice": {
      replicaId: -1,
      topics: [{
        name: TOPIC,
        partitions: [{ partitionIndex: 0, timestamp: -1 }, { partitionIndex: 0, timestamp: -2 }],
      }],
    },
    "no topics": { replicaId: -1 },
    "debugging replica": { ...listed(-1), replicaId: -2 },
  }),
  ...some(METADATA, {
    "plain": { topics: [{ name: TOPIC }] },
    "unknown": { topics: [{ name: "absent" }], allowAutoTopicCreation: false },
    "invalid": { topics: [{ name: "a b" }], allowAutoTopicCreation: false },
    "invalid, created": { topics: [{ name: "a b" }], allowAutoTopicCreation: true },
    "empty name": { topics: [{ name: "" }], allowAutoTopicCreation: false },
    "twice": { topics: [{ name: TOPIC }, { name: TOPIC }] },
  }),
  ...some(METADATA, {
    "no topics": { topics: [] },
    "may do what": {
      topics: [{ name: TOPIC }],
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    },
  }, { from: 1 }),
  ...some(METADATA, { "unknown id": { topics: [{ name: null, topicId: UNKNOWN_ID }] } }, {
    from: 10,
  }),
  ...some(OFFSET_COMMIT, {
    "member of nobody": committed(),
    "empty group": committed({ groupId: "" }),
    "generation of nobody": committed({ memberId: "" }),
    "simple, unknown topic": committed(
      { generationIdOrMemberEpoch: -1, memberId: "" },
      {},
      { name: "absent" },
    ),
    "simple, bad partition": committed(
      { generationIdOrMemberEpoch: -1, memberId: "" },
      { partitionIndex: 99 },
    ),
    "simple, long metadata": committed(
      { generationIdOrMemberEpoch: -1, memberId: "" },
      { committedMetadata: "x".repeat(5000) },
    ),
    "no topics": committed({ topics: [] }),
  }),
  ...some(OFFSET_FETCH, {
    "unknown group": { groupId: "none", topics: [{ name: TOPIC, partitionIndexes: [0, 99] }] },
    "empty group": { groupId: "", topics: [{ name: TOPIC, partitionIndexes: [0] }] },
    "unknown topic": { groupId: "none", topics: [{ name: "absent", partitionIndexes: [0] }] },
    "no topics": { groupId: "none", topics: [] },
  }, { to: 7 }),
  ...some(OFFSET_FETCH, { "all": { groupId: "none", topics: null } }, { from: 2, to: 7 }),
  ...some(OFFSET_FETCH, {
    "groups": {
      groups: [
        { groupId: "none", topics: [{ name: TOPIC, partitionIndexes: [0, 99] }] },
        { groupId: "other", topics: null },
        { groupId: "", topics: null },
      ],
    },
    "no groups": { groups: [] },
    "member of nobody": {
      groups: [{ groupId: "none", topics: null }],
      requireStable: true,
    },
  }, { from: 8 }),
  ...some(OFFSET_FETCH, {
    "epoch of nobody": {
      groups: [{ groupId: "none", memberId: "m", memberEpoch: 3, topics: null }],
    },
  }, { from: 9 }),
  ...some(FIND_COORDINATOR, { "group": { key: "g" }, "empty": { key: "" } }, { to: 3 }),
  ...some(FIND_COORDINATOR, { "type 9": { key: "g", keyType: 9 } }, { from: 1, to: 3 }),
  ...some(FIND_COORDINATOR, {
    "groups": { keyType: 0, coordinatorKeys: ["g", "", "h", "g"] },
    "transactions": { keyType: 1, coordinatorKeys: ["t", ""] },
    "type 9": { keyType: 9, coordinatorKeys: ["t"] },
    "share": { keyType: 2, coordinatorKeys: ["t"] },
    "none": { coordinatorKeys: [] },
  }, { from: 4 }),
  ...some(JOIN_GROUP, {
    "unknown member": joined(),
    "empty group": joined({ groupId: "" }),
    "short session": joined({ sessionTimeoutMs: 1, memberId: "" }),
    "long session": joined({ sessionTimeoutMs: 99_999_999, memberId: "" }),
    "no protocols": joined({ protocols: [], memberId: "" }),
    "no protocol type": joined({ protocolType: "", memberId: "" }),
  }),
  ...some(JOIN_GROUP, { "needs a member id": joined({ memberId: "" }) }, { from: 4 }),
  ...some(HEARTBEAT, {
    "nobody": { groupId: "none", generationId: 1, memberId: "m" },
    "empty group": { groupId: "", generationId: 1, memberId: "m" },
  }),
  ...some(LEAVE_GROUP, {
    "nobody": { groupId: "none", memberId: "m" },
    "empty group": { groupId: "", memberId: "m" },
  }, { to: 2 }),
  ...some(LEAVE_GROUP, {
    "nobody": { groupId: "none", members: [{ memberId: "m" }, { memberId: "n" }] },
    "no members": { groupId: "none", members: [] },
    "empty group": { groupId: "", members: [{ memberId: "m" }] },
  }, { from: 3 }),
  ...some(SYNC_GROUP, {
    "nobody": { groupId: "none", generationId: 1, memberId: "m" },
    "empty group": { groupId: "", generationId: 1, memberId: "m" },
  }, { to: 4 }),
  ...some(SYNC_GROUP, {
    "nobody": {
      groupId: "none",
      generationId: 1,
      memberId: "m",
      protocolType: "consumer",
      protocolName: "range",
    },
    "no protocol": { groupId: "none", generationId: 1, memberId: "m" },
  }, { from: 5 }),
  ...some(DESCRIBE_GROUPS, {
    "unknown": { groups: ["none"] },
    "none": { groups: [] },
    "empty": { groups: [""] },
    "twice": { groups: ["none", "none"] },
  }),
  ...some(DESCRIBE_GROUPS, {
    "may do what": { groups: ["none"], includeAuthorizedOperations: true },
  }, { from: 3 }),
  ...some(LIST_GROUPS, { "states": { statesFilter: ["Stable"] } }, { from: 4 }),
  ...some(LIST_GROUPS, { "unknown states": { statesFilter: ["Nonsense"] } }, { from: 4 }),
  ...some(LIST_GROUPS, { "types": { typesFilter: ["nonsense"] } }, { from: 5 }),
];

function producedTo(more: object = {}) {
  const partition = { index: 0, records: new Uint8Array(70), ...more };
  return { name: TOPIC, partitionData: [partition] };
}
