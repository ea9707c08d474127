/** What a node may remove from its data folder, and what it may say of it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";

const DURABLE = { "flush.before.ack": "true", "retention.ms": "-1" };

Deno.test("data folder: nobody can make a topic whose folder is that of the metadata log", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  world.produce(client, "orders", batchOf(["a"]));
  const { topics } = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{ name: "__cluster_metadata", numPartitions: 1, replicationFactor: 1 }],
  });
  assertEquals(topics[0]!.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  assertStringIncludes(topics[0]!.errorMessage!, "is the metadata log");
  const automatic = world.ask(client, METADATA, { topics: [{ name: "__cluster_metadata" }] });
  assertEquals(automatic.topics[0]!.partitions, []);
  world.pass(1000);
  world.crash();
  world.start();
  assertEquals(world.values(world.client(), "orders"), ["a"]);
});
