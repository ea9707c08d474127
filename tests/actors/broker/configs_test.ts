import { assertEquals, assertStringIncludes } from "@std/assert";
import { ALTER_CONFIGS } from "../../../net/messages/alter_configs.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_CONFIGS } from "../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { batchOf, beginProduce, BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

const TOPIC = 2, BROKER = 4, SET = 0, DELETE = 1;

function withTopic(configs = {}, properties = {}): [BrokerWorld, TestClient] {
  const world = BrokerWorld.serving({ properties });
  const client = world.client();
  world.createTopic(client, "orders", 1, configs);
  return [world, client];
}

function alter(
  world: BrokerWorld,
  client: TestClient,
  resourceType: number,
  resourceName: string,
  name: string,
  value: string | null,
) {
  const configOperation = value === null ? DELETE : SET;
  const { responses } = world.ask(client, INCREMENTAL_ALTER_CONFIGS, {
    resources: [{ resourceType, resourceName, configs: [{ name, configOperation, value }] }],
  });
  return responses[0]!;
}

function valueOf(world: BrokerWorld, client: TestClient, topic: string, key: string) {
  const { results } = world.ask(client, DESCRIBE_CONFIGS, {
    resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: [key] }],
  });
  return results[0]!.configs[0]?.value;
}

Deno.test("configs: a topic's, altered live, count from the next request on", () => {
  const [world, client] = withTopic();
  const big = batchOf(["x".repeat(3000)]);
  assertEquals(world.produce(client, "orders", big).errorCode, 0);
  const { errorCode } = alter(world, client, TOPIC, "orders", "max.message.bytes", "2000");
  assertEquals(errorCode, 0);
  assertEquals(valueOf(world, client, "orders", "max.message.bytes"), "2000");
  assertEquals(world.produce(client, "orders", big).errorCode, ErrorCode.MESSAGE_TOO_LARGE);
  alter(world, client, TOPIC, "orders", "max.message.bytes", null);
  assertEquals(world.produce(client, "orders", big).errorCode, 0);
});

Deno.test("configs: flush.before.ack switched on live holds for what comes then", () => {
  const [world, client] = withTopic();
  world.produce(client, "orders", batchOf(["a"]));
  alter(world, client, TOPIC, "orders", "flush.before.ack", "true");
  world.node.disk.slowSyncs(5000);
  beginProduce(client, "orders", batchOf(["b"]));
  world.pass(10);
  assertEquals(world.listOffset(client, "orders", -1).offset, 1);
  world.pass(11_000);
  assertEquals(world.listOffset(client, "orders", -1).offset, 2);
});

Deno.test("configs: last over a crash", () => {
  const [world, client] = withTopic({ "segment.bytes": "2048" });
  alter(world, client, TOPIC, "orders", "retention.ms", "777");
  world.crash(true);
  world.start();
  const again = world.client();
  assertEquals(valueOf(world, again, "orders", "retention.ms"), "777");
  assertEquals(valueOf(world, again, "orders", "segment.bytes"), "2048");
});

Deno.test("configs: those of a deleted topic do not come back with its name", () => {
  const [world, client] = withTopic({ "retention.ms": "777" });
  assertEquals(valueOf(world, client, "orders", "retention.ms"), "777");
  world.ask(client, DELETE_TOPICS, { topics: [{ name: "orders" }], timeoutMs: 1000 });
  world.createTopic(client, "orders");
  assertEquals(valueOf(world, client, "orders", "retention.ms"), "604800000");
});

Deno.test("configs: what is unknown or malformed is refused by name, and nothing changes", () => {
  const [world, client] = withTopic();
  const unknown = alter(world, client, TOPIC, "orders", "retention.mss", "1");
  assertEquals(unknown.errorCode, ErrorCode.INVALID_CONFIG);
  assertStringIncludes(unknown.errorMessage!, "retention.mss");
  const malformed = alter(world, client, TOPIC, "orders", "retention.ms", "soon");
  assertEquals(malformed.errorCode, ErrorCode.INVALID_CONFIG);
  const nobody = alter(world, client, TOPIC, "none", "retention.ms", "1");
  assertEquals(nobody.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(valueOf(world, client, "orders", "retention.ms"), "604800000");
});

Deno.test("configs: AlterConfigs puts what it does not name back to its default", () => {
  const [world, client] = withTopic({ "retention.ms": "777", "segment.bytes": "2048" });
  const { responses } = world.ask(client, ALTER_CONFIGS, {
    resources: [{
      resourceType: TOPIC,
      resourceName: "orders",
      configs: [{ name: "retention.ms", value: "5" }],
    }],
  });
  assertEquals(responses[0]!.errorCode, 0);
  assertEquals(valueOf(world, client, "orders", "retention.ms"), "5");
  assertEquals(valueOf(world, client, "orders", "segment.bytes"), "1073741824");
});

Deno.test("configs: a broker default set live reaches the topics that do not set it", () => {
  const [world, client] = withTopic();
  world.createTopic(client, "own", 1, { "max.message.bytes": "1000000" });
  const big = batchOf(["x".repeat(3000)]);
  assertEquals(alter(world, client, BROKER, "", "message.max.bytes", "2000").errorCode, 0);
  assertEquals(world.produce(client, "orders", big).errorCode, ErrorCode.MESSAGE_TOO_LARGE);
  assertEquals(world.produce(client, "own", big).errorCode, 0);
  // This broker's own comes before that of all brokers.
  assertEquals(alter(world, client, BROKER, "1", "message.max.bytes", "9000").errorCode, 0);
  assertEquals(world.produce(client, "orders", big).errorCode, 0);
  assertEquals(alter(world, client, BROKER, "1", "message.max.bytes", null).errorCode, 0);
  world.stop();
  world.start();
  const again = world.client();
  assertEquals(world.produce(again, "orders", big).errorCode, ErrorCode.MESSAGE_TOO_LARGE);
});

Deno.test("configs: max.connections set live refuses the next client, with a line", () => {
  const [world, client] = withTopic();
  assertEquals(alter(world, client, BROKER, "", "max.connections", "1").errorCode, 0);
  const second = world.connect();
  world.until(() => second.ended.isSettled, "the second client is refused");
  assertEquals(world.linesWith("connection refused").length, 1);
  assertEquals(alter(world, client, BROKER, "", "max.connections", null).errorCode, 0);
  assertEquals(world.settled(world.connect().handshake()).errorCode, 0);
});

Deno.test("configs: a broker's that cannot change live is refused", () => {
  const [world, client] = withTopic();
  const { errorCode, errorMessage } = alter(world, client, BROKER, "", "num.partitions", "7");
  assertEquals(errorCode, ErrorCode.INVALID_CONFIG);
  assertStringIncludes(errorMessage!, "num.partitions");
});
