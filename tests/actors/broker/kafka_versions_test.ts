/**
 * Which versions are advertised, and who stops working where a bound moves; and that each version
 * says what it always said, over Kafka's protocol.
 */

import { assert, assertEquals } from "@std/assert";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../net/messages/leave_group.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { SYNC_GROUP } from "../../../net/messages/sync_group.ts";
import { APIS } from "../../../net/messages/table.ts";
import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { versionsOf } from "../../net/arbitraries.ts";
import { clientFrames } from "../../net/kafka/client_frames.ts";
import { batchOf, BrokerWorld, NODE } from "./broker_world.ts";
import type { KafkaTestClient } from "./kafka_test_client.ts";

/**
 * Versions that somebody sends whatever is advertised, or cannot do without, by name of the API.
 */
const NEEDED: readonly (readonly [api: string, versions: readonly number[], who: string])[] = [
  ["ApiVersions", [0], "Java before it has authenticated, kafka-python 2.0.2"],
  ["ApiVersions", [2], "kafkajs"],
  ["ApiVersions", [3], "platformatic, without a way back"],
  ["Metadata", [0, 1], "kafka-python 2.0.2"],
  ["Metadata", [10, 12], "topic ids: Fetch from 13 on; platformatic"],
  ["Produce", [0], "librdkafka to 2.11.0: without it nothing is compressed"],
  ["Produce", [3, 7], "librdkafka's message format 2 and zstd"],
  ["Produce", [9, 11], "platformatic"],
  ["Fetch", [4], "kafka-python 2.0.2; librdkafka's message format 2"],
  ["Fetch", [10], "librdkafka's zstd"],
  ["Fetch", [15, 17], "platformatic 1"],
  ["ListOffsets", [1, 2, 3, 8, 9], "kafka-python 2.0.2, librdkafka 2.0.2, kafkajs, platformatic 1"],
  ["InitProducerId", [0, 1, 3], "librdkafka's feature, kafkajs, platformatic"],
  ["OffsetForLeaderEpoch", [2, 3], "librdkafka from 2.1 on, Java"],
  ["FindCoordinator", [0], "kafka-python 2.0.2; librdkafka's lz4"],
  ["FindCoordinator", [4], "platformatic"],
  ["JoinGroup", [0, 2, 5, 9], "librdkafka's GSSAPI, kafka-python 2.0.2, kafkajs, platformatic 1"],
  ["SyncGroup", [0, 1, 3, 5], "librdkafka, kafka-python 2.0.2, kafkajs, platformatic 1"],
  ["Heartbeat", [0, 1, 3, 4], "librdkafka, kafka-python 2.0.2, kafkajs, platformatic"],
  ["LeaveGroup", [0, 1, 3, 5], "librdkafka, kafka-python 2.0.2, kafkajs, platformatic 1"],
  ["OffsetCommit", [2, 5, 7, 8, 9], "kafka-python 2.0.2, kafkajs, librdkafka, platformatic"],
  ["OffsetFetch", [1, 4, 7, 8, 9], "kafka-python 2.0.2, kafkajs, librdkafka, platformatic"],
  ["DescribeGroups", [0, 5], "librdkafka's old listing of groups, platformatic"],
  ["ListGroups", [0, 4, 5], "librdkafka's old listing of groups, platformatic"],
  ["DeleteGroups", [1, 2], "librdkafka, platformatic"],
  ["OffsetDelete", [0], "all"],
  ["CreateTopics", [3, 4, 7], "kafkajs, librdkafka, platformatic"],
  ["DeleteTopics", [1, 6], "kafkajs and librdkafka, platformatic"],
  ["CreatePartitions", [0, 1, 3], "librdkafka, kafkajs, platformatic 1"],
  ["DescribeConfigs", [1, 2, 4], "librdkafka, kafkajs, platformatic 1"],
  ["AlterConfigs", [0, 1, 2], "librdkafka 2.0, kafkajs, platformatic"],
  ["IncrementalAlterConfigs", [1], "Java 4, platformatic"],
  ["DeleteRecords", [1, 2], "kafkajs and librdkafka, platformatic"],
  ["AddPartitionsToTxn", [0, 1, 3], "librdkafka, kafkajs, all others"],
  ["AddOffsetsToTxn", [0, 1], "librdkafka, kafkajs"],
  ["EndTxn", [1, 3, 5], "librdkafka and kafkajs, platformatic, KIP-890"],
  ["TxnOffsetCommit", [1, 3, 5], "kafkajs, librdkafka and Java, KIP-890"],
  ["AlterPartitionReassignments", [0], "kafkajs"],
  ["ListPartitionReassignments", [0], "kafkajs"],
  ["DescribeClientQuotas", [0], "platformatic"],
  ["AlterClientQuotas", [1], "platformatic"],
  ["ConsumerGroupHeartbeat", [1], "librdkafka"],
  ["ConsumerGroupDescribe", [0], "librdkafka"],
];

/** What makes clients do what they better would not, where it is there. */
const NOT_ADVERTISED: readonly (readonly [api: string | number, from: number, why: string])[] = [
  ["AddPartitionsToTxn", 4, "that is for brokers among themselves"],
  ["Fetch", 18, "it is not implemented"],
  [71, 0, "with telemetry Java and librdkafka push metrics by default"],
  [72, 0, "with telemetry Java and librdkafka push metrics by default"],
];

const serving = () => BrokerWorld.serving({ kafka: true });

type Ask = <Request, Response>(
  api: Api<Request, Response>,
  draft: Draft<Request>,
  version: number,
) => Response;

function asking(world: BrokerWorld, client: KafkaTestClient = world.kafkaClient()): Ask {
  return (api, draft, version) => world.settled(client.begin(api, draft, version));
}

Deno.test("kafka versions: what clients cannot do without is advertised, and no more", () => {
  const world = serving();
  const { apiKeys } = asking(world)(API_VERSIONS, {}, 4);
  const rangeOf = (api: string | number) => {
    const key = typeof api === "number" ? api : APIS.find(({ name }) => name === api)?.key;
    return apiKeys.find(({ apiKey }) => apiKey === key);
  };
  for (const [api, versions, who] of NEEDED) {
    const range = rangeOf(api);
    for (const version of versions) {
      const isThere = range !== undefined && range.minVersion <= version &&
        version <= range.maxVersion;
      assert(isThere, `${api} ${version} is not advertised: ${who}`);
    }
  }
  for (const [api, from, why] of NOT_ADVERTISED) {
    assert((rangeOf(api)?.maxVersion ?? -1) < from, `${api} ${from} is advertised: ${why}`);
  }
});

Deno.test("kafka versions: whatever a client was recorded to send is answered", () => {
  const world = serving();
  for (const { client: name, api, version, bytes } of clientFrames("request")) {
    const client = world.kafkaClient();
    client.raw(bytes);
    const isUnanswered = () => client.unexpected.length === 0;
    world.simulation.run({
      forMs: 120_000,
      until: () => !isUnanswered() || client.ended.isSettled,
    });
    // With acks=0 nothing is said, unless it is by the end of the connection.
    const isSilent = api.key === PRODUCE.key && isUnanswered();
    assert(!isUnanswered() || isSilent, `${name}: ${api.name} ${version}: ${world.logged.at(-1)}`);
    client.close(true);
  }
  world.pass(100);
  world.assertNothingHeld();
});

Deno.test("kafka versions: the oldest form of ApiVersions is there, again and again, in any order", () => {
  const world = serving();
  const ask = asking(world);
  ask(METADATA, { topics: [] }, 1);
  const oldest = ask(API_VERSIONS, {}, 0);
  for (const version of [4, 0, 3, 2, 1]) {
    const odd = { clientSoftwareName: "-?- ", clientSoftwareVersion: "v 1/2" };
    const { errorCode, apiKeys } = ask(API_VERSIONS, version >= 3 ? odd : {}, version);
    assertEquals([errorCode, apiKeys], [0, oldest.apiKeys], `version ${version}`);
  }
});

Deno.test("kafka versions: a coordinator is found where Kafka's clients reach it, by any version", () => {
  const world = serving();
  const ask = asking(world);
  for (const version of versionsOf(FIND_COORDINATOR.request)) {
    for (const keyType of version === 0 ? [0] : [0, 1]) {
      const keys = version < 4 ? { key: "g" } : { coordinatorKeys: ["g", "h"] };
      const found = ask(FIND_COORDINATOR, { ...keys, keyType }, version);
      const all = version < 4 ? [found] : found.coordinators;
      assertEquals(all.length, version < 4 ? 1 : 2);
      for (const { errorCode, nodeId, host, port } of all) {
        assertEquals([errorCode, nodeId, host, port], [0, 1, NODE, 9092], `version ${version}`);
      }
    }
  }
});

Deno.test("kafka versions: a full fetch has each partition that was asked for, once", () => {
  const world = serving();
  const ask = asking(world);
  const topicId = created(ask, "t", 3);
  for (const version of versionsOf(FETCH.request)) {
    for (const sessionEpoch of version < 7 ? [-1] : [-1, 0]) {
      const { responses } = ask(FETCH, {
        maxWaitMs: 0,
        maxBytes: 1 << 20,
        sessionEpoch,
        topics: [{
          ...version >= 13 ? { topicId } : { topic: "t" },
          partitions: [2, 0, 1].map((partition) => ({ partition, partitionMaxBytes: 1 << 20 })),
        }],
      }, version);
      const partitions = responses.flatMap((topic) =>
        topic.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])
      );
      assertEquals(partitions.sort(), [[0, 0], [1, 0], [2, 0]], `version ${version}`);
    }
  }
});

Deno.test("kafka versions: a batch comes back as it was sent but for its offset and epoch", () => {
  const world = serving();
  const ask = asking(world);
  const topicId = created(ask, "t");
  const sent = batchOf(["a", "b"], { compression: "gzip" });
  // Not idempotent, whatever the epoch and the sequence say: as kafkajs sends it.
  const odd = batchOf(["a"], { producerId: -1, producerEpoch: 0, baseSequence: 0 });
  let baseOffset = 0;
  for (const version of [3, 7, 9, 11, 12]) {
    for (const records of [sent, odd, odd]) {
      const { responses } = ask(PRODUCE, {
        acks: -1,
        timeoutMs: 1000,
        topicData: [{ name: "t", partitionData: [{ index: 0, records }] }],
      }, version);
      const [produced] = responses[0]!.partitionResponses;
      assertEquals([produced?.errorCode, produced?.baseOffset], [0, baseOffset]);
      const { responses: fetched } = ask(FETCH, {
        maxBytes: 1 << 20,
        topics: [{
          topicId,
          partitions: [{ partition: 0, fetchOffset: baseOffset, partitionMaxBytes: 1 << 20 }],
        }],
      }, 17);
      const got = fetched[0]!.partitions[0]!.records!;
      assertEquals(got.subarray(16), records.subarray(16));
      assertEquals(got.subarray(8, 12), records.subarray(8, 12));
      baseOffset += records === sent ? 2 : 1;
    }
  }
});

Deno.test("kafka versions: an unknown group is dead, and from version 6 on an error", () => {
  const world = serving();
  const ask = asking(world);
  ask(FIND_COORDINATOR, { key: "g" }, 0);
  for (const version of versionsOf(DESCRIBE_GROUPS.request)) {
    const { groups: [group] } = ask(DESCRIBE_GROUPS, { groups: ["none"] }, version);
    assertEquals([group?.groupState, group?.errorCode], ["Dead", version < 6 ? 0 : 69]);
  }
});

Deno.test("kafka versions: offsets are committed and found, and none is -1 without an error", () => {
  const world = serving();
  const ask = asking(world);
  created(ask, "t", 2);
  ask(FIND_COORDINATOR, { key: "g" }, 0);
  for (const version of versionsOf(OFFSET_COMMIT.request)) {
    const { topics } = ask(OFFSET_COMMIT, {
      groupId: "g",
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: version }] }],
    }, version);
    assertEquals(topics[0]?.partitions[0]?.errorCode, 0, `OffsetCommit ${version}`);
  }
  for (const version of versionsOf(OFFSET_FETCH.request)) {
    for (const all of version < 2 ? [false] : [false, true]) {
      const topics = all ? null : [{ name: "t", partitionIndexes: [0, 1] }];
      const draft = version < 8 ? { groupId: "g", topics } : { groups: [{ groupId: "g", topics }] };
      const response = ask(OFFSET_FETCH, draft, version);
      const group = version < 8 ? response : response.groups[0]!;
      assertEquals(group.errorCode, 0);
      const found = group.topics.flatMap(({ partitions }) =>
        partitions.map((it) => [it.partitionIndex, it.committedOffset, it.metadata, it.errorCode])
      );
      const due = [[0, 9, "", 0], [1, -1, "", 0]];
      assertEquals(found, all ? due.slice(0, 1) : due, `OffsetFetch ${version}`);
    }
  }
});

Deno.test("kafka versions: a member joins, syncs and leaves in the words of each version", () => {
  const world = serving();
  const ask = asking(world);
  for (const version of versionsOf(JOIN_GROUP.request)) {
    const groupId = `g${version}`;
    ask(FIND_COORDINATOR, { key: groupId }, 0);
    const join = (memberId: string) =>
      ask(JOIN_GROUP, {
        groupId,
        memberId,
        sessionTimeoutMs: 10_000,
        ...version === 0 ? {} : { rebalanceTimeoutMs: 10_000 },
        protocolType: "consumer",
        protocols: [{ name: "range", metadata: new Uint8Array(3) }],
      }, version);
    let joined = join("");
    while (joined.errorCode === 14 || joined.errorCode === 79) {
      if (joined.errorCode === 79) assert(version >= 4 && joined.memberId !== "");
      world.pass(10);
      joined = join(joined.errorCode === 79 ? joined.memberId : "");
    }
    const { memberId, generationId, leader, members } = joined;
    assertEquals(
      [joined.errorCode, generationId, leader],
      [0, 1, memberId],
      `JoinGroup ${version}`,
    );
    assertEquals(members.map((member) => member.memberId), [memberId]);
    const syncVersion = Math.min(version, SYNC_GROUP.request.versions.max);
    const synced = ask(SYNC_GROUP, {
      groupId,
      memberId,
      generationId,
      protocolType: "consumer",
      protocolName: "range",
      assignments: [{ memberId, assignment: new Uint8Array([7]) }],
    }, syncVersion);
    assertEquals([synced.errorCode, synced.assignment], [0, new Uint8Array([7])]);
    if (syncVersion >= 5) {
      assertEquals([synced.protocolType, synced.protocolName], ["consumer", "range"]);
    }
    const leaveVersion = Math.min(version, LEAVE_GROUP.request.versions.max);
    const leaver = leaveVersion < 3 ? { memberId } : { members: [{ memberId }, { memberId: "x" }] };
    const left = ask(LEAVE_GROUP, { groupId, ...leaver }, leaveVersion);
    assertEquals(
      [left.errorCode, left.members.map(({ errorCode }) => errorCode)],
      [0, leaveVersion < 3 ? [] : [0, 25]],
      `LeaveGroup ${leaveVersion}`,
    );
  }
});

Deno.test("kafka versions: ListOffsets knows what each version may ask for", () => {
  const world = serving();
  const ask = asking(world);
  created(ask, "t");
  ask(PRODUCE, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: "t", partitionData: [{ index: 0, records: batchOf(["a", "b"]) }] }],
  }, 9);
  for (const version of versionsOf(LIST_OFFSETS.request)) {
    const offsetOf = (timestamp: number) => {
      const { topics } = ask(LIST_OFFSETS, {
        replicaId: -1,
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }],
      }, version);
      const [found] = topics[0]!.partitions;
      return [found?.errorCode, found?.offset, found?.timestamp];
    };
    assertEquals(offsetOf(-1), [0, 2, -1], `version ${version}: latest`);
    assertEquals(offsetOf(-2), [0, 0, -1], `version ${version}: earliest`);
    assertEquals(offsetOf(1_000_000), [0, 0, 1_000_000], `version ${version}: by time`);
    assertEquals(offsetOf(1_000_001), [0, -1, -1], `version ${version}: past the last`);
  }
});

Deno.test("kafka versions: topics are made by -1 and deleted, in every version", () => {
  const world = serving();
  const ask = asking(world);
  const deletions = versionsOf(DELETE_TOPICS.request);
  for (const version of versionsOf(CREATE_TOPICS.request)) {
    const { topics: [made] } = ask(CREATE_TOPICS, {
      timeoutMs: 1000,
      topics: [{ name: `t${version}`, numPartitions: -1, replicationFactor: -1 }],
    }, version);
    assertEquals(made?.errorCode, 0, `CreateTopics ${version}`);
    if (version >= 5) assertEquals([made?.numPartitions, made?.replicationFactor], [1, 1]);
    const deletion = deletions[Math.min(version - 2, deletions.length - 1)]!;
    const { responses } = ask(DELETE_TOPICS, {
      timeoutMs: 1000,
      ...deletion < 6 ? { topicNames: [`t${version}`] } : { topics: [{ name: `t${version}` }] },
    }, deletion);
    assertEquals(responses.map(({ errorCode }) => errorCode), [0], `DeleteTopics ${deletion}`);
  }
});

function created(ask: Ask, name: string, numPartitions = 1): string {
  const topics = [{ name, numPartitions, replicationFactor: 1 }];
  return ask(CREATE_TOPICS, { timeoutMs: 1000, topics }, 7).topics[0]!.topicId;
}
