/** What Kafka's clients rely on besides the bytes of messages. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readInt16, readInt32, writeInt16 } from "../../../storage/bytes/big_endian.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_CLUSTER } from "../../../net/messages/describe_cluster.ts";
import { DESCRIBE_QUORUM } from "../../../net/messages/describe_quorum.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../../../net/messages/describe_topic_partitions.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { UNREGISTER_BROKER } from "../../../net/messages/unregister_broker.ts";
import { UPDATE_FEATURES } from "../../../net/messages/update_features.ts";
import { batchOf, BrokerWorld, type BrokerWorldOptions, NODE, valuesIn } from "./broker_world.ts";
import { kafkaFrame, type KafkaTestClient } from "./kafka_test_client.ts";

const NO_ADVICE = "API_VERSIONS advises no version";

function serving(options: BrokerWorldOptions = {}): BrokerWorld {
  return BrokerWorld.serving({ ...options, kafka: true });
}

function createTopic(
  world: BrokerWorld,
  client: KafkaTestClient,
  name: string,
  configs: Readonly<Record<string, string>> = {},
): void {
  const { topics } = world.settled(client.begin(CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{
      name,
      numPartitions: -1,
      replicationFactor: -1,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }],
  }));
  assertEquals(topics[0]?.errorMessage, null);
}

function produce(
  client: KafkaTestClient,
  topic: string,
  values: readonly string[],
  { acks = -1, version = 9 } = {},
) {
  return client.begin(
    PRODUCE,
    {
      acks,
      timeoutMs: 1000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf(values) }] }],
    },
    version,
    { answered: acks !== 0 },
  );
}

function fetch(client: KafkaTestClient, topic: string, fetchOffset = 0, maxWaitMs = 0) {
  return client.begin(FETCH, {
    minBytes: 1,
    maxBytes: 1 << 20,
    maxWaitMs,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] }],
  }, 11);
}

Deno.test("kafka session: an unknown version of ApiVersions is answered in the oldest form", () => {
  const world = serving();
  const client = world.kafkaClient();
  for (const version of [5, 77]) {
    const frame = kafkaFrame(API_VERSIONS, {}, 3, { correlationId: 42, clientId: "new" });
    writeInt16(frame, 6, version);
    client.raw(frame);
  }
  world.until(() => client.unexpected.length === 2, "answers come");
  for (const answer of client.unexpected) {
    assertEquals(readInt32(answer, 0), 42);
    assertEquals(readInt16(answer, 4), 35);
    assertEquals(readInt32(answer, 6), 1, NO_ADVICE);
    assertEquals([10, 12, 14].map((at) => readInt16(answer, at)), [18, 0, 4], NO_ADVICE);
    assertEquals(answer.length, 16);
  }
  const { errorCode } = world.settled(client.begin(API_VERSIONS, {}, 3));
  assertEquals(errorCode, 0, "it may go on");
});

Deno.test("kafka session: what is advertised is served, and nothing of the cluster's own", () => {
  const world = serving();
  const client = world.kafkaClient();
  const { apiKeys } = world.settled(client.begin(API_VERSIONS, {}, 4));
  const ranges = new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
    apiKey,
    [minVersion, maxVersion],
  ]));
  assertEquals(ranges.get(PRODUCE.key)?.[0], 0, "librdkafka compresses only so");
  assertEquals(ranges.get(FETCH.key)?.[0], 4);
  assertEquals(ranges.get(FIND_COORDINATOR.key)?.[0], 0);
  for (const key of [52, 53, 54, 56, 58, 59, 62, 63, 64, 67, 71, 72, 80, 81, 82]) {
    assertEquals(ranges.get(key), undefined, `API ${key}`);
  }
  assert(apiKeys.every(({ apiKey }) => apiKey < 100));
});

Deno.test("kafka session: the quorum is described, and an unknown feature refused", () => {
  const world = serving();
  const client = world.kafkaClient();
  const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }];
  const quorum = world.settled(client.begin(DESCRIBE_QUORUM, { topics }));
  assertEquals(quorum.errorCode, ErrorCode.NONE);
  assertEquals(quorum.topics[0]?.partitions[0]?.errorCode, ErrorCode.NONE);
  const featureUpdates = [{ feature: "no.such", maxVersionLevel: 1 }];
  const { errorCode } = world.settled(client.begin(UPDATE_FEATURES, { featureUpdates }));
  assertEquals(errorCode, ErrorCode.INVALID_UPDATE_VERSION, "it is asked of the controller");
});

Deno.test("kafka session: a broker's listener says that it is none of controllers", () => {
  const world = serving();
  const client = world.kafkaClient();
  const codes = [1, 2, 9].map((endpointType) =>
    world.settled(client.begin(DESCRIBE_CLUSTER, { endpointType })).errorCode
  );
  const { NONE, MISMATCHED_ENDPOINT_TYPE, UNSUPPORTED_ENDPOINT_TYPE } = ErrorCode;
  assertEquals(codes, [NONE, MISMATCHED_ENDPOINT_TYPE, UNSUPPORTED_ENDPOINT_TYPE]);
});

Deno.test("kafka session: a name that no topic can have is told from one that may yet come", () => {
  const world = serving();
  const client = world.kafkaClient();
  const topics = ["absent", "a b", ".."].map((name) => ({ name }));
  const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION } = ErrorCode;
  const codes = [UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_TOPIC_EXCEPTION];
  const request = { topics, allowAutoTopicCreation: false };
  const found = world.settled(client.begin(METADATA, request, 12));
  assertEquals(found.topics.map(({ errorCode }) => errorCode), codes);
  const described = world.settled(client.begin(DESCRIBE_TOPIC_PARTITIONS, { topics }));
  const byName = new Map(described.topics.map(({ name, errorCode }) => [name, errorCode]));
  assertEquals(topics.map(({ name }) => byName.get(name)), codes);
});

Deno.test("kafka session: an offset of a partition that is not there is not committed", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "orders");
  const partitions = [99, 0].map((partitionIndex) => ({ partitionIndex, committedOffset: 1 }));
  const request = {
    groupId: "simple",
    generationIdOrMemberEpoch: -1,
    topics: [{ name: "orders", partitions }],
  };
  world.settled(client.begin(FIND_COORDINATOR, { key: "simple" }, 1));
  world.pass(1000);
  const { topics } = world.settled(client.begin(OFFSET_COMMIT, request, 8));
  assertEquals(topics[0]?.partitions, [
    { partitionIndex: 99, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
    { partitionIndex: 0, errorCode: ErrorCode.NONE },
  ]);
});

Deno.test("kafka session: an API or version that is not served ends the connection, loudly", () => {
  for (const [api, version] of [[UNREGISTER_BROKER, 0], [METADATA, 13], [PRODUCE, 2]] as const) {
    const world = serving();
    const client = world.kafkaClient();
    const frame = kafkaFrame(METADATA, { topics: [] }, 5);
    writeInt16(frame, 4, api.key);
    writeInt16(frame, 6, version);
    client.raw(frame);
    world.until(() => client.ended.isSettled, "the connection ends");
    world.pass(10);
    const [line] = world.linesWith("connection closed");
    assertStringIncludes(line ?? "", `version ${version} of `);
    assertStringIncludes(line ?? "", "not served");
    world.assertNothingHeld();
  }
});

Deno.test("kafka session: replies come in order, though a long poll is the first", () => {
  const world = serving();
  const [client, other] = [world.kafkaClient(), world.kafkaClient()];
  createTopic(world, client, "t");
  const begun = world.simulation.nowMs;
  const poll = fetch(client, "t", 0, 5000);
  const offsets = client.begin(LIST_OFFSETS, {
    replicaId: -1,
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  });
  const metadata = client.begin(METADATA, { topics: [] });
  world.pass(100);
  assertEquals([poll, offsets, metadata].map(({ isSettled }) => isSettled), [false, false, false]);
  world.settled(produce(other, "t", ["wakes it"]));
  const answer = world.settled(poll);
  assertEquals(valuesIn(answer.responses[0]!.partitions[0]!.records), ["wakes it"]);
  assertEquals(world.settled(offsets).topics[0]!.partitions[0]!.offset, 0, "it was asked before");
  assertEquals(world.settled(metadata).topics, []);
  assert(world.simulation.nowMs - begun < 1000);
});

Deno.test("kafka session: a long poll does not keep a produce of its connection from happening", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "t");
  const poll = fetch(client, "t", 0, 60_000);
  const sent = produce(client, "t", ["for myself"]);
  const found = world.settled(poll).responses[0]!.partitions[0]!.records;
  assertEquals(valuesIn(found), ["for myself"]);
  assertEquals(world.settled(sent).responses[0]!.partitionResponses[0]!.baseOffset, 0);
});

Deno.test("kafka session: what changes the cluster is done before what comes behind it begins", () => {
  const world = serving({ properties: { "auto.create.topics.enable": "false" } });
  const client = world.kafkaClient();
  const topics = [{ name: "t", numPartitions: 1, replicationFactor: 1 }];
  void client.begin(CREATE_TOPICS, { timeoutMs: 1000, topics });
  const sent = produce(client, "t", ["at once"]);
  void client.begin(DELETE_TOPICS, { topics: [{ name: "t" }], timeoutMs: 1000 });
  const described = client.begin(METADATA, { topics: [{ name: "t" }] });
  assertEquals(world.settled(sent).responses[0]!.partitionResponses[0]!.errorCode, 0);
  assertEquals(world.settled(described).topics[0]!.errorCode, 3);
});

Deno.test("kafka session: acks=0 has no reply, and what fails of it ends the connection", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "t");
  produce(client, "t", ["a"], { acks: 0 });
  produce(client, "t", ["b"], { acks: 0 });
  const found = world.settled(fetch(client, "t", 0, 1000));
  assertEquals(valuesIn(found.responses[0]!.partitions[0]!.records), ["a", "b"]);
  produce(client, "gone", ["c"], { acks: 0 });
  world.until(() => client.ended.isSettled, "the connection ends");
});

Deno.test("kafka session: addresses are those of the listener that the request came in by", () => {
  const world = serving();
  const client = world.kafkaClient();
  const { brokers, controllerId } = world.settled(client.begin(METADATA, { topics: [] }));
  assertEquals(brokers.map(({ host, port }) => `${host}:${port}`), [`${NODE}:9092`]);
  assertEquals(controllerId, brokers[0]!.nodeId);
  const native = world.ask(world.client(), METADATA, { topics: [] });
  assertEquals(native.brokers.map(({ port }) => port), [9192]);
});

Deno.test("kafka session: a topic that is asked for is there, with a leader, in the same answer", () => {
  const world = serving();
  const client = world.kafkaClient();
  const topics = [{ name: "made" }];
  const { topics: [made] } = world.settled(client.begin(METADATA, { topics }, 4));
  assertEquals([made?.errorCode, made?.partitions.map(({ leaderId }) => leaderId)], [0, [1]]);
  const refused = { topics: [{ name: "other" }], allowAutoTopicCreation: false };
  assertEquals(world.settled(client.begin(METADATA, refused, 4)).topics[0]?.errorCode, 3);
  const all = world.settled(client.begin(METADATA, { topics: [] }, 0));
  assertEquals(all.topics.map(({ name }) => name), ["made"], "version 0: an empty list is all");
});

Deno.test("kafka session: a fetch that finds nothing has empty records, not null ones", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "t");
  const { responses } = world.settled(fetch(client, "t"));
  assertEquals(responses[0]!.partitions[0]!.records?.length, 0);
  const beyond = world.settled(fetch(client, "t", 7)).responses[0]!.partitions[0]!;
  assertEquals([beyond.errorCode, beyond.records?.length], [1, 0]);
});

Deno.test("kafka session: connections are counted by the software that clients say they are", () => {
  const world = serving();
  const client = world.kafkaClient();
  const software = { clientSoftwareName: "apache-kafka-java", clientSoftwareVersion: "4.1.0" };
  world.settled(client.begin(API_VERSIONS, software, 3));
  const strange = world.kafkaClient();
  const forged = { clientSoftwareName: "a=b\nc", clientSoftwareVersion: "1" };
  assertEquals(world.settled(strange.begin(API_VERSIONS, forged, 3)).errorCode, 0);
  const connections = () =>
    world.node.environment!.metrics.read()
      .filter(({ name }) => name === "connections")
      .map(({ labels, value }) => [labels["clientSoftwareName"], value]);
  assertEquals(connections(), [["apache-kafka-java", 1], ["unknown", 1]]);
  client.close();
  strange.close();
  world.pass(100);
  assertEquals(connections().map(([, value]) => value), [0, 0]);
});

Deno.test("kafka session: zstd is not taken in versions before it, and given where producers sent it", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "t");
  createTopic(world, client, "stored", { "compression.type": "zstd" });
  const send = (topic: string, compression: "zstd" | "gzip", version: number) => {
    const records = batchOf([compression], { compression });
    const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
    const answer = world.settled(
      client.begin(PRODUCE, { acks: -1, timeoutMs: 1000, topicData }, version),
    );
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };
  assertEquals([send("t", "zstd", 6), send("t", "gzip", 6), send("t", "zstd", 7)], [76, 0, 0]);
  assertEquals(send("stored", "gzip", 6), 0);
  const read = (topic: string, version: number) => {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const answer = world.settled(
      client.begin(FETCH, { maxBytes: 1 << 20, topics: [{ topic, partitions }] }, version),
    );
    const { errorCode, records } = answer.responses[0]!.partitions[0]!;
    return [errorCode, valuesIn(records)];
  };
  // As kafka-python 2.0.2 reads it.
  assertEquals(read("t", 4), [0, ["gzip", "zstd"]]);
  assertEquals(read("stored", 9), [76, []]);
  assertEquals(read("stored", 10), [0, ["gzip"]]);
});

Deno.test("kafka session: records in the formats before Kafka 0.11 are refused", () => {
  const world = serving();
  const client = world.kafkaClient();
  createTopic(world, client, "t");
  for (const magic of [0, 1]) {
    // Offset, size, checksum, magic, attributes, and whatever follows.
    const records = new Uint8Array(80);
    records[11] = 68;
    records[16] = magic;
    const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }];
    const answer = world.settled(
      client.begin(PRODUCE, { acks: -1, timeoutMs: 1000, topicData }, 3),
    );
    assertEquals(answer.responses[0]!.partitionResponses[0]!.errorCode, 43);
  }
});
