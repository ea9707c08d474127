/** Consumers whose membership ends, and what they do afterwards, on a simulated node. */

import { assertEquals, assertRejects } from "@std/assert";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { ClientError, FencedInstanceError } from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { GroupWorld, type Reader } from "./group_setup.ts";

/** One that cannot join, as it shares no protocol with the other. */
async function refused(world: GroupWorld): Promise<{ other: Reader; reader: Reader }> {
  await world.createTopic("t", 2);
  await world.produce("t", 2, ["a", "b"]);
  const other = await world.reader({ group: "g", topics: ["t"], assignors: ["range"] });
  other.read();
  await world.shared([other], "t", 2);
  const reader = await world.reader({ group: "g", topics: ["t"], assignors: ["sticky"] });
  return { other, reader };
}

Deno.test("group: one whose membership ended begins another when it subscribes again", async () => {
  const world = new GroupWorld();
  const { other, reader } = await refused(world);
  const { consumer } = reader;
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => world.settled(consumer.poll(30_000)), ClientError);
    assertEquals(error.code, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  await world.settled(other.close());
  await world.produce("t", 2, ["c", "d"]);
  consumer.subscribe(["t"]);
  reader.read();
  await world.until(() => reader.values.length >= 2);
  assertEquals(reader.events, ["assigned t-0 t-1"]);
  await world.close();
});

Deno.test("group: a pattern, too, begins another membership", async () => {
  const world = new GroupWorld();
  const { other, reader } = await refused(world);
  await assertRejects(() => world.settled(reader.consumer.poll(30_000)), ClientError);
  await world.settled(other.close());
  reader.consumer.subscribe(/^t$/);
  reader.read();
  await world.until(() => reader.owned.length === 2);
  await world.close();
});

Deno.test("group: why a membership ended is told, though another was begun meanwhile", async () => {
  const world = new GroupWorld();
  const { other, reader } = await refused(world);
  const { consumer } = reader;
  await world.pass(10_000);
  await world.settled(other.close());
  consumer.subscribe(["t"]);
  const error = await assertRejects(() => world.settled(consumer.poll(30_000)), ClientError);
  assertEquals(error.code, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  reader.read();
  await world.until(() => reader.owned.length === 2);
  await world.close();
});

const PROTOCOLS: readonly { readonly name: string; readonly config: ConsumerConfig }[] = [
  { name: "classic", config: { groupProtocol: "classic" } },
  { name: "classic, cooperative", config: { assignors: ["cooperative-sticky"] } },
];

for (const { name, config } of PROTOCOLS) {
  Deno.test(`group: a fenced static member has lost what it had, and may come back (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 2);
    const join = { ...config, group: "g", topics: ["t"], groupInstanceId: "one" };
    const first = await world.reader(join);
    const polled = world.settled(first.consumer.poll(10_000));
    await polled;
    assertEquals(first.events, ["assigned t-0 t-1"]);
    const second = await world.reader(join);
    second.read();
    await world.until(() => second.owned.length === 2);
    await assertRejects(() => world.settled(first.consumer.poll(30_000)), FencedInstanceError);
    assertEquals(first.events, ["assigned t-0 t-1", "lost t-0 t-1"]);
    assertEquals(first.owned, []);
    await world.settled(second.close());
    first.consumer.subscribe(["t"]);
    first.read();
    await world.until(() => first.owned.length === 2);
    assertEquals(first.events.slice(2), ["assigned t-0 t-1"]);
    await world.close();
  });
}

Deno.test("group: one that was put out has lost its partitions when it closes", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, ["a"]);
  const reader = await world.reader({ group: "g", topics: ["t"], maxPollIntervalMs: 5000 });
  await world.settled(reader.consumer.poll(30_000));
  await world.pass(20_000);
  await world.settled(reader.consumer.close());
  assertEquals(reader.events, ["assigned t-0", "lost t-0"]);
  await world.close();
});

for (const { name, config } of [...PROTOCOLS, { name: "consumer", config: {} }]) {
  Deno.test(`group: a listener may commit what it had while the consumer closes (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 1);
    await world.produce("t", 1, ["a", "b", "c"]);
    const holder: { reader?: Reader; offset?: number | undefined } = {};
    const join = { ...config, group: "g", topics: ["t"], enableAutoCommit: false };
    const reader = holder.reader = await world.reader({
      ...join,
      rebalanceListener: {
        revoked: async ([partition]) => {
          const { consumer } = holder.reader!;
          holder.offset = consumer.position(partition!);
          await consumer.commit([{ ...partition!, offset: 2 }]);
        },
      },
    });
    await world.settled(reader.consumer.poll(30_000));
    await world.settled(reader.consumer.close());
    assertEquals(holder.offset, 3);
    const next = await world.reader(join);
    assertEquals((await world.settled(next.consumer.poll(30_000)))[0]!.text(), "c");
    await world.close();
  });
}

for (const { name, config } of [...PROTOCOLS, { name: "consumer", config: {} }]) {
  Deno.test(`group: one that was away is a member again though it never waits (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 1);
    const join = { ...config, group: "g", topics: ["t"] };
    const other = await world.reader(join);
    other.read();
    await world.shared([other], "t", 1);
    // There is nothing for it, so that it has nothing to lose.
    const reader = await world.reader({ ...join, maxPollIntervalMs: 5000 });
    await world.pass(20_000);
    await world.settled(other.close());
    for (let i = 0; i < 200 && reader.owned.length === 0; i++) {
      await world.settled(reader.consumer.poll(0));
      await world.pass(100);
    }
    assertEquals(reader.owned, ["t-0"]);
    await world.close();
  });
}
