import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { batchOf, beginProduce, BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

function serving(): [BrokerWorld, TestClient] {
  const world = BrokerWorld.serving();
  return [world, world.client()];
}

/** The folders of a topic's partitions, and of those on their way out. */
function folders(world: BrokerWorld, topic: string): string[] {
  return world.disk.list("").map(({ name }) => name).filter((name) => name.startsWith(topic));
}

function remove(world: BrokerWorld, client: TestClient, name: string): number {
  const { responses } = world.ask(client, DELETE_TOPICS, { topics: [{ name }], timeoutMs: 1000 });
  return responses[0]!.errorCode;
}

Deno.test("create topics: the answer says what was made, and it can be used at once", () => {
  const [world, client] = serving();
  const { topics } = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{
      name: "orders",
      numPartitions: 3,
      replicationFactor: -1,
      configs: [{ name: "retention.ms", value: "5000" }],
    }],
  });
  const { errorCode, numPartitions, replicationFactor, configs, topicId } = topics[0]!;
  assertEquals([errorCode, numPartitions, replicationFactor], [0, 3, 1]);
  const told = new Map(
    configs?.map(({ name, value, configSource }) => [name, [value, configSource]]),
  );
  assertEquals(told.get("retention.ms"), ["5000", 1]);
  assertEquals(told.get("segment.bytes"), ["1073741824", 5]);
  assertEquals(topicId.length, 22);
  const produced = world.produce(client, "orders", batchOf(["a"]), { partition: 2 });
  assertEquals(produced.errorCode, 0);
  assertEquals(folders(world, "orders"), ["orders-0", "orders-1", "orders-2"]);
});

Deno.test("create topics: each by itself; one that exists or is malformed is refused", () => {
  const [world, client] = serving();
  world.createTopic(client, "orders");
  const topic = (name: string, numPartitions = 1) => ({
    name,
    numPartitions,
    replicationFactor: 1,
  });
  const { topics } = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [topic("orders"), topic("a/b"), topic("none", 0), topic("good")],
  });
  assertEquals(topics.map(({ errorCode }) => errorCode), [
    ErrorCode.TOPIC_ALREADY_EXISTS,
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    ErrorCode.INVALID_PARTITIONS,
    0,
  ]);
  assertStringIncludes(topics[1]!.errorMessage!, "a/b");
});

Deno.test("create topics: validate only makes nothing", () => {
  const [world, client] = serving();
  const { topics } = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    validateOnly: true,
    topics: [{ name: "orders", numPartitions: 1, replicationFactor: 1 }],
  });
  assertEquals(topics[0]!.errorCode, 0);
  assertEquals(folders(world, "orders"), []);
  assertEquals(world.createTopic(client, "orders").length, 22);
});

Deno.test("create topics: two in a row of one name see each other, also on two connections", () => {
  const [world, client] = serving();
  const draft = {
    timeoutMs: 1000,
    topics: [{ name: "orders", numPartitions: 1, replicationFactor: 1 }],
  };
  const pending = [client, client, world.client()].map((one) => one.begin(CREATE_TOPICS, draft));
  const codes = pending.map((one) => world.settled(one).topics[0]!.errorCode);
  assertEquals(codes.sort((a, b) => a - b), [
    0,
    ErrorCode.TOPIC_ALREADY_EXISTS,
    ErrorCode.TOPIC_ALREADY_EXISTS,
  ]);
});

Deno.test("delete topics: the records and folders go, and the name is unknown", () => {
  const [world, client] = serving();
  world.createTopic(client, "orders", 2);
  world.produce(client, "orders", batchOf(["a"]));
  assertEquals(remove(world, client, "orders"), 0);
  world.pass(100);
  assertEquals(folders(world, "orders"), []);
  const { errorCode } = world.produce(client, "orders", batchOf(["b"]));
  assertEquals(errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(remove(world, client, "orders"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

Deno.test("delete topics: by id, and by names up to version 5", () => {
  const [world, client] = serving();
  const topicId = world.createTopic(client, "orders");
  world.createTopic(client, "others");
  const byId = world.ask(client, DELETE_TOPICS, { topics: [{ topicId }], timeoutMs: 1000 });
  assertEquals(byId.responses.map(({ name, errorCode }) => [name, errorCode]), [["orders", 0]]);
  const draft = { topicNames: ["others", "none"], timeoutMs: 1000 };
  const byName = world.ask(client, DELETE_TOPICS, draft, 5);
  assertEquals(byName.responses.map(({ name, errorCode }) => [name, errorCode]), [
    ["others", 0],
    ["none", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
  world.pass(100);
  assertEquals(folders(world, "o"), []);
});

Deno.test("delete topics: where deletion is disabled nothing goes", () => {
  const world = BrokerWorld.serving({ properties: { "delete.topic.enable": "false" } });
  const client = world.client();
  world.createTopic(client, "orders");
  assertEquals(remove(world, client, "orders"), ErrorCode.TOPIC_DELETION_DISABLED);
  assertEquals(folders(world, "orders"), ["orders-0"]);
});

Deno.test("topics: one made anew under an old name is empty and has another id", () => {
  const [world, client] = serving();
  const ids = new Set<string>();
  for (let round = 0; round < 5; round++) {
    ids.add(world.createTopic(client, "orders", 2));
    assertEquals(world.produce(client, "orders", batchOf([`r${round}`])).baseOffset, 0);
    assertEquals(world.values(client, "orders"), [`r${round}`]);
    if (round < 4) assertEquals(remove(world, client, "orders"), 0);
  }
  assertEquals(ids.size, 5);
  world.pass(100);
  assertEquals(folders(world, "orders"), ["orders-0", "orders-1"]);
  world.stop();
  world.start();
  assertEquals(world.values(world.client(), "orders"), ["r4"]);
});

Deno.test("topics: deleted and made anew in one breath, with appends under way", () => {
  const [world, client] = serving();
  world.createTopic(client, "orders");
  beginProduce(client, "orders", batchOf(["old"]));
  client.begin(DELETE_TOPICS, { topics: [{ name: "orders" }], timeoutMs: 1000 });
  const again = client.begin(CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{ name: "orders", numPartitions: 1, replicationFactor: 1 }],
  });
  assertEquals(world.settled(again).topics[0]!.errorCode, 0);
  world.pass(100);
  assertEquals(world.produce(client, "orders", batchOf(["new"])).errorCode, 0);
  assertEquals(world.values(client, "orders"), ["new"]);
});

for (const powerLoss of [false, true]) {
  const how = powerLoss ? "power cut" : "crash";
  Deno.test(`topics: folders of deleted topics are gone after a ${how} at any step`, () => {
    let crashedWithFolders = 0;
    for (let steps = 1; steps <= 90; steps += powerLoss ? 7 : 3) {
      const world = BrokerWorld.serving({ seed: steps });
      const client = world.client();
      world.createTopic(client, "kept");
      world.createTopic(client, "orders", 3);
      world.produce(client, "orders", batchOf(["a"]), { partition: 1 });
      const pending = client.begin(DELETE_TOPICS, {
        topics: [{ name: "orders" }],
        timeoutMs: 1000,
      });
      world.simulation.run({ events: steps });
      const answered = pending.isSettled;
      world.crash(powerLoss);
      if (folders(world, "orders").length > 0) crashedWithFolders++;
      world.start();
      world.pass(1000);
      const again = world.client();
      const { topics } = world.ask(again, METADATA, { topics: null });
      const names = topics.map(({ name }) => name).sort();
      if (answered) assertEquals(names, ["kept"]);
      if (names.includes("orders")) {
        assertEquals(folders(world, "orders"), ["orders-0", "orders-1", "orders-2"]);
      } else {
        assertEquals(folders(world, "orders"), [], `after ${steps} events`);
      }
      assertEquals(folders(world, "kept"), ["kept-0"]);
    }
    assert(crashedWithFolders > 0);
  });
}

Deno.test("topics: a folder that was half removed when the node stopped is removed", () => {
  const [world, client] = serving();
  world.createTopic(client, "orders");
  world.stop();
  const { disk } = world;
  disk.makeDirectory("gone-0.AAAAAAAAAAAAAAAAAAAABQ-delete");
  disk.open("gone-0.AAAAAAAAAAAAAAAAAAAABQ-delete/00000000000000000000.log", { create: true });
  disk.makeDirectory("somebody-elses");
  world.start();
  const names = disk.list("").filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  assertEquals(names, ["__cluster_metadata-0", "orders-0", "somebody-elses"]);
});

Deno.test("create partitions: adds what is missing, and the old ones stay", () => {
  const [world, client] = serving();
  world.createTopic(client, "orders");
  world.produce(client, "orders", batchOf(["a"]));
  const grow = (count: number) =>
    world.ask(client, CREATE_PARTITIONS, {
      topics: [{ name: "orders", count, assignments: null }],
      timeoutMs: 1000,
    }).results[0]!.errorCode;
  assertEquals(grow(3), 0);
  assertEquals(world.produce(client, "orders", batchOf(["b"]), { partition: 2 }).errorCode, 0);
  assertEquals(world.values(client, "orders"), ["a"]);
  assertEquals(grow(3), ErrorCode.INVALID_PARTITIONS);
  assertEquals(folders(world, "orders"), ["orders-0", "orders-1", "orders-2"]);
});

Deno.test("topics: ids last over restarts", () => {
  const [world, client] = serving();
  const topicId = world.createTopic(client, "orders");
  assertNotEquals(world.createTopic(client, "others"), topicId);
  world.crash(true);
  world.start();
  const again = world.client();
  const { topics } = world.ask(again, METADATA, { topics: [{ name: "orders" }] });
  assertEquals(topics[0]!.topicId, topicId);
});
