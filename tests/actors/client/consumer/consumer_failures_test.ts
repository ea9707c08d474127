import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import {
  AuthorizationError,
  ClosedError,
  CorruptRecordError,
  InvalidConfigError,
  OffsetOutOfRangeError,
  UnknownTopicError,
} from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { ClientWorld } from "../client_world.ts";
import { failure, numbers, setUp, store, take, texts } from "./consumer_setup.ts";

Deno.test("consumer: the answer to a fetch from before a seek is dropped", async () => {
  const setup = await setUp(undefined, (world) => store(world, 0, numbers(0, 5)));
  await take(setup, 5);
  // A fetch from the end of the log waits at the broker, and is answered after the seek.
  await setup.world.pass(100);
  setup.consumer.seek({ topic: "t", partition: 0 }, 1);
  store(setup.world, 0, ["5"]);
  assertEquals(texts(await take(setup, 5)), numbers(1, 5));
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: a position out of range goes where autoOffsetReset says", async () => {
  const assign = [{ topic: "t", partition: 0, offset: 99 }];
  for (const autoOffsetReset of ["earliest", "latest"] as const) {
    const setup = await setUp({ assign, autoOffsetReset }, (w) => store(w, 0, ["a", "b"]));
    const taken = take(setup, 1);
    await setup.world.pass(1000);
    store(setup.world, 0, ["new"]);
    assertEquals(texts(await taken), [autoOffsetReset === "earliest" ? "a" : "new"]);
    await setup.world.settled(setup.consumer.close());
  }
});

Deno.test("consumer: with autoOffsetReset none a position out of range is an error", async () => {
  const assign = [{ topic: "t", partition: 0, offset: 99 }];
  const setup = await setUp({ assign, autoOffsetReset: "none" }, (w) => store(w, 0, ["a"]));
  const error = await failure(setup.world, take(setup, 1));
  assertInstanceOf(error, OffsetOutOfRangeError);
  assertEquals([error.topic, error.partition, error.offset], ["t", 0, 99]);
  setup.consumer.seek({ topic: "t", partition: 0 }, 0);
  assertEquals(texts(await take(setup, 1)), ["a"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: when the leader has moved it is followed", async () => {
  const setup = await setUp(undefined, (world) => store(world, 0, ["a"]), { brokers: 2 });
  const { world } = setup;
  assertEquals(texts(await take(setup, 1)), ["a"]);
  const partition = world.cluster.partition("t", 0)!;
  partition.leader = 2;
  partition.leaderEpoch++;
  store(world, 0, ["b"]);
  assertEquals(texts(await take(setup, 1)), ["b"]);
  await world.settled(setup.consumer.close());
});

Deno.test("consumer: a lost connection loses and repeats nothing", async () => {
  const setup = await setUp(undefined, (world) => {
    for (let i = 0; i < 10; i++) store(world, 0, numbers(i * 10, 10));
  });
  const { world } = setup;
  let losses = 2;
  world.cluster.intercept = (api) =>
    api === FETCH && losses-- > 0 ? { kind: "close", afterHandling: true } : undefined;
  assertEquals(texts(await take(setup, 50)), numbers(0, 50));
  for (const broker of world.cluster.brokers.values()) broker.hangUp();
  await world.pass(500);
  store(world, 0, ["100"]);
  assertEquals(texts(await take(setup, 51)), numbers(50, 51));
  await world.settled(setup.consumer.close());
});

Deno.test("consumer: a retriable error of a partition is waited out", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, ["a"]);
    let errors = 3;
    world.cluster.fetchError = () => errors-- > 0 ? ErrorCode.KAFKA_STORAGE_ERROR : 0;
  });
  assertEquals(texts(await take(setup, 1)), ["a"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: an error that no retry can mend ends the loop; the next one goes on", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, ["a"]);
    let errors = 1;
    world.cluster.fetchError = () => errors-- > 0 ? ErrorCode.TOPIC_AUTHORIZATION_FAILED : 0;
  });
  assertInstanceOf(await failure(setup.world, take(setup, 1)), AuthorizationError);
  assertEquals(texts(await take(setup, 1)), ["a"]);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: a batch that fails its checksum is an error at its place, until it is passed", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, ["a"]);
    store(world, 0, ["b"]);
    store(world, 0, ["c"]);
    const [, second] = world.cluster.partition("t", 0)!.batches;
    second![second!.length - 2]! ^= 1;
  });
  const { world, consumer } = setup;
  assertEquals(texts(await take(setup, 1)), ["a"]);
  for (let i = 0; i < 2; i++) {
    const error = await failure(world, take(setup, 1));
    assertInstanceOf(error, CorruptRecordError);
    assert(error.message.includes("t-0") && error.message.includes("offset 1"), error.message);
  }
  consumer.seek({ topic: "t", partition: 0 }, 2);
  assertEquals(texts(await take(setup, 1)), ["c"]);
  await world.settled(consumer.close());
});

Deno.test("consumer: poll gives the records before an error first", async () => {
  const setup = await setUp(undefined, (world) => {
    store(world, 0, ["a"]);
    store(world, 0, ["b"]);
    const [, second] = world.cluster.partition("t", 0)!.batches;
    second![second!.length - 2]! ^= 1;
  });
  const { world, consumer } = setup;
  assertEquals(texts(await world.settled(consumer.poll(1000))), ["a"]);
  assertInstanceOf(await failure(world, consumer.poll(1000)), CorruptRecordError);
  await world.settled(consumer.close());
});

Deno.test("consumer: a topic that stays unknown is an error after defaultApiTimeoutMs", async () => {
  const config = { topics: ["none"], defaultApiTimeoutMs: 3000 } as const;
  const setup = await setUp(config);
  const error = await failure(setup.world, take(setup, 1));
  assertInstanceOf(error, UnknownTopicError);
  const { nowMs } = setup.world;
  assert(nowMs >= 3000 && nowMs < 5000, `${nowMs} ms`);
  await setup.world.settled(setup.consumer.close());
});

Deno.test("consumer: close ends a loop that waits; afterwards calls are refused", async () => {
  const setup = await setUp();
  const { world, consumer } = setup;
  const loop = (async () => {
    for await (const _record of consumer) throw new Error("There is none");
  })();
  await world.pass(100);
  await world.settled(consumer.close());
  await world.settled(loop);
  await assertRejects(() => consumer.poll(0), ClosedError);
  assertThrows(() => consumer.seek({ topic: "t", partition: 0 }, 0), ClosedError);
});

Deno.test("consumer: what is not assigned cannot be sought", async () => {
  const setup = await setUp();
  const { consumer, world } = setup;
  assertThrows(() => consumer.seek({ topic: "t", partition: 3 }, 0), InvalidConfigError, "t-3");
  assertThrows(() => consumer.seek({ topic: "t", partition: 0 }, -1), InvalidConfigError);
  await world.settled(consumer.close());
});

Deno.test("consumer: either topics or partitions must be given", async () => {
  const world = new ClientWorld();
  const { environment } = world;
  await assertRejects(
    () => Consumer.connect(world.bootstrap, { environment }),
    InvalidConfigError,
    "either topics or assign",
  );
});
