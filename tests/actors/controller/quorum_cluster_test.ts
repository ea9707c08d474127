/** The controllers of several nodes, with real logs, in the simulated world. */

import { assert, assertEquals } from "@std/assert";
import { differences } from "../../../actors/controller/image_changes.ts";
import { type ClusterNode, ClusterWorld } from "../cluster_world.ts";

/** Nodes whose images say the same, as far as brokers have applied them. */
function sameImages(nodes: readonly ClusterNode[]): boolean {
  const [first, ...others] = nodes;
  return others.every(({ controller }) =>
    differences(first!.controller!.image, controller!.image).length === 0
  );
}

const HOUR = String(3_600_000);
/** Many small snapshots. */
const SNAPSHOTS = { "metadata.log.max.record.bytes.between.snapshots": "3000" };

Deno.test("controllers: one that was down while the others went on loads their snapshot", async () => {
  const world = ClusterWorld.serving({ properties: SNAPSHOTS });
  const down = world.nodes.find((node) => node !== world.active)!;
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "before", partitions: 2 }]));
  world.crash(down.id);
  for (let i = 0; i < 30; i++) {
    await world.settled(admin.createTopics([{ name: `t${i}`, partitions: 3 }]));
  }
  await world.settled(admin.deleteTopics(["before", "t3"]));
  const active = world.active!;
  assert(active.controller!.logStartOffset > 0, "no snapshot was made");
  const before = down.controller!.logEndOffset;
  world.start(down.id);
  world.until(() => down.isReady, "it serves again");
  world.until(() => sameImages([world.active!, down]), "the images are the same");
  const { snapshotId, logStartOffset } = down.controller!;
  assert(before < logStartOffset, `${before} is in a log from ${logStartOffset}`);
  assertEquals(snapshotId?.endOffset, logStartOffset);
  assertEquals(down.broker!.image.topicByName("before"), undefined);
  assertEquals(down.broker!.image.topicByName("t7")?.partitions.length, 3);
  await world.settled(admin.close());
});

Deno.test("controllers: a cluster that ended starts from its snapshots", async () => {
  const world = ClusterWorld.serving({ properties: SNAPSHOTS });
  const admin = await world.admin();
  for (let i = 0; i < 20; i++) {
    await world.settled(admin.createTopics([{ name: `t${i}`, partitions: 3 }]));
  }
  await world.settled(admin.close());
  for (const { id } of world.nodes) world.crash(id);
  for (const { id } of world.nodes) world.start(id);
  world.until(() => world.nodes.every(({ isReady }) => isReady), "all serve again");
  for (const { broker, controller } of world.nodes) {
    assert(controller!.logStartOffset > 0);
    assertEquals(broker!.image.topics.size, 20);
  }
  world.until(() => sameImages(world.nodes), "the images are the same");
});

Deno.test("controllers: what a leader decided alone is undone when another leads", async () => {
  // It fences the others before it gives up its lead.
  const sessions = {
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
  };
  const world = ClusterWorld.serving({ properties: sessions });
  const old = world.active!;
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "kept" }]));
  world.pass(1000);
  // Its fellows do not hear of it any more; nor does any client.
  world.isolate(old.id);
  const before = old.controller!.logEndOffset;
  const { image, epoch } = old.controller!;
  world.until(() => old.controller!.logEndOffset > before, "it decides on its own");
  assertEquals([...image.brokers.values()].some(({ fenced }) => fenced), true);
  world.until(() => world.nodes.some((node) => node !== old && node.controller!.isActive), "new");
  world.until(() => !old.controller!.isActive, "the old one gave up");
  assertEquals(old.controller!.epoch >= epoch, true);
  // What it wrote alone it takes back, before it knows what the others wrote.
  assertEquals([...image.brokers.values()].some(({ fenced }) => fenced), false);
  world.heal();
  world.until(() => old.controller!.role === "follower", "it follows");
  world.until(() => sameImages(world.nodes), "the images are the same");
  await world.settled(admin.createTopics([{ name: "later", partitions: 1, replicationFactor: 3 }]));
  world.until(() => old.broker!.image.topicByName("later") !== undefined, "it is told");
  await world.settled(admin.close());
});

Deno.test("controllers: when the leader's process ends another leads at once, not after its time-out", () => {
  const world = ClusterWorld.serving();
  for (let round = 0; round < 5; round++) {
    const { id } = world.active!;
    world.pass(3000);
    world.crash(id);
    const endedAt = world.simulation.nowMs;
    world.until(() => world.active !== undefined, "another leads");
    const took = world.simulation.nowMs - endedAt;
    assert(took < 600, `round ${round}: ${took} ms`);
    world.start(id);
    world.until(() => world.node(id).isReady, "it serves again");
  }
});

Deno.test("controllers: one that loses its way to the leader disturbs nobody", () => {
  const world = ClusterWorld.serving();
  const { id, controller } = world.active!;
  const [cut] = world.nodes.filter((node) => node.id !== id);
  const { epoch } = controller!;
  for (let round = 0; round < 10; round++) {
    for (const [from, to] of [[id, cut!.id], [cut!.id, id]]) {
      world.simulation.links.partition(world.node(from!).name, world.node(to!).name);
    }
    world.pass(1500);
    world.heal();
    world.pass(500);
  }
  assertEquals([world.active!.id, world.active!.controller!.epoch], [id, epoch]);
});

Deno.test("controllers: a controller that ends in order hands over at once", () => {
  const world = ClusterWorld.serving({ properties: { "broker.session.timeout.ms": HOUR } });
  world.pass(2000);
  const old = world.active!;
  const others = world.nodes.filter((node) => node !== old);
  world.stop(old.id);
  const stopped = world.simulation.nowMs;
  assertEquals(old.closeFailures, []);
  world.until(() => others.some(({ controller }) => controller!.isActive), "another leads");
  assert(world.simulation.nowMs - stopped < 500, `${world.simulation.nowMs - stopped} ms`);
});

Deno.test("controllers: one node becomes three while it serves, and may then be lost", async () => {
  const world = ClusterWorld.serving({ voters: [1] });
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "before", replicationFactor: 3 }]));
  for (const id of [2, 3]) {
    const { directoryId } = directoryOf(world, id);
    await world.settled(
      admin.addVoter({ nodeId: id, directoryId, address: { host: `node-${id}`, port: 9192 } }),
    );
  }
  world.until(
    () => world.nodes.every(({ controller }) => controller!.voters.length === 3),
    "three",
  );
  await world.settled(admin.close());
  world.crash(1);
  world.until(() => world.active !== undefined && world.active.id !== 1, "another leads");
  const later = await world.admin();
  await world.settled(later.createTopics([{ name: "after", replicationFactor: 2 }]));
  world.start(1);
  world.until(() => world.node(1).isReady, "it serves again");
  world.until(() => sameImages(world.nodes), "the images are the same");
  await world.settled(later.close());
});

function directoryOf(world: ClusterWorld, id: number): { directoryId: string } {
  const [directoryId] = world.node(1).broker!.image.brokers.get(id)!.logDirs;
  return { directoryId: directoryId! };
}
