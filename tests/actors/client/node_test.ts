/** The clients against a node, both in the simulated world, with nothing faked between them. */

import { assert, assertEquals } from "@std/assert";
import { Admin } from "../../../actors/client/admin/admin.ts";
import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { bootNode } from "../../../actors/node.ts";
import type { Environment } from "../../../actors/runtime/environment.ts";
import { Simulation } from "../../../actors/sim/simulation.ts";
import { CALM_WORLD, type WorldOptions } from "../../../actors/sim/world_options.ts";

const ADDRESS = "node:9192";

class NodeWorld {
  readonly simulation: Simulation;

  constructor(seed: number, world: Partial<WorldOptions> | undefined, properties = {}) {
    this.simulation = new Simulation({ seed, ...(world === undefined ? {} : { world }) });
    const config = parseBrokerConfig({ ...properties, "node.id": "1" });
    this.simulation.node("node").start((environment) =>
      bootNode({
        nodeId: 1,
        native: { host: "node", port: 9192 },
        config,
        environment,
        ready: () => {},
        failed: (reason) => {
          throw new Error(reason);
        },
      })
    );
    this.simulation.node("client").start(() => ({ crash: () => {} }));
  }

  get environment(): Environment {
    return this.simulation.node("client").environment!;
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = () => isSettled = true;
    promise.then(end, end);
    const limits = { forMs: 600_000, until: () => isSettled };
    const { reason } = await this.simulation.runAsync(limits);
    if (reason !== "condition") throw new Error(`The promise did not settle: ${reason}`);
    return await promise;
  }
}

Deno.test("clients: what is sent to a node is consumed from it, and its topics looked after", async () => {
  const world = new NodeWorld(1, CALM_WORLD);
  const { environment } = world;
  const admin = await world.settled(Admin.connect(ADDRESS, { environment }));
  await world.settled(admin.createTopics([{ name: "t", partitions: 3 }]));
  const producer = await world.settled(Producer.connect(ADDRESS, {
    environment,
    batchSize: 1000,
    compression: "lz4",
  }));
  const records = Array.from({ length: 500 }, (_, i) => ({ key: `k${i % 17}`, value: `v${i}` }));
  const sent = await world.settled(producer.sendBatch("t", records));
  const consumer = await world.settled(
    Consumer.connect(ADDRESS, { environment, topics: ["t"], from: "earliest" }),
  );
  const seen = new Map<string, string>();
  const loop = async () => {
    for await (const record of consumer) {
      seen.set(`${record.partition}/${record.offset}`, record.text());
      if (seen.size === 500) break;
    }
  };
  await world.settled(loop());
  let index = 0;
  for (const { partition, offset } of sent) {
    assertEquals(seen.get(`${partition}/${offset}`), `v${index++}`);
  }
  const [end] = await world.settled(
    admin.listOffsets([{ topic: "t", partition: 0, at: "latest" }]),
  );
  assert(end!.offset > 100);
  await world.settled(admin.deleteRecords([{ topic: "t", partition: 0, beforeOffset: 10 }]));
  const [start] = await world.settled(consumer.beginningOffsets([{ topic: "t", partition: 0 }]));
  assertEquals(start!.offset, 10);
  await world.settled(admin.deleteTopics(["t"]));
  assertEquals(await world.settled(admin.listTopics()), []);
  for (const client of [producer, consumer, admin]) await world.settled(client.close());
});

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`clients: a node that is killed and started again loses nothing acknowledged (seed ${seed})`, async () => {
    const world = new NodeWorld(seed, undefined, { "flush.before.ack": "true" });
    const { environment, simulation } = world;
    const admin = await world.settled(Admin.connect(ADDRESS, { environment }));
    await world.settled(admin.createTopics([{ name: "t", partitions: 2 }]));
    const producer = await world.settled(Producer.connect(ADDRESS, {
      environment,
      batchSize: 500,
      maxInFlightRequestsPerConnection: 1,
      requestTimeoutMs: 5_000,
    }));
    const random = simulation.random.stream("test");
    const sent: Promise<unknown>[] = [];
    const places = new Map<string, string>();
    for (let i = 0; i < 300; i++) {
      const value = `value ${i}`;
      sent.push(
        producer.send({ topic: "t", key: `k${i % 5}`, value }).then((metadata) => {
          places.set(`${metadata.partition}/${metadata.offset}`, value);
        }),
      );
      if (i % 10 === 0) await simulation.runAsync({ forMs: random.integer(20) });
      if (i % 75 === 50) {
        const node = simulation.node("node");
        node.crash({ powerLoss: true });
        await simulation.runAsync({ forMs: random.integer(500) });
        node.restart();
      }
    }
    await world.settled(Promise.all(sent));
    assertEquals(places.size, 300);
    const consumer = await world.settled(
      Consumer.connect(ADDRESS, { environment, topics: ["t"], from: "earliest" }),
    );
    const ends = await world.settled(consumer.endOffsets());
    const count = ends.reduce((sum, { offset }) => sum + offset, 0);
    const next = [0, 0];
    const loop = async () => {
      let taken = 0;
      for await (const { partition, offset, ...record } of consumer) {
        assertEquals(offset, next[partition]);
        next[partition] = offset + 1;
        const value = places.get(`${partition}/${offset}`);
        const text = new TextDecoder().decode(record.value!);
        if (value !== undefined) assertEquals(text, value);
        places.delete(`${partition}/${offset}`);
        if (++taken === count) break;
      }
    };
    await world.settled(loop());
    assertEquals(places.size, 0);
    for (const client of [producer, consumer, admin]) await world.settled(client.close());
  });
}

Deno.test("clients: the same seed gives the same run, to the last event", async () => {
  const run = async (seed: number) => {
    const world = new NodeWorld(seed, undefined);
    const { environment } = world;
    const admin = await world.settled(Admin.connect(ADDRESS, { environment }));
    await world.settled(admin.createTopics([{ name: "t", partitions: 3 }]));
    const producer = await world.settled(
      Producer.connect(ADDRESS, { environment, batchSize: 200 }),
    );
    const sent = Array.from(
      { length: 100 },
      (_, i) => producer.send({ topic: "t", value: `${i}` }),
    );
    await world.settled(Promise.all(sent));
    const consumer = await world.settled(
      Consumer.connect(ADDRESS, { environment, topics: ["t"], from: "earliest" }),
    );
    for (let count = 0; count < 100;) count += (await world.settled(consumer.poll(100))).length;
    for (const client of [producer, consumer, admin]) await world.settled(client.close());
    return world.simulation.traceHash;
  };
  const first = await run(7);
  assertEquals(await run(7), first);
  assert(await run(8) !== first);
});
