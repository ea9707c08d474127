/** Compaction, compression, quotas and reads from the closest replica, on booted nodes. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Consumer } from "../../actors/client/consumer/consumer.ts";
import { ClusterWorld } from "./cluster_world.ts";

const RACK_AWARE = {
  "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
};

Deno.test("topics: a consumer reads from the replica in its rack, and from the leader without it", async () => {
  const world = ClusterWorld.serving({
    nodes: 3,
    properties: RACK_AWARE,
    propertiesOf: (id) => ({ "broker.rack": `rack-${id}` }),
  });
  const admin = await world.admin();
  const assignments = [[1, 2]];
  await world.settled(admin.createTopics([{ name: "t", assignments }]));
  const producer = await world.producer();
  const send = (value: string) => world.settled(producer.send({ topic: "t", value }));
  for (let index = 0; index < 20; index++) await send(`${index}`);
  const bytesOut = (id: number) =>
    world.simulation.node(`node-${id}`).environment!.metrics.counter("bytes-out-total").value;
  const before = bytesOut(1);
  const consumer = await world.settled(Consumer.connect(world.bootstrap, {
    environment: world.environment,
    topics: ["t"],
    from: "earliest",
    clientRack: "rack-2",
  }));
  const texts: string[] = [];
  const take = async (count: number) => {
    while (texts.length < count) {
      for (const record of await consumer.poll(500)) texts.push(record.text());
    }
  };
  await world.settled(take(20));
  assertEquals([bytesOut(1), bytesOut(2) > 0], [before, true]);
  // More comes as soon as the follower knows it to be committed.
  await send("20");
  await world.settled(take(21));
  assertEquals(bytesOut(1), before);
  world.crash(2);
  for (let index = 21; index < 25; index++) await send(`${index}`);
  await world.settled(take(25));
  assertEquals(texts, Array.from({ length: 25 }, (_, index) => `${index}`));
  assert(bytesOut(1) > before);
  for (const client of [consumer, producer, admin]) await world.settled(client.close());
});

Deno.test("topics: a compacted topic keeps the latest of each key, on leader and follower", async () => {
  const world = ClusterWorld.serving({
    nodes: 2,
    properties: { "log.cleaner.backoff.ms": "1000" },
  });
  const admin = await world.admin();
  const configs = {
    "cleanup.policy": "compact",
    "segment.bytes": "2000",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": "1000",
  };
  const topic = { name: "t", partitions: 1, replicationFactor: 2, configs };
  await world.settled(admin.createTopics([topic]));
  const producer = await world.producer({ lingerMs: 0 });
  for (let index = 0; index < 200; index++) {
    const value = index % 10 === 9 ? null : `value-${index}`;
    await world.settled(producer.send({ topic: "t", key: `key-${index % 20}`, value }));
  }
  const sizes = () => world.nodes.map(({ replicas }) => [...replicas][0]!.log!.sizeInBytes);
  const [before] = sizes();
  world.until(() => sizes().every((size) => size < before! / 3), "both have compacted");
  await assertRejects(
    () => world.settled(producer.send({ topic: "t", value: "x" })),
    Error,
    "without key",
  );
  const found = new Map<string, string | null>();
  const consumer = await world.settled(Consumer.connect(world.bootstrap, {
    environment: world.environment,
    topics: ["t"],
    from: "earliest",
  }));
  const end = [...world.node(1).replicas][0]!.log!.logEndOffset;
  const take = async () => {
    for (let offset = -1; offset < end - 1;) {
      for (const record of await consumer.poll(500)) {
        const key = new TextDecoder().decode(record.key as Uint8Array);
        found.set(key, record.value === null ? null : record.text());
        assert(record.offset > offset);
        offset = record.offset;
      }
    }
  };
  await world.settled(take());
  for (let index = 180; index < 200; index++) {
    const key = `key-${index % 20}`;
    assertEquals(found.get(key) ?? null, index % 10 === 9 ? null : `value-${index}`);
  }
  for (const client of [consumer, producer, admin]) await world.settled(client.close());
});

Deno.test("topics: batches are stored as the topic says, whatever the producer does", async () => {
  const world = ClusterWorld.serving({ nodes: 1 });
  const admin = await world.admin();
  const value = "much the same ".repeat(50);
  const sizes: number[] = [];
  for (const type of ["uncompressed", "gzip", "zstd"]) {
    const name = `t-${type}`;
    const configs = { "compression.type": type };
    await world.settled(admin.createTopics([{ name, partitions: 1, configs }]));
    const producer = await world.producer({ compression: "lz4" });
    await world.settled(producer.send({ topic: name, value }));
    await world.settled(producer.close());
    assertEquals(await world.consume(name, 1), [value]);
    const replica = [...world.node(1).replicas].find(({ topic }) => topic === name)!;
    sizes.push(replica.log!.sizeInBytes);
  }
  assert(sizes[0]! > value.length && sizes[1]! < 250 && sizes[2]! < 250, String(sizes));
  await world.settled(admin.close());
});

Deno.test("topics: a client over its quota is told, and held back whatever it does", async () => {
  const world = ClusterWorld.serving({ nodes: 1, properties: { "quota.window.num": "1" } });
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t", partitions: 1 }]));
  const rate = 10_000;
  await world.settled(admin.alterClientQuotas([
    { entity: { clientId: "slow" }, set: { producer_byte_rate: rate } },
    { entity: { clientId: null }, set: { consumer_byte_rate: rate } },
  ]));
  const described = await world.settled(admin.describeClientQuotas({ clientId: "slow" }));
  assertEquals(described, [
    { entity: { clientId: "slow" }, quotas: { producer_byte_rate: rate } },
  ]);
  const time = async (clientId: string) => {
    const producer = await world.producer({ clientId, lingerMs: 0 });
    const start = world.simulation.nowMs;
    for (let index = 0; index < 20; index++) {
      await world.settled(producer.send({ topic: "t", value: "x".repeat(2000) }));
    }
    await world.settled(producer.close());
    return world.simulation.nowMs - start;
  };
  const fast = await time("fast");
  const slow = await time("slow");
  assert(fast < 1000, `${fast} ms`);
  // 40,000 bytes, of which a second's worth may come at once; the last need not be waited for.
  assert(slow > 2500 && slow < 5000, `${slow} ms`);
  const start = world.simulation.nowMs;
  await world.consume("t", 40);
  const consumed = world.simulation.nowMs - start;
  assert(consumed < 10_000, `${consumed} ms`);
  await world.settled(admin.alterClientQuotas([
    { entity: { clientId: "slow" }, remove: ["producer_byte_rate"] },
  ]));
  assert(await time("slow") < 1000);
  await world.settled(admin.close());
});
