/** Nodes that make a cluster, and its clients, in the simulated world. */

import { assert, assertEquals } from "@std/assert";
import { ClusterWorld } from "./cluster_world.ts";

Deno.test("cluster: three fresh nodes elect a controller, register, and serve", () => {
  const world = ClusterWorld.serving();
  assert(world.active !== undefined);
  const ids = new Set(world.nodes.map(({ booted }) => booted?.clusterId));
  assertEquals(ids.size, 1);
  world.until(
    () => world.nodes.every(({ broker }) => broker!.image.brokers.size === 3),
    "all know all",
  );
  for (const { broker } of world.nodes) {
    assertEquals([...broker!.image.brokers.values()].map(({ fenced }) => fenced), [
      false,
      false,
      false,
    ]);
  }
});

Deno.test("cluster: what is produced to a topic of three replicas is on all, and read", async () => {
  const world = ClusterWorld.serving();
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t", partitions: 3, replicationFactor: 3 }]));
  const producer = await world.producer();
  const values = Array.from({ length: 100 }, (_, i) => `value ${i}`);
  await world.settled(producer.sendBatch("t", values.map((value, i) => ({ key: `${i}`, value }))));
  assertEquals((await world.consume("t", 100)).sort(), values.toSorted());
  const ends = () =>
    world.nodes.map(({ replicas }) =>
      [...replicas].reduce((sum, { log }) => sum + (log?.logEndOffset ?? 0), 0)
    );
  world.until(() => ends().every((end) => end === 100), "all replicas hold all");
  await world.settled(producer.close());
  await world.settled(admin.close());
});

Deno.test("cluster: when a leader is killed another leads, and nothing acknowledged is lost", async () => {
  const world = ClusterWorld.serving();
  const admin = await world.admin();
  await world.settled(
    admin.createTopics([{
      name: "t",
      partitions: 1,
      replicationFactor: 3,
      configs: { "min.insync.replicas": "2" },
    }]),
  );
  const producer = await world.producer();
  await world.settled(producer.send({ topic: "t", value: "before" }));
  const { leader, leaderEpoch } = world.partition(1, "t")!;
  const others = world.nodes.filter(({ id }) => id !== leader);
  world.crash(leader);
  world.until(
    () => others.every(({ id }) => world.partition(id, "t")!.leaderEpoch > leaderEpoch),
    "another leads",
  );
  const next = world.partition(others[0]!.id, "t")!;
  assert(next.leader !== leader && next.leader !== -1);
  await world.settled(producer.send({ topic: "t", value: "after" }));
  assertEquals(await world.consume("t", 2), ["before", "after"]);
  world.start(leader);
  world.until(() => world.node(leader).isReady, "the killed one serves again");
  world.until(() => world.partition(1, "t")!.isr.length === 3, "it is in sync again");
  await world.settled(producer.close());
  await world.settled(admin.close());
});
