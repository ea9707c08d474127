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

function ends(world: ClusterWorld): number[] {
  return world.nodes.flatMap(({ replicas }) =>
    [...replicas].map(({ log }) => log?.logEndOffset ?? -1)
  );
}
