/** Groups and transactions of the clients while brokers of a cluster come and go. */

import { assert, assertEquals } from "@std/assert";
import { Admin } from "../../../actors/client/admin/admin.ts";
import type { ConsumerConfig } from "../../../actors/client/configs.ts";
import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import { ProducerFencedError } from "../../../actors/client/errors.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import { ClusterWorld } from "../cluster_world.ts";

const PROPERTIES = {
  "group.initial.rebalance.delay.ms": "0",
  "offsets.topic.num.partitions": "4",
  "transaction.state.log.num.partitions": "4",
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
};

/** Lets time go on until the promise has settled. */
async function settled<T>(world: ClusterWorld, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const end = () => isSettled = true;
  promise.then(end, end);
  const limits = { forMs: 600_000, until: () => isSettled };
  const { reason } = await world.simulation.runAsync(limits);
  if (reason !== "condition") throw new Error(`The promise did not settle: ${reason}`);
  return await promise;
}

async function pass(world: ClusterWorld, forMs: number): Promise<void> {
  await world.simulation.runAsync({ forMs });
}

async function createTopics(world: ClusterWorld, names: readonly string[]): Promise<void> {
  const { environment, bootstrap } = world;
  const admin = await settled(world, Admin.connect(bootstrap, { environment }));
  const topics = names.map((name) => ({ name, partitions: 3, replicationFactor: 3 }));
  await settled(world, admin.createTopics(topics));
  await settled(world, admin.close());
}

/** Reads in a loop, until it is closed. */
async function readInto(consumer: Consumer, values: Map<string, number>): Promise<void> {
  for await (const record of consumer) {
    const text = record.text();
    values.set(text, (values.get(text) ?? 0) + 1);
  }
}

for (
  const [name, config] of [
    ["classic", { assignors: ["cooperative-sticky"] }],
    ["consumer", {}],
  ] as readonly (readonly [string, ConsumerConfig])[]
) {
  Deno.test(`clients: groups go on while each broker in turn crashes and comes back (${name})`, async () => {
    const world = ClusterWorld.serving({ properties: PROPERTIES });
    const { environment, bootstrap } = world;
    await createTopics(world, ["t"]);
    const seen = new Map<string, number>();
    const consumers: Consumer[] = [];
    for (let i = 0; i < 2; i++) {
      const consumer = await settled(
        world,
        Consumer.connect(bootstrap, {
          ...config,
          environment,
          group: "g",
          topics: ["t"],
          autoOffsetReset: "earliest",
          autoCommitIntervalMs: 500,
          requestTimeoutMs: 5000,
        }),
      );
      consumers.push(consumer);
      readInto(consumer, seen).catch(() => {});
    }
    const producer = await settled(
      world,
      Producer.connect(bootstrap, { environment, requestTimeoutMs: 5000 }),
    );
    let sent = 0;
    const send = async (count: number) => {
      const values = Array.from({ length: count }, () => ({ value: `${sent++}` }));
      await settled(world, producer.sendBatch("t", values));
    };
    for (const id of [1, 2, 3]) {
      await send(20);
      world.crash(id);
      await send(20);
      await pass(world, 12_000);
      await send(20);
      world.start(id);
      await pass(world, 8_000);
    }
    const { reason } = await world.simulation.runAsync({
      forMs: 60_000,
      until: () => seen.size === sent,
    });
    assertEquals(reason, "condition", `${seen.size} of ${sent} records came`);
    const owned = consumers.flatMap((consumer) => consumer.assignment());
    assertEquals(owned.map(({ partition }) => partition).sort(), [0, 1, 2]);
    for (const client of [...consumers, producer]) await settled(world, client.close());
  });
}

Deno.test("clients: where brokers do not serve the consumer protocol, members speak the classic one", async () => {
  const world = ClusterWorld.serving({
    nodes: 1,
    properties: { "group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "1" },
    versionLimitsOf: () => ({ ConsumerGroupHeartbeat: -1 }),
  });
  const { environment, bootstrap } = world;
  const admin = await settled(world, Admin.connect(bootstrap, { environment }));
  await settled(world, admin.createTopics([{ name: "t", partitions: 2 }]));
  const consumer = await settled(
    world,
    Consumer.connect(bootstrap, { environment, group: "g", topics: ["t"] }),
  );
  await settled(world, consumer.poll(5000));
  assertEquals(consumer.assignment().length, 2);
  const [group] = await settled(world, admin.describeGroups(["g"]));
  assertEquals([group!.type, group!.state, group!.assignor], ["classic", "Stable", "range"]);
  for (const client of [consumer, admin]) await settled(world, client.close());
});

/** Copies what comes, in transactions, until all was copied. */
class Copier {
  readonly #world: ClusterWorld;
  copied = 0;
  aborted = 0;

  constructor(world: ClusterWorld) {
    this.#world = world;
  }

  async run(isOver: () => boolean): Promise<void> {
    const { environment, bootstrap } = this.#world;
    const consumer = await Consumer.connect(bootstrap, {
      environment,
      group: "copy",
      topics: ["in"],
      autoOffsetReset: "earliest",
      isolationLevel: "read_committed",
      enableAutoCommit: false,
      maxPollRecords: 10,
      requestTimeoutMs: 5000,
    });
    let producer = await this.#producer();
    while (!isOver()) {
      const records = await consumer.poll(500);
      if (records.length === 0) continue;
      const next = new Map(
        records.map(({ topic, partition, offset }) =>
          [partition, { topic, partition, offset: offset + 1 }] as const
        ),
      );
      try {
        await producer.transaction(async (tx) => {
          for (const record of records) {
            tx.send({ topic: "out", partition: record.partition, value: record.text() });
          }
          await tx.sendOffsets([...next.values()], consumer.groupMetadata());
        });
        this.copied += records.length;
      } catch (error) {
        this.aborted++;
        if (error instanceof ProducerFencedError) {
          await producer.close();
          producer = await this.#producer();
        }
        await this.#rewind(consumer);
      }
    }
    await consumer.close();
    await producer.close();
  }

  #producer(): Promise<Producer> {
    const { environment, bootstrap } = this.#world;
    return Producer.connect(bootstrap, {
      environment,
      transactionalId: "copier",
      requestTimeoutMs: 5000,
    });
  }

  /** Back to where the group stands, which alone says what was copied. */
  async #rewind(consumer: Consumer): Promise<void> {
    for (const { topic, partition, offset } of await consumer.committed()) {
      if (offset === null) consumer.seekToBeginning([{ topic, partition }]);
      else consumer.seek({ topic, partition }, offset);
    }
  }
}

Deno.test("clients: copies in transactions are exact while each broker in turn crashes", async () => {
  const world = ClusterWorld.serving({ properties: PROPERTIES });
  const { environment, bootstrap } = world;
  await createTopics(world, ["in", "out"]);
  const total = 180;
  const producer = await settled(
    world,
    Producer.connect(bootstrap, { environment, requestTimeoutMs: 5000 }),
  );
  const copier = new Copier(world);
  const reader = await settled(
    world,
    Consumer.connect(bootstrap, {
      environment,
      topics: ["out"],
      from: "earliest",
      isolationLevel: "read_committed",
      requestTimeoutMs: 5000,
    }),
  );
  const out = new Map<string, number>();
  const reading = readInto(reader, out);
  let isOver = false;
  const copying = copier.run(() => isOver);
  copying.catch(() => {});
  let sent = 0;
  for (const id of [1, 2, 3]) {
    for (let half = 0; half < 2; half++) {
      const values = Array.from({ length: total / 6 }, () => ({ value: `${sent++}` }));
      await settled(world, producer.sendBatch("in", values));
      if (half === 0) world.crash(id);
      await pass(world, 12_000);
    }
    world.start(id);
    await pass(world, 8_000);
  }
  await world.simulation.runAsync({ forMs: 120_000, until: () => out.size === total });
  assertEquals(out.size, total);
  await pass(world, 5_000);
  assert([...out.values()].every((count) => count === 1), "something was copied twice");
  isOver = true;
  await settled(world, copying);
  await settled(world, reader.close());
  await settled(world, reading);
  await settled(world, producer.close());
});
