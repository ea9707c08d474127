import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { LogTruncationError } from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH, type FetchRequest } from "../../../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../../net/messages/offset_for_leader_epoch.ts";
import type { ClientWorld } from "../client_world.ts";
import { failure, numbers, setUp, store, take, texts } from "./consumer_setup.ts";

const partition = (world: ClientWorld) => world.cluster.partition("t", 0)!;

/** Batches of one record each, in the leader epoch that there is. */
const storeEach = (world: ClientWorld, from: number, count: number) => {
  for (const value of numbers(from, count)) store(world, 0, [value]);
};

Deno.test("consumer: after a leader change the position is validated before it is fetched from (KIP-320)", async () => {
  const setup = await setUp(undefined, (world) => storeEach(world, 0, 3), { brokers: 2 });
  const { world, consumer } = setup;
  await take(setup, 3);
  partition(world).move(2, Infinity);
  const { requests } = world.cluster;
  requests.splice(0);
  storeEach(world, 3, 2);
  assertEquals(texts(await take(setup, 2)), ["3", "4"]);
  const validated = requests.findIndex(({ api }) => api === OFFSET_FOR_LEADER_EPOCH.name);
  const fetched = requests.findIndex(({ api, broker }) => api === FETCH.name && broker === 2);
  assert(validated >= 0 && validated < fetched, `validated ${validated}, fetched ${fetched}`);
  await world.settled(consumer.close());
});

Deno.test("consumer: a log that lost what was read is gone on with where the logs part", async () => {
  const setup = await setUp(undefined, (world) => storeEach(world, 0, 5), { brokers: 2 });
  const { world, consumer } = setup;
  await take(setup, 5);
  partition(world).move(2, 3);
  // Other records at the same offsets, more than there were.
  storeEach(world, 100, 4);
  assertEquals(texts(await take(setup, 4)), ["100", "101", "102", "103"]);
  assert(world.logged.some((line) => line.includes("log truncated")), world.logged.join("\n"));
  await world.settled(consumer.close());
});

Deno.test("consumer: without a reset a log that lost what was read is a LogTruncationError", async () => {
  const config = { topics: ["t"], from: "earliest", autoOffsetReset: "none" } as const;
  const setup = await setUp(config, (world) => storeEach(world, 0, 5), { brokers: 2 });
  const { world, consumer } = setup;
  await take(setup, 5);
  partition(world).move(2, 3);
  storeEach(world, 100, 4);
  const error = await failure(world, take(setup, 1));
  assertInstanceOf(error, LogTruncationError);
  assertEquals([error.topic, error.partition, error.offset, error.divergentOffset], ["t", 0, 5, 3]);
  consumer.seek({ topic: "t", partition: 0 }, error.divergentOffset!);
  assertEquals(texts(await take(setup, 1)), ["100"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: what was fetched and is no more is not given to the user", async () => {
  const setup = await setUp(undefined, (world) => storeEach(world, 0, 5), { brokers: 2 });
  const { world, consumer } = setup;
  // The others are fetched, too, and wait.
  assertEquals(texts(await take(setup, 2)), ["0", "1"]);
  partition(world).move(2, 3);
  storeEach(world, 100, 2);
  await world.pass(2_000);
  assertEquals(texts(await take(setup, 3)), ["2", "100", "101"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: what the user stands at is held against the log once more when what waits is gone", async () => {
  const setup = await setUp(undefined, (world) => storeEach(world, 0, 5), { brokers: 2 });
  const { world, consumer } = setup;
  assertEquals(texts(await take(setup, 4)), ["0", "1", "2", "3"]);
  partition(world).move(2, 3);
  storeEach(world, 100, 4);
  await world.pass(2_000);
  assertEquals(texts(await take(setup, 4)), ["100", "101", "102", "103"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: a log that knows no such epoch any more is begun anew, as the reset says", async () => {
  const config = { topics: ["t"], from: "earliest", autoOffsetReset: "earliest" } as const;
  const setup = await setUp(config, (world) => storeEach(world, 0, 5), { brokers: 2 });
  const { world, consumer } = setup;
  await take(setup, 5);
  partition(world).move(2, 0);
  world.cluster.handlers.set(OFFSET_FOR_LEADER_EPOCH as never, (_request, _broker, reply) =>
    reply({
      topics: [{
        topic: "t",
        partitions: [{ partition: 0, errorCode: 0, leaderEpoch: -1, endOffset: -1 }],
      }],
    }));
  storeEach(world, 100, 6);
  assertEquals(texts(await take(setup, 1)), ["100"]);
  await world.settled(consumer.close());
});

for (const code of [ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH]) {
  Deno.test(`consumer: a validation that fails with ${code} is tried again with newer metadata`, async () => {
    const setup = await setUp(undefined, (world) => storeEach(world, 0, 3), { brokers: 2 });
    const { world, consumer } = setup;
    await take(setup, 3);
    let failures = 3;
    world.cluster.intercept = (api, _request, broker) => {
      assert(api !== FETCH || broker.nodeId === 1 || failures < 0, "fetched unvalidated");
      if (api !== OFFSET_FOR_LEADER_EPOCH || failures-- <= 0) return undefined;
      const partitions = [{ partition: 0, errorCode: code }];
      return { kind: "reply", response: { topics: [{ topic: "t", partitions }] } };
    };
    partition(world).move(2, Infinity);
    storeEach(world, 3, 1);
    const before = world.cluster.count(METADATA);
    assertEquals(texts(await take(setup, 1)), ["3"]);
    assert(world.cluster.count(METADATA) > before + 1);
    await world.settled(consumer.close());
  });
}

Deno.test("consumer: a new leader that a fetch names is gone to without asking for metadata (KIP-951)", async () => {
  const setup = await setUp(undefined, (world) => {
    world.cluster.namesLeaders = true;
    storeEach(world, 0, 3);
  }, { brokers: 2 });
  const { world, consumer } = setup;
  await take(setup, 3);
  world.cluster.intercept = (api) => api === METADATA ? { kind: "silence" } : undefined;
  partition(world).move(2, Infinity);
  storeEach(world, 3, 1);
  const before = world.nowMs;
  assertEquals(texts(await take(setup, 1)), ["3"]);
  assert(world.nowMs - before < 1_000, `${world.nowMs - before} ms`);
  world.cluster.intercept = () => undefined;
  await world.settled(consumer.close());
});

Deno.test("consumer: a leader that does not know its high watermark yet is asked again", async () => {
  let failures = 3;
  const setup = await setUp({ topics: ["t"], from: "latest" }, (world) => {
    storeEach(world, 0, 3);
    world.cluster.intercept = (api) => {
      if (api !== LIST_OFFSETS || failures-- <= 0) return undefined;
      const partitions = [{ partitionIndex: 0, errorCode: ErrorCode.OFFSET_NOT_AVAILABLE }];
      return { kind: "reply", response: { topics: [{ name: "t", partitions }] } };
    };
  });
  const { world, consumer } = setup;
  assertEquals(failures, -1);
  assertEquals(consumer.position({ topic: "t", partition: 0 }), 3);
  await world.settled(consumer.close());
});

Deno.test("consumer: a position that is looked up while the leader changes is validated, and read from", async () => {
  let asked = 0;
  const setup = await setUp(undefined, (world) => {
    storeEach(world, 0, 3);
    world.cluster.intercept = (api) => {
      // Nothing that the cluster says later helps.
      if (api === METADATA && asked > 1) return { kind: "silence" };
      if (api !== LIST_OFFSETS) return undefined;
      const isFirst = asked++ === 0;
      if (isFirst) partition(world).move(2, Infinity);
      const answer = isFirst
        ? { errorCode: ErrorCode.FENCED_LEADER_EPOCH }
        : { errorCode: 0, timestamp: -1, offset: 0, leaderEpoch: 0 };
      const partitions = [{ partitionIndex: 0, ...answer }];
      return { kind: "reply", response: { topics: [{ name: "t", partitions }] } };
    };
  }, { brokers: 2 });
  assertEquals(texts(await take(setup, 3)), ["0", "1", "2"]);
  assert(asked > 1);
  assert(setup.world.nowMs < 5_000, `${setup.world.nowMs} ms`);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: a position whose leader changes while it is fetched from is validated, and read from", async () => {
  let held = false;
  let told = 0;
  const config = { topics: ["t"], from: "earliest", metadataMaxAgeMs: 200 } as const;
  const setup = await setUp(config, (world) => {
    storeEach(world, 0, 3);
    world.cluster.intercept = (api, request) => {
      // It hears of that once.
      if (api === METADATA && held && told++ > 0) return { kind: "silence" };
      const [topic] = api === FETCH ? (request as FetchRequest).topics : [];
      if (held || topic?.partitions[0]?.fetchOffset !== 3) return undefined;
      held = true;
      // The same broker leads anew; what it was asked before, it answers as of then.
      partition(world).move(1, Infinity);
      const data = { partitionIndex: 0, highWatermark: 3, lastStableOffset: 3 };
      const { topicId } = topic;
      const responses = [{ topicId, partitions: [{ ...data, records: new Uint8Array(0) }] }];
      return { kind: "reply", response: { responses }, afterMs: 1000 };
    };
  });
  await take(setup, 3);
  const { world, consumer } = setup;
  assertEquals(await world.settled(consumer.poll(2000)), []);
  storeEach(world, 3, 1);
  assertEquals(texts(await take(setup, 1)), ["3"]);
  assert(told > 0);
  assert(world.nowMs < 5000, `${world.nowMs} ms`);
  await world.settled(consumer.close());
});
