import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { batchOf, beginFetch, BrokerWorld, valuesIn } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

function worldWith(values: readonly string[], partitions = 1): [BrokerWorld, TestClient] {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", partitions);
  for (const value of values) world.produce(client, "orders", batchOf([value]));
  return [world, client];
}

function assertQuiet(world: BrokerWorld, ...clients: TestClient[]): void {
  for (const client of clients) client.close();
  world.pass(100);
  world.assertNothingHeld();
}

Deno.test("fetch: gives whole batches from the one that holds the offset", () => {
  const [world, client] = worldWith(["a"]);
  world.produce(client, "orders", batchOf(["b", "c", "d"]));
  const { records, highWatermark, logStartOffset, lastStableOffset } = world.fetch(
    client,
    "orders",
    2,
  );
  assertEquals(valuesIn(records), ["b", "c", "d"]);
  assertEquals([highWatermark, lastStableOffset, logStartOffset], [4, 4, 0]);
  assertQuiet(world, client);
});

Deno.test("fetch: versions 4 to 17 give the same records, by name or by id", () => {
  const [world, client] = worldWith([]);
  const topicId = world.createTopic(client, "others");
  world.produce(client, "others", batchOf(["a"]));
  for (let version = FETCH.versions.min; version <= FETCH.versions.max; version++) {
    const topic = version >= 13 ? { topicId } : { topic: "others" };
    const { responses } = world.ask(client, FETCH, {
      minBytes: 1,
      maxWaitMs: 0,
      topics: [{ ...topic, partitions: [{ partition: 0, partitionMaxBytes: 1000 }] }],
    }, version);
    const [answer] = responses;
    assertEquals(valuesIn(answer!.partitions[0]!.records), ["a"], `version ${version}`);
    assertEquals(version >= 13 ? answer!.topicId : answer!.topic, Object.values(topic)[0]);
  }
});

Deno.test("fetch: an offset out of range, an unknown topic, id or partition are told apart", () => {
  const [world, client] = worldWith(["a"]);
  const codeOf = (topic: string, offset: number, partition = 0) =>
    world.fetch(client, topic, offset, { partition, maxWaitMs: 60_000 }).errorCode;
  const started = world.simulation.nowMs;
  assertEquals(codeOf("orders", 2), ErrorCode.OFFSET_OUT_OF_RANGE);
  assertEquals(codeOf("orders", -1), ErrorCode.OFFSET_OUT_OF_RANGE);
  assertEquals(codeOf("orders", 0, 9), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(codeOf("orders", 0, -1), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(codeOf("none", 0), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const byId = world.ask(client, FETCH, {
    maxWaitMs: 60_000,
    minBytes: 1,
    topics: [{ topicId: "AAAAAAAAAAAAAAAAAAAABQ", partitions: [{ partitionMaxBytes: 100 }] }],
  });
  assertEquals(byId.responses[0]!.partitions[0]!.errorCode, ErrorCode.UNKNOWN_TOPIC_ID);
  assert(world.simulation.nowMs - started < 1000, "an error does not wait");
});

Deno.test("fetch: a leader epoch that is not the leader's is refused", () => {
  const [world, client] = worldWith(["a"]);
  const codeFor = (currentLeaderEpoch: number) =>
    world.fetch(client, "orders", 0, { currentLeaderEpoch }).errorCode;
  assertEquals(codeFor(0), 0);
  assertEquals(codeFor(1), ErrorCode.UNKNOWN_LEADER_EPOCH);
  world.crash();
  world.start();
  client.close();
  const again = world.client();
  const { errorCode } = world.fetch(again, "orders", 0, { currentLeaderEpoch: 0 });
  assertEquals(errorCode, ErrorCode.FENCED_LEADER_EPOCH);
});

Deno.test("fetch: waits for the first record, and is answered as soon as it is there", () => {
  const [world, client] = worldWith([]);
  const consumer = world.client();
  const started = world.simulation.nowMs;
  const parked = beginFetch(consumer, "orders", 0, { maxWaitMs: 60_000 });
  world.pass(5000);
  assertEquals(parked.isSettled, false);
  assertEquals(world.booted.usage.waitingPlaces, 1);
  world.produce(client, "orders", batchOf(["a"]));
  const { records } = world.settled(parked).responses[0]!.partitions[0]!;
  assertEquals(valuesIn(records), ["a"]);
  assert(world.simulation.nowMs - started < 5100);
  assertQuiet(world, client, consumer);
});

Deno.test("fetch: nothing came within the longest wait: an empty answer, in time", () => {
  const [world, client] = worldWith([]);
  const started = world.simulation.nowMs;
  const { records, errorCode, highWatermark } = world.fetch(client, "orders", 0, {
    maxWaitMs: 700,
  });
  assertEquals([records, errorCode, highWatermark], [null, 0, 0]);
  const waited = world.simulation.nowMs - started;
  assert(waited >= 700 && waited < 710, `${waited} ms`);
  assertQuiet(world, client);
});

Deno.test("fetch: of no partition is answered at once", () => {
  const [world, client] = worldWith([]);
  const started = world.simulation.nowMs;
  const response = world.ask(client, FETCH, { maxWaitMs: 60_000, minBytes: 1, topics: [] });
  assertEquals(response.responses, []);
  assert(world.simulation.nowMs - started < 10);
});

Deno.test("fetch: waits until min bytes are there, over all partitions", () => {
  const [world, client] = worldWith([], 2);
  const consumer = world.client();
  const big = batchOf(["x".repeat(1000)]);
  const parked = consumer.begin(FETCH, {
    minBytes: 2500,
    maxWaitMs: 60_000,
    topics: [{
      topic: "orders",
      partitions: [0, 1].map((partition) => ({ partition, partitionMaxBytes: 1 << 20 })),
    }],
  }, 12);
  for (const partition of [0, 1]) {
    world.produce(client, "orders", big, { partition });
    world.pass(100);
    assertEquals(parked.isSettled, false);
  }
  world.produce(client, "orders", big, { partition: 0 });
  const { partitions } = world.settled(parked).responses[0]!;
  assertEquals(partitions.map(({ records }) => valuesIn(records).length), [2, 1]);
  assertQuiet(world, client, consumer);
});

Deno.test("fetch: time up gives what there is, though it is less than min bytes", () => {
  const [world, client] = worldWith(["a"]);
  const { records } = world.fetch(client, "orders", 0, { minBytes: 10_000, maxWaitMs: 50 });
  assertEquals(valuesIn(records), ["a"]);
  assertQuiet(world, client);
});

Deno.test("fetch: the bytes of a partition and of the whole response are bounded", () => {
  const value = "x".repeat(900);
  const [world, client] = worldWith([value, value, value, value]);
  const count = (options: { partitionMaxBytes?: number; maxBytes?: number }) =>
    valuesIn(world.fetch(client, "orders", 0, options).records).length;
  assertEquals(count({ partitionMaxBytes: 2500 }), 2);
  assertEquals(count({ maxBytes: 3500 }), 3);
  assertEquals(count({}), 4);
});

Deno.test("fetch: a first batch larger than all limits is given, and nothing besides", () => {
  const [world, client] = worldWith(["x".repeat(5000)], 2);
  world.produce(client, "orders", batchOf(["b".repeat(3000)]), { partition: 1 });
  const { responses } = world.ask(client, FETCH, {
    minBytes: 1,
    maxBytes: 100,
    maxWaitMs: 1000,
    topics: [{
      topic: "orders",
      partitions: [0, 1].map((partition) => ({ partition, partitionMaxBytes: 100 })),
    }],
  }, 12);
  const lengths = responses[0]!.partitions.map(({ records }) => valuesIn(records)[0]?.length);
  assertEquals(lengths, [5000, undefined]);
});

Deno.test("fetch: a first batch larger than the limits is found behind empty partitions", () => {
  const [world, client] = worldWith([], 3);
  world.produce(client, "orders", batchOf(["b".repeat(3000)]), { partition: 2 });
  const { responses } = world.ask(client, FETCH, {
    minBytes: 1,
    maxBytes: 100,
    maxWaitMs: 1000,
    topics: [{
      topic: "orders",
      partitions: [0, 1, 2].map((partition) => ({ partition, partitionMaxBytes: 100 })),
    }],
  }, 12);
  const lengths = responses[0]!.partitions.map(({ records }) => valuesIn(records)[0]?.length);
  assertEquals(lengths, [undefined, undefined, 3000]);
});

Deno.test("fetch: one partition's error does not hold back another's records", () => {
  const [world, client] = worldWith(["a"]);
  const { responses } = world.ask(client, FETCH, {
    minBytes: 1,
    maxWaitMs: 1000,
    topics: [
      { topic: "none", partitions: [{ partition: 0, partitionMaxBytes: 100 }] },
      { topic: "orders", partitions: [{ partition: 0, partitionMaxBytes: 1000 }] },
    ],
  }, 12);
  const [none, orders] = responses.map(({ partitions }) => partitions[0]!);
  assertEquals(none!.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assertEquals(valuesIn(orders!.records), ["a"]);
});

Deno.test("fetch: a client that goes while it waits leaves nothing behind in any partition", () => {
  const [world, client] = worldWith([]);
  for (let i = 0; i < 10; i++) {
    const consumer = world.client();
    beginFetch(consumer, "orders", 0, { maxWaitMs: 3_600_000 });
    world.pass(5);
    consumer.close(i % 2 === 0);
  }
  world.pass(100);
  assertEquals(world.booted.usage.waitingPlaces, 0);
  world.produce(client, "orders", batchOf(["a"]));
  assertQuiet(world, client);
});

Deno.test("fetch: one that waits when its topic is deleted is answered", () => {
  const [world, client] = worldWith([]);
  const consumer = world.client();
  const parked = beginFetch(consumer, "orders", 0, { maxWaitMs: 60_000 });
  world.pass(100);
  world.ask(client, DELETE_TOPICS, { topics: [{ name: "orders" }], timeoutMs: 1000 });
  world.pass(100);
  assertEquals(
    parked.response?.responses[0]?.partitions[0]?.errorCode,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  );
  assertQuiet(world, client, consumer);
});

Deno.test("fetch: records that a reader has not taken count, until it goes or takes them", () => {
  const world = BrokerWorld.serving({ world: { linkKibPerMs: 1 } });
  const client = world.client();
  world.createTopic(client, "orders");
  world.produce(client, "orders", batchOf(["x".repeat(300_000)]));
  const consumer = world.client();
  const parked = beginFetch(consumer, "orders", 0);
  world.pass(50);
  assertEquals(parked.isSettled, false);
  assert(world.booted.usage.fetchedBytes > 300_000);
  world.settled(parked);
  world.pass(1000);
  assertEquals(world.booted.usage.fetchedBytes, 0);
  beginFetch(consumer, "orders", 0);
  world.pass(50);
  assert(world.booted.usage.fetchedBytes > 300_000);
  consumer.close(true);
  assertQuiet(world, client);
});

Deno.test("fetch: unread replies use up the node's budget, not its memory, and others get on", () => {
  const world = BrokerWorld.serving({
    properties: { "queued.max.fetch.bytes": "1000000", "socket.write.timeout.ms": "60000" },
  });
  const client = world.client();
  world.createTopic(client, "orders");
  for (let i = 0; i < 20; i++) world.produce(client, "orders", batchOf(["x".repeat(50_000)]));
  const slow = Array.from({ length: 20 }, () => world.client());
  for (const reader of slow) {
    reader.stopReading();
    for (let i = 0; i < 10; i++) beginFetch(reader, "orders", 0, { maxWaitMs: 600_000 });
  }
  world.pass(1000);
  const { fetchedBytes, lentBytes } = world.booted.usage;
  // The budget, and 64 KiB or a batch a connection.
  assert(fetchedBytes > 1_000_000 && fetchedBytes < 1_000_000 + 20 * 65_536, `${fetchedBytes}`);
  // Buffers are of powers of two, and what the sockets' windows took was given back.
  assert(lentBytes < 2 * (1_000_000 + 20 * 65_536), `${lentBytes}`);
  const { records } = world.fetch(client, "orders", 0, { maxWaitMs: 1000 });
  assertEquals(valuesIn(records).length, 1);
  assertEquals(world.values(client, "orders").length, 20);
  slow[0]!.resumeReading();
  slow.slice(1).forEach((reader) => reader.close(true));
  world.pass(1000);
  slow[0]!.close();
  assertQuiet(world, client);
});
