/**
 * Nodes of two releases in one cluster: one speaks version n of every API, the other n + 1 beside
 * n. That is played by a node that knows no more than the version before the last of each.
 */

import { assert, assertEquals } from "@std/assert";
import { APIS, NODE_APIS } from "../../net/messages/table.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";
import { ClusterWorld } from "./cluster_world.ts";

/** What the protocols rest on, and has been there from the first: pre-votes, brokers' epochs. */
const INDISPENSABLE = ["Vote", "AlterPartition"];

/** The version before the last of every other API that has several. */
const EARLIER: VersionLimits = Object.fromEntries(
  [...APIS, ...NODE_APIS]
    .filter(({ name, versions }) => versions.max > versions.min && !INDISPENSABLE.includes(name))
    .map(({ name, versions }) => [name, versions.max - 1]),
);

/** A cluster in which the nodes named are of the earlier release, as long as they are named. */
function mixed(...earlier: number[]) {
  const old = new Set(earlier);
  const world = ClusterWorld.serving({
    versionLimitsOf: (id) => old.has(id) ? EARLIER : undefined,
  });
  return { world, old };
}

/** Whatever was said could be said in the version that both sides speak. */
function assertUnderstood(world: ClusterWorld): void {
  assertEquals(world.logged.filter((line) => line.includes("Cannot encode")), []);
}

/** Makes a topic, writes to it through whoever leads, and reads it from the beginning. */
async function exercise(world: ClusterWorld, topic: string): Promise<void> {
  const admin = await world.admin();
  await world.settled(
    admin.createTopics([{ name: topic, partitions: 6, replicationFactor: 3 }]),
  );
  const producer = await world.producer();
  const values = Array.from({ length: 60 }, (_, i) => `${topic} ${i}`);
  await world.settled(
    producer.sendBatch(topic, values.map((value, i) => ({ key: `${i}`, value }))),
  );
  assertEquals((await world.consume(topic, 60)).sort(), values.toSorted());
  world.until(() => {
    const { broker } = world.nodes.find(({ isReady }) => isReady)!;
    const partitions = broker!.image.topicByName(topic)?.partitions ?? [];
    return partitions.length === 6 && partitions.every(({ isr }) => isr.length === 3);
  }, "all replicas are in sync");
  await world.settled(producer.close());
  await world.settled(admin.close());
}

for (const earlier of [[], [1], [1, 2], [1, 2, 3]]) {
  Deno.test(`rolling upgrade: with ${earlier.length} of three nodes of the earlier release`, async () => {
    const { world } = mixed(...earlier);
    await exercise(world, "t");
    assertUnderstood(world);
  });
}

Deno.test("rolling upgrade: one node after the other, back too, and nothing stands still", async () => {
  const { world, old } = mixed(1, 2, 3);
  await exercise(world, "before");
  const steps: [number, boolean][] = [[1, true], [2, true], [3, true], [2, false], [1, false]];
  for (const [id, isUpgrade] of steps) {
    world.stop(id);
    if (isUpgrade) old.delete(id);
    else old.add(id);
    world.start(id);
    world.until(() => world.node(id).isReady, `node ${id} serves`);
    world.until(
      () => world.partition(id, "before")!.isr.length === 3,
      `node ${id} is in sync`,
    );
    await exercise(world, `after-${id}-${isUpgrade ? "up" : "down"}`);
  }
  assert(world.active !== undefined);
  assertUnderstood(world);
});
