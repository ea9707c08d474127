import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  ApiError,
  BrokerNotAvailableError,
  BufferExhaustedError,
  ClosedError,
  RecordTooLargeError,
  TimeoutError,
  UnknownTopicError,
} from "../../../../actors/client/errors.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { ClientWorld } from "../client_world.ts";
import { rejection, setUp, stored } from "./producer_setup.ts";

Deno.test("producer: a topic that is made in time is sent to, in the order of sending", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  const sent = [1, 2, 3].map((i) => producer.send({ topic: "late", value: String(i) }));
  await world.pass(3000);
  world.cluster.createTopic("late", 1);
  const offsets = (await world.settled(Promise.all(sent))).map((sent) => sent.offset);
  assertEquals(offsets, [0, 1, 2]);
  await world.settled(producer.close());
});

Deno.test("producer: a topic that is not there within maxBlockMs is an UnknownTopicError", async () => {
  const setup = await setUp({ maxBlockMs: 2000 });
  const before = setup.world.nowMs;
  const error = await rejection(setup, setup.producer.send({ topic: "none", value: "x" }));
  assertInstanceOf(error, UnknownTopicError);
  assertEquals(error.errorName, "UNKNOWN_TOPIC_OR_PARTITION");
  const waited = setup.world.nowMs - before;
  assert(waited >= 2000 && waited < 2100, `${waited} ms`);
  await setup.world.settled(setup.producer.close());
});

Deno.test("producer: a topic that may not be used fails at once", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  world.cluster.intercept = (api, request) => {
    const names = (request as { topics?: { name: string }[] }).topics;
    if (api !== METADATA || names?.[0]?.name !== "bad name") return undefined;
    const topics = [{ name: "bad name", errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION }];
    return { kind: "reply", response: { brokers: [], topics } };
  };
  const error = await rejection(setup, producer.send({ topic: "bad name", value: "x" }));
  assertInstanceOf(error, ApiError);
  assertEquals(error.errorName, "INVALID_TOPIC_EXCEPTION");
  await world.settled(producer.close({ timeoutMs: 0 }));
});

Deno.test("producer: a record waits for room in the buffer, and fails after maxBlockMs", async () => {
  const setup = await setUp({ bufferMemory: 1000, batchSize: 500, maxBlockMs: 1000 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "first" }));
  world.cluster.intercept = (api) => api === PRODUCE ? { kind: "silence" } : undefined;
  const value = new Uint8Array(400);
  const taken = [1, 2].map(() => producer.send({ topic: "t", value }));
  const waits = producer.send({ topic: "t", value });
  const error = await rejection(setup, waits);
  assertInstanceOf(error, BufferExhaustedError);
  world.cluster.intercept = () => undefined;
  // The requests that nobody answers end with their connection, and are made again.
  await world.settled(Promise.all(taken));
  await world.settled(producer.send({ topic: "t", value }));
  await world.settled(producer.close());
});

Deno.test("producer: records that wait for room are sent in order when there is some", async () => {
  const setup = await setUp({ bufferMemory: 1000, batchSize: 500 });
  const { world, producer } = setup;
  const sent = Array.from(
    { length: 50 },
    (_, i) => producer.send({ topic: "t", value: String(i).padEnd(200, ".") }),
  );
  await world.settled(Promise.all(sent));
  assertEquals(stored(setup).map(parseFloat), Array.from({ length: 50 }, (_, i) => i));
  await world.settled(producer.close());
});

Deno.test("producer: a record over maxRequestSize is refused at once", async () => {
  const setup = await setUp({ maxRequestSize: 1000 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "first" }));
  const error = await rejection(setup, producer.send({ topic: "t", value: new Uint8Array(1001) }));
  assertInstanceOf(error, RecordTooLargeError);
  assertEquals(error.errorName, "MESSAGE_TOO_LARGE");
  assert(error.message.includes("maxRequestSize is 1000"), error.message);
  await world.settled(producer.close());
});

Deno.test("producer: a record over batchSize has a batch to itself", async () => {
  const setup = await setUp({ batchSize: 300 });
  const { world, producer } = setup;
  const text = "ü".repeat(10_000);
  await world.settled(Promise.all(["a", text, "b"].map((value) => {
    return producer.send({ topic: "t", value });
  })));
  assertEquals(stored(setup), ["a", text, "b"]);
  await world.settled(producer.close());
});

Deno.test("producer: a batch that the broker finds too large is divided (KIP-126)", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  world.cluster.produceError = (_topic, _partition, batch) =>
    batch.length > 900 ? ErrorCode.MESSAGE_TOO_LARGE : 0;
  const sizes = Array.from({ length: 40 }, (_, i) => i === 20 ? 1000 : 100);
  const outcomes = await world.settled(Promise.allSettled(sizes.map((size, i) => {
    const headers = { i: String(i) };
    return producer.send({ topic: "t", value: new Uint8Array(size), headers, timestamp: i });
  })));
  const failed = outcomes.flatMap((outcome, i) => outcome.status === "rejected" ? [i] : []);
  assertEquals(failed, [20]);
  const records = world.cluster.partition("t", 0)!.records;
  assertEquals(records.map((r) => r.timestamp), sizes.map((_, i) => i).filter((i) => i !== 20));
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === "rejected") {
      assertInstanceOf(outcome.reason, RecordTooLargeError);
    } else {
      const record = records[outcome.value.offset]!;
      assertEquals(record.timestamp, i);
      assertEquals(outcome.value.timestamp, i);
      assertEquals(record.headers, [{ key: "i", value: new TextEncoder().encode(String(i)) }]);
    }
  }
  await world.settled(producer.close());
});

Deno.test("producer: when the leader has moved the batch follows it", async () => {
  const setup = await setUp({}, { brokers: 2 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "a" }));
  const partition = world.cluster.partition("t", 0)!;
  partition.leader = 2;
  partition.leaderEpoch = 1;
  const { offset } = await world.settled(producer.send({ topic: "t", value: "b" }));
  assertEquals(offset, 1);
  assertEquals(world.cluster.requests.filter((r) => r.api === "Produce").map((r) => r.broker), [
    1,
    1,
    2,
  ]);
  await world.settled(producer.close());
});

Deno.test("producer: retriable errors are retried with backoff, until deliveryTimeoutMs", async () => {
  const setup = await setUp({ deliveryTimeoutMs: 10_000, requestTimeoutMs: 1000 });
  const { world, producer } = setup;
  world.cluster.produceError = () => ErrorCode.NOT_ENOUGH_REPLICAS;
  const error = await rejection(setup, producer.send({ topic: "t", value: "x" }));
  assertInstanceOf(error, TimeoutError);
  assert(error.message.includes("t-0") && error.message.includes("NOT_ENOUGH_REPLICAS"));
  assert(world.nowMs >= 9000 && world.nowMs < 12_000, `${world.nowMs} ms`);
  const attempts = world.cluster.count(PRODUCE);
  assert(attempts > 8 && attempts < 20, `${attempts} attempts`);
  await world.settled(producer.close());
});

Deno.test("producer: retries bounds how often a batch is sent again", async () => {
  const setup = await setUp({ retries: 2 });
  const { world, producer } = setup;
  world.cluster.produceError = () => ErrorCode.NOT_ENOUGH_REPLICAS;
  const error = await rejection(setup, producer.send({ topic: "t", value: "x" }));
  assertEquals(error.errorName, "NOT_ENOUGH_REPLICAS");
  assertEquals(world.cluster.count(PRODUCE), 3);
  await world.settled(producer.close());
});

Deno.test("producer: an error that no retry can mend rejects with its name", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  world.cluster.produceError = () => ErrorCode.INVALID_REQUIRED_ACKS;
  const error = await rejection(setup, producer.send({ topic: "t", value: "x" }));
  assertInstanceOf(error, ApiError);
  assertEquals(error.code, 21);
  assertEquals(error.retriable, false);
  assertEquals(world.cluster.count(PRODUCE), 1);
  await world.settled(producer.close());
});

Deno.test("producer: what a lost connection carried is sent again, in order", async () => {
  const setup = await setUp({ batchSize: 200 });
  const { world, producer } = setup;
  await world.settled(producer.send({ topic: "t", value: "first" }));
  let losses = 3;
  world.cluster.intercept = (api) =>
    api === PRODUCE && losses-- > 0 ? { kind: "close" } : undefined;
  const sent = Array.from({ length: 30 }, (_, i) => producer.send({ topic: "t", value: `${i}` }));
  await world.settled(Promise.all(sent));
  assertEquals(stored(setup), ["first", ...Array.from({ length: 30 }, (_, i) => `${i}`)]);
  await world.settled(producer.close());
});

Deno.test("producer: a request that is not answered ends its connection after requestTimeoutMs", async () => {
  const setup = await setUp({ requestTimeoutMs: 500 });
  const { world, producer } = setup;
  let silences = 1;
  world.cluster.intercept = (api) =>
    api === PRODUCE && silences-- > 0 ? { kind: "silence" } : undefined;
  await world.settled(producer.send({ topic: "t", value: "x" }));
  assert(world.nowMs >= 500 && world.nowMs < 1500, `${world.nowMs} ms`);
  await world.settled(producer.close());
});

Deno.test("producer: a callback that throws is logged and harms nobody", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  producer.send({ topic: "t", value: "a" }, () => {
    throw new Error("oops");
  });
  await world.settled(producer.send({ topic: "t", value: "b" }));
  assertEquals(stored(setup), ["a", "b"]);
  assert(world.logged.some((line) => line.includes("oops")), world.logged.join("\n"));
  await world.settled(producer.close());
});

Deno.test("producer: sendBatch rejects with the first error, once all records have settled", async () => {
  const setup = await setUp({ maxRequestSize: 1000 });
  const { world, producer } = setup;
  const records = [{ value: "a" }, { value: new Uint8Array(2000) }, { value: "b" }];
  const error = await rejection(setup, producer.sendBatch("t", records));
  assertInstanceOf(error, RecordTooLargeError);
  assertEquals(stored(setup), ["a", "b"]);
  await world.settled(producer.close());
});

Deno.test("producer: close gives up after its timeout, and what is left fails", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  world.cluster.intercept = (api) => api === PRODUCE ? { kind: "silence" } : undefined;
  const sent = rejection(setup, producer.send({ topic: "t", value: "x" }));
  const waits = rejection(setup, producer.send({ topic: "unknown", value: "x" }));
  await world.settled(producer.close({ timeoutMs: 100 }));
  assertInstanceOf(await sent, ClosedError);
  assertInstanceOf(await waits, ClosedError);
});

Deno.test("producer: what cannot be sent is refused by itself and harms nothing else", async () => {
  const setup = await setUp();
  const { world, producer } = setup;
  const wrong: [Record<string, unknown>, string][] = [
    [{ topic: undefined, value: "x" }, "A topic name must be given"],
    [{ topic: "", value: "x" }, "A topic name must be given"],
    [{ topic: "x".repeat(250), value: "x" }, "at most 249 characters"],
    [{ topic: "t", value: "x", timestamp: -1 }, "-1 is no timestamp"],
    [{ topic: "t", value: "x", timestamp: 1.5 }, "1.5 is no timestamp"],
    [{ topic: "t", value: "x", headers: [{ key: 1, value: "x" }] }, "name of a header"],
    [{ topic: "t", value: "x", headers: { a: 1 } }, "a number is neither text"],
    [{ topic: "t", value: "x", partition: -1 }, "partition -1"],
    [{ topic: "t", value: "x", partition: 0.5 }, "partition 0.5"],
  ];
  for (const round of [1, 2]) {
    for (const [record, message] of wrong) {
      const error = await rejection(setup, producer.send(record as never));
      assert(error.message.includes(message), `round ${round}: ${error.message}`);
      assertEquals(error.retriable, error instanceof UnknownTopicError);
    }
    const batch = producer.sendBatch("", [{ value: "x" }]);
    assertEquals((await rejection(setup, batch)).errorName, "INVALID_TOPIC_EXCEPTION");
    await world.settled(producer.send({ topic: "t", value: "fine" }));
  }
  assertEquals(stored(setup), ["fine", "fine"]);
  await world.settled(producer.close());
});

Deno.test("producer: without a broker to connect to, connect says what was tried", async () => {
  const world = new ClientWorld();
  const { environment } = world;
  const connecting = Producer.connect("client:1, broker-1:2", { environment });
  const error = await assertRejects(() => world.settled(connecting), BrokerNotAvailableError);
  assert(error.message.includes("client:1") && error.message.includes("broker-1:2"), error.message);
  assert(world.nowMs < 1000, `${world.nowMs} ms`);
});

Deno.test("producer: ready does not wait for records that failed", async () => {
  const setup = await setUp({ maxBlockMs: 500 });
  const { world, producer } = setup;
  let failures = 0;
  producer.send({ topic: "none", value: "x" }, (_metadata, error) => {
    if (error !== undefined) failures++;
  });
  await world.settled(producer.ready());
  assertEquals(failures, 1);
  await world.settled(producer.close());
});
