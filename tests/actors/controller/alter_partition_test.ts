import { assertEquals } from "@std/assert";
import { ALTER_PARTITION, type PartitionData } from "../../../net/messages/alter_partition.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../net/messages/alter_partition_reassignments.ts";
import { errorName } from "../../../net/messages/errors.ts";
import type { NodeId } from "../../../storage/bytes/ids.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

/** Three brokers and a topic `a` that needs two in sync; its one partition is led by 1. */
function world() {
  const made = new DecisionWorld({ brokers: [1, 2, 3] });
  made.createTopic("a", [[1, 2, 3]], { "min.insync.replicas": "2" });
  return made;
}

function epochOf(from: DecisionWorld, id: NodeId): number {
  return from.image.brokers.get(id)?.epoch ?? -1;
}

/** Proposes an ISR as the leader would; returns the error of the partition, or of the request. */
function propose(
  from: DecisionWorld,
  isr: readonly NodeId[],
  fields: Partial<PartitionData> & {
    readonly sender?: NodeId;
    readonly brokerEpoch?: number;
    readonly topicId?: string;
  } = {},
): string {
  const { leader, leaderEpoch, partitionEpoch } = from.partition("a");
  const { sender = leader, brokerEpoch = epochOf(from, sender), topicId, ...data } = fields;
  const response = from.ask(ALTER_PARTITION, {
    brokerId: sender,
    brokerEpoch,
    topics: [{
      topicId: topicId ?? from.image.topicByName("a")?.id ?? "",
      partitions: [{
        partitionIndex: 0,
        leaderEpoch,
        partitionEpoch,
        newIsrWithEpochs: isr.map((id) => ({ brokerId: id, brokerEpoch: epochOf(from, id) })),
        ...data,
      }],
    }],
  });
  const [partition] = response.topics[0]?.partitions ?? [];
  return errorName(response.errorCode || (partition?.errorCode ?? 0));
}

Deno.test("alter partition: a leader shrinks its ISR and expands it again, in its epoch", () => {
  const cluster = world();
  const { leaderEpoch, partitionEpoch } = cluster.partition("a");
  assertEquals(propose(cluster, [1, 2]), "NONE");
  assertEquals(standing(cluster.partition("a")), "1 [1,2] ()");
  assertEquals(propose(cluster, [1]), "NONE");
  assertEquals(standing(cluster.partition("a")), "1 [1] (2)");
  assertEquals(propose(cluster, [1, 3]), "NONE");
  assertEquals(standing(cluster.partition("a")), "1 [1,3] ()");
  const after = cluster.partition("a");
  assertEquals([after.leaderEpoch, after.partitionEpoch], [leaderEpoch, partitionEpoch + 3]);
});

Deno.test("alter partition: the answer says how the partition is now", () => {
  const cluster = world();
  const { leaderEpoch, partitionEpoch } = cluster.partition("a");
  const { topics } = cluster.ask(ALTER_PARTITION, {
    brokerId: 1,
    brokerEpoch: epochOf(cluster, 1),
    topics: [{
      topicId: cluster.image.topicByName("a")?.id ?? "",
      partitions: [{
        partitionIndex: 0,
        leaderEpoch,
        partitionEpoch,
        newIsrWithEpochs: [{ brokerId: 1 }, { brokerId: 2 }],
      }],
    }],
  });
  assertEquals(topics[0]?.partitions, [{
    partitionIndex: 0,
    errorCode: 0,
    leaderId: 1,
    leaderEpoch,
    isr: [1, 2],
    leaderRecoveryState: 0,
    partitionEpoch: partitionEpoch + 1,
  }]);
});

/**
 * The checks in their order: each proposal has its own fault and those of all that follow, so that
 * the first to be found is the one that must be.
 */
const FAULTS: readonly (readonly [error: string, fault: Parameters<typeof propose>[2]])[] = [
  ["STALE_BROKER_EPOCH", { brokerEpoch: -5 }],
  ["UNKNOWN_TOPIC_ID", { topicId: "unknown" }],
  ["NOT_CONTROLLER", { leaderEpoch: 100 }],
  ["NOT_CONTROLLER", { leaderEpoch: 0, partitionEpoch: 100 }],
  ["FENCED_LEADER_EPOCH", { leaderEpoch: 0 }],
  ["INVALID_REQUEST", { sender: 1 }],
  ["INVALID_UPDATE_VERSION", { partitionEpoch: 0 }],
  ["INVALID_REQUEST", { newIsrWithEpochs: [{ brokerId: 3, brokerEpoch: -1 }] }],
  ["INELIGIBLE_REPLICA", {}],
];

Deno.test("alter partition: the first fault in the order of checks is the one that is told", () => {
  for (let first = 0; first < FAULTS.length; first++) {
    const cluster = world();
    // A new leader epoch, a new partition epoch, and a replica that may not be in the ISR.
    cluster.fence(1);
    cluster.heartbeat(1);
    propose(cluster, [2, 3]);
    cluster.fence(3);
    const { leader, leaderEpoch } = cluster.partition("a");
    assertEquals([leader, leaderEpoch], [2, 1]);
    const fault = Object.assign({}, ...FAULTS.slice(first).toReversed().map(([, it]) => it));
    const error = FAULTS[first]?.[0] ?? "";
    assertEquals(propose(cluster, [2, 3], fault), error, `check ${first}`);
  }
});

Deno.test("alter partition: the same ISR once more begins a new partition epoch, and nothing else", () => {
  const cluster = world();
  const before = cluster.partition("a");
  assertEquals(propose(cluster, [...before.isr]), "NONE");
  const partitionEpoch = before.partitionEpoch + 1;
  assertEquals(cluster.partition("a"), { ...before, partitionEpoch });
});

Deno.test("alter partition: an ISR that makes no sense is refused", () => {
  const cluster = world();
  for (const isr of [[2, 3], [1, 4], [1, 1], []]) {
    assertEquals(propose(cluster, isr), "INVALID_REQUEST", `${isr}`);
  }
  assertEquals(propose(cluster, [1, 2], { leaderRecoveryState: 1 }), "INVALID_REQUEST");
  assertEquals(propose(cluster, [1], { leaderRecoveryState: 1 }), "INVALID_REQUEST");
  assertEquals(propose(cluster, [1], { leaderRecoveryState: 2 }), "INVALID_REQUEST");
  assertEquals(propose(cluster, [1, 2], { partitionIndex: 7 }), "UNKNOWN_TOPIC_OR_PARTITION");
});

Deno.test("alter partition: of a broker that is not registered nothing is taken", () => {
  assertEquals(propose(world(), [1], { sender: 9, brokerEpoch: 0 }), "STALE_BROKER_EPOCH");
});

Deno.test("alter partition: who restarted since it fetched may not join (B6)", () => {
  const cluster = world();
  propose(cluster, [1, 2]);
  const brokerEpoch = epochOf(cluster, 3);
  cluster.fence(3);
  cluster.start(3);
  const newIsrWithEpochs = [{ brokerId: 1, brokerEpoch: epochOf(cluster, 1) }, {
    brokerId: 3,
    brokerEpoch,
  }];
  assertEquals(propose(cluster, [], { newIsrWithEpochs }), "INELIGIBLE_REPLICA");
  const unseen = [{ brokerId: 1, brokerEpoch: -1 }, { brokerId: 3, brokerEpoch: -1 }];
  assertEquals(propose(cluster, [], { newIsrWithEpochs: unseen }), "INELIGIBLE_REPLICA");
  assertEquals(propose(cluster, [1, 3]), "NONE");
});

Deno.test("alter partition: before version 3 members have no epochs, and nobody can join", () => {
  const cluster = world();
  const old = (newIsr: number[]) => propose(cluster, [], { newIsr, newIsrWithEpochs: [] });
  assertEquals(old([1, 2]), "NONE");
  assertEquals(old([1, 2, 3]), "INELIGIBLE_REPLICA");
});

Deno.test("alter partition: a leader that was elected uncleanly says when it is in order", () => {
  const cluster = new DecisionWorld({ brokers: [1, 2] });
  cluster.createTopic("a", [[1, 2]], { "unclean.leader.election.enable": "true" });
  cluster.fence(2);
  cluster.fence(1);
  cluster.start(2);
  assertEquals(standing(cluster.partition("a")), "2 [2] ()");
  assertEquals(cluster.partition("a").leaderRecoveryState, 1);
  cluster.heartbeat(1);
  assertEquals(propose(cluster, [2, 1], { leaderRecoveryState: 1 }), "INVALID_REQUEST");
  assertEquals(propose(cluster, [2], { leaderRecoveryState: 0 }), "NONE");
  assertEquals(cluster.partition("a").leaderRecoveryState, 0);
  assertEquals(propose(cluster, [2, 1]), "NONE");
});

Deno.test("alter partition: the ISR that completes a reassignment may elect another leader", () => {
  const cluster = world();
  cluster.createTopic("b", [[1]]);
  cluster.ask(ALTER_PARTITION_REASSIGNMENTS, {
    topics: [{ name: "a", partitions: [{ partitionIndex: 0, replicas: [2, 3] }] }],
  });
  // Both targets were in sync already.
  assertEquals(standing(cluster.partition("a")), "2 [2,3] ()");
  cluster.ask(ALTER_PARTITION_REASSIGNMENTS, {
    topics: [{ name: "a", partitions: [{ partitionIndex: 0, replicas: [1] }] }],
  });
  const { leaderEpoch } = cluster.partition("a");
  assertEquals(propose(cluster, [2, 3, 1]), "NEW_LEADER_ELECTED");
  const after = cluster.partition("a");
  assertEquals([standing(after), after.replicas], ["1 [1] ()", [1]]);
  assertEquals(after.leaderEpoch, leaderEpoch + 1);
});

Deno.test("alter partition: a partition named twice changes once", () => {
  const cluster = world();
  const { leaderEpoch, partitionEpoch } = cluster.partition("a");
  const partition = {
    partitionIndex: 0,
    leaderEpoch,
    partitionEpoch,
    newIsrWithEpochs: [{ brokerId: 1 }],
  };
  const topicId = cluster.image.topicByName("a")?.id ?? "";
  const { topics } = cluster.ask(ALTER_PARTITION, {
    brokerId: 1,
    brokerEpoch: epochOf(cluster, 1),
    topics: [{ topicId, partitions: [partition, partition] }],
  });
  assertEquals(topics[0]?.partitions.map(({ errorCode }) => errorName(errorCode)), [
    "NONE",
    "INVALID_REQUEST",
  ]);
});
