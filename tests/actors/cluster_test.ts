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

for (const part of ["/controller-channel", "/broker/isr-changes"]) {
  Deno.test(`cluster: a node whose ${part} fails does not live on half`, async () => {
    let throws = false;
    const world = ClusterWorld.serving({
      throwsAt: (id, path) => throws && id === 3 && path === part,
    });
    const admin = await world.admin();
    await world.settled(admin.createTopics([{ name: "t", assignments: [[3, 1, 2]] }]));
    world.crash(2);
    world.until(() => world.partition(1, "t")?.isr.length === 2, "node 2 is out of sync");
    // Both are needed: for heartbeats, and to let node 2 in again.
    throws = true;
    world.start(2);
    world.until(() => world.node(3).failure !== undefined, "node 3 ends");
    throws = false;
    world.crash(3);
    world.start(3);
    const producer = await world.producer();
    world.until(() => world.partition(1, "t")!.isr.length === 3, "all are in sync again");
    await world.settled(producer.send({ topic: "t", value: "v" }));
    await world.settled(producer.close());
    await world.settled(admin.close());
  });
}

Deno.test("cluster: a broker that stops in order hands over first, and is not missed", async () => {
  const world = ClusterWorld.serving();
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t", assignments: [[2, 3, 1]] }]));
  const producer = await world.producer();
  await world.settled(producer.send({ topic: "t", value: "before" }));
  const stoppedAt = world.simulation.nowMs;
  world.stop(2);
  assertEquals(world.node(2).closeFailures, []);
  assert(world.simulation.nowMs - stoppedAt < 2000, "it took long");
  const { leader, isr } = world.partition(1, "t")!;
  assertEquals([leader, isr], [3, [3, 1]]);
  await world.settled(producer.send({ topic: "t", value: "meanwhile" }));
  world.start(2);
  world.until(() => world.node(2).isReady, "it serves again");
  // Nothing was lost, so it need not wait for anything, and its epoch is another.
  world.until(() => world.partition(1, "t")!.isr.length === 3, "it is in sync again");
  assertEquals(await world.consume("t", 2), ["before", "meanwhile"]);
  await world.settled(producer.close());
  await world.settled(admin.close());
});

Deno.test("cluster: all nodes that stop at once end in order, and soon", () => {
  const world = ClusterWorld.serving();
  let stopped = 0;
  const since = world.simulation.nowMs;
  for (const { name } of world.nodes) world.simulation.node(name).stop(() => stopped++);
  world.until(() => stopped === 3, "all have stopped");
  assertEquals(world.nodes.map(({ closeFailures }) => closeFailures), [[], [], []]);
  assert(world.simulation.nowMs - since < 5000, `it took ${world.simulation.nowMs - since} ms`);
  for (const { id } of world.nodes) world.start(id);
  world.until(() => world.nodes.every(({ isReady }) => isReady), "all serve again");
});

Deno.test("cluster: a node joins by the address of another, and by its own folder ever after", () => {
  const world = new ClusterWorld({
    nodes: 4,
    voters: [1, 2, 3],
    propertiesOf: (id) =>
      id < 4 ? {} : {
        "controller.quorum.voters": "",
        "controller.quorum.bootstrap.servers": "node-2:9192",
        "process.roles": "broker",
      },
  });
  // It is there before the cluster is.
  world.start(4);
  world.pass(3000);
  assertEquals(world.node(4).booted?.clusterId, "");
  for (const id of [1, 2, 3]) world.start(id);
  world.until(() => world.nodes.every(({ isReady }) => isReady), "all serve");
  assertEquals(world.node(4).booted?.clusterId, world.node(1).booted?.clusterId);
  world.until(() => world.node(1).broker!.image.brokers.get(4)?.fenced === false, "it is known");
  world.crash(4);
  world.start(4);
  world.until(() => world.node(4).isReady, "it serves again");
});

Deno.test("cluster: a node of another cluster that is told to join ends, and names both", () => {
  const world = new ClusterWorld({
    nodes: 2,
    voters: [1],
    propertiesOf: (id) => id === 2 ? { "controller.quorum.voters": "" } : {},
  });
  for (const { id } of world.nodes) world.start(id);
  world.until(() => world.nodes.every(({ isReady }) => isReady), "each is a cluster of its own");
  const ids = world.nodes.map(({ booted }) => booted!.clusterId);
  assert(ids[0] !== ids[1]);
  world.stop(2);
  world.start(2, { "controller.quorum.bootstrap.servers": "node-1:9192" });
  world.until(() => world.node(2).failure !== undefined, "it ends");
  assertEquals(
    world.node(2).failure,
    `the folder is of cluster ${ids[1]}, and node-1:9192 is of cluster ${ids[0]}`,
  );
});

Deno.test("cluster: a controller that is no broker serves, and holds no records", async () => {
  const world = ClusterWorld.serving({
    voters: [1],
    nodes: 2,
    propertiesOf: (id) => ({ "process.roles": id === 1 ? "controller" : "broker" }),
  });
  world.until(() => world.node(1).broker!.image.brokers.size > 0, "the broker is known");
  assertEquals([...world.node(1).broker!.image.brokers.keys()], [2]);
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t" }]));
  const producer = await world.producer();
  await world.settled(producer.send({ topic: "t", value: "v" }));
  assertEquals(await world.consume("t", 1), ["v"]);
  await world.settled(producer.close());
  await world.settled(admin.close());
});

Deno.test("cluster: without a majority of voters changes are refused in words, and data is served", async () => {
  const world = ClusterWorld.serving({
    nodes: 5,
    voters: [1, 2, 3],
    propertiesOf: (id) => ({ "process.roles": id <= 3 ? "controller" : "broker" }),
  });
  const admin = await world.admin({ defaultApiTimeoutMs: 20_000 });
  const producer = await world.producer();
  const send = (value: string) => world.settled(producer.send({ topic: "t", value }));
  await world.settled(admin.createTopics([{ name: "t", replicationFactor: 2 }]));
  await send("three voters");
  world.crash(1);
  await world.settled(admin.createTopics([{ name: "with-two" }]));
  await send("two voters");
  world.crash(2);
  const refused = await world.settled(
    admin.createTopics([{ name: "with-one" }]).then(() => "created", String),
  );
  assertEquals(
    refused,
    "TimeoutError: Cannot create topic with-one: No controller answered within 18000 ms: is a " +
      "majority of the voters running? (REQUEST_TIMED_OUT)",
  );
  await send("one voter");
  assertEquals(await world.consume("t", 3), ["three voters", "two voters", "one voter"]);
  for (const id of [1, 2]) world.start(id);
  await world.settled(admin.createTopics([{ name: "healed", replicationFactor: 2 }]));
  await send("all again");
  assertEquals((await world.consume("t", 4)).at(-1), "all again");
  await world.settled(producer.close());
  await world.settled(admin.close());
});

Deno.test("cluster: a leader that lost its power leads no more in the epoch in which it lost records", async () => {
  // Its session is not over when it is back: nobody else has been made the leader.
  const world = ClusterWorld.serving({ properties: { "broker.session.timeout.ms": "20000" } });
  const admin = await world.admin();
  await world.settled(admin.createTopics([{ name: "t", assignments: [[2, 3, 1]] }]));
  const producer = await world.producer();
  const values = Array.from({ length: 20 }, (_, i) => `value ${i}`);
  await world.settled(producer.sendBatch("t", values.map((value) => ({ value }))));
  world.crash(2, true);
  world.start(2);
  const leads = () => [...world.node(2).replicas].some(({ state }) => state.role === "leader");
  world.until(() => {
    assert(!leads() || world.partition(2, "t")!.leaderEpoch > 0, "it leads as before");
    return world.node(2).isReady;
  }, "it serves again");
  assertEquals(await world.consume("t", 20), values);
  await world.settled(producer.close());
  await world.settled(admin.close());
});
