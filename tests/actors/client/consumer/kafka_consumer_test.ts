/** A consumer by Kafka's protocol, whose answers come in the order of the questions. */

import { assert, assertEquals } from "@std/assert";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import { GroupWorld } from "./group_setup.ts";
import { KAFKA_ADDRESS } from "../node_world.ts";

/** How long a fetch waits for records that are not there. */
const FETCH_MAX_WAIT_MS = 20_000;

Deno.test("kafka consumer: a partition that is read to its end holds up no other", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 3);
  await world.produce("t", 1, ["the first of partition 0, and its last"]);
  const long = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(100_000));
  for (const value of long) await world.produceTo("t", 1, value);
  const consumer = await world.settled(Consumer.connect(KAFKA_ADDRESS, {
    topics: ["t"],
    from: "earliest",
    fetchMaxWaitMs: FETCH_MAX_WAIT_MS,
    environment: world.at(2),
  }));
  const start = world.nowMs;
  let read = 0;
  await world.settled((async () => {
    for await (const _ of consumer) if (++read === long.length + 1) break;
  })());
  assertEquals(read, long.length + 1);
  assert(world.nowMs - start < FETCH_MAX_WAIT_MS, `it took ${world.nowMs - start} ms`);
  await world.settled(consumer.close());
  await world.close();
});

Deno.test("kafka consumer: a commit does not wait for a fetch that waits for records", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, ["a"]);
  const consumer = await world.settled(Consumer.connect(KAFKA_ADDRESS, {
    group: "g",
    topics: ["t"],
    from: "earliest",
    fetchMaxWaitMs: FETCH_MAX_WAIT_MS,
    environment: world.at(2),
  }));
  await world.settled((async () => {
    for await (const _ of consumer) break;
  })());
  await world.pass(1000);
  const start = world.nowMs;
  await world.settled(consumer.commit());
  assert(world.nowMs - start < 1000, `it took ${world.nowMs - start} ms`);
  await world.settled(consumer.close());
  await world.close();
});

Deno.test("kafka consumer: a partition without records does not hold up one that waits for room", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 2);
  for (let i = 0; i < 40; i++) await world.produceTo("t", 1, `${i}`.padEnd(100_000));
  const consumer = await world.settled(Consumer.connect(KAFKA_ADDRESS, {
    assign: [{ topic: "t", partition: 0 }, { topic: "t", partition: 1 }],
    from: "earliest",
    maxPollRecords: 5,
    fetchMaxWaitMs: FETCH_MAX_WAIT_MS,
    environment: world.at(2),
  }));
  const start = world.nowMs;
  for (let read = 0; read < 40;) {
    read += (await world.settled(consumer.poll(60_000))).length;
    await world.pass(20);
  }
  assert(world.nowMs - start < FETCH_MAX_WAIT_MS, `it took ${world.nowMs - start} ms`);
  await world.settled(consumer.close());
  await world.close();
});
