/**
 * What befalls groups of either protocol: administrators, time, transactions, the other protocol.
 */

import { assertEquals } from "@std/assert";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from "../../../../net/messages/consumer_group_heartbeat.ts";
import type { DescribedGroup } from "../../../../net/messages/consumer_group_describe.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import type { ListedGroup } from "../../../../net/messages/list_groups.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../../../../net/messages/offset_commit.ts";
import {
  OFFSET_DELETE,
  type OffsetDeleteResponse,
} from "../../../../net/messages/offset_delete.ts";
import {
  TXN_OFFSET_COMMIT,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponse,
} from "../../../../net/messages/txn_offset_commit.ts";
import type { Draft } from "../../../../net/schema/make.ts";
import { bytes, Members } from "./classic_members.ts";

const DAY_MS = 24 * 3600_000;

/** A subscription as consumers write it, of one topic. */
function subscription(topic: string): Uint8Array {
  return new Uint8Array([0, 1, 0, 0, 0, 1, 0, topic.length, ...bytes(topic), 255, 255, 255, 255]);
}

class Stage extends Members {
  commitOffset(draft: Draft<OffsetCommitRequest> = {}, topic = "t", version = 9): number {
    return this.ask<OffsetCommitRequest, OffsetCommitResponse>("offset-commit", OFFSET_COMMIT, {
      groupId: "g",
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: 5 }] }],
      ...draft,
    }, version).value.topics[0]!.partitions[0]!.errorCode;
  }

  commitInTransaction(draft: Draft<TxnOffsetCommitRequest> = {}): number {
    const { topics } = this.ask<TxnOffsetCommitRequest, TxnOffsetCommitResponse>(
      "txn-offset-commit",
      TXN_OFFSET_COMMIT,
      {
        groupId: "g",
        transactionalId: "x",
        producerId: 7,
        producerEpoch: 1,
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 9 }] }],
        ...draft,
      },
    ).value;
    return topics[0]!.partitions[0]!.errorCode;
  }

  end(outcome: "commit" | "abort"): void {
    const ended = this.send<{ errorCode: number }>((replyTo) => ({
      kind: "complete-transaction",
      producerId: 7,
      producerEpoch: 1,
      coordinatorEpoch: 0,
      transactionVersion: 0,
      outcome,
      replyTo,
    }));
    assertEquals(ended.value.errorCode, 0);
  }

  offset(topic = "t"): number | undefined {
    const { offset } = this.machine.offsets.get("g", topic, 0) ?? {};
    assertEquals(this.folded().offsets.get("g", topic, 0)?.offset, offset);
    return offset;
  }

  delete(): number {
    return this.send<{ errorCode: number }>((replyTo) => ({
      kind: "delete-group",
      groupId: "g",
      replyTo,
    })).value.errorCode;
  }

  deleteOffset(topic = "t"): number {
    const { errorCode, topics } = this.ask<unknown, OffsetDeleteResponse>(
      "offset-delete",
      OFFSET_DELETE,
      { groupId: "g", topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }] } as never,
    ).value;
    return topics[0]?.partitions[0]?.errorCode ?? errorCode;
  }

  list(): string[] {
    const request = { statesFilter: [], typesFilter: [] };
    return this.send<readonly ListedGroup[]>((replyTo) => ({
      kind: "list-groups",
      request,
      replyTo,
    })).value.map(({ groupId, groupState, groupType }) => `${groupId} ${groupState} ${groupType}`);
  }

  /** A heartbeat of a member of the consumer protocol, which joins. */
  heartbeat(draft: Draft<ConsumerGroupHeartbeatRequest> = {}): ConsumerGroupHeartbeatResponse {
    return this.beatLater(draft).value;
  }

  beatLater(draft: Draft<ConsumerGroupHeartbeatRequest> = {}) {
    return this.ask<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse>(
      "consumer-group-heartbeat",
      CONSUMER_GROUP_HEARTBEAT,
      {
        groupId: "g",
        memberId: "m",
        memberEpoch: 0,
        rebalanceTimeoutMs: 20_000,
        subscribedTopicNames: ["t"],
        topicPartitions: [],
        ...draft,
      },
    );
  }

  describe(): DescribedGroup {
    return this.send<DescribedGroup>((replyTo) => ({
      kind: "describe-consumer-group",
      groupId: "g",
      replyTo,
    })).value;
  }

  kinds(): string[] {
    const has = (isThere: boolean, name: string) => isThere ? [name] : [];
    const { machine } = this;
    return [
      ...has(machine.classic.get("g") !== undefined, "classic"),
      ...has(machine.metadata.has("g"), "classic record"),
      ...has(machine.consumer.get("g") !== undefined, "consumer"),
    ];
  }
}

// Pending offsets of transactions.

Deno.test("admin: the offsets that a transaction has pending are deleted with their group", () => {
  const stage = new Stage();
  stage.commitInTransaction();
  assertEquals(stage.delete(), 0);
  stage.end("commit");
  assertEquals(stage.offset(), undefined);
  assertEquals(stage.list(), []);
});

Deno.test("admin: the offsets that a transaction has pending go with their topic", () => {
  const stage = new Stage();
  stage.setTopic("t", 1);
  stage.commitInTransaction();
  stage.removeTopic("t");
  stage.end("commit");
  assertEquals(stage.offset(), undefined);
});

Deno.test("admin: the offsets of a topic that is gone go when they can, those of another stay", () => {
  const stage = new Stage();
  stage.setTopic("t", 1);
  stage.commitOffset();
  stage.commitOffset({ groupId: "h" });
  stage.commitsAtOnce = false;
  stage.removeTopic("t");
  stage.fail();
  stage.commitsAtOnce = true;
  assertEquals(stage.offset(), 5);
  stage.pass(500);
  stage.setTopic("t", 1);
  stage.commitOffset({ groupId: "h" });
  stage.pass(500);
  assertEquals(stage.offset(), undefined);
  assertEquals(stage.folded().offsets.get("h", "t", 0)?.offset, 5);
});

Deno.test("admin: an offset that a transaction has pending can be deleted", () => {
  const stage = new Stage();
  stage.commitInTransaction();
  assertEquals(stage.deleteOffset(), 0);
  stage.end("commit");
  assertEquals(stage.offset(), undefined);
});

Deno.test("admin: nothing expires where a transaction has offsets pending", () => {
  const stage = new Stage();
  stage.commitOffset();
  stage.commitOffset({}, "u");
  stage.commitInTransaction();
  stage.pass(8 * DAY_MS);
  assertEquals([stage.offset("t"), stage.offset("u")], [5, undefined]);
  assertEquals(stage.list(), ["g Empty classic"]);
  stage.end("abort");
  stage.pass(3600_000);
  assertEquals([stage.offset("t"), stage.list()], [undefined, []]);
});

Deno.test("admin: a group of which several transactions have offsets pending is listed once", () => {
  const stage = new Stage();
  stage.commitInTransaction();
  stage.commitInTransaction({ producerId: 8 });
  assertEquals(stage.list(), ["g Empty classic"]);
});

// Expiry (KIP-211).

Deno.test("expiry: offsets without a group are kept from their commit on", () => {
  const stage = new Stage();
  stage.commitOffset();
  stage.pass(4 * DAY_MS);
  stage.commitOffset({}, "u");
  stage.pass(4 * DAY_MS);
  assertEquals([stage.offset("t"), stage.offset("u")], [undefined, 5]);
});

Deno.test("expiry: offsets of a group are kept from when it was left on, across a reload", () => {
  const stage = new Stage();
  const [a] = stage.stable(1) as [string];
  stage.commitOf(a, 1);
  for (let hours = 0; hours < 5 * 24; hours++) {
    for (let times = 0; times < 450; times++) {
      stage.pass(8000);
      if (stage.beat(a, 1) !== 0) throw new Error("It is out");
    }
  }
  stage.leave(a);
  stage.pass(6 * DAY_MS);
  assertEquals(stage.offset(), 1);
  stage.reload();
  stage.pass(1.1 * DAY_MS);
  assertEquals([stage.offset(), stage.kinds()], [undefined, []]);
  assertEquals(stage.folded().metadata.has("g"), false);
});

Deno.test("expiry: a stable group keeps what it is subscribed to, and loses the rest", () => {
  const stage = new Stage();
  const id = stage.newId();
  const protocols = [{ name: "range", metadata: subscription("t") }];
  stage.join(id, { protocols, sessionTimeoutMs: 1_800_000 });
  stage.pass(1);
  stage.sync(id, 1, { [id]: "all" });
  const member = { memberId: id, generationIdOrMemberEpoch: 1 };
  stage.commitOffset(member, "t");
  stage.commitOffset(member, "u");
  assertEquals(stage.deleteOffset("t"), ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
  for (let times = 0; times < 16 * 24; times++) {
    stage.pass(1_700_000);
    assertEquals(stage.beat(id, 1), 0);
  }
  assertEquals([stage.offset("t"), stage.offset("u")], [5, undefined]);
});

Deno.test("expiry: who says how long its offset is to be kept is heard", () => {
  const stage = new Stage();
  stage.commitOffset({ retentionTimeMs: 3600_000 }, "t", 4);
  stage.pass(1_800_000);
  assertEquals(stage.offset(), 5);
  stage.reload();
  stage.pass(2_400_000 + 600_000);
  assertEquals(stage.offset(), undefined);
});

Deno.test("expiry: many offsets expire one part after the other, not all in one turn", () => {
  const stage = new Stage({ "offsets.retention.minutes": "10" });
  const groups = Array.from({ length: 5000 }, (_, index) => `g${index}`);
  for (const groupId of groups) stage.commitOffset({ groupId });
  const left = () => stage.list().length;
  stage.pass(599_999);
  assertEquals(left(), 5000);
  const counts = [];
  for (stage.pass(1); left() > 0 && counts.length < 10; stage.pass(50)) counts.push(left());
  assertEquals(counts, [3333, 1666]);
});

// Groups that are there, and those that are not.

Deno.test("admin: only a group without members is deleted", () => {
  const stage = new Stage();
  assertEquals(stage.delete(), ErrorCode.GROUP_ID_NOT_FOUND);
  const [a] = stage.stable(1) as [string];
  assertEquals(stage.delete(), ErrorCode.NON_EMPTY_GROUP);
  stage.leave(a);
  assertEquals(stage.delete(), 0);
  assertEquals([stage.kinds(), stage.list()], [[], []]);
});

Deno.test("admin: a group whose end could not be written is there still, and goes on", () => {
  const stage = new Stage();
  const [a] = stage.stable(1) as [string];
  stage.leave(a);
  const id = stage.newId();
  stage.commitsAtOnce = false;
  const deleted = stage.send<{ errorCode: number }>((replyTo) => ({
    kind: "delete-group",
    groupId: "g",
    replyTo,
  }));
  stage.fail();
  assertEquals(deleted.value.errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  assertEquals(stage.kinds(), ["classic", "classic record"]);
  stage.commitsAtOnce = true;
  // The id was forgotten with the group: nobody waits for who might come with it.
  assertEquals(stage.join(id).value.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  const b = stage.newId();
  const joined = stage.join(b);
  stage.pass(1);
  assertEquals(joined.value.generationId, 3);
});

// From one protocol to the other.

Deno.test("protocols: an empty group is taken over by the other protocol, with its offsets", () => {
  const stage = new Stage();
  stage.setTopic("t", 1);
  const [a] = stage.stable(1) as [string];
  stage.commitOf(a, 1);
  assertEquals(stage.heartbeat().errorCode, ErrorCode.GROUP_ID_NOT_FOUND);
  stage.leave(a);
  assertEquals(stage.heartbeat().errorCode, 0);
  assertEquals([stage.kinds(), stage.offset()], [["consumer"], 1]);
  assertEquals(stage.join("").value.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  stage.heartbeat({ memberEpoch: -1 });
  stage.stable(1);
  assertEquals([stage.kinds(), stage.offset()], [["classic", "classic record"], 1]);
});

Deno.test("protocols: an id that was given out keeps no group from the other protocol", () => {
  const stage = new Stage();
  const id = stage.newId();
  assertEquals(stage.heartbeat().errorCode, 0);
  assertEquals(stage.kinds(), ["consumer"]);
  assertEquals(stage.join(id).value.errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
});

Deno.test("protocols: who is refused changes nothing of an empty group", () => {
  const stage = new Stage();
  stage.heartbeat();
  stage.heartbeat({ memberEpoch: -1 });
  const epoch = stage.describe().groupEpoch;
  assertEquals(stage.join("who").value.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(
    stage.join("", { sessionTimeoutMs: 1 }).value.errorCode,
    ErrorCode.INVALID_SESSION_TIMEOUT,
  );
  assertEquals([stage.kinds(), stage.describe().groupEpoch], [["consumer"], epoch]);
});

Deno.test("protocols: a group that the other protocol could not take over is as before", () => {
  const stage = new Stage();
  const [a] = stage.stable(1) as [string];
  stage.leave(a);
  stage.commitsAtOnce = false;
  const joined = stage.beatLater();
  stage.fail();
  assertEquals(joined.value.errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  assertEquals(stage.kinds(), ["classic", "classic record"]);
  assertEquals(stage.list(), ["g Empty classic"]);
});

Deno.test("protocols: members of a classic group commit where the end of the other could not be written", () => {
  const stage = new Stage();
  stage.heartbeat();
  stage.heartbeat({ memberEpoch: -1 });
  stage.commitsAtOnce = false;
  const first = stage.join("", {}, 3);
  stage.fail();
  stage.commitsAtOnce = true;
  stage.pass(1);
  const { memberId } = first.value;
  stage.sync(memberId, 1, { [memberId]: "all" });
  assertEquals(stage.kinds(), ["classic", "classic record", "consumer"]);
  assertEquals(stage.commitOf(memberId, 1), 0);
});

Deno.test("protocols: nobody is assigned what a member of the other protocol turns out to have", () => {
  const stage = new Stage();
  stage.heartbeat();
  stage.commitsAtOnce = false;
  stage.beatLater({ memberEpoch: -1 });
  const joined = ["a", "b"].map(() => stage.join("", {}, 3));
  stage.pass(1);
  const [leader, other] = joined.map(({ value }) => value.memberId) as [string, string];
  const waiting = stage.sync(other, 1);
  stage.fail();
  stage.commitsAtOnce = true;
  // The one that left is a member still.
  assertEquals(stage.heartbeat({ memberEpoch: 1 }).errorCode, 0);
  assertEquals(
    stage.sync(leader, 1, { [leader]: "all" }).value.errorCode,
    ErrorCode.UNKNOWN_MEMBER_ID,
  );
  assertEquals(waiting.value.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(stage.kinds(), ["consumer"]);
});

// Who may commit in a transaction.

Deno.test("commits: a producer that names no member commits for a group that has some", () => {
  const stage = new Stage();
  stage.heartbeat();
  assertEquals(stage.commitInTransaction(), 0);
  assertEquals(stage.commitInTransaction({ memberId: "m" }), ErrorCode.ILLEGAL_GENERATION);
  assertEquals(stage.commitInTransaction({ memberId: "n" }), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(stage.commitInTransaction({ memberId: "m", generationId: 1 }), 0);
  assertEquals(stage.commitOffset(), ErrorCode.UNKNOWN_MEMBER_ID);
});

// Topics that come, grow and go.

Deno.test("consumer: a topic that goes is taken from its members, one of its name is another", () => {
  const stage = new Stage();
  const topicId = stage.setTopic("t", 2);
  const given = ({ assignment, memberEpoch }: ConsumerGroupHeartbeatResponse) => [
    memberEpoch,
    assignment?.topicPartitions.map((one) => [one.topicId, one.partitions.length]),
  ];
  const beat = (
    memberEpoch: number,
    topicPartitions: { topicId: string; partitions: number[] }[],
  ) =>
    stage.heartbeat({
      memberEpoch,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      topicPartitions,
    });
  assertEquals(given(stage.heartbeat()), [1, [[topicId, 2]]]);
  assertEquals(given(beat(1, [{ topicId, partitions: [0, 1] }])), [1, undefined]);
  stage.removeTopic("t");
  assertEquals(given(beat(1, [{ topicId, partitions: [0, 1] }])), [1, []]);
  assertEquals(given(beat(1, [])), [2, undefined]);
  const other = stage.setTopic("t", 3);
  assertEquals(given(beat(2, [])), [3, [[other, 3]]]);
});

// Groups that are full.

Deno.test("bounds: there is room in a full group for a static member that comes back", () => {
  const stage = new Stage({ "group.max.size": "1", "group.consumer.max.size": "1" });
  const first = stage.join("", { groupInstanceId: "i" });
  stage.pass(1);
  stage.sync(first.value.memberId, 1);
  assertEquals(stage.join("", { groupInstanceId: "i" }).value.errorCode, 0);
  assertEquals(
    stage.join("", { groupInstanceId: "j" }).value.errorCode,
    ErrorCode.GROUP_MAX_SIZE_REACHED,
  );
  const beat = (memberId: string, instanceId: string, memberEpoch = 0) =>
    stage.heartbeat({ groupId: "h", memberId, instanceId, memberEpoch }).errorCode;
  assertEquals(beat("m", "i"), 0);
  assertEquals(beat("m", "i", -2), 0);
  assertEquals(beat("n", "j"), ErrorCode.GROUP_MAX_SIZE_REACHED);
  assertEquals(beat("n", "i"), 0);
});

// Time-outs of members that have something to give up.

Deno.test("revocation: who does not give up in time is out, though its end failed once", () => {
  const stage = new Stage();
  const topicId = stage.setTopic("t", 2);
  const holds = (...partitions: number[]) => [{ topicId, partitions }];
  const beat = (more: Draft<ConsumerGroupHeartbeatRequest>) =>
    stage.heartbeat({ rebalanceTimeoutMs: -1, subscribedTopicNames: null, ...more });
  stage.heartbeat();
  stage.heartbeat({ memberId: "n" });
  // It is told to give up one of the two, and does not.
  const told = beat({ memberEpoch: 1, topicPartitions: holds(0, 1) });
  assertEquals(told.assignment?.topicPartitions[0]?.partitions.length, 1);
  const stay = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      stage.pass(1000);
      beat({ memberEpoch: 1, topicPartitions: holds(0, 1) });
      beat({ memberId: "n", memberEpoch: 2, topicPartitions: [] });
    }
  };
  stay(15);
  assertEquals(stage.describe().members.length, 2);
  stage.commitsAtOnce = false;
  stage.pass(6000);
  stage.fail();
  stage.commitsAtOnce = true;
  assertEquals(stage.describe().members.length, 2);
  stay(15);
  assertEquals(stage.describe().members.length, 2);
  stay(6);
  assertEquals(stage.describe().members.map(({ memberId }) => memberId), ["n"]);
});

Deno.test("revocation: the time to give up does not begin anew with what a member says of itself", () => {
  const stage = new Stage();
  const topicId = stage.setTopic("t", 2);
  stage.heartbeat();
  stage.heartbeat({ memberId: "n" });
  for (let second = 0; second < 25; second++) {
    stage.heartbeat({
      memberEpoch: 1,
      rackId: `${second}`,
      subscribedTopicNames: null,
      topicPartitions: [{ topicId, partitions: [0, 1] }],
    });
    stage.pass(1000);
    stage.heartbeat({ memberId: "n", memberEpoch: 2 });
  }
  assertEquals(stage.describe().members.map(({ memberId }) => memberId), ["n"]);
});
