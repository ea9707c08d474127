/** Consumers in groups whose members, topics and partitions change, on a simulated node. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Assignor } from "../../../../actors/client/consumer/assignors/assignor.ts";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import {
  ClientError,
  CommitFailedError,
  InvalidConfigError,
  NoOffsetForPartitionError,
} from "../../../../actors/client/errors.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { GroupWorld, keyOf, type Reader } from "./group_setup.ts";

function numbers(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

const PROTOCOLS: readonly { readonly name: string; readonly config: ConsumerConfig }[] = [
  { name: "classic", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer", config: {} },
];

for (const { name, config } of PROTOCOLS) {
  const join = { ...config, group: "g", topics: ["t"] };

  Deno.test(`group: a member keeps what it need not give up (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 6);
    const first = await world.reader(join);
    first.read();
    await world.shared([first], "t", 6);
    const before = first.owned;
    const second = await world.reader(join);
    second.read();
    await world.shared([first, second], "t", 6);
    assertEquals(first.events.length, 2);
    assert(first.events[1]!.startsWith("revoked "));
    assert(first.owned.every((key) => before.includes(key)));
    assertEquals(first.events[1]!.split(" ").length - 1, 3);
    await world.close();
  });

  Deno.test(`group: what a crashed member had is taken over, from where it had committed (${name})`, async () => {
    const world = new GroupWorld({
      properties: {
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.heartbeat.interval.ms": "1000",
      },
    });
    await world.createTopic("t", 2);
    const settings = { ...join, sessionTimeoutMs: 6000, heartbeatIntervalMs: 1000 };
    const first = await world.reader(settings);
    const second = await world.reader(settings);
    first.read();
    second.read();
    await world.shared([first, second], "t", 2);
    await world.produce("t", 2, numbers(0, 20));
    await world.until(() => first.values.length + second.values.length === 20);
    world.simulation.node("client3").crash({ powerLoss: false });
    world.readers.splice(1, 1);
    await world.produce("t", 2, numbers(20, 20));
    const late = numbers(20, 20);
    await world.until(() => late.every((value) => first.values.includes(value)));
    assertEquals(first.owned, ["t-0", "t-1"]);
    await world.close();
  });

  Deno.test(`group: one whose user does not come back loses its partitions until it does (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 2);
    await world.produce("t", 2, numbers(0, 10));
    const stuck = await world.reader({ ...join, maxPollIntervalMs: 8000, maxPollRecords: 1 });
    await world.settled(stuck.consumer.poll(30_000));
    assertEquals(stuck.owned.length, 2);
    const other = await world.reader(join);
    other.read();
    await world.until(() => other.owned.length === 2, 60_000);
    await world.until(() => new Set(other.values).size === 10);
    const again = stuck.consumer.poll(30_000);
    await world.until(() => stuck.events.some((event) => event.startsWith("lost ")));
    await world.settled(again);
    await world.close();
  });

  Deno.test(`group: new partitions, and topics that fit the pattern, are shared out (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("logs-a", 2);
    await world.createTopic("other", 2);
    const pattern = { ...join, topics: /^logs-/g };
    const first = await world.reader(pattern);
    const second = await world.reader(pattern);
    first.read();
    second.read();
    await world.shared([first, second], "logs", 2);
    const admin = await world.admin();
    await world.settled(admin.createPartitions([{ name: "logs-a", count: 4 }]));
    await world.shared([first, second], "logs", 4);
    await world.createTopic("logs-b", 2);
    await world.shared([first, second], "logs", 6);
    assertEquals(first.consumer.subscription(), ["logs-a", "logs-b"]);
    await world.produce("logs-b", 2, ["x", "y"]);
    await world.until(() => [...first.values, ...second.values].sort().join() === "x,y");
    await world.close();
  });

  Deno.test(`group: a static member that comes back soon finds what it had (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 4);
    const one = { ...join, groupInstanceId: "one" };
    const first = await world.reader(one);
    const second = await world.reader({ ...join, groupInstanceId: "two" });
    first.read();
    second.read();
    await world.shared([first, second], "t", 4);
    await world.pass(5000);
    const [had, events] = [first.owned, second.events.length];
    await world.settled(first.close());
    const again = await world.reader(one);
    again.read();
    await world.until(() => again.owned.length === 2);
    await world.pass(10_000);
    assertEquals(again.owned, had);
    assertEquals(second.events.length, events);
    await world.close();
  });

  Deno.test(`group: commits of one who is no longer a member fail (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 1);
    await world.produce("t", 1, numbers(0, 4));
    const settings = { ...join, enableAutoCommit: false, maxPollIntervalMs: 5000 };
    const { consumer } = await world.reader(settings);
    await world.settled(consumer.poll(30_000));
    const other = await world.reader(join);
    other.read();
    await world.until(() => other.owned.length === 1, 60_000);
    await assertRejects(() => world.settled(consumer.commit()), CommitFailedError);
    await world.close();
  });

  Deno.test(`group: by batches too, and a pause outlasts a rebalance (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 2);
    await world.produce("t", 2, numbers(0, 8));
    const reader = await world.reader(join);
    const values: string[] = [];
    const loop = (async () => {
      for await (const batch of reader.consumer.batches()) {
        for (const record of batch.records()) values.push(record.text());
      }
    })();
    await world.until(() => values.length === 8);
    reader.consumer.pause([{ topic: "t", partition: 0 }]);
    const second = await world.reader(join);
    second.read();
    await world.shared([reader, second], "t", 2);
    await world.settled(second.close());
    world.readers.splice(1, 1);
    await world.shared([reader], "t", 2);
    const kept = reader.events.find((event) => event.startsWith("revoked"))!.endsWith("t-1");
    assertEquals(reader.consumer.paused().map(keyOf), kept ? ["t-0"] : []);
    await world.settled(reader.close());
    await world.settled(loop);
    await world.close();
  });

  Deno.test(`group: without a committed offset and a reset there is an error (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 1);
    const { consumer } = await world.reader({ ...join, autoOffsetReset: "none" });
    await assertRejects(
      () => world.settled(consumer.poll(30_000)),
      NoOffsetForPartitionError,
      "group g has committed no offset",
    );
    await world.close();
  });
}

Deno.test("group: what the user has in hand is not committed by itself", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, numbers(0, 10));
  const { consumer } = await world.reader({
    group: "g",
    topics: ["t"],
    maxPollRecords: 4,
    autoCommitIntervalMs: 1000,
  });
  const place = [{ topic: "t", partition: 0 }];
  const committed = async () => (await world.settled(consumer.committed(place)))[0]!.offset;
  await world.settled(consumer.poll(30_000));
  await world.pass(5000);
  assertEquals(await committed(), 0);
  await world.settled(consumer.poll(1000));
  await world.pass(5000);
  assertEquals(await committed(), 4);
  const loop = consumer[Symbol.asyncIterator]();
  assertEquals((await world.settled(loop.next())).value!.text(), "8");
  await world.pass(5000);
  assertEquals(await committed(), 8);
  await world.settled(consumer.commit());
  assertEquals(await committed(), 9);
  await world.settled(consumer.close());
  const again = await world.reader({ group: "g", topics: ["t"] });
  assertEquals((await world.settled(again.consumer.poll(30_000)))[0]!.text(), "9");
  await world.close();
});

Deno.test("group: one that was put out commits nothing, though nobody else is in the group", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, numbers(0, 4));
  const { consumer } = await world.reader({
    group: "g",
    topics: ["t"],
    maxPollIntervalMs: 5000,
    autoCommitIntervalMs: 1000,
  });
  await world.settled(consumer.poll(30_000));
  await world.pass(20_000);
  await assertRejects(() => world.settled(consumer.commit()), CommitFailedError);
  // Nor can it, as somebody unknown, in a transaction.
  assert(consumer.groupMetadata().generationId > 0);
  const admin = await world.admin();
  const [committed] = await world.settled(
    admin.listConsumerGroupOffsets("g", [{ topic: "t", partition: 0 }]),
  );
  assertEquals(committed!.offset, 0);
  await world.close();
});

Deno.test("group: a listener may seek, and is waited for", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, numbers(0, 10));
  const holder: { reader?: Reader; waited?: boolean } = {};
  holder.reader = await world.reader({
    group: "g",
    topics: ["t"],
    rebalanceListener: {
      assigned: async (partitions) => {
        await new Promise<void>((resolve) => world.at(2).timers.schedule(1000, resolve));
        for (const partition of partitions) holder.reader!.consumer.seek(partition, 7);
        holder.waited = true;
      },
    },
  });
  const records = await world.settled(holder.reader.consumer.poll(30_000));
  assertEquals(holder.waited, true);
  assertEquals(records.map((record) => record.text()), ["7", "8", "9"]);
  await world.close();
});

Deno.test("group: what a listener throws, the call for records throws, once", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, ["a"]);
  const { consumer } = await world.reader({
    group: "g",
    topics: ["t"],
    rebalanceListener: {
      assigned: () => {
        throw new RangeError("no");
      },
    },
  });
  await assertRejects(() => world.settled(consumer.poll(30_000)), RangeError, "no");
  assertEquals((await world.settled(consumer.poll(30_000)))[0]!.text(), "a");
  await world.close();
});

const LAST_TAKES_ALL: Assignor = {
  name: "last-takes-all",
  protocol: "eager",
  assign(topics, members) {
    const last = members.map(({ memberId }) => memberId).sort().at(-1)!;
    const all = topics.flatMap(({ name: topic, racks }) =>
      racks.map((_, partition) => ({ topic, partition }))
    );
    return new Map([[last, all]]);
  },
};

Deno.test("group: partitions are divided by the user's assignor, if all have it", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 3);
  const config = { group: "g", topics: ["t"], assignors: [LAST_TAKES_ALL, "range"] as const };
  const readers = [await world.reader(config), await world.reader(config)];
  for (const reader of readers) reader.read();
  await world.pass(20_000);
  assertEquals(readers.map(({ owned }) => owned.length).sort(), [0, 3]);
  const third = await world.reader({ ...config, assignors: ["range"] });
  third.read();
  await world.shared([...readers, third], "t", 3);
  assertEquals(readers.map(({ owned }) => owned.length), [1, 1]);
  await world.close();
});

Deno.test("group: an assignor that throws ends the membership of the leader", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 3);
  const { consumer } = await world.reader({
    group: "g",
    topics: ["t"],
    assignors: [{
      ...LAST_TAKES_ALL,
      assign: () => {
        throw new Error("cannot");
      },
    }],
  });
  await assertRejects(
    () => world.settled(consumer.poll(30_000)),
    InvalidConfigError,
    "Cannot assign partitions by last-takes-all: cannot",
  );
  await world.close();
});

Deno.test("group: one that shares no protocol with the others is refused", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  const first = await world.reader({ group: "g", topics: ["t"], assignors: ["range"] });
  first.read();
  await world.shared([first], "t", 1);
  const { consumer } = await world.reader({ group: "g", topics: ["t"], assignors: ["sticky"] });
  const error = await assertRejects(() => world.settled(consumer.poll(30_000)), ClientError);
  assertEquals(error.code, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  await world.close();
});

Deno.test("group: with assigned partitions offsets are committed without a membership", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 2);
  await world.produce("t", 2, numbers(0, 10));
  const config = { group: "g", assign: [{ topic: "t", partition: 1 }] };
  const first = await world.reader(config);
  assertEquals((await world.settled(first.consumer.poll(10_000))).length, 5);
  await world.settled(first.consumer.commit());
  await world.settled(first.close());
  await world.produce("t", 2, numbers(10, 2));
  const second = await world.reader(config);
  const records = await world.settled(second.consumer.poll(10_000));
  assertEquals(records.map((record) => record.text()), ["11"]);
  await world.close();
});
