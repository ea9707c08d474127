import { assertEquals } from "@std/assert";
import { Replica } from "../../../actors/partition/replica.ts";
import { assignment, SETTINGS, Stage } from "./replica_stage.ts";
import { ToyLog } from "../../../scripts/canaries/model/toy_log.ts";

const ALONE = { replicas: [1, 2, 3], isr: [1] };

/** Node 1 follows node 2 in epoch 5. */
function following(epochs: number[], highWatermark = 0): Stage {
  const to = { leader: 2, leaderEpoch: 5, partitionEpoch: 5, replicas: [1, 2], isr: [2] };
  const stage = new Stage(to, epochs);
  if (highWatermark > 0) stage.replica.followedTo(highWatermark);
  return stage;
}

Deno.test("replica: a new follower cuts nothing before it has asked", () => {
  const stage = new Stage({}, [0, 0]);
  const to = { leader: 2, leaderEpoch: 5, partitionEpoch: 5, replicas: [1, 2], isr: [2] };
  assertEquals(stage.assign(to), {
    accepted: true,
    newEpoch: true,
    epochStart: undefined,
    truncateTo: undefined,
  });
});

Deno.test("replica: a follower takes only what it asked for as it is now", () => {
  const { replica } = following([0, 0]);
  assertEquals(replica.acceptsFetched(5, 2), true);
  assertEquals(replica.acceptsFetched(4, 2), false);
  assertEquals(replica.acceptsFetched(5, 1), false);
  assertEquals(new Stage({}, [0]).replica.acceptsFetched(0, 1), false, "a leader takes nothing");
});

Deno.test("replica: a follower cuts where the largest common epoch ends in both logs", () => {
  const { replica } = following([0, 0, 2, 2, 3]);
  assertEquals(replica.truncationPoint(2, 3), 3);
  assertEquals(replica.truncationPoint(2, 9), 4);
  assertEquals(replica.truncationPoint(1, 1), 2, "it has no epoch 1: all of epoch 0 may be common");
  assertEquals(replica.truncationPoint(0, 1), 1);
  assertEquals(replica.truncationPoint(4, 9), undefined, "no leader speaks of such an epoch");
});

Deno.test("replica: an epoch without a record is none that the follower has fetched", () => {
  const stage = new Stage({ replicas: [1, 2], isr: [1, 2], leaderEpoch: 3 }, [0, 0]);
  assertEquals(stage.log.epochs.latestEpoch, 3);
  stage.assign({ leader: 2, leaderEpoch: 4, partitionEpoch: 1, replicas: [1, 2], isr: [2] });
  assertEquals(stage.replica.lastFetchedEpoch, 0);
  assertEquals(following([]).replica.lastFetchedEpoch, -1);
});

Deno.test("replica: a follower's mark is its leader's, as far as its log reaches", () => {
  const stage = following([0, 0, 0], 2);
  assertEquals(stage.replica.highWatermark, 2);
  stage.replica.followedTo(9);
  assertEquals(stage.replica.highWatermark, 3);
  stage.replica.followedTo(1);
  assertEquals(stage.replica.highWatermark, 1);
  stage.replica.followedTo(3);
  stage.log.truncateTo(1);
  stage.replica.logChanged();
  assertEquals(stage.replica.highWatermark, 1);
});

Deno.test("replica: a follower starts anew only where nothing of its log can be the leader's", () => {
  const { replica } = following([0, 0, 0]);
  assertEquals(replica.startAnewPoint(4, 9), 4);
  assertEquals(replica.startAnewPoint(3, 9), undefined);
  assertEquals(replica.startAnewPoint(0, 1), undefined, "which records are common nobody knows");
  const empty = following([]);
  empty.log.startAnew(5);
  assertEquals(empty.replica.startAnewPoint(1, 3), 1);
  assertEquals(empty.replica.startAnewPoint(1, 7), undefined);
});

Deno.test("replica: after an unclean election the leader says at once that it has recovered", () => {
  const stage = new Stage({ ...ALONE, leaderRecoveryState: 1 }, [0, 0]);
  const proposal = stage.replica.takeProposal()!;
  assertEquals(proposal.newIsr.map(({ brokerId }) => brokerId), [1]);
  assertEquals(proposal.leaderRecoveryState, 0);
  stage.fetch(2, 2);
  assertEquals(stage.replica.takeProposal(), undefined);
  stage.answer(proposal);
  stage.fetch(2, 2);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: one that failed leads again only in a later epoch", () => {
  const replica = new Replica(1, SETTINGS);
  replica.failedIn(3);
  replica.opened(new ToyLog(), 0);
  replica.assign(assignment({ leaderEpoch: 3 }), 0);
  assertEquals(replica.role, "none");
  replica.assign(assignment({ leaderEpoch: 4, partitionEpoch: 1 }), 0);
  assertEquals(replica.role, "leader");
});

/** A replica that lost its log and is told to follow node 2 in epoch 1. */
function losing(isr: number[]): Stage {
  const stage = new Stage({ replicas: [1, 2], leader: 2, leaderEpoch: 1, isr });
  stage.replica.lostRecords();
  stage.assign({ replicas: [1, 2], leader: 2, leaderEpoch: 1, partitionEpoch: 1, isr });
  return stage;
}

Deno.test("replica: one that lost its records does not lead before it holds them again", () => {
  const lead = { replicas: [1, 2], leader: 1, leaderEpoch: 9, partitionEpoch: 9, isr: [1, 2] };
  const stage = losing([1, 2]);
  stage.log.append({ id: 0, epoch: 0 });
  stage.replica.followedTo(1);
  stage.assign(lead);
  assertEquals(stage.replica.role, "none", "it may lack what was committed before the epoch");

  const caughtUp = losing([1, 2]);
  caughtUp.log.append({ id: 0, epoch: 1 });
  caughtUp.replica.followedTo(2);
  assertEquals(caughtUp.replica.isIncomplete, true);
  caughtUp.replica.followedTo(1);
  caughtUp.assign(lead);
  assertEquals(caughtUp.replica.role, "leader", "it has a record of the epoch, and all below");

  const readmitted = losing([2]);
  readmitted.assign({ ...lead, leader: 2, leaderEpoch: 1, partitionEpoch: 2 });
  readmitted.assign(lead);
  assertEquals(readmitted.replica.role, "leader", "a leader let it in again");

  const chosen = losing([1, 2]);
  chosen.assign({ ...lead, leaderRecoveryState: 1, isr: [1] });
  assertEquals(chosen.replica.role, "leader", "somebody decided to go on with what it has");
});
