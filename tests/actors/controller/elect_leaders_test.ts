import { assertEquals } from "@std/assert";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { errorName } from "../../../net/messages/errors.ts";
import { DecisionWorld, standing } from "./decision_world.ts";

const PREFERRED = 0;
const UNCLEAN = 1;

function elect(world: DecisionWorld, electionType: number, topic = "a", partition = 0): string {
  const { replicaElectionResults } = world.ask(ELECT_LEADERS, {
    electionType,
    topicPartitions: [{ topic, partitions: [partition] }],
  });
  return errorName(replicaElectionResults[0]?.partitionResult[0]?.errorCode ?? -1);
}

/** Brings a broker that is fenced back into the ISR of partition 0 of `a`. */
function rejoin(world: DecisionWorld, id: number): void {
  world.heartbeat(id);
  const topicId = world.image.topicByName("a")?.id ?? "";
  world.write([{
    kind: "PartitionChangeRecord",
    value: {
      topicId,
      partitionId: 0,
      isr: [...world.partition("a").isr, id],
      leader: -2,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  }]);
}

Deno.test("elect leaders: the preferred replica leads again once it is in sync", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  assertEquals(elect(world, PREFERRED), "ELECTION_NOT_NEEDED");
  world.fence(1);
  assertEquals(elect(world, PREFERRED), "PREFERRED_LEADER_NOT_AVAILABLE");
  world.heartbeat(1);
  assertEquals(elect(world, PREFERRED), "PREFERRED_LEADER_NOT_AVAILABLE");
  rejoin(world, 1);
  assertEquals(elect(world, PREFERRED), "NONE");
  assertEquals(standing(world.partition("a")), "1 [2,1] ()");
});

Deno.test("elect leaders: an unclean election is made only where nobody leads, and somebody lives", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  assertEquals(elect(world, UNCLEAN), "ELECTION_NOT_NEEDED");
  world.fence(2);
  world.fence(1);
  assertEquals(elect(world, UNCLEAN), "ELIGIBLE_LEADERS_NOT_AVAILABLE");
  world.heartbeat(2);
  assertEquals(standing(world.partition("a")), "-1 [] (1)");
  assertEquals(elect(world, UNCLEAN), "NONE");
  assertEquals(standing(world.partition("a")), "2 [2] ()");
  assertEquals(world.partition("a").leaderRecoveryState, 1);
});

Deno.test("elect leaders: what is not there, named twice, or of an unknown type is refused", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  assertEquals(elect(world, PREFERRED, "b"), "UNKNOWN_TOPIC_OR_PARTITION");
  assertEquals(elect(world, PREFERRED, "a", 1), "UNKNOWN_TOPIC_OR_PARTITION");
  const response = world.ask(ELECT_LEADERS, { electionType: 7, topicPartitions: [] });
  assertEquals(errorName(response.errorCode), "INVALID_REQUEST");
});

Deno.test("elect leaders: asked for all, only those are told that needed one", () => {
  const world = new DecisionWorld({ brokers: [1, 2] });
  world.createTopic("a", [[1, 2]]);
  world.createTopic("b", [[2, 1], [1, 2]]);
  world.fence(1);
  rejoin(world, 1);
  const { replicaElectionResults } = world.ask(ELECT_LEADERS, {
    electionType: PREFERRED,
    topicPartitions: null,
  });
  const results = replicaElectionResults.map(({ topic, partitionResult }) =>
    partitionResult.map((result) => `${topic}-${result.partitionId} ${errorName(result.errorCode)}`)
  );
  assertEquals(results, [["a-0 NONE"], ["b-1 PREFERRED_LEADER_NOT_AVAILABLE"]]);
});

Deno.test("elect leaders: leadership goes back by itself, when it is looked at", () => {
  const world = new DecisionWorld({
    brokers: [1, 2],
    properties: { "leader.imbalance.check.interval.seconds": "20" },
  });
  const beat = () => [1, 2].forEach((id) => world.heartbeat(id));
  world.createTopic("a", [[1, 2]]);
  world.fence(1);
  rejoin(world, 1);
  for (let s = 0; s < 18; s += 2) {
    world.pass(2000);
    beat();
  }
  assertEquals(world.partition("a").leader, 2);
  world.pass(5000);
  assertEquals(world.partition("a").leader, 1);
});

Deno.test("elect leaders: leadership does not go back where that is switched off", () => {
  const world = new DecisionWorld({
    brokers: [1, 2],
    properties: {
      "leader.imbalance.check.interval.seconds": "2",
      "auto.leader.rebalance.enable": "false",
    },
  });
  world.createTopic("a", [[1, 2]]);
  world.fence(1);
  rejoin(world, 1);
  world.pass(6000);
  assertEquals(world.partition("a").leader, 2);
});
