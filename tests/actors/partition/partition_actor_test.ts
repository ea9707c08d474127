import { assert, assertEquals } from "@std/assert";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import type { DataAvailable, IsrAnswer } from "../../../actors/partition/messages.ts";
import type { ObservedReplica } from "../../../actors/partition/observer.ts";
import { isRefetching } from "../../../actors/partition/partition_folder.ts";
import { BATCH_FIELD } from "../../../storage/record_batch.ts";
import { FOLDER, type Member, PartitionStage } from "./partition_stage.ts";

const DURABLE = { "flush.before.ack": "true" };

function accept(member: Member, change: Partial<IsrAnswer> = {}): void {
  const { newIsr, leaderEpoch, partitionEpoch, replyTo } = member.proposals.shift()!;
  replyTo.tell({
    kind: "isr-answer",
    error: ErrorCode.NONE,
    leader: member.id,
    leaderEpoch,
    partitionEpoch: partitionEpoch + 1,
    isr: newIsr.map(({ brokerId }) => brokerId),
    leaderRecoveryState: 0,
    ...change,
  });
  member.run();
}

Deno.test("partition: acks=all is told once every replica in sync has fetched past it", () => {
  const stage = new PartitionStage(3);
  const replies = stage.member(1).append(["a", "b"]);
  stage.fetch(2);
  stage.fetch(3);
  assertEquals(replies, []);
  stage.fetch(2);
  assertEquals(replies, []);
  assertEquals(stage.fetch(3).highWatermark, 2);
  assertEquals(replies.map(({ error, baseOffset }) => [error, baseOffset]), [[0, 0]]);
  stage.replicate();
  for (const { values, state } of stage.members) {
    assertEquals(values, ["a", "b"]);
    assertEquals(state.highWatermark, 2);
  }
});

Deno.test("partition: consumers read below the high watermark, followers up to the end", () => {
  const stage = new PartitionStage(2);
  stage.member(1).append(["a"], "leader");
  assertEquals(stage.member(1).read(0).records, null);
  assertEquals(stage.member(1).latest().offset, 0);
  assertEquals(stage.member(1).latest(true).offset, 1);
  const reply = stage.fetch(2);
  assert(reply.records !== null);
  assertEquals(reply.logEndOffset, 1);
  assertEquals(stage.member(2).read(0).error, ErrorCode.NOT_LEADER_OR_FOLLOWER);
});

Deno.test("partition: a follower is told from whom to fetch, anew in each leader epoch", () => {
  const stage = new PartitionStage(3);
  const told = () => {
    const { follows } = stage.member(3);
    return follows?.kind === "follow" ? [follows.leader, follows.position.leaderEpoch] : "nobody";
  };
  assertEquals(told(), [1, 0]);
  stage.assign({ isr: [1, 3] });
  stage.member(3).follows = undefined;
  stage.assign({ isr: [1, 2, 3] });
  assertEquals(told(), "nobody", "nothing is new for it");
  stage.assign({ leader: 1 });
  assertEquals(told(), [1, 1]);
  stage.assign({ leader: 2 });
  assertEquals(told(), [2, 2]);
  stage.assign({ leader: -1 });
  assertEquals(told(), "nobody");
  stage.assign({ leader: 3 });
  assertEquals([told(), stage.member(3).state.role], ["nobody", "leader"]);
});

Deno.test("partition: a leader that returns gives up what nobody else had, and nothing else", () => {
  const stage = new PartitionStage(3);
  stage.member(1).append(["a", "b"]);
  stage.replicate();
  const lost = stage.member(1).append(["lost"]);
  stage.assign({ leader: 2 }, [2, 3]);
  stage.member(2).append(["c"]);
  stage.fetch(3);
  assertEquals(stage.fetch(3).error, ErrorCode.NONE);
  stage.assign({}, [1]);
  assertEquals(lost.map(({ error }) => errorName(error)), ["NOT_LEADER_OR_FOLLOWER"]);
  stage.replicate();
  assertEquals(stage.members.map(({ values }) => values), Array(3).fill(["a", "b", "c"]));
  assertEquals(stage.members.map(({ state }) => state.highWatermark), [3, 3, 3]);
  assertEquals(stage.member(1).log.truncations, 1);
});

Deno.test("partition: the end is withheld by a new leader until it knows what was committed", () => {
  const stage = new PartitionStage(3);
  stage.member(1).append(["a"]);
  stage.fetch(2);
  stage.fetch(3);
  stage.assign({ leader: 2 });
  assertEquals(errorName(stage.member(2).latest().error), "OFFSET_NOT_AVAILABLE");
  stage.replicate();
  assertEquals(stage.member(2).latest().offset, 1);
});

Deno.test("partition: flush.before.ack: a follower goes on only from what is durable", () => {
  const stage = new PartitionStage(2, DURABLE);
  stage.member(2).holdsSyncs = true;
  const replies = stage.member(1).append(["a"]);
  stage.fetch(2);
  assertEquals(stage.member(2).position!.fetchOffset, 0);
  assertEquals(stage.member(2).log.logEndOffset, 1);
  stage.member(2).holdsSyncs = false;
  stage.member(2).run();
  assertEquals(stage.member(2).position!.fetchOffset, 1);
  stage.fetch(2);
  assertEquals(replies.length, 1);
});

Deno.test("partition: acks=1 with flush.before.ack waits for the leader's disk, not for others", () => {
  const stage = new PartitionStage(2, { ...DURABLE, "min.insync.replicas": "2" });
  const replies = stage.member(1).append(["a"], "leader");
  assertEquals(replies.map(({ error }) => error), [ErrorCode.NONE]);
  assertEquals(stage.member(1).state.highWatermark, 0);
});

Deno.test("partition: below min.insync.replicas acks=all is refused, and nothing is appended", () => {
  const stage = new PartitionStage(2, { "min.insync.replicas": "2" });
  stage.assign({ isr: [1] });
  const replies = stage.member(1).append(["a"]);
  assertEquals(replies.map(({ error }) => errorName(error)), ["NOT_ENOUGH_REPLICAS"]);
  assertEquals(stage.member(1).log.logEndOffset, 0);
});

Deno.test("partition: too few replicas after the append is an outcome of its own", () => {
  const stage = new PartitionStage(2, { "min.insync.replicas": "1" });
  const replies = stage.member(1).append(["a"]);
  const config = { ...stage.config, minInsyncReplicas: 3 };
  stage.member(1).tell({ kind: "configure", config });
  stage.replicate();
  const names = replies.map(({ error }) => errorName(error));
  assertEquals(names, ["NOT_ENOUGH_REPLICAS_AFTER_APPEND"]);
});

Deno.test("partition: a proposal is sent once, again after 50 ms if nobody knows, until answered", () => {
  const stage = new PartitionStage(2);
  stage.assign({ isr: [1] });
  stage.replicate();
  const leader = stage.member(1);
  assertEquals(leader.proposals.length, 1);
  const [first] = leader.proposals;
  accept(leader, { error: ErrorCode.REQUEST_TIMED_OUT });
  leader.environment.advance(49);
  assertEquals(leader.proposals.length, 0);
  leader.environment.advance(1);
  const { replyTo: _, ...again } = leader.proposals[0]!;
  const { replyTo: __, ...before } = first!;
  assertEquals(again, before);
  accept(leader);
  leader.environment.advance(60_000);
  assertEquals([leader.proposals.length, leader.state.isr], [0, [1, 2]]);
});

Deno.test("partition: a proposal that is never answered is sent again with the second lag check", () => {
  const stage = new PartitionStage(2);
  stage.assign({ isr: [1] });
  stage.replicate();
  const leader = stage.member(1);
  leader.tell({ kind: "check-lag", now: leader.environment.clock.monotonic() });
  assertEquals(leader.proposals.length, 1);
  leader.tell({ kind: "check-lag", now: leader.environment.clock.monotonic() });
  assertEquals(leader.proposals.length, 2);
});

Deno.test("partition: a follower that does not fetch goes out of sync, and the mark goes on", () => {
  const stage = new PartitionStage(2);
  const leader = stage.member(1);
  const replies = leader.append(["a"]);
  leader.environment.advance(40_000);
  leader.tell({ kind: "check-lag", now: leader.environment.clock.monotonic() });
  assertEquals(leader.proposals[0]!.newIsr.map(({ brokerId }) => brokerId), [1]);
  assertEquals(replies, []);
  accept(leader);
  assertEquals(replies.length, 1);
});

Deno.test("partition: a waiting follower is told of an append, a waiting consumer of the mark", () => {
  const stage = new PartitionStage(2);
  const leader = stage.member(1);
  const told: string[] = [];
  const wait = (name: string, follower: boolean) => {
    const replyTo = leader.system.spawn<DataAvailable>(name, () => ({
      receive: ({ readable }) => void told.push(`${name} ${readable ? "reads" : "hears"}`),
    }));
    leader.tell({
      kind: "await-data",
      follower,
      seenEndOffset: 0,
      seenHighWatermark: 0,
      bytes: 1,
      token: 0,
      replyTo,
    });
  };
  wait("follower", true);
  wait("consumer", false);
  leader.append(["a"]);
  assertEquals(told.splice(0), ["follower reads"]);
  stage.replicate();
  assertEquals(told.splice(0), ["consumer reads"]);
});

Deno.test("partition: one that falls behind what the leader keeps starts anew there", () => {
  const stage = new PartitionStage(2);
  stage.member(1).append(["a"]);
  stage.replicate();
  stage.assign({ isr: [1] });
  stage.member(1).append(["0"]);
  for (let index = 1; index < 5; index++) stage.member(1).append([`${index}`]);
  stage.member(1).ask<unknown>((replyTo) => ({ kind: "delete-records", before: 4, replyTo }));
  assertEquals(errorName(stage.fetch(2).error), "OFFSET_OUT_OF_RANGE");
  stage.replicate();
  assertEquals(stage.member(2).log.logStartOffset, 4);
  assertEquals(stage.member(2).values, ["3", "4"]);
  assertEquals(stage.member(2).state.highWatermark, 6);
});

Deno.test("partition: a follower's log start follows the leader's", () => {
  const stage = new PartitionStage(2);
  for (let index = 0; index < 5; index++) stage.member(1).append([`${index}`]);
  stage.replicate();
  stage.member(1).ask<unknown>((replyTo) => ({ kind: "delete-records", before: 3, replyTo }));
  stage.replicate();
  const { log, directory } = stage.member(2);
  assertEquals(log.logStartOffset, 3);
  assertEquals(directory.progress(FOLDER).logStartOffset, 3, "for the next checkpoint");
});

Deno.test("partition: what was fetched for another epoch or place is given back, not taken", () => {
  const stage = new PartitionStage(2);
  stage.member(1).append(["a"]);
  const follower = stage.member(2);
  const { records } = stage.member(1).read(0, {
    follower: { replicaId: 2, brokerEpoch: -1, lastFetchedEpoch: -1, logStartOffset: 0 },
  });
  const outcome = { kind: "records", records, highWatermark: 1, logStartOffset: 0 } as const;
  follower.take(outcome, { ...follower.position!, leaderEpoch: 7 });
  follower.take(outcome, { ...follower.position!, fetchOffset: -1 });
  assertEquals(follower.log.logEndOffset, 0);
  assertEquals(follower.position!.failed, false);
  follower.take(outcome);
  assertEquals(follower.log.logEndOffset, 1);
  follower.take({ ...outcome, records: new Uint8Array(100) });
  assertEquals([follower.position!.failed, follower.log.logEndOffset], [true, 1]);
});

Deno.test("partition: one that failed recovers its log and follows in the next epoch", () => {
  const stage = new PartitionStage(2);
  stage.member(1).append(["a", "b"]);
  stage.replicate();
  const failed = stage.member(1);
  const pending = failed.append(["unknown"]);
  // A question that nobody answers makes it throw, as a bug would.
  failed.tell({ kind: "assign", assignment: undefined as never });
  assertEquals(failed.observed, undefined);
  assertEquals(pending.map(({ error }) => errorName(error)), ["NOT_LEADER_OR_FOLLOWER"]);
  failed.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  assertEquals(failed.state.role, "none");
  assertEquals(failed.append(["more"]).map(({ error }) => errorName(error)), [
    "NOT_LEADER_OR_FOLLOWER",
  ]);
  stage.assign({ leader: 2 });
  stage.replicate();
  assertEquals(failed.values, ["a", "b"]);
  stage.assign({ leader: 1 });
  assertEquals(failed.state.role, "leader");
});

/** Spoils a committed batch in the middle of a member's log, which then has to be scanned. */
function spoil(member: Member, at = 70): void {
  const path = `${FOLDER}/00000000000000000000.log`;
  member.environment.disk.open(path).write(new Uint8Array([1, 2, 3, 4]), at);
}

Deno.test("partition: a log damaged below the mark is set aside and fetched anew, not cut", () => {
  const stage = new PartitionStage(2, DURABLE);
  for (const value of ["a", "b", "c"]) stage.member(1).append([value]);
  stage.replicate();
  const damaged = stage.member(2);
  const { disk } = damaged.environment;
  damaged.tell({ kind: "maintain" });
  damaged.tell({ kind: "assign", assignment: undefined as never });
  spoil(damaged);
  damaged.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  assertEquals(damaged.observed, undefined, "it is in sync: that is to be ended first");
  stage.assign({ isr: [1] }, [1]);
  damaged.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  const aside = disk.list("").map(({ name }) => name).filter((name) => name.endsWith("-stray"));
  assertEquals(aside.length, 1);
  assertEquals(damaged.log.logEndOffset, 0);
  assert(isRefetching(disk, FOLDER));
  stage.assign({ leader: 2 }, [2]);
  assertEquals(damaged.state.role, "none", "it does not lead with what it lacks");
  stage.assign({ leader: 1 });
  stage.replicate();
  assertEquals(damaged.values, ["a", "b", "c"]);
  assert(isRefetching(disk, FOLDER), "what was committed before this epoch it may lack");
  stage.member(1).append(["d"]);
  stage.replicate();
  assertEquals(isRefetching(disk, FOLDER), false);
  stage.assign({ leader: 2 });
  assertEquals(damaged.state.role, "leader");
});

Deno.test("partition: a damaged log stays offline while nobody else leads", () => {
  const stage = new PartitionStage(2, DURABLE);
  for (const value of ["a", "b", "c"]) stage.member(1).append([value]);
  stage.replicate();
  const damaged = stage.member(1);
  damaged.tell({ kind: "maintain" });
  damaged.tell({ kind: "assign", assignment: undefined as never });
  spoil(damaged);
  damaged.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  assertEquals(damaged.observed, undefined);
  assertEquals(
    damaged.environment.disk.list("").some(({ name }) => name.endsWith("-stray")),
    false,
  );
});

/** Three committed batches on two replicas; at rest, the first of one's has rotted since. */
function rotten(
  id: number,
  at?: number,
  valueLength = 1,
): { readonly stage: PartitionStage; readonly member: Member } {
  const stage = new PartitionStage(2, { ...DURABLE, "segment.bytes": "1048576" });
  for (const value of ["a", "b", "c"]) stage.member(1).append([value.repeat(valueLength)]);
  stage.replicate();
  const member = stage.member(id);
  member.ask<unknown>((replyTo) => ({ kind: "close", replyTo }));
  spoil(member, at);
  member.start(stage.assignment, stage.config);
  assertEquals(member.log.logEndOffset, 3, "nobody has looked yet");
  return { stage, member };
}

Deno.test("partition: a leader that reads rotten records gives way to those in sync with it", () => {
  const { stage, member } = rotten(1);
  assertEquals(member.read(0).error, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(member.observed, undefined, "it has failed");
  stage.assign({ leader: 2, isr: [2] }, [2]);
  member.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  assertEquals(member.log.logEndOffset, 0, "the next life finds what was read");
  assert(isRefetching(member.environment.disk, FOLDER));
  stage.replicate();
  assertEquals(member.values, ["a", "b", "c"]);
});

Deno.test("partition: so does one that finds no batch any more where there was one", () => {
  // In a segment that opening does not look into.
  const { member } = rotten(1, BATCH_FIELD.batchLength, 600_000);
  assertEquals(member.read(0).error, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(member.observed, undefined, "it has failed");
});

Deno.test("partition: rotten records are no torn end, though nobody had noted them committed", () => {
  const { stage, member } = rotten(1);
  const { directory } = member;
  directory.note(FOLDER, { ...directory.progress(FOLDER), highWatermark: 0 });
  assertEquals(member.read(0).error, ErrorCode.KAFKA_STORAGE_ERROR);
  const { disk } = member.environment;
  const { size } = disk.status(`${FOLDER}/00000000000000000000.log`)!;
  member.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  assertEquals(member.observed, undefined, "it leads, nobody could give it what it would cut");
  assertEquals(disk.status(`${FOLDER}/00000000000000000000.log`)!.size, size);
});

Deno.test("partition: a leader alone serves what has not rotted", () => {
  const { stage, member } = rotten(1);
  stage.assign({ isr: [1] });
  assertEquals(member.read(0).error, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(member.state.role, "leader");
  const { error, records } = member.read(1);
  assertEquals([error, records === null], [ErrorCode.NONE, false]);
});

Deno.test("partition: so does one whose followers are fenced", () => {
  const { member } = rotten(1);
  const fenced = { brokerEpoch: 7, fenced: true, shuttingDown: false };
  member.tell({ kind: "brokers", brokers: new Map([[2, fenced]]) });
  assertEquals(member.read(0).error, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(member.state.role, "leader");
});

Deno.test("partition: a follower does not serve what has rotted, and stays one", () => {
  const { member } = rotten(2);
  const reply = member.read(0, { anyReplica: true });
  assertEquals(reply.records, null);
  assertEquals(member.state.role, "follower");
});

Deno.test("partition: a log that could not be opened for the disk opens when that is well again", () => {
  const stage = new PartitionStage(2);
  const member = stage.member(2);
  member.tell({ kind: "assign", assignment: undefined as never });
  const { disk } = member.environment;
  disk.remove(FOLDER);
  disk.readOnly = true;
  member.start(stage.assignment, stage.config, { failedInEpoch: 0 });
  member.tell({ kind: "check-lag", now: 0 });
  assertEquals(member.observed!.log, undefined);
  disk.readOnly = false;
  member.tell({ kind: "check-lag", now: 0 });
  assertEquals(member.log.logEndOffset, 0);
  assertEquals(member.follows?.kind, "follow");
});

Deno.test("partition: nobody is led in an epoch that is over", () => {
  const stage = new PartitionStage(3);
  stage.assign({ leader: 2 }, [2, 3]);
  stage.member(1).append(["zombie"], "leader");
  assertEquals(
    errorName(
      stage.member(1).read(0, {
        currentLeaderEpoch: 1,
        follower: { replicaId: 3, brokerEpoch: -1, lastFetchedEpoch: -1, logStartOffset: 0 },
      }).error,
    ),
    "UNKNOWN_LEADER_EPOCH",
  );
  stage.assign({}, [1]);
  stage.replicate();
  assertEquals(stage.member(1).values, []);
});

Deno.test("partition: whoever looks on sees the log as it is left, with what was made durable last", () => {
  const stage = new PartitionStage(1);
  const member = stage.member(1);
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  let left: number | undefined;
  const observer = {
    replicaStarted: () => {},
    replicaEnded: ({ log }: ObservedReplica) => void (left = log?.flushedOffset),
  };
  member.start(stage.assignment, stage.config, { observer });
  member.append(["a", "b"]);
  member.ask((replyTo) => ({ kind: "close", replyTo }));
  assertEquals(left, 2);
});
