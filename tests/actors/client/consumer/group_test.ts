/** Consumers in groups, on a simulated node: what users see of both protocols. */

import { assertEquals } from "@std/assert";
import type { ConsumerConfig } from "../../../../actors/client/configs.ts";
import { GroupWorld } from "./group_setup.ts";

function numbers(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

const KINDS: readonly { readonly name: string; readonly config: ConsumerConfig }[] = [
  { name: "classic, range", config: { groupProtocol: "classic", assignors: ["range"] } },
  { name: "classic, roundrobin", config: { assignors: ["roundrobin"] } },
  { name: "classic, sticky", config: { assignors: ["sticky"] } },
  { name: "classic, cooperative", config: { assignors: ["cooperative-sticky"] } },
  { name: "consumer, uniform", config: { groupRemoteAssignor: "uniform" } },
  { name: "consumer, range", config: { groupRemoteAssignor: "range" } },
];

for (const { name, config } of KINDS) {
  Deno.test(`group: a lone member has all partitions and reads them (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 3);
    await world.produce("t", 3, numbers(0, 30));
    const reader = await world.reader({ ...config, group: "g", topics: ["t"] });
    reader.read();
    await world.until(() => reader.values.length === 30);
    assertEquals(reader.owned, ["t-0", "t-1", "t-2"]);
    assertEquals(reader.values.toSorted((a, b) => Number(a) - Number(b)), numbers(0, 30));
    assertEquals(reader.events, ["assigned t-0 t-1 t-2"]);
    await world.close();
  });

  Deno.test(`group: two members share, and one takes over when the other leaves (${name})`, async () => {
    const world = new GroupWorld();
    await world.createTopic("t", 4);
    const first = await world.reader({ ...config, group: "g", topics: ["t"] });
    first.read();
    await world.shared([first], "t", 4);
    const second = await world.reader({ ...config, group: "g", topics: ["t"] });
    second.read();
    await world.shared([first, second], "t", 4);
    assertEquals([first.owned.length, second.owned.length], [2, 2]);
    await world.produce("t", 4, numbers(0, 40));
    await world.until(() => first.values.length + second.values.length === 40);
    await world.settled(second.close());
    await world.shared([first], "t", 4);
    await world.produce("t", 4, numbers(40, 40));
    await world.until(() => first.values.length + second.values.length >= 80);
    const seen = new Set([...first.values, ...second.values]);
    assertEquals(seen.size, 80);
    await world.close();
  });
}

Deno.test("group: two groups each see everything", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 2);
  await world.produce("t", 2, numbers(0, 10));
  const one = await world.reader({ group: "one", topics: ["t"], groupProtocol: "classic" });
  const two = await world.reader({ group: "two", topics: ["t"], groupProtocol: "classic" });
  one.read();
  two.read();
  await world.until(() => one.values.length === 10 && two.values.length === 10);
  await world.close();
});

Deno.test("group: a member goes on where the group has committed", async () => {
  const world = new GroupWorld();
  await world.createTopic("t", 1);
  await world.produce("t", 1, numbers(0, 10));
  const config: ConsumerConfig = { group: "g", topics: ["t"], groupProtocol: "classic" };
  const first = await world.reader({ ...config, enableAutoCommit: false, maxPollRecords: 4 });
  const records = await world.settled(first.consumer.poll(60_000));
  assertEquals(records.map((record) => record.text()), numbers(0, 4));
  await world.settled(first.consumer.commit());
  assertEquals(await world.settled(first.consumer.committed()), [
    { topic: "t", partition: 0, offset: 4, leaderEpoch: 0, metadata: "" },
  ]);
  await world.settled(first.consumer.poll(1000));
  await world.settled(first.close());
  const second = await world.reader(config);
  assertEquals((await world.settled(second.consumer.poll(60_000)))[0]!.text(), "4");
  await world.close();
});
