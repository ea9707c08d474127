import { assertEquals } from "@std/assert";
import { closestFollower } from "../../../actors/partition/closest_replica.ts";
import { FollowerProgress } from "../../../actors/partition/follower_progress.ts";
import type { BrokerStanding, DataAvailable } from "../../../actors/partition/messages.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { PartitionStage } from "./partition_stage.ts";

const RACKS = ["a", "a", "b", "b"];

function standing(rack: string, change: Partial<BrokerStanding> = {}): BrokerStanding {
  return { brokerEpoch: 1, fenced: false, shuttingDown: false, rack, ...change };
}

function progress(logEndOffset: number, lastCaughtUp = 0, logStartOffset = 0): FollowerProgress {
  const follower = new FollowerProgress(lastCaughtUp);
  follower.logEndOffset = logEndOffset;
  follower.logStartOffset = logStartOffset;
  return follower;
}

/** Broker 1 leads, 2 to 4 follow; racks by place. */
function view(
  followers: readonly FollowerProgress[],
  changes: readonly Partial<BrokerStanding>[] = [],
) {
  return {
    nodeId: 1,
    followers: new Map(followers.map((follower, index) => [index + 2, follower])),
    brokers: new Map(RACKS.map((rack, index) => [index + 1, standing(rack, changes[index])])),
  };
}

Deno.test("closest replica: the leader serves its own rack, and those where nobody stands", () => {
  const all = view([progress(9), progress(9), progress(9)]);
  assertEquals(closestFollower(all, "a", 5), undefined);
  assertEquals(closestFollower(all, "c", 5), undefined);
});

Deno.test("closest replica: of those in the rack the farthest, then the one that was there last", () => {
  assertEquals(closestFollower(view([progress(9), progress(7), progress(8)]), "b", 5), 4);
  assertEquals(closestFollower(view([progress(9), progress(8, 20), progress(8, 10)]), "b", 5), 3);
});

Deno.test("closest replica: none that lacks what is asked for, or does not serve", () => {
  assertEquals(closestFollower(view([progress(9), progress(4), progress(3)]), "b", 5), undefined);
  const started = view([progress(9), progress(9, 0, 6), progress(8)]);
  assertEquals(closestFollower(started, "b", 5), 4);
  const fenced = view([progress(9), progress(9), progress(-1)], [{}, {}, { fenced: true }]);
  assertEquals(closestFollower(fenced, "b", 5), undefined);
});

Deno.test("follower reads: what is committed as far as it knows, and the rest is to come", () => {
  const stage = new PartitionStage(2);
  const [leader, follower] = [stage.member(1), stage.member(2)];
  const read = (offset: number) => follower.read(offset, { anyReplica: true });
  leader.append(["a"]);
  stage.fetch(2);
  // It holds the record, and does not know yet that it is committed.
  assertEquals(read(0).records, null);
  assertEquals(read(1).error, ErrorCode.OFFSET_NOT_AVAILABLE);
  assertEquals(read(2).error, ErrorCode.OFFSET_OUT_OF_RANGE);
  const told: DataAvailable[] = [];
  const replyTo = follower.system.spawn<DataAvailable>("waiter", () => ({
    receive: (message) => void told.push(message),
  }));
  follower.tell({
    kind: "await-data",
    follower: false,
    readCommitted: false,
    seenEndOffset: 0,
    seenHighWatermark: 0,
    bytes: 1,
    token: 1,
    replyTo,
  });
  stage.replicate();
  assertEquals(told.length, 1, "who waits is told");
  const { records, highWatermark, error } = read(0);
  assertEquals([records !== null, highWatermark, error], [true, 1, ErrorCode.NONE]);
  assertEquals(read(1).error, ErrorCode.NONE);
  // Who does not say so reads from leaders only, and epochs are fenced as there.
  assertEquals(follower.read(0).error, ErrorCode.NOT_LEADER_OR_FOLLOWER);
  const fenced = follower.read(0, { anyReplica: true, currentLeaderEpoch: 5 });
  assertEquals(fenced.error, ErrorCode.UNKNOWN_LEADER_EPOCH);
});

Deno.test("follower reads: a leader names who stands in the consumer's rack, and gives nothing", () => {
  const stage = new PartitionStage(2);
  const leader = stage.member(1);
  const brokers = new Map([[1, standing("a")], [2, standing("b")]]);
  leader.tell({ kind: "brokers", brokers });
  leader.append(["a"]);
  stage.replicate();
  const named = leader.read(0, { anyReplica: true, rack: "b" });
  assertEquals([named.preferredReadReplica, named.records, named.error], [2, null, 0]);
  const own = leader.read(0, { anyReplica: true, rack: "a" });
  assertEquals([own.preferredReadReplica, own.records !== null], [undefined, true]);
});

Deno.test("follower reads: none is named for what it has deleted, once it has said so", () => {
  const stage = new PartitionStage(2);
  const [leader, follower] = [stage.member(1), stage.member(2)];
  const brokers = new Map([[1, standing("a")], [2, standing("b")]]);
  leader.tell({ kind: "brokers", brokers });
  leader.append(["a", "b", "c"]);
  stage.replicate();
  const named = (offset: number) =>
    leader.read(offset, { anyReplica: true, rack: "b" }).preferredReadReplica;
  assertEquals(named(1), 2);
  follower.position = { ...follower.position!, logStartOffset: 2 };
  stage.fetch(2);
  assertEquals([named(1), named(2)], [undefined, 2]);
});
