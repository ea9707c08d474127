import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { Replica } from "../../../actors/partition/replica.ts";
import type { PartitionAssignment } from "../../../actors/partition/messages.ts";

const SETTINGS = { minInsyncReplicas: 1, flushBeforeAck: false };

function assignment(change: Partial<PartitionAssignment> = {}): PartitionAssignment {
  return { leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1], isr: [1], ...change };
}

function leader(settings = SETTINGS): Replica {
  const replica = new Replica(1, settings);
  replica.opened(0, 0, 0);
  replica.assign(assignment());
  return replica;
}

Deno.test("replica: a leader alone has everything it appended below its high watermark", () => {
  const replica = leader();
  assertEquals(replica.appended(7), true);
  assertEquals(replica.highWatermark, 7);
});

Deno.test("replica: with flush.before.ack nothing is visible before it is durable", () => {
  const replica = leader({ ...SETTINGS, flushBeforeAck: true });
  assertEquals(replica.appended(7), false);
  assertEquals(replica.highWatermark, 0);
  assertEquals(replica.awaitsFlush, true);
  assertEquals(replica.flushed(5), true);
  assertEquals(replica.highWatermark, 5);
  assertEquals(replica.flushed(7), true);
  assertEquals(replica.awaitsFlush, false);
});

Deno.test("replica: the high watermark does not fall when a flush is reported late", () => {
  const replica = leader({ ...SETTINGS, flushBeforeAck: true });
  replica.appended(7);
  replica.flushed(7);
  assertEquals(replica.flushed(3), false);
  assertEquals(replica.highWatermark, 7);
});

Deno.test("replica: the high watermark noted before is cut to the log's end when it opens", () => {
  const replica = new Replica(1, SETTINGS);
  replica.opened(4, 4, 9);
  assertEquals(replica.highWatermark, 4);
});

Deno.test("replica: a member of the in-sync replicas whose end is unknown holds the mark", () => {
  const replica = new Replica(1, SETTINGS);
  replica.opened(0, 0, 0);
  replica.assign(assignment({ replicas: [1, 2], isr: [1, 2] }));
  assertEquals(replica.appended(5), false);
  assertEquals(replica.highWatermark, 0);
  replica.assign(assignment({ replicas: [1, 2], isr: [1], partitionEpoch: 1 }));
  assertEquals(replica.highWatermark, 5);
});

Deno.test("replica: the mark stands still below min.insync.replicas", () => {
  const replica = new Replica(1, { ...SETTINGS, minInsyncReplicas: 2 });
  replica.opened(0, 0, 0);
  replica.assign(assignment({ replicas: [1, 2], isr: [1] }));
  assertEquals(replica.appended(5), false);
  assertEquals(replica.checkAppend("all"), ErrorCode.NOT_ENOUGH_REPLICAS);
  assertEquals(replica.checkAppend("leader"), ErrorCode.NONE);
});

Deno.test("replica: a new leader epoch begins with a new leader, and only then", () => {
  const replica = leader();
  assertEquals(replica.assign(assignment({ partitionEpoch: 1 })), false);
  assertEquals(replica.assign(assignment({ partitionEpoch: 2, leaderEpoch: 1 })), true);
  assertEquals(replica.leaderEpoch, 1);
});

Deno.test("replica: an older word of the controller is ignored", () => {
  const replica = leader();
  replica.assign(assignment({ partitionEpoch: 3, leaderEpoch: 2 }));
  assertEquals(replica.assign(assignment({ partitionEpoch: 2, leaderEpoch: 1 })), false);
  assertEquals(replica.leaderEpoch, 2);
});

Deno.test("replica: who no longer leads refuses appends and reads", () => {
  const replica = leader();
  replica.assign(assignment({ leader: 2, leaderEpoch: 1, partitionEpoch: 1, replicas: [1, 2] }));
  assertEquals(replica.role, "follower");
  assertEquals(replica.checkAppend("leader"), ErrorCode.NOT_LEADER_OR_FOLLOWER);
  assertEquals(replica.checkLeader(-1), ErrorCode.NOT_LEADER_OR_FOLLOWER);
});

Deno.test("replica: a reader's epoch must be the leader's own", () => {
  const replica = leader();
  replica.assign(assignment({ leaderEpoch: 4, partitionEpoch: 1 }));
  assertEquals(replica.checkLeader(3), ErrorCode.FENCED_LEADER_EPOCH);
  assertEquals(replica.checkLeader(4), ErrorCode.NONE);
  assertEquals(replica.checkLeader(5), ErrorCode.UNKNOWN_LEADER_EPOCH);
  assertEquals(replica.checkLeader(-1), ErrorCode.NONE);
});
