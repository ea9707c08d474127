import { assert, assertEquals } from "@std/assert";
import { DESCRIBE_LOG_DIRS } from "../../../../net/messages/describe_log_dirs.ts";
import { batchOf, BrokerWorld } from "../broker_world.ts";

Deno.test("describe log dirs: the folder, and the size of each log that is asked for", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 2);
  world.createTopic(client, "other");
  const batch = batchOf(["a", "b"]);
  world.produce(client, "orders", batch, { partition: 1 });
  const { errorCode, results } = world.ask(client, DESCRIBE_LOG_DIRS, {
    topics: [
      { topic: "orders", partitions: [0, 1, 7] },
      { topic: "nowhere", partitions: [0] },
    ],
  });
  const [result, ...others] = results;
  assertEquals([errorCode, result!.errorCode, others], [0, 0, []]);
  assertEquals(result!.logDir, "memory");
  const log = (partitionIndex: number, partitionSize: number) => ({
    partitionIndex,
    partitionSize,
    offsetLag: 0,
    isFutureKey: false,
  });
  assertEquals(result!.topics, [
    { name: "orders", partitions: [log(0, 0), log(1, batch.length)] },
  ]);
});

Deno.test("describe log dirs: no topics named are all, with the room that the disk has", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  world.createTopic(client, "other");
  world.disk.capacityBytes = 10_000_000;
  const { results } = world.ask(client, DESCRIBE_LOG_DIRS, { topics: null });
  const [{ topics, totalBytes, usableBytes }] = results as [typeof results[number]];
  assertEquals(topics.map(({ name }) => name).sort(), ["orders", "other"]);
  assertEquals(totalBytes, 10_000_000);
  assert(usableBytes > 0 && usableBytes < totalBytes);
});
