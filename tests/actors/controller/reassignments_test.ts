import { assertEquals } from "@std/assert";
import { ALTER_PARTITION } from "../../../net/messages/alter_partition.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../net/messages/alter_partition_reassignments.ts";
import { errorName } from "../../../net/messages/errors.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../../../net/messages/list_partition_reassignments.ts";
import type { NodeId } from "../../../storage/bytes/ids.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

function world(configs: Readonly<Record<string, string>> = {}) {
  const made = new DecisionWorld({ brokers: [1, 2, 3, 4, 5] });
  made.createTopic("a", [[1, 2]], configs);
  return made;
}

/** Asks for other replicas, or, with null, to take that back. */
function reassign(from: DecisionWorld, replicas: readonly NodeId[] | null, partitionIndex = 0) {
  const { responses } = from.ask(ALTER_PARTITION_REASSIGNMENTS, {
    topics: [{ name: "a", partitions: [{ partitionIndex, replicas }] }],
  });
  return errorName(responses[0]?.partitions[0]?.errorCode ?? -1);
}

function propose(from: DecisionWorld, isr: readonly NodeId[]) {
  const { leader, leaderEpoch, partitionEpoch } = from.partition("a");
  from.ask(ALTER_PARTITION, {
    brokerId: leader,
    brokerEpoch: from.image.brokers.get(leader)?.epoch ?? -1,
    topics: [{
      topicId: from.image.topicByName("a")?.id ?? "",
      partitions: [{
        partitionIndex: 0,
        leaderEpoch,
        partitionEpoch,
        newIsrWithEpochs: isr.map((id) => ({
          brokerId: id,
          brokerEpoch: from.image.brokers.get(id)?.epoch ?? -1,
        })),
      }],
    }],
  });
}

/** Replicas, those that come, those that go. */
function moves(from: DecisionWorld) {
  const { replicas, adding, removing } = from.partition("a");
  return `${replicas} +${adding} -${removing}`;
}

Deno.test("reassignments: both sides are replicas until the targets are in sync", () => {
  const cluster = world();
  assertEquals(reassign(cluster, [3, 4]), "NONE");
  assertEquals(moves(cluster), "3,4,1,2 +3,4 -1,2");
  assertEquals(standing(cluster.partition("a")), "1 [1,2] ()");
  propose(cluster, [1, 2, 3]);
  assertEquals(moves(cluster), "3,4,1,2 +3,4 -1,2");
  propose(cluster, [1, 2, 3, 4]);
  assertEquals(moves(cluster), "3,4 + -");
  assertEquals(standing(cluster.partition("a")), "3 [3,4] ()");
});

Deno.test("reassignments: another order of the same replicas is made at once", () => {
  const cluster = world();
  assertEquals(reassign(cluster, [2, 1]), "NONE");
  assertEquals(moves(cluster), "2,1 + -");
  assertEquals(standing(cluster.partition("a")), "1 [1,2] ()");
});

Deno.test("reassignments: what was begun can be taken back", () => {
  const cluster = world();
  reassign(cluster, [3, 4]);
  propose(cluster, [1, 2, 3]);
  assertEquals(reassign(cluster, null), "NONE");
  assertEquals(moves(cluster), "1,2 + -");
  assertEquals(standing(cluster.partition("a")), "1 [1,2] ()");
  assertEquals(reassign(cluster, null), "NO_REASSIGNMENT_IN_PROGRESS");
});

Deno.test("reassignments: one that follows another drops what only the first has added", () => {
  const cluster = world();
  reassign(cluster, [3, 4]);
  assertEquals(reassign(cluster, [1, 4]), "NONE");
  assertEquals(moves(cluster), "1,4,2,3 +3,4 -2,3");
  propose(cluster, [1, 2, 4]);
  assertEquals(moves(cluster), "1,4 + -");
  const cancelled = world();
  reassign(cancelled, [3, 4]);
  reassign(cancelled, [1, 4]);
  reassign(cancelled, null);
  assertEquals(moves(cancelled).split(" ")[0]?.split(",").toSorted(), ["1", "2"]);
});

Deno.test("reassignments: none is taken back that would drop who holds what is committed", () => {
  const cluster = world({ "min.insync.replicas": "2" });
  reassign(cluster, [3, 4]);
  propose(cluster, [1, 3]);
  assertEquals(reassign(cluster, null), "INVALID_REPLICA_ASSIGNMENT");
  propose(cluster, [1, 3, 2]);
  assertEquals(reassign(cluster, null), "NONE");
});

Deno.test("reassignments: where unclean elections are allowed one can be taken back all the same", () => {
  const cluster = world({ "unclean.leader.election.enable": "true" });
  reassign(cluster, [3, 4]);
  propose(cluster, [1, 3]);
  cluster.fence(1);
  assertEquals(standing(cluster.partition("a")), "3 [3] ()");
  assertEquals(reassign(cluster, null), "NONE");
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
  assertEquals(cluster.partition("a").leaderRecoveryState, 1);
});

Deno.test("reassignments: what is not there, or cannot be, is refused", () => {
  const cluster = world();
  assertEquals(reassign(cluster, [3], 1), "UNKNOWN_TOPIC_OR_PARTITION");
  for (const replicas of [[], [3, 3], [9]]) {
    assertEquals(reassign(cluster, replicas), "INVALID_REPLICA_ASSIGNMENT", `${replicas}`);
  }
});

Deno.test("reassignments: those under way are listed, of all topics or of those named", () => {
  const cluster = world();
  const list = (topics: { name: string; partitionIndexes: number[] }[] | null) =>
    cluster.ask(LIST_PARTITION_REASSIGNMENTS, { topics }).topics;
  assertEquals(list(null), []);
  reassign(cluster, [3, 1]);
  const expected = [{
    name: "a",
    partitions: [{
      partitionIndex: 0,
      replicas: [3, 1, 2],
      addingReplicas: [3],
      removingReplicas: [2],
    }],
  }];
  assertEquals(list(null), expected);
  assertEquals(list([{ name: "a", partitionIndexes: [0, 7] }]), expected);
  assertEquals(list([{ name: "b", partitionIndexes: [0] }]), []);
});
