/** Coordinators of groups that move between the nodes of a cluster, in the simulated world. */

import { assert, assertEquals } from "@std/assert";
import { CONSUMER_GROUP_HEARTBEAT } from "../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../net/messages/join_group.ts";
import { OFFSET_COMMIT } from "../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../net/messages/offset_fetch.ts";
import { SYNC_GROUP } from "../../net/messages/sync_group.ts";
import type { Api } from "../../net/schema.ts";
import type { Draft } from "../../net/schema/make.ts";
import { TestClient } from "./broker/test_client.ts";
import { ClusterWorld } from "./cluster_world.ts";

const PROPERTIES = {
  "offsets.topic.num.partitions": "4",
  "group.initial.rebalance.delay.ms": "0",
};
const TOPIC = "__consumer_offsets";
const PORT = 9192;

/** A cluster, and a client that asks one node after the other. */
class Stage {
  readonly world: ClusterWorld;
  readonly #clients = new Map<number, TestClient>();

  constructor(world: ClusterWorld = ClusterWorld.serving({ properties: PROPERTIES })) {
    this.world = world;
  }

  /** Asks until the answer is so. */
  eventually<Answer>(ask: () => Answer, isSo: (answer: Answer) => boolean): Answer {
    for (let tries = 0; tries < 2000; tries++) {
      const answer = ask();
      if (isSo(answer)) return answer;
      this.world.pass(10);
    }
    throw new Error("Asked in vain");
  }

  client(nodeId: number): TestClient {
    const known = this.#clients.get(nodeId);
    if (known !== undefined && !known.ended.isSettled) return known;
    const client = new TestClient();
    let isConnected = false;
    const address = { host: this.world.node(nodeId).name, port: PORT };
    client.connect(this.world.environment.network, address, () => isConnected = true);
    this.world.until(() => isConnected || client.ended.isSettled, "the client connects");
    const greeted = client.handshake();
    this.world.until(() => greeted.isSettled, "the client is let in");
    this.#clients.set(nodeId, client);
    return client;
  }

  ask<Request, Response>(
    nodeId: number,
    api: Api<Request, Response>,
    draft: Draft<Request>,
  ): Response {
    const pending = this.client(nodeId).begin(api, draft);
    this.world.until(() => pending.isSettled, `node ${nodeId} answers ${api.name}`);
    if (pending.response === undefined) throw new Error(`Node ${nodeId} does not answer`);
    return pending.response;
  }

  /** Who coordinates a group, in the eyes of a node. */
  coordinator(groupId: string, asked: number): number {
    const find = () => this.ask(asked, FIND_COORDINATOR, { coordinatorKeys: [groupId] });
    const found = this.eventually(find, ({ coordinators }) => coordinators[0]!.errorCode === 0);
    return found.coordinators[0]!.nodeId;
  }

  commit(nodeId: number, groupId: string, committedOffset: number, member = NOBODY): number {
    const { topics } = this.ask(nodeId, OFFSET_COMMIT, {
      groupId,
      memberId: member.memberId,
      generationIdOrMemberEpoch: member.generationId,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset }] }],
    });
    return topics[0]!.partitions[0]!.errorCode;
  }

  /** What a group has committed, or an error as a negative number. */
  fetch(nodeId: number, groupId: string): number {
    const { groups } = this.ask(nodeId, OFFSET_FETCH, {
      groups: [{ groupId, topics: [{ name: "t", partitionIndexes: [0] }] }],
    });
    const [group] = groups;
    return group!.errorCode !== 0
      ? -100 - group!.errorCode
      : group!.topics[0]!.partitions[0]!.committedOffset;
  }

  /** The only member of a stable group. */
  member(nodeId: number, groupId: string): typeof NOBODY {
    const join = (memberId: string) =>
      this.ask(nodeId, JOIN_GROUP, {
        groupId,
        memberId,
        sessionTimeoutMs: 30_000,
        rebalanceTimeoutMs: 30_000,
        protocolType: "consumer",
        protocols: [{ name: "range" }],
      });
    const { memberId } = join("");
    const { generationId } = join(memberId);
    const { errorCode } = this.ask(nodeId, SYNC_GROUP, {
      groupId,
      generationId,
      memberId,
      protocolType: "consumer",
      protocolName: "range",
    });
    assertEquals(errorCode, 0);
    return { memberId, generationId };
  }

  beat(nodeId: number, groupId: string, member: typeof NOBODY): number {
    return this.ask(nodeId, HEARTBEAT, { groupId, ...member }).errorCode;
  }

  async createTopic(): Promise<void> {
    const admin = await this.world.admin();
    await this.world.settled(admin.createTopics([{ name: "t", partitions: 3 }]));
    await this.world.settled(admin.close());
  }

  /** The number of replicas of each partition of the internal topic, and of those in sync. */
  replicas(nodeId = 1): number[][] {
    const topic = this.world.node(nodeId).broker?.image.topicByName(TOPIC);
    return topic?.partitions.map(({ replicas, isr }) => [replicas.length, isr.length]) ?? [];
  }
}

const NOBODY = { memberId: "", generationId: -1 };

Deno.test("group coordinators: what was acknowledged outlasts the node that coordinates", async () => {
  const stage = new Stage();
  await stage.createTopic();
  const first = stage.coordinator("g", 1);
  const member = stage.member(first, "g");
  assertEquals(stage.commit(first, "g", 7, member), 0);
  const consumer = stage.ask(first, CONSUMER_GROUP_HEARTBEAT, {
    groupId: "g",
    memberId: "m",
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ["t"],
    topicPartitions: [],
  });
  assertEquals(consumer.errorCode, ErrorCode.GROUP_ID_NOT_FOUND);
  const other = stage.world.nodes.find(({ id }) => id !== first)!.id;
  assertEquals(stage.commit(other, "g", 9, member), ErrorCode.NOT_COORDINATOR);
  stage.world.crash(first);
  const leader = () => stage.world.partition(other, TOPIC, partitionOf(stage, "g"))!.leader;
  stage.world.until(() => leader() !== first && leader() !== -1, "another leads");
  const electedAt = stage.world.simulation.nowMs;
  const second = stage.coordinator("g", other);
  const fetched = stage.eventually(
    () => stage.fetch(second, "g"),
    (offset) => offset !== -100 - ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  );
  assertEquals(fetched, 7);
  assert(stage.world.simulation.nowMs - electedAt < 3000, "it took long to load");
  assertEquals(stage.beat(second, "g", member), 0);
  assertEquals(stage.commit(second, "g", 8, member), 0);
  assertEquals(stage.fetch(second, "g"), 8);
});

function partitionOf(stage: Stage, groupId: string): number {
  const count = stage.replicas().length;
  let hash = 0;
  for (const char of groupId) hash = Math.imul(31, hash) + char.charCodeAt(0) | 0;
  return Math.abs(hash) % count;
}

Deno.test("group coordinators: the topic gets more replicas when there are brokers for them", () => {
  const world = new ClusterWorld({ properties: PROPERTIES });
  for (const id of [1, 2]) world.start(id);
  world.until(() => world.node(1).isReady && world.node(2).isReady, "two nodes serve");
  const stage = new Stage(world);
  stage.coordinator("g", 1);
  assertEquals(stage.replicas(), [[2, 2], [2, 2], [2, 2], [2, 2]]);
  world.start(3);
  world.until(() => stage.replicas().every(([, inSync]) => inSync === 3), "three replicas each");
});

Deno.test("group coordinators: one that is cut off acknowledges nothing that is lost", async () => {
  const stage = new Stage();
  await stage.createTopic();
  const first = stage.coordinator("g", 1);
  assertEquals(stage.commit(first, "g", 1), 0);
  const { world } = stage;
  const cut = world.node(first).name;
  for (const { name } of world.nodes) {
    if (name === cut) continue;
    world.simulation.links.partition(name, cut);
    world.simulation.links.partition(cut, name);
  }
  // It reaches its client still, and nobody else: what it takes cannot be committed.
  assert(stage.commit(first, "g", 2) !== 0, "it acknowledged what nobody else has");
  const other = world.nodes.find(({ id }) => id !== first)!.id;
  const leader = () => world.partition(other, TOPIC, partitionOf(stage, "g"))!.leader;
  world.until(() => leader() !== first && leader() !== -1, "another leads");
  const second = stage.coordinator("g", other);
  const fetched = stage.eventually(() => stage.fetch(second, "g"), (offset) => offset >= -1);
  assertEquals(fetched, 1);
  assertEquals(stage.commit(second, "g", 5), 0);
  world.heal();
  world.until(
    () => world.partition(first, TOPIC, partitionOf(stage, "g"))!.leader === second,
    "told",
  );
  const refusal = stage.eventually(
    () => stage.commit(first, "g", 3),
    (error) => error === ErrorCode.NOT_COORDINATOR,
  );
  assertEquals(refusal, ErrorCode.NOT_COORDINATOR);
  assertEquals(stage.fetch(second, "g"), 5);
});
