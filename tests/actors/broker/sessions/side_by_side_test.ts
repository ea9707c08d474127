/** What a client sees of its own requests that it sent one after the other, without waiting. */

import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../../net/messages/find_coordinator.ts";
import { JOIN_GROUP } from "../../../../net/messages/join_group.ts";
import { LIST_OFFSETS } from "../../../../net/messages/list_offsets.ts";
import { OFFSET_COMMIT } from "../../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../../net/messages/offset_fetch.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../../net/messages/offset_for_leader_epoch.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { SYNC_GROUP } from "../../../../net/messages/sync_group.ts";
import { batchOf, BrokerWorld, valuesIn } from "../broker_world.ts";
import type { KafkaTestClient } from "../kafka_test_client.ts";

const SYNC_MS = 500;

/** A node whose appends take a while until they are visible. */
function serving(properties: Readonly<Record<string, string>> = {}) {
  const world = BrokerWorld.serving({
    kafka: true,
    properties: { "offsets.topic.num.partitions": "1", ...properties },
  });
  const native = world.client();
  world.createTopic(native, "t", 1, { "flush.before.ack": "true" });
  world.ask(native, FIND_COORDINATOR, { coordinatorKeys: ["g"] });
  world.pass(1000);
  return { world, native, client: world.kafkaClient() };
}

function produce(client: KafkaTestClient, value: string) {
  const partitionData = [{ index: 0, records: batchOf([value]) }];
  const topicData = [{ name: "t", partitionData }];
  return client.begin(PRODUCE, { acks: -1, timeoutMs: 10_000, topicData }, 9);
}

function endOffset(client: KafkaTestClient) {
  return client.begin(LIST_OFFSETS, {
    replicaId: -1,
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  });
}

Deno.test("side by side: who has produced sees that in the end offset", () => {
  const { world, client } = serving();
  world.node.disk.slowSyncs(SYNC_MS);
  void produce(client, "a");
  void produce(client, "b");
  const end = endOffset(client);
  assertEquals(world.settled(end).topics[0]!.partitions[0]!.offset, 2);
});

Deno.test("side by side: who has produced sees that in the end of the epoch, and fetches it", () => {
  const { world, client } = serving();
  world.node.disk.slowSyncs(SYNC_MS);
  void produce(client, "a");
  const end = client.begin(OFFSET_FOR_LEADER_EPOCH, {
    topics: [{ topic: "t", partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  });
  void produce(client, "b");
  const fetched = client.begin(FETCH, {
    minBytes: 1,
    maxBytes: 1 << 20,
    maxWaitMs: 0,
    topics: [{ topic: "t", partitions: [{ partition: 0, partitionMaxBytes: 1 << 20 }] }],
  }, 11);
  assertEquals(world.settled(end).topics[0]!.partitions[0]!.endOffset, 1);
  assertEquals(valuesIn(world.settled(fetched).responses[0]!.partitions[0]!.records), ["a", "b"]);
});

Deno.test("side by side: produce requests do not wait for each other", () => {
  const { world, client } = serving();
  world.node.disk.slowSyncs(SYNC_MS);
  const begun = world.simulation.nowMs;
  const sent = Array.from({ length: 20 }, (_, i) => produce(client, `${i}`));
  for (const answer of sent) world.settled(answer);
  const tookMs = world.simulation.nowMs - begun;
  assertEquals(tookMs < 3 * SYNC_MS, true, `${tookMs} ms`);
});

Deno.test("side by side: an end offset that is asked for behind a long poll waits for no records", () => {
  const { world, client } = serving();
  void client.begin(FETCH, {
    minBytes: 1,
    maxBytes: 1 << 20,
    maxWaitMs: 5_000,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
  }, 11);
  const end = endOffset(client);
  void produce(client, "wakes the poll");
  assertEquals(world.settled(end).topics[0]!.partitions[0]!.offset, 0);
});

/** What clients of either listener do. */
type AnyClient = Pick<KafkaTestClient, "begin">;

/** Commits and looks, without waiting. */
function commitAndLook(client: AnyClient, offset: number) {
  const commit = client.begin(OFFSET_COMMIT, {
    groupId: "g",
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: offset }] }],
  }, 8);
  const look = client.begin(OFFSET_FETCH, {
    groups: [{ groupId: "g", topics: [{ name: "t", partitionIndexes: [0] }] }],
  }, 8);
  return { commit, look };
}

for (const listener of ["kafka", "native"] as const) {
  Deno.test(`side by side: who has committed an offset finds it (${listener})`, () => {
    const { world, client, native } = serving();
    world.node.disk.slowSyncs(SYNC_MS);
    for (const offset of [1, 2, 3]) {
      const { commit, look } = commitAndLook(listener === "kafka" ? client : native, offset);
      const found = world.settled(look).groups[0]!.topics[0]!.partitions[0]!;
      assertEquals(found.committedOffset, offset);
      assertEquals(world.settled(commit).topics[0]!.partitions[0]!.errorCode, 0);
    }
  });
}

Deno.test("side by side: a commit waits for the assignment that it bears the generation of", () => {
  const { world, client } = serving({ "group.initial.rebalance.delay.ms": "3000" });
  const other = world.kafkaClient();
  const join = (by: KafkaTestClient, memberId: string) =>
    by.begin(JOIN_GROUP, {
      groupId: "g",
      memberId,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: new Uint8Array(1) }],
    }, 5);
  const ids = [client, other].map((by) => world.settled(join(by, "")).memberId);
  const joining = [join(client, ids[0]!), join(other, ids[1]!)];
  const joined = joining.map((answer) => world.settled(answer));
  const { generationId, leader } = joined[0]!;
  const [follower, followerId] = leader === ids[0] ? [other, ids[1]!] : [client, ids[0]!];
  const member = { groupId: "g", generationId };
  const synced = follower.begin(SYNC_GROUP, { ...member, memberId: followerId }, 4);
  const committed = follower.begin(OFFSET_COMMIT, {
    groupId: "g",
    generationIdOrMemberEpoch: generationId,
    memberId: followerId,
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 7 }] }],
  }, 8);
  world.pass(100);
  const leading = leader === ids[0] ? client : other;
  const assignments = ids.map((memberId) => ({ memberId, assignment: new Uint8Array(1) }));
  void leading.begin(SYNC_GROUP, { ...member, memberId: leader, assignments }, 4);
  assertEquals(world.settled(synced).errorCode, ErrorCode.NONE);
  const { errorCode } = world.settled(committed).topics[0]!.partitions[0]!;
  assertEquals(errorCode, ErrorCode.NONE);
});
