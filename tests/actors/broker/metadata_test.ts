import { assertEquals } from "@std/assert";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { DESCRIBE_CLUSTER } from "../../../net/messages/describe_cluster.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { batchOf, BrokerWorld, NODE, PORT } from "./broker_world.ts";

Deno.test("metadata: says who leads what, and where the broker is", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders", 2);
  const response = world.ask(client, METADATA, { topics: [{ name: "orders" }] });
  assertEquals(response.clusterId, world.booted.clusterId);
  assertEquals(response.controllerId, 1);
  assertEquals(response.brokers, [{ nodeId: 1, host: NODE, port: PORT, rack: null }]);
  const [topic] = response.topics;
  assertEquals([topic!.errorCode, topic!.name, topic!.topicId], [0, "orders", topicId]);
  const partitions = topic!.partitions.map((
    { partitionIndex, leaderId, isrNodes, replicaNodes },
  ) => [partitionIndex, leaderId, isrNodes, replicaNodes]);
  assertEquals(partitions, [[0, 1, [1], [1]], [1, 1, [1], [1]]]);
});

Deno.test("metadata: null topics are all, none are none, and in version 0 none are all", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "a");
  world.createTopic(client, "b");
  const count = (topics: { name: string }[] | null, version?: number) =>
    world.ask(client, METADATA, { topics }, version).topics.length;
  assertEquals([count(null), count([]), count([], 1), count([], 0)], [2, 0, 0, 2]);
});

Deno.test("metadata: a topic that is asked for twice is told of once", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders");
  const topics = ["orders", "others", "orders"].map((name) => ({ name }));
  const byName = world.ask(client, METADATA, { topics, allowAutoTopicCreation: false });
  assertEquals(byName.topics.map(({ name }) => name), ["orders", "others"]);
  const ids = [topicId, topicId].map((topicId) => ({ topicId, name: null }));
  assertEquals(world.ask(client, METADATA, { topics: ids }).topics.length, 1);
});

Deno.test("metadata: a topic is asked for by its id from version 12 on", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders");
  const ask = (version: number) =>
    world.ask(client, METADATA, { topics: [{ topicId, name: null }] }, version).topics
      .map(({ name, errorCode }) => [name, errorCode]);
  assertEquals(ask(12), [["orders", 0]]);
  for (const version of [10, 11]) assertEquals(ask(version), [["", ErrorCode.INVALID_REQUEST]]);
});

Deno.test("metadata: every version answers", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  for (let version = METADATA.versions.min; version <= METADATA.versions.max; version++) {
    const { topics } = world.ask(client, METADATA, { topics: [{ name: "orders" }] }, version);
    assertEquals(topics[0]!.partitions.length, 1, `version ${version}`);
  }
});

Deno.test("metadata: a topic that is asked for is made, where all allow it", () => {
  const world = BrokerWorld.serving({ properties: { "num.partitions": "3" } });
  const client = world.client();
  const ask = (name: string, allowAutoTopicCreation: boolean) =>
    world.ask(client, METADATA, { topics: [{ name }], allowAutoTopicCreation }).topics[0]!;
  assertEquals(ask("orders", false).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const { errorCode, partitions } = ask("orders", true);
  assertEquals([errorCode, partitions.length], [0, 3]);
  assertEquals(world.produce(client, "orders", batchOf(["a"])).errorCode, 0);
  assertEquals(ask("a/b", true).errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION);
  world.stop();
  world.start({ "auto.create.topics.enable": "false" });
  const again = world.client();
  const { topics } = world.ask(again, METADATA, { topics: [{ name: "others" }] });
  assertEquals(topics[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

Deno.test("metadata: many who ask for a new topic at once all get it", () => {
  const world = BrokerWorld.serving();
  const clients = [world.client(), world.client(), world.client()];
  const pending = clients.map((client) => client.begin(METADATA, { topics: [{ name: "orders" }] }));
  for (const one of pending) {
    const { errorCode, partitions } = world.settled(one).topics[0]!;
    assertEquals([errorCode, partitions.length], [0, 1]);
  }
});

Deno.test("metadata: by id, known and unknown", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "orders");
  const other = "AAAAAAAAAAAAAAAAAAAABQ";
  const draft = { topics: [{ topicId, name: null }, { topicId: other, name: null }] };
  const { topics } = world.ask(client, METADATA, draft);
  assertEquals(topics.map(({ name, errorCode }) => [name, errorCode]), [
    ["orders", 0],
    [null, ErrorCode.UNKNOWN_TOPIC_ID],
  ]);
});

Deno.test("describe cluster: the broker, the controller and the cluster's id", () => {
  const world = BrokerWorld.serving();
  const response = world.ask(world.client(), DESCRIBE_CLUSTER, {});
  assertEquals(response.clusterId, world.booted.clusterId);
  assertEquals([response.errorCode, response.controllerId], [0, 1]);
  const node = { brokerId: 1, host: NODE, port: PORT, rack: null, isFenced: false };
  assertEquals(response.brokers, [node]);
});

Deno.test("api versions: lists what is served, as the handshake does", () => {
  const world = BrokerWorld.serving();
  const { apiKeys } = world.ask(world.client(), API_VERSIONS, {});
  const shaken = world.settled(world.connect().handshake());
  assertEquals(keysOf(apiKeys), keysOf(shaken.apiKeys));
});

function keysOf(apiKeys: readonly { readonly apiKey: number }[]): number[] {
  return apiKeys.map(({ apiKey }) => apiKey).sort((a, b) => a - b);
}
