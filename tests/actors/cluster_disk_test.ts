/** Replicas whose disk fails for a moment, on brokers that live on. */

import { assert, assertEquals } from "@std/assert";
import { ClusterWorld } from "./cluster_world.ts";

/** Node 3 leads, node 1 follows. */
for (const [failing, role] of [[3, "leader"], [1, "follower"]] as const) {
  Deno.test(`cluster: a ${role} that failed to write once is in sync again by itself`, async () => {
    const world = ClusterWorld.serving();
    const admin = await world.admin();
    const configs = { "min.insync.replicas": "2" };
    await world.settled(admin.createTopics([{ name: "t", assignments: [[3, 1, 2]], configs }]));
    const producer = await world.producer();
    await world.settled(producer.send({ topic: "t", value: "before" }));
    world.until(() => ends(world).every((end) => end === 1), "all replicas hold it");
    const before = world.node(failing).booted;
    world.simulation.node(world.node(failing).name).disk.failWrites(1);
    await world.settled(producer.send({ topic: "t", value: "during" }));
    world.until(() => world.logged.some((line) => line.includes("partition offline")), "it fails");
    await world.settled(producer.send({ topic: "t", value: "after" }));
    const isWell = () =>
      ends(world).length === 3 && ends(world).every((end) => end === 3) &&
      world.nodes.every(({ id }) => world.partition(id, "t")!.isr.length === 3);
    world.until(isWell, "all replicas are in sync and hold all");
    assertEquals(await world.consume("t", 3), ["before", "during", "after"]);
    assert(world.node(failing).booted === before, "its broker has lived on");
    await world.settled(producer.close());
    await world.settled(admin.close());
  });
}

/** Node 3 leads, node 1 follows. */
for (const [full, role] of [[3, "leader"], [1, "follower"]] as const) {
  Deno.test(`cluster: a ${role} whose disk stays full is not waited for`, async () => {
    const world = ClusterWorld.serving({ voters: [2] });
    const admin = await world.admin();
    const configs = { "min.insync.replicas": "2" };
    await world.settled(admin.createTopics([{ name: "t", assignments: [[3, 1, 2]], configs }]));
    const producer = await world.producer();
    await world.settled(producer.send({ topic: "t", value: "before" }));
    const { disk } = world.simulation.node(world.node(full).name);
    disk.fill(0);
    const begin = world.simulation.nowMs;
    await world.settled(producer.send({ topic: "t", value: "during" }));
    const waited = world.simulation.nowMs - begin;
    // A lag of replica.lag.time.max.ms would be 30 s.
    assert(waited < 5000, `${waited} ms`);
    const { isr } = world.partition(full === 1 ? 2 : 1, "t")!;
    assertEquals(isr.includes(full), false);
    disk.heal();
    await world.settled(producer.send({ topic: "t", value: "after" }));
    world.until(
      () => ends(world).every((end) => end === 3) && world.partition(1, "t")!.isr.length === 3,
      "it is in sync again",
    );
    assertEquals(await world.consume("t", 3), ["before", "during", "after"]);
    await world.settled(producer.close());
    await world.settled(admin.close());
  });
}

Deno.test("cluster: a controller whose disk stays full lets another decide", async () => {
  const world = ClusterWorld.serving();
  const admin = await world.admin({ defaultApiTimeoutMs: 60_000 });
  const full = world.active!;
  world.simulation.node(full.name).disk.fill(0);
  const create = () =>
    world.settled(admin.createTopics([{ name: "t", replicationFactor: 2 }]))
      .then(() => true, ({ errorName }) => {
        assertEquals(errorName, "KAFKA_STORAGE_ERROR");
        return false;
      });
  while (!await create()) world.pass(100);
  assert(world.active!.id !== full.id);
  const lines = world.logged.filter((line) => line.includes("metadata not written"));
  assertEquals(lines.length, 1, lines.join("\n"));
  await world.settled(admin.close());
});

Deno.test("cluster: a replica alone in sync stays, however full its disk is", async () => {
  const world = ClusterWorld.serving({ nodes: 1 });
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t" }]));
  const producer = await world.producer();
  const { disk } = world.simulation.node(world.node(1).name);
  disk.fill(0);
  const sent = producer.send({ topic: "t", value: "patient" });
  world.pass(20_000);
  assert(!world.logged.some((line) => line.includes("partition offline")));
  disk.heal();
  await world.settled(sent);
  await world.settled(producer.close());
  await world.settled(admin.close());
});

function ends(world: ClusterWorld): number[] {
  return world.nodes.flatMap(({ replicas }) =>
    [...replicas].map(({ log }) => log?.logEndOffset ?? -1)
  );
}
