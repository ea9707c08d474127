import { assertEquals } from "@std/assert";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { Replica } from "../../../actors/partition/replica.ts";
import type { IsrProposal } from "../../../actors/partition/isr_state.ts";
import type { BrokerStanding, IsrAnswer } from "../../../actors/partition/messages.ts";
import { ALTER_PARTITION } from "../../../net/messages/alter_partition.ts";
import { DecisionWorld } from "../controller/decision_world.ts";
import { LAG_MAX_MS, SETTINGS, Stage, THREE } from "./replica_stage.ts";
import { ToyLog } from "../../../scripts/canaries/model/toy_log.ts";

const ALONE = { replicas: [1, 2, 3], isr: [1] };

Deno.test("replica: a leader alone has everything it appended below its high watermark", () => {
  const stage = new Stage();
  assertEquals(stage.append(7), true);
  assertEquals(stage.replica.highWatermark, 7);
});

Deno.test("replica: with flush.before.ack nothing is visible before it is durable", () => {
  const stage = new Stage({}, [], { ...SETTINGS, flushBeforeAck: true });
  stage.log.flushedTo = 0;
  assertEquals(stage.append(7), false);
  assertEquals(stage.replica.awaitsFlush, true);
  stage.log.flushedTo = 5;
  assertEquals(stage.replica.flushed(0), true);
  assertEquals(stage.replica.highWatermark, 5);
  stage.log.flushedTo = 7;
  assertEquals(stage.replica.flushed(0), true);
  assertEquals(stage.replica.awaitsFlush, false);
});

Deno.test("replica: the leader's own unflushed records hold the mark though followers have them", () => {
  const stage = new Stage(THREE, [], { ...SETTINGS, flushBeforeAck: true });
  stage.log.flushedTo = 1;
  stage.append(3);
  stage.fetch(2, 3);
  stage.fetch(3, 3);
  assertEquals(stage.replica.highWatermark, 1);
});

Deno.test("replica: the high watermark noted before is cut to the log's end when it opens", () => {
  const replica = new Replica(1, SETTINGS);
  replica.opened(new ToyLog([0, 0, 0, 0]), 9);
  assertEquals(replica.highWatermark, 4);
});

Deno.test("replica: the high watermark is never below the log's start", () => {
  const log = new ToyLog();
  log.startAnew(5);
  const replica = new Replica(1, SETTINGS);
  replica.opened(log, 2);
  assertEquals(replica.highWatermark, 5);
});

Deno.test("replica: a member of the in-sync replicas whose end is unknown holds the mark", () => {
  const stage = new Stage({ replicas: [1, 2], isr: [1, 2] });
  assertEquals(stage.append(5), false);
  assertEquals(stage.replica.highWatermark, 0);
  stage.assign({ replicas: [1, 2], isr: [1], partitionEpoch: 1 });
  assertEquals(stage.replica.highWatermark, 5);
});

Deno.test("replica: the mark is the smallest end over the in-sync replicas", () => {
  const stage = new Stage(THREE);
  stage.append(5);
  stage.fetch(2, 4);
  assertEquals(stage.replica.highWatermark, 0);
  stage.fetch(3, 2);
  assertEquals(stage.replica.highWatermark, 2);
  stage.fetch(3, 5);
  assertEquals(stage.replica.highWatermark, 4);
});

Deno.test("replica: the mark does not fall within a leader epoch", () => {
  const stage = new Stage(THREE);
  stage.append(5);
  stage.fetch(2, 5);
  stage.fetch(3, 5);
  stage.fetch(3, 1);
  assertEquals(stage.replica.highWatermark, 5);
});

Deno.test("replica: the mark stands still below min.insync.replicas", () => {
  const two = { ...SETTINGS, minInsyncReplicas: 2 };
  const stage = new Stage({ replicas: [1, 2], isr: [1] }, [], two);
  assertEquals(stage.append(5), false);
  assertEquals(stage.replica.checkAppend("all"), ErrorCode.NOT_ENOUGH_REPLICAS);
  assertEquals(stage.replica.checkAppend("leader"), ErrorCode.NONE);
  assertEquals(stage.replica.checkAcknowledge(), ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
  const single = new Stage({}, [], two);
  assertEquals(single.append(5), true, "no more can be asked for than there are replicas");
});

Deno.test("replica: an expansion under way counts for the mark, not for what is enough", () => {
  const two = { ...SETTINGS, minInsyncReplicas: 2 };
  const stage = new Stage(ALONE, [0, 0], two);
  stage.fetch(2, 2);
  assertEquals(stage.replica.maximalIsr, [1, 2]);
  assertEquals(stage.replica.isr, [1]);
  assertEquals(stage.replica.highWatermark, 0);
});

Deno.test("replica: who is proposed holds the mark back before the controller has said yes", () => {
  const stage = new Stage(ALONE, [0]);
  stage.replica.appended(stage.now);
  stage.fetch(2, 1);
  assertEquals(stage.proposed(), [1, 2]);
  assertEquals(stage.append(), false);
  assertEquals(stage.replica.highWatermark, 1);
  stage.fetch(2, 2);
  assertEquals(stage.replica.highWatermark, 2);
});

Deno.test("replica: who is to leave holds the mark back until the controller has said yes", () => {
  const stage = new Stage({ replicas: [1, 2], isr: [1, 2] });
  stage.append(3);
  stage.now += LAG_MAX_MS + 1;
  stage.replica.checkLag(stage.now);
  const proposal = stage.replica.takeProposal()!;
  assertEquals(proposal.newIsr.map(({ brokerId }) => brokerId), [1]);
  assertEquals(stage.replica.maximalIsr, [1, 2]);
  assertEquals(stage.replica.highWatermark, 0);
  assertEquals(stage.answer(proposal), false);
  assertEquals(stage.replica.highWatermark, 3);
  assertEquals(stage.replica.partitionEpoch, 1);
});

Deno.test("replica: a follower that has just caught up holds the mark back until it has joined", () => {
  const stage = new Stage(ALONE, [0]);
  stage.replica.appended(stage.now);
  stage.replica.brokersChanged(standings({ fenced: true }), stage.now);
  stage.fetch(2, 1);
  assertEquals(stage.proposed(), undefined);
  assertEquals(stage.append(), true, "a fenced one cannot join");
  stage.replica.brokersChanged(standings({}), stage.now);
  assertEquals(stage.append(), false);
  stage.now += LAG_MAX_MS + 1;
  assertEquals(stage.append(), true, "it has fallen behind");
});

function standings(change: Partial<BrokerStanding>): Map<number, BrokerStanding> {
  return new Map([[2, { brokerEpoch: 7, fenced: false, shuttingDown: false, ...change }]]);
}

Deno.test("replica: one lets in who has the high watermark and this epoch's start, and is up", () => {
  const joins = (offset: number, standing: Partial<BrokerStanding> = {}, brokerEpoch = 7) => {
    const stage = new Stage({ ...ALONE, leaderEpoch: 4 }, [0, 0, 0, 1, 1]);
    stage.replica.brokersChanged(standings(standing), stage.now);
    stage.fetch(2, offset, { brokerEpoch });
    return stage.proposed() !== undefined;
  };
  assertEquals(joins(5), true);
  assertEquals(joins(4), false);
  assertEquals(joins(5, { fenced: true }), false);
  assertEquals(joins(5, { shuttingDown: true }), false);
  assertEquals(joins(5, {}, 6), false, "another life of its broker fetched");
  assertEquals(joins(5, {}, -1), true, "it does not say which life");
});

Deno.test("replica: what a follower's former life sent comes late, and changes nothing (KIP-903)", () => {
  const stage = new Stage(ALONE);
  stage.replica.brokersChanged(standings({ brokerEpoch: 9 }), stage.now);
  stage.append(3);
  stage.fetch(2, 2, { brokerEpoch: 9, askedAt: stage.now });
  stage.now += 10;
  assertEquals(
    stage.error(2, 0, { brokerEpoch: 7, askedAt: stage.now }),
    "NOT_LEADER_OR_FOLLOWER",
  );
  // It was parked before the other came.
  stage.fetch(2, 3, { brokerEpoch: 9, askedAt: stage.now - 5 });
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: one that has the start of the epoch and not the high watermark stays out", () => {
  const stage = new Stage(ALONE);
  stage.append(3);
  stage.fetch(2, 2);
  assertEquals(stage.proposed(), undefined);
  stage.fetch(2, 3);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: a proposal says of each joiner which life of its broker fetched", () => {
  const stage = new Stage(ALONE);
  stage.fetch(2, 0, { brokerEpoch: 9 });
  assertEquals(stage.replica.takeProposal(), {
    newIsr: [{ brokerId: 1, brokerEpoch: -1 }, { brokerId: 2, brokerEpoch: 9 }],
    leaderEpoch: 0,
    partitionEpoch: 0,
    leaderRecoveryState: 0,
  });
  assertEquals(stage.replica.takeProposal(), undefined);
});

Deno.test("replica: one change of the in-sync replicas is under way at a time", () => {
  const stage = new Stage(ALONE);
  stage.fetch(2, 0);
  const first = stage.replica.takeProposal()!;
  stage.fetch(3, 0);
  stage.replica.checkLag(stage.now + 10 * LAG_MAX_MS);
  assertEquals(stage.replica.takeProposal(), undefined);
  stage.answer(first);
  stage.fetch(3, 0);
  assertEquals(stage.proposed(), [1, 2, 3]);
});

Deno.test("replica: one that has not caught up for too long goes; who has it all stays", () => {
  const stage = new Stage(THREE, [0, 0]);
  stage.fetch(2, 2);
  stage.fetch(3, 1);
  stage.now += LAG_MAX_MS;
  stage.replica.checkLag(stage.now);
  assertEquals(stage.proposed(), undefined);
  stage.now += 1;
  stage.replica.checkLag(stage.now);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: who asks for what came since the last answer had caught up then", () => {
  const stage = new Stage(THREE);
  for (let turn = 0; turn < 10; turn++) {
    stage.append(3);
    stage.fetch(2, turn * 3);
    stage.fetch(3, turn);
    stage.now += LAG_MAX_MS / 2;
  }
  stage.replica.checkLag(stage.now);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: one that had everything is not late with what came just now", () => {
  const stage = new Stage(THREE);
  stage.fetch(2, 0);
  stage.now += 10 * LAG_MAX_MS;
  stage.append();
  stage.replica.checkLag(stage.now + LAG_MAX_MS);
  assertEquals(stage.proposed(), [1, 2], "3 was not heard of, and has been caught up long ago");
});

Deno.test("replica: who has caught up joins when it may, without being heard of again", () => {
  const stage = new Stage(ALONE, [0]);
  stage.replica.brokersChanged(standings({ fenced: true }), stage.now);
  stage.fetch(2, 1, { brokerEpoch: 7 });
  assertEquals(stage.proposed(), undefined);
  stage.replica.brokersChanged(standings({}), stage.now);
  const first = stage.replica.takeProposal()!;
  stage.fetch(3, 1);
  stage.answer(first);
  const second = stage.replica.takeProposal()!;
  assertEquals(second.newIsr.map(({ brokerId }) => brokerId), [1, 2, 3]);
  stage.answer(second, { error: ErrorCode.INELIGIBLE_REPLICA });
  stage.answer(stage.replica.takeProposal()!);
  assertEquals(stage.proposed(), undefined, "it was refused, and nothing has changed");
  stage.replica.checkLag(stage.now);
  assertEquals(stage.proposed(), [1, 2, 3]);
});

Deno.test("replica: one that went for lagging comes back only by a fetch", () => {
  const stage = new Stage({ replicas: [1, 2], isr: [1, 2] });
  stage.append(3);
  stage.fetch(2, 2);
  stage.append();
  stage.now += LAG_MAX_MS + 1;
  stage.replica.checkLag(stage.now);
  stage.answer(stage.replica.takeProposal()!);
  assertEquals([stage.replica.highWatermark, stage.proposed()], [4, undefined]);
  stage.replica.checkLag(stage.now);
  assertEquals(stage.proposed(), undefined);
  stage.fetch(2, 4);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: what happened between two assignments may have been another life of a replica", () => {
  const stage = new Stage(ALONE, [0]);
  stage.fetch(2, 1);
  const seen = stage.replica.takeProposal()!;
  stage.answer(seen, { error: ErrorCode.INELIGIBLE_REPLICA });
  stage.answer(stage.replica.takeProposal()!);
  stage.assign({ ...ALONE, partitionEpoch: 2 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, 1);
  stage.assign({ ...ALONE, partitionEpoch: 4 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1);
});

Deno.test("replica: a member that fetches below the high watermark has lost records and goes", () => {
  const stage = new Stage(THREE);
  stage.append(5);
  stage.fetch(2, 5);
  stage.fetch(3, 5);
  stage.fetch(3, 0);
  assertEquals(stage.proposed(), [1, 2]);
});

Deno.test("replica: who was to join and was refused counts until no copy of that can be accepted", () => {
  for (const error of [ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED]) {
    const stage = new Stage(ALONE, [0]);
    stage.fetch(2, 1);
    const proposal = stage.replica.takeProposal()!;
    assertEquals(stage.answer(proposal, { error }), false);
    assertEquals(stage.replica.maximalIsr, [1, 2]);
    const withdrawal = stage.replica.takeProposal()!;
    assertEquals(withdrawal.newIsr.map(({ brokerId }) => brokerId), [1]);
    assertEquals(withdrawal.partitionEpoch, proposal.partitionEpoch);
    assertEquals(stage.answer(withdrawal, { error }), true, "it is sent until it is heard");
    assertEquals(stage.replica.maximalIsr, [1, 2]);
    assertEquals(stage.answer(withdrawal), false);
    assertEquals(stage.replica.isProposalPending, false);
    assertEquals(stage.replica.maximalIsr, [1]);
  }
});

Deno.test("replica: a proposal is withdrawn although a member of the ISR has restarted since it fetched", () => {
  const stage = new Stage({ replicas: [1, 2, 3], isr: [1, 2] }, [0]);
  stage.fetch(2, 1, { brokerEpoch: 4 });
  stage.fetch(3, 1, { brokerEpoch: 5 });
  const proposal = stage.replica.takeProposal()!;
  assertEquals(proposal.newIsr.map(({ brokerEpoch }) => brokerEpoch), [-1, 4, 5]);
  stage.answer(proposal, { error: ErrorCode.INELIGIBLE_REPLICA });
  assertEquals(stage.replica.takeProposal()!.newIsr, [
    { brokerId: 1, brokerEpoch: -1 },
    { brokerId: 2, brokerEpoch: -1 },
  ]);
});

Deno.test("replica: who was to leave and was not let go is in sync again at once", () => {
  const stage = new Stage({ replicas: [1, 2], isr: [1, 2] });
  stage.append();
  stage.replica.checkLag(stage.now + 2 * LAG_MAX_MS);
  const proposal = stage.replica.takeProposal()!;
  stage.answer(proposal, { error: ErrorCode.OPERATION_NOT_ATTEMPTED });
  assertEquals([stage.replica.isProposalPending, stage.replica.maximalIsr], [false, [1, 2]]);
});

/** Has the controller decide on a proposal of node 1 for partition 0 of `a`. */
function decide(cluster: DecisionWorld, { newIsr, ...more }: IsrProposal): Partial<IsrAnswer> {
  const { topics } = cluster.ask(ALTER_PARTITION, {
    brokerId: 1,
    brokerEpoch: cluster.image.brokers.get(1)!.epoch,
    topics: [{
      topicId: cluster.image.topicByName("a")!.id,
      partitions: [{ ...more, partitionIndex: 0, newIsrWithEpochs: newIsr }],
    }],
  });
  const { errorCode, ...answer } = topics[0]!.partitions[0]!;
  return { ...answer, error: errorCode as ErrorCode };
}

for (const order of ["before", "after"]) {
  Deno.test(`replica: a copy of a refused proposal that comes ${order} its withdrawal does no harm`, () => {
    const cluster = new DecisionWorld({ brokers: [1, 2] });
    cluster.createTopic("a", [[1, 2]]);
    cluster.fence(2);
    const stage = new Stage(cluster.partition("a"), [0]);
    const { replica } = stage;
    stage.fetch(2, 1, { brokerEpoch: cluster.image.brokers.get(2)!.epoch });
    const proposal = replica.takeProposal()!;
    stage.answer(proposal, decide(cluster, proposal));
    cluster.heartbeat(2);
    // It had no answer for a while, and was sent a second time.
    const first = order === "before" ? decide(cluster, proposal).error : ErrorCode.NONE;
    assertEquals(first, ErrorCode.NONE);
    const withdrawal = replica.takeProposal()!;
    stage.answer(withdrawal, decide(cluster, withdrawal));
    const second = order === "after" ? decide(cluster, proposal).error : ErrorCode.NONE;
    assertEquals(second, order === "after" ? ErrorCode.INVALID_UPDATE_VERSION : ErrorCode.NONE);
    const { isr } = cluster.partition("a");
    assertEquals(isr, order === "before" ? [1, 2] : [1]);
    assertEquals(replica.maximalIsr, isr);
    if (order === "before") stage.assign(cluster.partition("a"));
    assertEquals([replica.isr, replica.isProposalPending], [isr, false]);
  });
}

Deno.test("replica: an answer that leaves the outcome open keeps the larger ISR until metadata come", () => {
  const open = [
    ErrorCode.FENCED_LEADER_EPOCH,
    ErrorCode.INVALID_UPDATE_VERSION,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.NEW_LEADER_ELECTED,
  ];
  for (const error of open) {
    const stage = new Stage(ALONE, [0]);
    stage.fetch(2, 1);
    const proposal = stage.replica.takeProposal()!;
    assertEquals(stage.answer(proposal, { error }), false, errorName(error));
    assertEquals(stage.replica.maximalIsr, [1, 2]);
    stage.fetch(3, 1);
    assertEquals(stage.replica.takeProposal(), undefined);
    stage.assign({ ...ALONE, partitionEpoch: 1 });
    assertEquals(stage.replica.isPending(proposal), false);
    assertEquals(stage.replica.takeProposal()!.partitionEpoch, 1);
  }
});

Deno.test("replica: any other answer has the same proposal sent again", () => {
  const errors = [
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.NOT_CONTROLLER,
    ErrorCode.STALE_BROKER_EPOCH,
  ];
  for (const error of errors) {
    const stage = new Stage(ALONE, [0]);
    stage.fetch(2, 1);
    const proposal = stage.replica.takeProposal()!;
    assertEquals(stage.answer(proposal, { error }), true, errorName(error));
    assertEquals(stage.replica.isPending(proposal), true);
    assertEquals(stage.replica.maximalIsr, [1, 2]);
  }
});

Deno.test("replica: an answer of an older epoch, or to an older proposal, changes nothing", () => {
  const stage = new Stage(ALONE, [0]);
  stage.fetch(2, 1);
  const proposal = stage.replica.takeProposal()!;
  stage.answer(proposal, { leaderEpoch: 1, isr: [1, 2, 3] });
  stage.answer(proposal, { partitionEpoch: -1, isr: [1, 2, 3] });
  assertEquals(stage.replica.isPending(proposal), true);
  stage.assign({ ...ALONE, partitionEpoch: 5 });
  stage.answer(proposal, { partitionEpoch: 9, isr: [1, 2, 3] });
  assertEquals(stage.replica.isr, [1]);
  assertEquals(stage.replica.partitionEpoch, 5);
});

Deno.test("replica: metadata that say nothing new leave a proposal under way", () => {
  const stage = new Stage(ALONE, [0]);
  stage.fetch(2, 1);
  stage.assign(ALONE);
  assertEquals(stage.replica.isProposalPending, true);
});

Deno.test("replica: a new leader epoch begins with a new leader, and only then", () => {
  const stage = new Stage();
  assertEquals(stage.assign({ partitionEpoch: 1 }).epochStart, undefined);
  stage.append(3);
  assertEquals(stage.assign({ partitionEpoch: 2, leaderEpoch: 1 }).epochStart, 3);
  assertEquals(stage.replica.leaderEpochStartOffset, 3);
  assertEquals(stage.replica.leaderEpoch, 1);
});

Deno.test("replica: an older word of the controller is ignored", () => {
  const stage = new Stage();
  stage.assign({ partitionEpoch: 3, leaderEpoch: 2 });
  assertEquals(stage.assign({ partitionEpoch: 2, leaderEpoch: 2 }).accepted, false);
  assertEquals(stage.assign({ partitionEpoch: 4, leaderEpoch: 1 }).accepted, false);
  assertEquals(stage.replica.leaderEpoch, 2);
});

Deno.test("replica: in a new leader epoch nothing is known of followers", () => {
  const stage = new Stage(THREE);
  stage.append(2);
  stage.fetch(2, 2);
  stage.fetch(3, 2);
  stage.assign({ ...THREE, leaderEpoch: 1, partitionEpoch: 1 });
  stage.append();
  stage.fetch(2, 3);
  assertEquals(stage.replica.highWatermark, 2);
  assertEquals(stage.replica.followers.get(3)!.logEndOffset, -1);
});

Deno.test("replica: a replica that was taken away and given back begins as unknown", () => {
  const stage = new Stage(THREE);
  stage.fetch(2, 0);
  stage.assign({ replicas: [1, 3], isr: [1, 3], partitionEpoch: 1 });
  stage.assign({ replicas: [1, 2, 3], isr: [1, 3], partitionEpoch: 2 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1);
});

Deno.test("replica: who was taken out of sync is let in by a fetch, not by what it had before", () => {
  const stage = new Stage(THREE);
  stage.append(3);
  for (const id of [2, 3]) stage.fetch(id, 3);
  // The replica has failed on a broker that lives on: who leads, and in which epoch, stays.
  stage.assign({ ...THREE, isr: [1, 3], partitionEpoch: 1 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1);
  assertEquals(stage.replica.takeProposal(), undefined);
  stage.fetch(2, 0);
  assertEquals(stage.replica.takeProposal(), undefined);
  stage.fetch(2, 3);
  assertEquals(stage.replica.takeProposal()?.newIsr.map(({ brokerId }) => brokerId), [1, 3, 2]);
});

Deno.test("replica: what was asked for before a follower was taken out of sync does not count", () => {
  const stage = new Stage(THREE);
  stage.append(3);
  for (const id of [2, 3]) stage.fetch(id, 3);
  stage.assign({ ...THREE, isr: [1, 3], partitionEpoch: 1 });
  // A fetch that waits is read from again: it may be of one that has failed since.
  stage.fetch(2, 3, { askedAt: stage.now });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1);
  assertEquals(stage.replica.takeProposal(), undefined);
  stage.fetch(2, 3, { askedAt: stage.now + 1 });
  assertEquals(stage.replica.takeProposal()?.newIsr.map(({ brokerId }) => brokerId), [1, 3, 2]);
});

Deno.test("replica: the end is withheld until the high watermark has reached the epoch's start", () => {
  const stage = new Stage(THREE, [0, 0]);
  assertEquals(stage.replica.checkLatestOffset(), ErrorCode.OFFSET_NOT_AVAILABLE);
  stage.fetch(2, 2);
  stage.fetch(3, 1);
  assertEquals(stage.replica.checkLatestOffset(), ErrorCode.OFFSET_NOT_AVAILABLE);
  stage.fetch(3, 2);
  assertEquals(stage.replica.checkLatestOffset(), ErrorCode.NONE);
});

Deno.test("replica: a follower's fetch is refused for its epoch, then its id, then its place", () => {
  const stage = new Stage({ ...THREE, leaderEpoch: 4 }, [0, 0, 2]);
  assertEquals(stage.error(9, 99, { epoch: 3 }), "FENCED_LEADER_EPOCH");
  assertEquals(stage.error(9, 99, { epoch: 5 }), "UNKNOWN_LEADER_EPOCH");
  assertEquals(stage.error(9, 99), "UNKNOWN_LEADER_EPOCH");
  assertEquals(stage.error(2, 99, { last: -1 }), "OFFSET_OUT_OF_RANGE");
  assertEquals(stage.error(2, 3, { last: 7 }), "OFFSET_OUT_OF_RANGE");
  stage.log.logStartOffset = 2;
  assertEquals(stage.error(2, 1, { last: 7 }), "OFFSET_OUT_OF_RANGE");
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1, "nothing is noted of these");
  stage.assign({ ...THREE, leader: 2, leaderEpoch: 5, partitionEpoch: 1 });
  assertEquals(stage.error(3, 3), "NOT_LEADER_OR_FOLLOWER");
});

Deno.test("replica: a log that leaves the leader's is told where, and nothing is noted of it", () => {
  const stage = new Stage({ ...THREE, leaderEpoch: 4 }, [0, 0, 2]);
  const diverging = (
    epoch: number,
    endOffset: number,
  ) => ({ kind: "diverging", epoch, endOffset } as const);
  assertEquals(stage.fetch(2, 3, { last: 1 }), diverging(0, 2));
  assertEquals(stage.fetch(2, 3, { last: 0 }), diverging(0, 2));
  assertEquals(stage.fetch(2, 4, { last: 2 }), diverging(2, 3));
  assertEquals(stage.fetch(2, 1, { last: 3 }), diverging(2, 3));
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, -1);
  assertEquals(stage.fetch(2, 2, { last: 0 }).kind, "served");
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, 2);
});

Deno.test("replica: who no longer leads refuses appends and reads", () => {
  const stage = new Stage();
  stage.assign({ leader: 2, leaderEpoch: 1, partitionEpoch: 1, replicas: [1, 2] });
  assertEquals(stage.replica.role, "follower");
  assertEquals(stage.replica.checkAppend("leader"), ErrorCode.NOT_LEADER_OR_FOLLOWER);
  assertEquals(stage.replica.checkLeader(-1), ErrorCode.NOT_LEADER_OR_FOLLOWER);
});

Deno.test("replica: a reader's epoch must be the leader's own", () => {
  const { replica } = new Stage({ leaderEpoch: 4, partitionEpoch: 1 });
  assertEquals(replica.checkLeader(3), ErrorCode.FENCED_LEADER_EPOCH);
  assertEquals(replica.checkLeader(4), ErrorCode.NONE);
  assertEquals(replica.checkLeader(5), ErrorCode.UNKNOWN_LEADER_EPOCH);
  assertEquals(replica.checkLeader(-1), ErrorCode.NONE);
});

Deno.test("replica: a fetch that has waited while the follower fetched on says nothing of it", () => {
  const stage = new Stage(THREE, [0, 0, 0]);
  stage.fetch(3, 3);
  stage.fetch(2, 3, { askedAt: 20 });
  assertEquals(stage.replica.highWatermark, 3);
  stage.fetch(2, 1, { askedAt: 10 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, 3);
  assertEquals(stage.proposed(), undefined);
  stage.fetch(2, 1, { askedAt: 30 });
  assertEquals(stage.replica.followers.get(2)!.logEndOffset, 1);
  assertEquals(stage.proposed(), [1, 3], "it has lost what it had");
});
