import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { FAIL_REPLICAS } from "../../../net/messages/fail_replicas.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

/** A `metadata.version` before eligible leader replicas. */
const WITHOUT_ELR = 22;

/** A broker's replica of partition 0 of `a` fails. */
function fail(
  world: DecisionWorld,
  brokerId: number,
  epochs: { leader?: number; broker?: number } = {},
) {
  const { leader = world.partition("a").leaderEpoch, broker } = epochs;
  const partition = { partitionIndex: 0, leaderEpoch: leader };
  return world.ask(FAIL_REPLICAS, {
    brokerId,
    brokerEpoch: broker ?? world.image.brokers.get(brokerId)?.epoch ?? -1,
    topics: [
      { topicId: world.image.topicByName("a")?.id ?? "", partitions: [partition, partition] },
      { topicId: "gone", partitions: [partition] },
    ],
  }).errorCode;
}

function world(
  replicas: readonly number[],
  minInsyncReplicas = 1,
  options: { metadataVersion?: number } = {},
) {
  const made = new DecisionWorld({ brokers: [1, 2, 3], ...options });
  made.createTopic("a", [replicas], { "min.insync.replicas": `${minInsyncReplicas}` });
  return made;
}

Deno.test("fail replicas: a leader that fails is replaced, and is neither in sync nor eligible", () => {
  const cluster = world([1, 2], 2);
  assertEquals(fail(cluster, 1), ErrorCode.NONE);
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
  assertEquals(cluster.partition("a").leaderEpoch, 1);
});

Deno.test("fail replicas: a follower that fails leaves the ISR, in the same leader epoch", () => {
  const cluster = world([1, 2], 2);
  fail(cluster, 2);
  assertEquals(standing(cluster.partition("a")), "1 [1] ()");
  assertEquals(cluster.partition("a").leaderEpoch, 0);
});

Deno.test("fail replicas: where one is eligible and lives it leads instead of the last in sync", () => {
  const cluster = world([1, 2], 2);
  cluster.fence(2);
  cluster.heartbeat(2);
  assertEquals(standing(cluster.partition("a")), "1 [1] (2)");
  fail(cluster, 1);
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
});

Deno.test("fail replicas: the last one that has what is committed leads on, in a new leader epoch", () => {
  for (const [replicas, minimum] of [[[1], 1], [[1, 2], 1], [[1, 2], 2]] as const) {
    const cluster = world(replicas, minimum);
    cluster.fence(2);
    const before = cluster.partition("a");
    fail(cluster, 1);
    const after = cluster.partition("a");
    assertEquals(standing(after), standing(before));
    assertEquals(after.leaderEpoch, before.leaderEpoch + 1);
  }
});

Deno.test("fail replicas: no unclean election is made for it", () => {
  const cluster = world([1, 2], 1);
  cluster.configure(2, "a", "unclean.leader.election.enable", "true");
  cluster.fence(2);
  cluster.heartbeat(2);
  fail(cluster, 1);
  assertEquals(standing(cluster.partition("a")), "1 [1] ()");
});

Deno.test("fail replicas: of an earlier leader epoch, or registration, nothing is changed", () => {
  const cluster = world([1, 2]);
  const before = cluster.partition("a");
  assertEquals(fail(cluster, 1, { leader: before.leaderEpoch - 1 }), ErrorCode.NONE);
  assertEquals(fail(cluster, 3), ErrorCode.NONE);
  assertEquals(fail(cluster, 1, { broker: 0 }), ErrorCode.STALE_BROKER_EPOCH);
  assertEquals(cluster.partition("a"), before);
});

/** The last known leader of partition 0 of `a` is to lead it again, and may lack records. */
function withLastKnownLeader(): DecisionWorld {
  const cluster = world([1, 2, 3], 1);
  for (const id of [2, 3, 1]) {
    cluster.fence(id);
    cluster.start(id);
    if (id !== 1) assertEquals(standing(cluster.partition("a")).slice(0, 1), "1");
  }
  assertEquals(standing(cluster.partition("a")), "1 [1] ()");
  assertEquals(cluster.partition("a").leaderRecoveryState, 1);
  return cluster;
}

Deno.test("fail replicas: a last known leader that fails before it leads has no claim to lead", () => {
  const cluster = withLastKnownLeader();
  fail(cluster, 1);
  assertEquals(standing(cluster.partition("a")), "-1 [] ()");
  assertEquals(cluster.partition("a").lastKnownElr, []);
  cluster.fence(1);
  cluster.start(1);
  assertEquals(standing(cluster.partition("a")), "-1 [] ()");
});

Deno.test("fail replicas: unclean elections try another each time one fails before it leads", () => {
  const cluster = withLastKnownLeader();
  const leaders: number[] = [];
  for (let i = 0; i < 3; i++) {
    fail(cluster, cluster.partition("a").leader);
    const topicPartitions = [{ topic: "a", partitions: [0] }];
    cluster.ask(ELECT_LEADERS, { electionType: 1, topicPartitions });
    leaders.push(cluster.partition("a").leader);
  }
  assertEquals(leaders.toSorted(), [1, 2, 3]);
});

Deno.test("fail replicas: without ELR the last one in sync leads on, however it came to lead", () => {
  const cluster = world([1, 2], 1, { metadataVersion: WITHOUT_ELR });
  cluster.configure(2, "a", "unclean.leader.election.enable", "true");
  cluster.fence(2);
  cluster.fence(1);
  cluster.start(2);
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
  assertEquals(cluster.partition("a").leaderRecoveryState, 1);
  const { leaderEpoch } = cluster.partition("a");
  fail(cluster, 2);
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
  assertEquals(cluster.partition("a").leaderEpoch, leaderEpoch + 1);
});
