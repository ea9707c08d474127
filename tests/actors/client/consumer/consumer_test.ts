import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import { SerializationError, UnknownTopicError } from "../../../../actors/client/errors.ts";
import { jsonDeserializer, textDeserializer } from "../../../../actors/client/serializers.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { buildTransactionMarker } from "../../../../storage/control_record.ts";
import { RecordBatchBuilder } from "../../../../storage/record_batch_builder.ts";
import { ClientWorld } from "../client_world.ts";
import { failure, numbers, setUp, store, take, texts } from "./consumer_setup.ts";

Deno.test("consumer: a loop gets every record, in the order of its partition", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, numbers(0, 3));
    store(world, 0, numbers(3, 2));
  });
  const records = await take(setup, 5);
  assertEquals(texts(records), numbers(0, 5));
  assertEquals(records.map((record) => record.offset), [0, 1, 2, 3, 4]);
  const [first] = records;
  assertEquals(first!.topic, "t");
  assertEquals(first!.partition, 0);
  assertEquals(first!.timestamp, 1000);
  assertEquals(first!.key, null);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: records that are stored while a loop waits come to it", async () => {
  const setup = await setUp();
  const taken = take(setup, 2);
  await setup.world.pass(2000);
  store(setup.world, 0, ["a"]);
  await setup.world.pass(700);
  store(setup.world, 0, ["b"]);
  assertEquals(texts(await taken), ["a", "b"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: from latest misses nothing that is stored after connect", async () => {
  const setup = await setUp({ topics: ["t"], from: "latest" }, (w) => store(w, 0, ["old"]));
  store(setup.world, 0, ["new"]);
  await setup.world.pass(1000);
  assertEquals(texts(await take(setup, 1)), ["new"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: from a time begins at the first record as late, else at the end", async () => {
  const prepare = (world: ClientWorld) => {
    store(world, 0, ["a"], { timestamp: 100 });
    store(world, 0, ["b", "c"], { timestamp: 200 });
    store(world, 1, ["d"], { timestamp: 100 });
  };
  const config = { topics: ["t"], from: { timestamp: 150 } };
  const setup = await setUp(config, prepare, { partitions: 2 });
  assertEquals(setup.consumer.position({ topic: "t", partition: 0 }), 1);
  assertEquals(setup.consumer.position({ topic: "t", partition: 1 }), 1);
  store(setup.world, 1, ["e"], { timestamp: 50 });
  assertEquals(texts(await take(setup, 3)).sort(), ["b", "c", "e"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: assigned partitions are read from their offsets, the others not", async () => {
  const assign = [{ topic: "t", partition: 1, offset: 2 }, { topic: "t", partition: 2 }];
  const setup = await setUp({ assign, from: "earliest" }, (world) => {
    for (const partition of [0, 1, 2]) store(world, partition, numbers(10 * partition, 4));
  }, { partitions: 3 });
  assertEquals(setup.consumer.assignment(), [{ topic: "t", partition: 1 }, {
    topic: "t",
    partition: 2,
  }]);
  assertEquals(texts(await take(setup, 6)).sort(), ["12", "13", "20", "21", "22", "23"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: assign reads other partitions in place of those before", async () => {
  const setup = await setUp(undefined, (world) => {
    for (const partition of [0, 1, 2]) store(world, partition, numbers(10 * partition, 4));
  }, { partitions: 3 });
  await take(setup, 1);
  setup.consumer.assign([{ topic: "t", partition: 2, offset: 1 }, { topic: "t", partition: 0 }]);
  assertEquals(setup.consumer.assignment().map(({ partition }) => partition), [2, 0]);
  assertEquals(texts(await take(setup, 7)).sort(), ["0", "1", "2", "21", "22", "23", "3"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: what was consumed is counted", async () => {
  const setup = await setUp(undefined, (world) => store(world, 0, numbers(0, 10)));
  await take(setup, 10);
  await setup.world.settled(setup.consumer.poll(10));
  const { metrics } = setup.world.environment;
  const labels = { "client-id": "strom" };
  assertEquals(metrics.counter("records-consumed-total", labels).value, 10);
  const [batch] = setup.world.cluster.partition("t", 0)!.batches;
  assertEquals(metrics.counter("bytes-consumed-total", labels).value, batch!.length);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: position is the offset after the last record given", async () => {
  const setup = await setUp(undefined, (world) => store(world, 0, numbers(0, 10)));
  const place = { topic: "t", partition: 0 };
  assertEquals(setup.consumer.position(place), 0);
  await take(setup, 4);
  assertEquals(setup.consumer.position(place), 4);
  assertEquals(texts(await take(setup, 1)), ["4"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: seek goes on from the offset, either way, and drops what was fetched", async () => {
  const setup = await setUp(undefined, (world) => {
    for (let i = 0; i < 5; i++) store(world, 0, numbers(i * 10, 10));
  });
  const place = { topic: "t", partition: 0 };
  await take(setup, 25);
  setup.consumer.seek(place, 3);
  assertEquals(setup.consumer.position(place), 3);
  assertEquals(texts(await take(setup, 2)), ["3", "4"]);
  setup.consumer.seek(place, 47);
  assertEquals(texts(await take(setup, 3)), ["47", "48", "49"]);
  setup.consumer.seekToBeginning();
  assertEquals(texts(await take(setup, 1)), ["0"]);
  setup.consumer.seekToEnd([place]);
  const taken = take(setup, 1);
  await setup.world.pass(100);
  store(setup.world, 0, ["new"]);
  assertEquals(texts(await taken), ["new"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: nothing of a paused partition is given out until it is resumed", async () => {
  const setup = await setUp(undefined, (world) => {
    for (let i = 0; i < 3; i++) {
      store(world, 0, numbers(i * 10, 10));
      store(world, 1, numbers(100 + i * 10, 10));
    }
  }, { partitions: 2 });
  const { consumer } = setup;
  const [first] = await take(setup, 5);
  const busy = { topic: "t", partition: first!.partition };
  consumer.pause([busy]);
  assertEquals(consumer.paused(), [busy]);
  const others = await take(setup, 30);
  assert(others.every((record) => record.partition !== busy.partition));
  consumer.resume([busy]);
  const rest = await take(setup, 25);
  assertEquals(rest.map((record) => record.offset), numbers(5, 25).map(Number));
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: poll gives what is there, at most maxPollRecords, or waits for its time", async () => {
  const config = { topics: ["t"], from: "earliest", maxPollRecords: 4 } as const;
  const setup = await setUp(config, (world) => store(world, 0, numbers(0, 6)));
  const { world, consumer } = setup;
  assertEquals(texts(await world.settled(consumer.poll(1000))), numbers(0, 4));
  assertEquals(texts(await world.settled(consumer.poll(1000))), numbers(4, 2));
  const before = world.nowMs;
  assertEquals(await world.settled(consumer.poll(1000)), []);
  assert(world.nowMs - before >= 1000 && world.nowMs - before < 1100);
  const polled = consumer.poll(5000);
  await world.pass(1500);
  store(world, 0, ["late"]);
  assertEquals(texts(await world.settled(polled)), ["late"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: batches come undecoded, from the batch that holds the position on", async () => {
  const assign = [{ topic: "t", partition: 0, offset: 2 }];
  const setup = await setUp({ assign }, (world) => {
    store(world, 0, numbers(0, 4));
    store(world, 0, numbers(4, 3), { compression: "gzip" });
  });
  const { world, consumer } = setup;
  const seen: unknown[] = [];
  const loop = async () => {
    for await (const batch of consumer.batches()) {
      const { topic, partition, baseOffset, lastOffset, recordsCount, compression } = batch;
      seen.push([topic, partition, baseOffset, lastOffset, recordsCount, compression]);
      seen.push(texts([...batch.records()]));
      const stored = world.cluster.partition("t", 0)!.batches[batch.baseOffset === 0 ? 0 : 1]!;
      assertEquals(batch.bytes, stored);
      if (lastOffset === 6) break;
    }
  };
  await world.settled(loop());
  assertEquals(seen, [
    ["t", 0, 0, 3, 4, "none"],
    ["2", "3"],
    ["t", 0, 4, 6, 3, "gzip"],
    ["4", "5", "6"],
  ]);
  assertEquals(consumer.position({ topic: "t", partition: 0 }), 7);
  await world.settled(consumer.close());
});

Deno.test("consumer: batches take up in the middle of one that a loop over records left", async () => {
  const setup = await setUp(undefined, (world) => store(world, 0, numbers(0, 5)));
  await take(setup, 2);
  const { value } = await setup.world.settled(setup.consumer.batches().next());
  assertEquals(texts([...value!.records()]), ["2", "3", "4"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: records that are kept stay as they are while others come", async () => {
  const setup = await setUp(undefined, (world) => {
    for (let i = 0; i < 200; i++) store(world, 0, [String(i).padEnd(5000, ".")]);
  });
  const records = await take(setup, 200);
  for (const [i, record] of records.entries()) {
    assertEquals(record.text(), String(i).padEnd(5000, "."));
  }
  await setup.world.settled(setup.consumer.close());
});

for (const compression of ["gzip", "snappy", "lz4", "zstd"] as const) {
  Deno.test(`consumer: batches compressed with ${compression} are read`, async () => {
    const setup = await setUp(undefined, (world) => {
      store(world, 0, numbers(0, 500), { compression });
    });
    assertEquals(texts(await take(setup, 500)), numbers(0, 500));
    await setup.world.settled(setup.consumer.close());
  });
}

Deno.test("consumer: what was fetched ahead stays within its bounds", async () => {
  const config = {
    topics: ["t"],
    from: "earliest",
    maxPartitionFetchBytes: 10_000,
    fetchMaxBytes: 25_000,
  } as const;
  const setup = await setUp(config, (world) => {
    for (const partition of [0, 1, 2]) {
      for (let i = 0; i < 50; i++) store(world, partition, ["x".repeat(1000)]);
    }
  }, { partitions: 3 });
  await take(setup, 1);
  await setup.world.pass(5000);
  let bytes = 0;
  for (const { api, request } of setup.world.cluster.requests) {
    if (api === FETCH.name) {
      bytes += (request as { topics: { partitions: unknown[] }[] }).topics[0]!.partitions.length;
    }
  }
  // Each request of a partition brings at most 10,000 bytes, and 25,000 wait at most, and one more.
  assert(bytes <= 6, `${bytes} partition fetches`);
  assertEquals((await take(setup, 149)).length, 149);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: the next fetch is on its way while records are given out", async () => {
  const config = { topics: ["t"], from: "earliest", maxPartitionFetchBytes: 2000 } as const;
  const setup = await setUp(config, (world) => {
    for (let i = 0; i < 20; i++) store(world, 0, ["x".repeat(900)]);
  });
  await take(setup, 1);
  await setup.world.pass(1);
  assert(setup.world.cluster.count(FETCH) >= 2, `${setup.world.cluster.count(FETCH)} fetches`);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: an idle partition holds up nobody", async () => {
  const setup = await setUp(undefined, undefined, { partitions: 2 });
  const { world, consumer } = setup;
  let taken = 0;
  const loop = (async () => {
    for await (const _record of consumer) taken++;
  })();
  await world.pass(700);
  for (let i = 0; i < 30; i++) {
    store(world, 1, [String(i)]);
    await world.pass(1);
    assertEquals(taken, i + 1);
  }
  await world.settled(consumer.close());
  await loop;
});

Deno.test("consumer: control records are not shown, and positions pass over them", async () => {
  const setup = await setUp(undefined, (world) => {
    const partition = world.cluster.partition("t", 0)!;
    store(world, 0, ["a"]);
    partition.append(buildTransactionMarker({
      kind: "COMMIT",
      producerId: 5,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      timestamp: 1,
    }));
    store(world, 0, ["b"]);
  });
  const records = await take(setup, 2);
  assertEquals(texts(records), ["a", "b"]);
  assertEquals(records.map((record) => record.offset), [0, 2]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: reading committed records leaves out those of aborted transactions", async () => {
  const config = { topics: ["t"], from: "earliest", isolationLevel: "read_committed" } as const;
  const mark = (kind: "ABORT" | "COMMIT", producerId: number) =>
    buildTransactionMarker({
      kind,
      producerId,
      producerEpoch: 0,
      coordinatorEpoch: 0,
      timestamp: 1,
    });
  const of = (producerId: number) => ({
    producerId,
    producerEpoch: 0,
    baseSequence: 0,
    isTransactional: true,
  });
  const setup = await setUp(config, (world) => {
    const partition = world.cluster.partition("t", 0)!;
    store(world, 0, ["aborted"], of(7)); // 0
    store(world, 0, ["committed"], of(8)); // 1
    store(world, 0, ["plain"]); // 2
    store(world, 0, ["aborted too"], of(7)); // 3
    partition.append(mark("ABORT", 7)); // 4
    partition.append(mark("COMMIT", 8)); // 5
    store(world, 0, ["committed later"], of(7)); // 6
    partition.append(mark("COMMIT", 7)); // 7
    const handled = new Set<unknown>();
    world.cluster.intercept = (api, request, broker) => {
      if (api !== FETCH || handled.has(request)) return undefined;
      handled.add(request);
      const { topics } = request as {
        topics: { topicId: string; partitions: { fetchOffset: number }[] }[];
      };
      if (topics[0]!.partitions[0]!.fetchOffset > 0) return { kind: "silence" };
      const bytes = partition.batches.flatMap((batch) => [...batch]);
      void broker;
      return {
        kind: "reply",
        response: {
          responses: [{
            topicId: topics[0]!.topicId,
            partitions: [{
              partitionIndex: 0,
              highWatermark: 8,
              abortedTransactions: [{ producerId: 7, firstOffset: 0 }],
              records: Uint8Array.from(bytes),
            }],
          }],
        },
      };
    };
  });
  assertEquals(texts(await take(setup, 3)), ["committed", "plain", "committed later"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: partitions that a topic gets later are read from their start", async () => {
  const config = { topics: ["t"], from: "latest", metadataMaxAgeMs: 1000 } as const;
  const setup = await setUp(config);
  const { topics } = setup.world.cluster;
  topics.get("t")!.partitions.push(...[setup.world.cluster.createTopic("other", 1).partitions[0]!]);
  store(setup.world, 1, ["a"]);
  assertEquals(texts(await take(setup, 1)), ["a"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: offsets can be asked for: first, last, and by time", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, ["a"], { timestamp: 100 });
    store(world, 0, ["b", "c"], { timestamp: 200 });
    world.cluster.partition("t", 0)!.logStartOffset = 1;
  });
  const { world, consumer } = setup;
  const [first] = await world.settled(consumer.beginningOffsets());
  assertEquals(first!.offset, 1);
  const [last] = await world.settled(consumer.endOffsets([{ topic: "t", partition: 0 }]));
  assertEquals(last!.offset, 3);
  const asked = [150, 300].map((timestamp) => ({ topic: "t", partition: 0, timestamp }));
  assertEquals(await world.settled(consumer.offsetsForTimes([asked[0]!])), [
    { topic: "t", partition: 0, offset: 1, timestamp: 200 },
  ]);
  assertEquals(await world.settled(consumer.offsetsForTimes([asked[1]!])), [
    { topic: "t", partition: 0, offset: null, timestamp: null },
  ]);
  const missing = await failure(world, consumer.endOffsets([{ topic: "t", partition: 7 }]));
  assertInstanceOf(missing, UnknownTopicError);
  await world.settled(consumer.close());
});

Deno.test("consumer: deserializers make keys and values; one that throws is told at its record", async () => {
  const world = new ClientWorld();
  world.cluster.createTopic("t", 1);
  store(world, 0, ['{"a":1}', "no json"]);
  const { environment } = world;
  const consumer = await world.settled(Consumer.connect(world.bootstrap, {
    environment,
    topics: ["t"],
    from: "earliest",
    keyDeserializer: textDeserializer,
    valueDeserializer: jsonDeserializer,
  }));
  const [record] = await world.settled(consumer.poll(1000));
  assertEquals(record!.value, { a: 1 });
  assertEquals(record!.key, null);
  const error = await failure(world, consumer.poll(1000));
  assertInstanceOf(error, SerializationError);
  assertEquals(consumer.position({ topic: "t", partition: 0 }), 1);
  await world.settled(consumer.close());
});

Deno.test("consumer: interceptors may change and drop records", async () => {
  const setup = await setUp({
    topics: ["t"],
    from: "earliest",
    interceptors: [{ onConsume: (records) => records.filter(({ offset }) => offset % 2 === 0) }],
  }, (world) => store(world, 0, numbers(0, 6)));
  assertEquals(texts(await take(setup, 3)), ["0", "2", "4"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: headers are given", async () => {
  const setup = await setUp(undefined, (world) => {
    const builder = new RecordBatchBuilder(new Uint8Array(1024));
    builder.tryAppend(1, "key", "value", [{ key: "h", value: "1" }]);
    world.cluster.partition("t", 0)!.append(builder.build());
  });
  const [record] = await take(setup, 1);
  assertEquals(record!.key, new TextEncoder().encode("key"));
  assertEquals(record!.headers, [{ key: "h", value: new TextEncoder().encode("1") }]);
  await setup.world.settled(setup.consumer.close());
});
