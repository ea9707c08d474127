import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  ClosedError,
  SerializationError,
  UnknownTopicError,
} from "../../../../actors/client/errors.ts";
import { murmur2, partitionOfHash } from "../../../../actors/client/producer/partitioners.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import type { RecordMetadata } from "../../../../actors/client/records.ts";
import { jsonSerializer } from "../../../../actors/client/serializers.ts";
import { BatchView } from "../../../../storage/record_batch.ts";
import { ClientWorld } from "../client_world.ts";
import { decoder, rejection, setUp, stored } from "./producer_setup.ts";

Deno.test("producer: a record is stored, and its promise says where", async () => {
  const { world, producer } = await setUp();
  const sent = producer.send({ topic: "t", key: "42", value: "paid", timestamp: 7 });
  const metadata = await world.settled(sent);
  assertEquals({ ...metadata }, { topic: "t", partition: 0, offset: 0, timestamp: 7 });
  await world.settled(producer.close());
});

Deno.test("producer: key, value, headers and timestamp arrive as they were given", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  const headers = [{ key: "a", value: "1" }, { key: "a", value: null }];
  producer.send({ topic: "t", key: Uint8Array.of(1, 2), value: null, headers, timestamp: 99 });
  await world.settled(producer.send({ topic: "t", value: "ü", headers: { b: Uint8Array.of(3) } }));
  const [first, second] = world.cluster.partition("t", 0)!.records;
  assertEquals(first!.key, Uint8Array.of(1, 2));
  assertEquals(first!.value, null);
  assertEquals(first!.timestamp, 99);
  assertEquals(first!.headers, [
    { key: "a", value: new TextEncoder().encode("1") },
    { key: "a", value: null },
  ]);
  assertEquals(second!.headers, [{ key: "b", value: Uint8Array.of(3) }]);
  await world.settled(producer.close());
});

Deno.test("producer: a loop that awaits each send does not linger", async () => {
  const { world, producer } = await setUp();
  await world.settled(producer.send({ topic: "t", value: "first" }));
  const before = world.nowMs;
  for (let i = 0; i < 10; i++) await world.settled(producer.send({ topic: "t", value: "x" }));
  // Ten round trips over a link of 0.1 ms.
  assert(world.nowMs - before < 5, `${world.nowMs - before} ms`);
  await world.settled(producer.close());
});

Deno.test("producer: what is sent in one turn travels in one batch", async () => {
  const setup = await setUp();
  const sent = Array.from(
    { length: 100 },
    (_, i) => setup.producer.send({ topic: "t", value: String(i) }),
  );
  await setup.world.settled(Promise.all(sent));
  assertEquals(setup.world.cluster.partition("t", 0)!.batches.length, 1);
  assertEquals(stored(setup), Array.from({ length: 100 }, (_, i) => String(i)));
  await setup.world.settled(setup.producer.close());
});

Deno.test("producer: a lingerMs that is given holds a batch back that is not full", async () => {
  const { world, producer } = await setUp({ lingerMs: 50 });
  await world.settled(producer.send({ topic: "t", value: "first" }));
  const before = world.nowMs;
  await world.settled(producer.send({ topic: "t", value: "x" }));
  assert(world.nowMs - before >= 50, `${world.nowMs - before} ms`);
  await world.settled(producer.close());
});

Deno.test("producer: a full batch goes at once, whatever lingerMs says", async () => {
  const { world, producer } = await setUp({ lingerMs: 5000, batchSize: 1000 });
  await world.settled(Promise.all([producer.partitionsFor("t"), producer.flush()]));
  const sent = Array.from(
    { length: 20 },
    () => producer.send({ topic: "t", value: new Uint8Array(200) }),
  );
  const before = world.nowMs;
  await world.settled(sent[0]!);
  assert(world.nowMs - before < 50, `${world.nowMs - before} ms`);
  await world.settled(producer.close());
});

Deno.test("producer: while a broker is busy records gather, at most until it answers", async () => {
  const { world, producer } = await setUp();
  await world.settled(producer.send({ topic: "t", value: "0" }));
  const first = producer.send({ topic: "t", value: "1" });
  await world.pass(0.05);
  const others = [2, 3, 4].map((i) => producer.send({ topic: "t", value: String(i) }));
  await world.settled(Promise.all([first, ...others]));
  const counts = world.cluster.partition("t", 0)!.batches.map((b) => new BatchView(b).recordsCount);
  assertEquals(counts, [1, 1, 3]);
  await world.settled(producer.close());
});

Deno.test("producer: records of a key go to the partition that Kafka's client chooses", async () => {
  const setup = await setUp({}, { partitions: 5 });
  const keys = ["21", "foobar", "", "ключ", "a-little-bit-longer-string"];
  for (const key of keys) {
    const { partition } = await setup.world.settled(
      setup.producer.send({ topic: "t", key, value: "x" }),
    );
    assertEquals(partition, partitionOfHash(murmur2(new TextEncoder().encode(key)), 5), key);
    const asBytes = setup.producer.send({
      topic: "t",
      key: new TextEncoder().encode(key),
      value: "x",
    });
    assertEquals((await setup.world.settled(asBytes)).partition, partition);
  }
  await setup.world.settled(setup.producer.close());
});

Deno.test("producer: without keys one batch is filled, then another partition's", async () => {
  const setup = await setUp({ batchSize: 2000 }, { partitions: 3 });
  const sent = Array.from(
    { length: 30 },
    () => setup.producer.send({ topic: "t", value: new Uint8Array(350) }),
  );
  const partitions = (await setup.world.settled(Promise.all(sent))).map((sent) => sent.partition);
  assertEquals(new Set(partitions).size, 3);
  const changes = partitions.filter((partition, i) => i > 0 && partition !== partitions[i - 1]);
  assertEquals(changes.length, 5);
  await setup.world.settled(setup.producer.close());
});

Deno.test("producer: the partition that a record names is taken, one that is not there refused", async () => {
  const setup = await setUp({}, { partitions: 3 });
  const { world, producer } = setup;
  const sent = await world.settled(producer.send({ topic: "t", value: "x", partition: 2 }));
  assertEquals(sent.partition, 2);
  const error = await rejection(setup, producer.send({ topic: "t", value: "x", partition: 3 }));
  assertInstanceOf(error, UnknownTopicError);
  assertEquals(error.message, "Cannot send to partition 3 of t: it has 3");
  await world.settled(producer.close());
});

Deno.test("producer: a user's partitioner sees topic, bytes and count, and its throw is told", async () => {
  const seen: unknown[] = [];
  const setup = await setUp({
    partitioner: (topic, key, value, count) => {
      seen.push([topic, key, value, count]);
      if (value === null) throw new Error("no value");
      return value.length === 1 ? 1 : 17;
    },
  }, { partitions: 2 });
  const { world, producer } = setup;
  const sent = await world.settled(producer.send({ topic: "t", key: "k", value: "v" }));
  assertEquals(sent.partition, 1);
  assertEquals(seen, [["t", new TextEncoder().encode("k"), new TextEncoder().encode("v"), 2]]);
  assertInstanceOf(
    await rejection(setup, producer.send({ topic: "t", value: "two" })),
    SerializationError,
  );
  const threw = await rejection(setup, producer.send({ topic: "t", value: null }));
  assertInstanceOf(threw, SerializationError);
  assertEquals((threw.cause as Error).message, "no value");
  await world.settled(producer.close());
});

Deno.test("producer: bytes are copied when they are sent, also when they must wait", async () => {
  const setup = await setUp({ bufferMemory: 1000, batchSize: 500 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "first" }));
  const value = new Uint8Array(300);
  const sent: Promise<RecordMetadata>[] = [];
  for (let i = 0; i < 10; i++) {
    value.fill(48 + i);
    sent.push(producer.send({ topic: "t", key: value, value }));
  }
  value.fill(0);
  await world.settled(Promise.all(sent));
  assertEquals(
    stored(setup).slice(1),
    Array.from({ length: 10 }, (_, i) => String(i).repeat(300)),
  );
  await world.settled(producer.close());
});

Deno.test("producer: batchSize 0 sends each record by itself", async () => {
  const setup = await setUp({ batchSize: 0 });
  const { world, producer } = setup;
  const sent = [1, 2, 3].map((i) => producer.send({ topic: "t", value: String(i) }));
  assertEquals((await world.settled(Promise.all(sent))).map((m) => m.offset), [0, 1, 2]);
  assertEquals(world.cluster.partition("t", 0)!.batches.length, 3);
  await world.settled(producer.close());
});

Deno.test("producer: with acks 0 nobody says where a record is", async () => {
  const setup = await setUp({ acks: 0 });
  const { world, producer } = setup;
  const sent = await world.settled(producer.send({ topic: "t", value: "x", timestamp: 5 }));
  assertEquals({ ...sent }, { topic: "t", partition: 0, offset: -1, timestamp: 5 });
  await world.settled(producer.close());
  await world.pass(10);
  assertEquals(stored(setup), ["x"]);
});

Deno.test("producer: a callback is told in place of a promise, never inside send", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  const told: unknown[] = [];
  const result: unknown = producer.send(
    { topic: "t", value: "x", timestamp: 3 },
    (metadata, error) => {
      told.push([metadata?.offset, metadata?.timestamp, error]);
    },
  );
  assertEquals(result, undefined);
  producer.send({ topic: "t", value: "x", partition: 9 }, (metadata, error) => {
    told.push([metadata, error?.name]);
  });
  assertEquals(told, []);
  await world.settled(producer.flush());
  await world.pass(1);
  assertEquals(told.length, 2);
  assert(told.some((entry) => JSON.stringify(entry) === "[0,3,null]"), JSON.stringify(told));
  await world.settled(producer.close());
});

Deno.test("producer: sendBatch gives one promise, and each record's place in order", async () => {
  const setup = await setUp({ batchSize: 400, bufferMemory: 2000 }, { partitions: 3 });
  const { world, producer } = setup;
  const records = Array.from({ length: 200 }, (_, i) => ({
    ...(i % 3 === 0 ? {} : { key: `k${i % 7}` }),
    value: `value ${i}`,
    timestamp: 1000 + i,
  }));
  const sent = await world.settled(producer.sendBatch("t", records));
  assertEquals(sent.length, 200);
  let index = 0;
  for (const { partition, offset, timestamp } of sent) {
    const record = world.cluster.partition("t", partition)!.records[offset]!;
    assertEquals(decoder.decode(record.value!), `value ${index}`);
    assertEquals(timestamp, 1000 + index);
    assertEquals({ ...sent.at(index) }, { topic: "t", partition, offset, timestamp });
    index++;
  }
  assertEquals(sent.at(200), undefined);
  assertEquals((await world.settled(producer.sendBatch("t", []))).length, 0);
  await world.settled(producer.close());
});

Deno.test("producer: flush ends the lingering and waits for everything sent before", async () => {
  const setup = await setUp({ lingerMs: 10_000 });
  const { world, producer } = setup;
  let isSettled = false;
  producer.send({ topic: "t", value: "x" }).then(() => isSettled = true);
  await world.settled(producer.flush());
  await Promise.resolve();
  assert(isSettled);
  assert(world.nowMs < 1000, `${world.nowMs} ms`);
  await world.settled(producer.flush());
  await world.settled(producer.close());
});

Deno.test("producer: close sends what waits; afterwards send rejects", async () => {
  const setup = await setUp({ lingerMs: 10_000 });
  const { world, producer } = setup;
  const sent = producer.send({ topic: "t", value: "x" });
  await world.settled(producer.close());
  assertEquals((await sent).offset, 0);
  assertInstanceOf(await rejection(setup, producer.send({ topic: "t", value: "y" })), ClosedError);
  await world.settled(producer.close());
});

Deno.test("producer: ready lets a loop wait until the buffer has room", async () => {
  const setup = await setUp({ bufferMemory: 4000, batchSize: 500 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "first" }));
  await world.settled(producer.ready());
  let count = 0;
  for (let i = 0; i < 40; i++) {
    producer.send({ topic: "t", value: new Uint8Array(200) }, () => count++);
  }
  let isReady = false;
  const ready = producer.ready().then(() => isReady = true);
  await Promise.resolve();
  assert(!isReady);
  await world.settled(ready);
  assert(count > 0);
  await world.settled(producer.close());
  assertEquals(count, 40);
});

Deno.test("producer: serializers make the bytes; what they cannot is an error", async () => {
  const setup = await setUp();
  const { world } = setup;
  const { environment } = world;
  const producer = await world.settled(Producer.connect<number, { total: number }>(
    world.bootstrap,
    {
      environment,
      keySerializer: (_topic, key) => String(key),
      valueSerializer: jsonSerializer,
    },
  ));
  await world.settled(producer.send({ topic: "t", key: 7, value: { total: 3 } }));
  const [record] = world.cluster.partition("t", 0)!.records;
  assertEquals(decoder.decode(record!.key!), "7");
  assertEquals(decoder.decode(record!.value!), '{"total":3}');
  await world.settled(producer.close());
  const wrong = setup.producer.send({ topic: "t", value: 5 as unknown as string });
  const error = await rejection(setup, wrong);
  assertInstanceOf(error, SerializationError);
  assertEquals(error.message, "Cannot send to t: a number is neither text nor bytes nor null");
  await world.settled(setup.producer.close());
});

Deno.test("producer: interceptors change records and see what became of them", async () => {
  const seen: unknown[] = [];
  const setup = await setUp({
    interceptors: [
      { onSend: (record) => ({ ...record, value: `${record.value}!` }) },
      {
        onSend: () => {
          throw new Error("broken");
        },
        onAcknowledgement: (metadata, error) => seen.push([metadata?.offset, error?.name]),
      },
    ],
  });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "a" }));
  await world.settled(producer.sendBatch("t", [{ value: "b" }, { value: "c" }]));
  await rejection(setup, producer.send({ topic: "t", value: "d", partition: 5 }));
  assertEquals(stored(setup), ["a!", "b!", "c!"]);
  assertEquals(seen, [[0, undefined], [1, undefined], [2, undefined], [
    undefined,
    "UnknownTopicError",
  ]]);
  assert(world.logged.some((line) => line.includes("broken")));
  await world.settled(producer.close());
});

for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
  Deno.test(`producer: batches are compressed with ${compression}`, async () => {
    const setup = await setUp({ compression });
    const { world, producer } = setup;
    const values = Array.from({ length: 100 }, (_, i) => `a rather repetitive value ${i}`);
    await world.settled(producer.sendBatch("t", values.map((value) => ({ value }))));
    assertEquals(stored(setup), values);
    const [batch] = world.cluster.partition("t", 0)!.batches;
    assertEquals(new BatchView(batch!).compression, compression);
    if (compression !== "none") assert(batch!.length < 2000, `${batch!.length} bytes`);
    await world.settled(producer.close());
  });
}

Deno.test("producer: any one of the addresses is enough", async () => {
  const world = new ClientWorld({ brokers: 2 });
  const { environment } = world;
  world.cluster.createTopic("t", 2);
  const bootstrap = ["client:1", "broker-2"];
  const producer = await world.settled(Producer.connect(bootstrap, { environment }));
  for (const partition of [0, 1]) {
    await world.settled(producer.send({ topic: "t", value: "x", partition }));
  }
  await world.settled(producer.close());
});
