/** What replicas on several nodes do together, beside elections: following, moving, coming back. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { Admin } from "../../actors/client/admin/admin.ts";
import type { Producer } from "../../actors/client/producer/producer.ts";
import { FetchState } from "../../actors/broker/replicas/fetch_state.ts";
import { Replica } from "../../actors/partition/replica.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { partitionFolder } from "../../storage/checkpoint.ts";
import { TestClient } from "./broker/test_client.ts";
import { type ClusterNode, ClusterWorld, type ClusterWorldOptions } from "./cluster_world.ts";

interface Stage {
  readonly world: ClusterWorld;
  readonly admin: Admin;
  readonly producer: Producer;
}

const FOLDER = partitionFolder("t", 0);

/** Three nodes, and a topic of one partition on these of them. */
async function staged(
  replicas: readonly number[],
  options: ClusterWorldOptions & { readonly configs?: Readonly<Record<string, string>> } = {},
): Promise<Stage> {
  const world = ClusterWorld.serving(options);
  const admin = await world.admin();
  const { configs = {} } = options;
  await world.settled(
    admin.createTopics([{ name: "t", partitions: 1, replicationFactor: 3, configs }]),
  );
  if (replicas.length < 3) await move(world, admin, replicas);
  return { world, admin, producer: await world.producer() };
}

/** Has the partition on these nodes, and waits until it is on no others. */
async function move(world: ClusterWorld, admin: Admin, replicas: readonly number[]): Promise<void> {
  await world.settled(
    admin.alterPartitionReassignments([{ topic: "t", partition: 0, replicas }]),
  );
  const wanted = replicas.toSorted().join();
  world.until(
    () =>
      world.nodes.every(({ id, isReady }) =>
        !isReady || world.partition(id, "t")?.replicas.toSorted().join() === wanted
      ),
    `the partition is on ${wanted}`,
  );
}

function send(
  world: ClusterWorld,
  producer: Producer,
  values: readonly string[],
): Promise<unknown> {
  return world.settled(producer.sendBatch("t", values.map((value) => ({ value }))));
}

/** The log end offset of a node's replica, or -1. */
function endOn({ replicas }: ClusterNode): number {
  return [...replicas][0]?.log?.logEndOffset ?? -1;
}

function hasFolder(world: ClusterWorld, { name }: ClusterNode): boolean {
  const { contents } = world.simulation.node(name).disk;
  return contents.list("").some((entry) => entry.name === FOLDER);
}

function metric(world: ClusterWorld, { name }: ClusterNode, metric: string): number {
  const { metrics } = world.simulation.node(name).environment!;
  return metrics.read().filter(({ name }) => name === metric)
    .reduce((sum, { value }) => sum + value, 0);
}

const TEXTS = Array.from({ length: 200 }, (_, i) => `value ${i}`);

Deno.test("replication: followers learn of the high watermark, though nothing more is appended", async () => {
  const { world, producer } = await staged([1, 2, 3]);
  await send(world, producer, TEXTS);
  world.until(
    () =>
      world.nodes.every(({ replicas }) =>
        [...replicas].every(({ state }) => state.highWatermark === TEXTS.length)
      ),
    "all know that all is committed",
  );
});

Deno.test("replication: a partition on which nothing happens costs no message but the fetches", async () => {
  const { world, admin } = await staged([1, 2, 3]);
  await world.settled(admin.createTopics([{ name: "u", partitions: 50, replicationFactor: 3 }]));
  world.pass(2000);
  const fetches = () =>
    world.nodes.reduce((sum, node) => sum + metric(world, node, "requests-total"), 0);
  const before = world.simulation.events;
  const fetchesBefore = fetches();
  world.pass(10_000);
  const events = world.simulation.events - before;
  const requests = fetches() - fetchesBefore;
  // Two followers of each node, each twice a second, and what the quorum says.
  assert(requests < 10 * 3 * 2 * 2 + 200, `${requests} requests`);
  assert(events < requests * 40, `${events} events for ${requests} requests`);
});

Deno.test("replication: a replica that moves takes all records along and leaves no folder", async () => {
  const { world, admin, producer } = await staged([1, 2]);
  await send(world, producer, TEXTS);
  assertEquals(world.nodes.map((node) => hasFolder(world, node)), [true, true, false]);
  await move(world, admin, [2, 3]);
  world.until(() => !hasFolder(world, world.node(1)), "the old folder is gone");
  assertEquals(endOn(world.node(3)), TEXTS.length);
  assertEquals((await world.consume("t", TEXTS.length)).length, TEXTS.length);
  await move(world, admin, [1, 3]);
  world.until(() => endOn(world.node(1)) === TEXTS.length, "it comes back whole");
});

Deno.test("replication: a replica that was moved away while its node was down is removed at its start", async () => {
  const { world, admin, producer } = await staged([1, 2]);
  await send(world, producer, TEXTS);
  const { leader } = world.partition(3, "t")!;
  const follower = leader === 1 ? 2 : 1;
  world.crash(follower);
  await move(world, admin, [leader, 3]);
  world.start(follower);
  world.until(() => world.node(follower).isReady, "it serves again");
  world.until(() => !hasFolder(world, world.node(follower)), "its folder is gone");
});

Deno.test("replication: throttled replicas are fetched no faster than their rate", async () => {
  for (const side of ["leader", "follower"]) {
    const { world, admin, producer } = await staged([1, 2], {
      properties: { "replica.fetch.max.bytes": "20000" },
    });
    const big = Array.from({ length: 40 }, () => "x".repeat(10_000));
    await send(world, producer, big);
    const text = { [`${side}.replication.throttled.replicas`]: "*" };
    await world.settled(admin.alterConfigs([{ type: "topic", name: "t", set: text }]));
    await world.settled(admin.alterConfigs(
      [1, 2, 3].map((id) => ({
        type: "broker" as const,
        name: String(id),
        set: { [`${side}.replication.throttled.rate`]: "50000" },
      })),
    ));
    world.pass(2000);
    const started = world.simulation.nowMs;
    await move(world, admin, [1, 2, 3]);
    world.until(() => world.partition(1, "t")!.isr.length === 3, "the new replica is in sync");
    const seconds = (world.simulation.nowMs - started) / 1000;
    // 400 kB at 50 kB/s, of which the first second's may go at once, and one fetch more.
    assert(seconds > 3 && seconds < 15, `${side}: ${seconds} s`);
    // Whoever is in sync is not throttled.
    const before = world.simulation.nowMs;
    await send(world, producer, big);
    world.until(() => endOn(world.node(3)) === 80, "all are on it");
    assert(world.simulation.nowMs - before < 1000, side);
  }
});

Deno.test("replication: a leader that fails hands over, and comes back as a follower", async () => {
  let failing = -1;
  class Failing extends Replica {
    override checkAppend(...args: Parameters<Replica["checkAppend"]>) {
      if (failing === this.nodeId) {
        failing = -1;
        throw new Error("Thrown by test");
      }
      return super.checkAppend(...args);
    }
  }
  const { world, producer } = await staged([1, 2, 3], { protocol: { Replica: Failing } });
  await send(world, producer, ["a"]);
  const { leader, leaderEpoch } = world.partition(1, "t")!;
  failing = leader;
  await send(world, producer, ["b"]);
  const after = world.partition(leader, "t")!;
  assertNotEquals(after.leader, leader);
  assert(after.leaderEpoch > leaderEpoch);
  world.until(() => world.partition(1, "t")!.isr.length === 3, "it is in sync again");
  assertEquals((await world.consume("t", 2)).sort(), ["a", "b"]);
  assertEquals(metric(world, world.node(leader), "offline-partitions-count"), 0);
});

Deno.test("replication: a replica alone that fails comes back in a later leader epoch", async () => {
  let isFailing = false;
  class Failing extends Replica {
    override checkAppend(...args: Parameters<Replica["checkAppend"]>) {
      if (isFailing) {
        isFailing = false;
        throw new Error("Thrown by test");
      }
      return super.checkAppend(...args);
    }
  }
  const { world, producer } = await staged([2], { protocol: { Replica: Failing } });
  await send(world, producer, ["a"]);
  const { leaderEpoch } = world.partition(1, "t")!;
  isFailing = true;
  await send(world, producer, ["b"]);
  assert(world.partition(1, "t")!.leaderEpoch > leaderEpoch);
  assertEquals((await world.consume("t", 2)).sort(), ["a", "b"]);
});

Deno.test("replication: metrics tell what is led, and what is under-replicated", async () => {
  const { world, producer } = await staged([1, 2, 3], { configs: { "min.insync.replicas": "2" } });
  await send(world, producer, TEXTS);
  const { leader } = world.partition(1, "t")!;
  const node = world.node(leader);
  const counts = () =>
    ["leader-count", "under-replicated-partitions", "at-min-isr-partition-count"]
      .map((name) => metric(world, node, name));
  assertEquals(counts(), [1, 0, 0]);
  const [one] = world.nodes.filter(({ id }) => id !== leader);
  world.crash(one!.id);
  world.until(() => world.partition(leader, "t")!.isr.length === 2, "it is out of sync");
  assertEquals(counts(), [1, 1, 1]);
  world.start(one!.id);
  world.until(() => world.partition(leader, "t")!.isr.length === 3, "it is in sync");
  assertEquals(counts(), [1, 0, 0]);
  assertEquals(metric(world, node, "isr-expands-total"), 1);
  assert(metric(world, node, "replication-bytes-out-total") > 0);
});

Deno.test("replication: a fetcher that fails is replaced, and goes on where the partitions are", async () => {
  let isFailing = false;
  class Failing extends FetchState {
    override answered(...args: Parameters<FetchState["answered"]>) {
      if (isFailing && args[1].responses.length > 0) {
        isFailing = false;
        throw new Error("Thrown by test");
      }
      return super.answered(...args);
    }
  }
  const { world, producer } = await staged([1, 2, 3], { protocol: { FetchState: Failing } });
  await send(world, producer, TEXTS);
  isFailing = true;
  await send(world, producer, TEXTS);
  assertEquals(isFailing, false);
  world.until(
    () => world.nodes.every((node) => endOn(node) === 2 * TEXTS.length),
    "all replicas hold all",
  );
  assertEquals(world.partition(1, "t")!.isr.length, 3);
  for (const { failure } of world.nodes) assertEquals(failure, undefined);
});

Deno.test("replication: who fetches from a follower is told who leads, and where (KIP-951)", async () => {
  const { world } = await staged([1, 2, 3]);
  const { leader, leaderEpoch } = world.partition(1, "t")!;
  const follower = world.nodes.find(({ id }) => id !== leader)!;
  const { topics } = follower.broker!.image;
  const topicId = topics.get("t")!.id;
  let isConnected = false;
  const client = new TestClient().connect(
    world.environment.network,
    { host: follower.name, port: 9192 },
    () => isConnected = true,
  );
  world.until(() => isConnected, "the client is connected");
  const greeted = client.handshake();
  world.until(() => greeted.isSettled, "the client is greeted");
  for (const version of [11, 12, 15, 16, 17]) {
    const topic = version < 13 ? { topic: "t" } : { topicId };
    const fetched = client.begin(FETCH, {
      maxWaitMs: 60_000,
      minBytes: 1,
      topics: [{ ...topic, partitions: [{ partitionMaxBytes: 1000 }] }],
    }, version);
    world.until(() => fetched.isSettled, "it is answered");
    const { responses, nodeEndpoints } = fetched.response!;
    const { errorCode, currentLeader } = responses[0]!.partitions[0]!;
    assertEquals(errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
    const told = version < 12
      ? { leaderId: -1, leaderEpoch: -1 }
      : { leaderId: leader, leaderEpoch };
    assertEquals(currentLeader, told, `version ${version}`);
    assertEquals(
      nodeEndpoints,
      version < 16 ? [] : [{ nodeId: leader, host: `node-${leader}`, port: 9192, rack: null }],
    );
  }
});
