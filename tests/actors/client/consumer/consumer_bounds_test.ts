/**
 * What a consumer keeps within bounds, and what does not depend on an order that nobody promises.
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { Cluster } from "../../../../actors/client/cluster.ts";
import { type ConsumerConfig, consumerSettings } from "../../../../actors/client/configs.ts";
import type { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import type { ConsumerRecord } from "../../../../actors/client/consumer/consumer_record.ts";
import { ConsumerEngine } from "../../../../actors/client/consumer/consumer_engine.ts";
import { AuthorizationError } from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { buildTransactionMarker } from "../../../../storage/control_record.ts";
import { failure, numbers, setUp, store, take, texts } from "./consumer_setup.ts";
import { ClientWorld } from "../client_world.ts";

Deno.test("consumer: aborted transactions are left out in whatever order the broker tells of them", async () => {
  const config = { topics: ["t"], from: "earliest", isolationLevel: "read_committed" } as const;
  const of = (producerId: number) => ({
    producerId,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
  });
  const abort = (producerId: number) =>
    buildTransactionMarker({
      kind: "ABORT",
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      timestamp: 1,
    });
  const setup = await setUp(config, (world) => {
    const partition = world.cluster.partition("t", 0)!;
    store(world, 0, ["long"], of(7)); // 0
    store(world, 0, ["short"], of(8)); // 1
    partition.append(abort(8)); // 2
    store(world, 0, ["long, too"], of(7)); // 3
    partition.append(abort(7)); // 4
    store(world, 0, ["plain"]); // 5
    world.cluster.intercept = (api, request) => {
      if (api !== FETCH) return undefined;
      const { topics } = request as {
        topics: { topicId: string; partitions: { fetchOffset: number }[] }[];
      };
      if (topics[0]!.partitions[0]!.fetchOffset > 0) return { kind: "silence" };
      // Kafka tells of them in the order of their ends.
      const abortedTransactions = [
        { producerId: 8, firstOffset: 1 },
        { producerId: 7, firstOffset: 0 },
      ];
      const records = Uint8Array.from(partition.batches.flatMap((batch) => [...batch]));
      const data = { partitionIndex: 0, highWatermark: 6, abortedTransactions, records };
      const { topicId } = topics[0]!;
      return { kind: "reply", response: { responses: [{ topicId, partitions: [data] }] } };
    };
  });
  assertEquals(texts(await take(setup, 1)), ["plain"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: what waits of paused partitions keeps nothing from the others", async () => {
  const long = "x".repeat(10_000);
  const setup = await setUp(
    { topics: ["t"], from: "earliest", fetchMaxBytes: 8_000, maxPartitionFetchBytes: 5_000 },
    (world) => store(world, 0, [long, long, long]),
    { partitions: 2 },
  );
  const { world, consumer } = setup;
  await world.pass(1000);
  consumer.pause([{ topic: "t", partition: 0 }]);
  store(world, 1, ["short"]);
  assertEquals(texts(await take(setup, 1)), ["short"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: of a wait that nothing came of nothing is left", async () => {
  const world = new ClientWorld();
  const { environment } = world;
  const config = { topics: ["t"], environment };
  const settings = consumerSettings(config);
  const cluster = new Cluster({
    environment,
    settings,
    bootstrap: [{ host: "broker-1", port: 9192 }],
    allowAutoTopicCreation: false,
  });
  const engine = new ConsumerEngine(cluster, config, settings);
  for (let i = 0; i < 10; i++) await world.settled(engine.changed(100));
  assertEquals(engine.waiting, 0);
  const endless = engine.changed();
  assertEquals(engine.waiting, 1);
  engine.close();
  await world.settled(endless);
});

Deno.test("consumer: an interceptor that lets few records through does not make it wait", async () => {
  const config = {
    topics: ["t"],
    from: "earliest",
    maxPollRecords: 10,
    interceptors: [{
      onConsume: (records: readonly ConsumerRecord[]) =>
        records.filter((record) => Number(record.text()) % 100 === 99),
    }],
  } as const;
  const setup = await setUp(config, (world) => store(world, 0, numbers(0, 500)));
  assertEquals(texts(await take(setup, 5)), ["99", "199", "299", "399", "499"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: with an interceptor no record is passed over for one that cannot be read", async () => {
  const config = {
    topics: ["t"],
    from: "earliest",
    interceptors: [{}],
    valueDeserializer: (_topic: string, bytes: Uint8Array) => {
      const text = new TextDecoder().decode(bytes);
      if (text === "bad") throw new Error("poison");
      return text;
    },
  } as const;
  const setup = await setUp(
    config as unknown as ConsumerConfig,
    (world) => store(world, 0, ["a", "b", "bad", "c"]),
  );
  const { world } = setup;
  const consumer = setup.consumer as unknown as Consumer<unknown, string>;
  await world.pass(1000);
  const first = await world.settled(consumer.poll(10_000));
  assertEquals(first.map(({ value }) => value), ["a", "b"]);
  await failure(world, consumer.poll(10_000));
  consumer.seek({ topic: "t", partition: 0 }, 3);
  const last = await world.settled(consumer.poll(10_000));
  assertEquals(last.map(({ value }) => value), ["c"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: after a seek nothing is given out that an interceptor saw before", async () => {
  const config = { topics: ["t"], from: "earliest", interceptors: [{}] } as const;
  const setup = await setUp(config, (world) => store(world, 0, numbers(0, 100)));
  assertEquals(texts(await take(setup, 2)), ["0", "1"]);
  setup.consumer.seek({ topic: "t", partition: 0 }, 90);
  assertEquals(texts(await take(setup, 2)), ["90", "91"]);
  setup.consumer.seekToBeginning();
  assertEquals(texts(await take(setup, 2)), ["0", "1"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: a pause holds back what an interceptor saw, and nothing is passed over", async () => {
  const config = { topics: ["t"], from: "earliest", interceptors: [{}] } as const;
  const setup = await setUp(config, (world) => store(world, 0, numbers(0, 100)));
  const { world, consumer } = setup;
  assertEquals(texts(await take(setup, 2)), ["0", "1"]);
  consumer.pause();
  assertEquals(texts(await world.settled(consumer.poll(1_000))), []);
  consumer.resume();
  assertEquals(texts(await take(setup, 98)), numbers(2, 98));
  await world.settled(consumer.close());
});

Deno.test("consumer: a seek takes nothing back but what came of its partition, with an interceptor", async () => {
  const config = { topics: ["t"], from: "earliest", interceptors: [{}] } as const;
  const prepare = (world: ClientWorld) => {
    store(world, 0, ["a", "b"]);
    let errors = 1;
    world.cluster.fetchError = (_topic, partition) =>
      partition === 1 && errors-- > 0 ? ErrorCode.TOPIC_AUTHORIZATION_FAILED : 0;
  };
  const setup = await setUp(config, prepare, { partitions: 2 });
  const { world, consumer } = setup;
  await world.pass(1000);
  assertEquals(texts(await take(setup, 1)), ["a"]);
  consumer.seek({ topic: "t", partition: 0 }, 1);
  assertInstanceOf(await failure(world, take(setup, 1)), AuthorizationError);
  assertEquals(texts(await take(setup, 1)), ["b"]);
  await world.settled(consumer.close());
});

for (const interceptors of [[], [{}]]) {
  Deno.test(`consumer: whoever seeks past a batch that cannot be read hears of it no more (${interceptors.length} interceptors)`, async () => {
    const config = { topics: ["t"], from: "earliest", interceptors } as const;
    const setup = await setUp(config, (world) => {
      for (const value of ["a", "b", "c"]) store(world, 0, [value]);
      const [, second] = world.cluster.partition("t", 0)!.batches;
      second![second!.length - 2]! ^= 1;
    });
    const { world, consumer } = setup;
    assertEquals(texts(await world.settled(consumer.poll(1000))), ["a"]);
    consumer.seek({ topic: "t", partition: 0 }, 2);
    assertEquals(texts(await world.settled(consumer.poll(1000))), ["c"]);
    await world.settled(consumer.close());
  });
}
