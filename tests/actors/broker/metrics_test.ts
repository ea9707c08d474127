import { assertEquals } from "@std/assert";
import type { Labels } from "../../../actors/runtime/metrics.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";

function reading(world: BrokerWorld, name: string, labels: Labels = {}): number | undefined {
  return world.node.environment?.metrics.read().find((metric) =>
    metric.name === name && JSON.stringify(metric.labels) === JSON.stringify(labels)
  )?.value;
}

Deno.test("broker metrics: bytes in and out, requests, connections and partitions are counted", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 2);
  const batch = batchOf(["a", "b"]);
  world.produce(client, "orders", batch);
  world.fetch(client, "orders");
  assertEquals(reading(world, "bytes-in-total"), batch.length);
  assertEquals(reading(world, "bytes-out-total"), batch.length);
  assertEquals(reading(world, "requests-total", { request: "Produce" }), 1);
  assertEquals(reading(world, "partition-count"), 2);
  assertEquals(reading(world, "connection-count"), 1);
  client.close();
  world.pass(10);
  assertEquals(reading(world, "connection-count"), 0);
});

Deno.test("broker metrics: a refused append counts as failed, and not as bytes", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  world.produce(client, "orders", new Uint8Array(100));
  assertEquals(reading(world, "failed-produce-requests-total"), 1);
  assertEquals(reading(world, "bytes-in-total"), 0);
});
