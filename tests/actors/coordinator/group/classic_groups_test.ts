/** The classic protocol of groups, message by message, as Kafka answers. */

import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { HEARTBEAT } from "../../../../net/messages/heartbeat.ts";
import { bytes, Members, text } from "./classic_members.ts";
import type { Awaited } from "./group_stage.ts";

Deno.test("classic: members are answered together, with the leader's assignment", () => {
  const stage = new Members();
  stage.stable(3);
});

Deno.test("classic: a SyncGroup waits for the leader's, and for the log", () => {
  const stage = new Members();
  const [a, b] = [stage.newId(), stage.newId()];
  const joins = [stage.join(a), stage.join(b)];
  stage.pass(1);
  assertEquals(joins.map(({ value }) => value.generationId), [1, 1]);
  const waiting = stage.sync(b, 1);
  assert(!waiting.isSettled);
  stage.commitsAtOnce = false;
  const leading = stage.sync(a, 1, { [a]: "x", [b]: "y" });
  assert(!leading.isSettled && !waiting.isSettled);
  stage.commit();
  assertEquals([text(leading.value.assignment), text(waiting.value.assignment)], ["x", "y"]);
});

Deno.test("classic: an assignment that cannot be written has the members join again", () => {
  const stage = new Members();
  const a = stage.newId();
  stage.join(a);
  stage.pass(1);
  stage.commitsAtOnce = false;
  const sync = stage.sync(a, 1, { [a]: "x" });
  stage.fail(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  assertEquals(sync.value.errorCode, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  assertEquals(stage.state, "PreparingRebalance");
});

Deno.test("classic: a newcomer has the others join again", () => {
  const stage = new Members();
  const [a] = stage.stable(1) as [string];
  const b = stage.newId();
  const joined = stage.join(b);
  assert(!joined.isSettled);
  assertEquals(stage.beat(a, 1), ErrorCode.REBALANCE_IN_PROGRESS);
  assertEquals(stage.commitOf(a, 1), 0);
  const again = stage.join(a);
  assertEquals([again.value.generationId, joined.value.generationId], [2, 2]);
  assertEquals(stage.beat(a, 1), ErrorCode.ILLEGAL_GENERATION);
  assertEquals(stage.commitOf(a, 1), ErrorCode.ILLEGAL_GENERATION);
  assertEquals(stage.commitOf(a, 2), ErrorCode.REBALANCE_IN_PROGRESS);
});

Deno.test("classic: who does not join again in time is out", () => {
  const stage = new Members();
  const [a, b] = stage.stable(2) as [string, string];
  const joined = stage.join(a);
  for (let seconds = 0; seconds < 55; seconds += 5) {
    stage.pass(5000);
    assertEquals(stage.beat(b, 1), ErrorCode.REBALANCE_IN_PROGRESS);
  }
  assert(!joined.isSettled);
  stage.pass(5000);
  assertEquals(joined.value.members.map(({ memberId }) => memberId), [a]);
  assertEquals(stage.beat(b, 1), ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("classic: who is silent for its session is out, and the rest joins again", () => {
  const stage = new Members();
  const [a, b] = stage.stable(2) as [string, string];
  stage.pass(6000);
  assertEquals(stage.beat(a, 1), 0);
  stage.pass(4100);
  assertEquals(stage.beat(a, 1), ErrorCode.REBALANCE_IN_PROGRESS);
  assertEquals(stage.join(a).value.members.length, 1);
  assertEquals(stage.beat(b, 1), ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("classic: a commit is a sign of life", () => {
  const stage = new Members();
  const [a] = stage.stable(1) as [string];
  for (let round = 0; round < 5; round++) {
    stage.pass(8000);
    assertEquals(stage.commitOf(a, 1), 0);
  }
});

Deno.test("classic: who does not sync in time is out", () => {
  const stage = new Members();
  const [a, b] = [stage.newId(), stage.newId()];
  stage.join(a);
  stage.join(b);
  stage.pass(1);
  const waiting = stage.sync(a, 1, { [a]: "x" });
  assertEquals(waiting.value.errorCode, 0);
  for (let seconds = 0; seconds < 60; seconds += 5) {
    stage.beat(a, 1);
    stage.beat(b, 1);
    stage.pass(5000);
  }
  assertEquals(stage.beat(b, 1), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(stage.beat(a, 1), ErrorCode.REBALANCE_IN_PROGRESS);
});

Deno.test("classic: the first rebalance waits longer while members come", () => {
  const stage = new Members({ "group.initial.rebalance.delay.ms": "3000" });
  const first = stage.join(stage.newId(), { rebalanceTimeoutMs: 8000 });
  stage.pass(2000);
  const second = stage.join(stage.newId(), { rebalanceTimeoutMs: 8000 });
  stage.pass(3500);
  assert(!first.isSettled && !second.isSettled);
  stage.pass(500);
  assertEquals([first.value.generationId, second.value.generationId], [1, 1]);
});

Deno.test("classic: a leader that joins again has all join again, a follower does not", () => {
  const stage = new Members();
  const [a, b] = stage.stable(2) as [string, string];
  const same = stage.join(b);
  assertEquals([same.value.errorCode, same.value.generationId], [0, 1]);
  assertEquals(stage.state, "Stable");
  assert(!stage.join(a).isSettled);
  assertEquals(stage.state, "PreparingRebalance");
});

Deno.test("classic: a member that says something else has all join again", () => {
  const stage = new Members();
  const [, b] = stage.stable(2) as [string, string];
  assert(!stage.join(b, { protocols: [{ name: "range", metadata: bytes("new") }] }).isSettled);
  assertEquals(stage.state, "PreparingRebalance");
});

Deno.test("classic: the protocol is one that all speak, and that most prefer", () => {
  const stage = new Members();
  const protocols = (...names: string[]) => ({ protocols: names.map((name) => ({ name })) });
  const lists = [["a", "b", "c"], ["b", "a"], ["c", "b", "a"]];
  const joins = lists.map((names) => stage.join("", protocols(...names), 3));
  stage.pass(1);
  // c is not for all; two of three like b better than a.
  assertEquals(joins.map(({ value }) => value.protocolName), ["b", "b", "b"]);
  assertEquals(
    stage.join("", protocols("c"), 3).value.errorCode,
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
  );
});

Deno.test("classic: refusals", () => {
  const stage = new Members({ "group.max.size": "1" });
  const error = (awaited: Awaited<{ errorCode: number }>) => awaited.value.errorCode;
  assertEquals(
    error(stage.join("", { sessionTimeoutMs: 5999 })),
    ErrorCode.INVALID_SESSION_TIMEOUT,
  );
  assertEquals(error(stage.join("x")), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(error(stage.join("", { protocols: [] })), ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  const [a] = stage.stable(1) as [string];
  assertEquals(error(stage.join("")), ErrorCode.GROUP_MAX_SIZE_REACHED);
  assertEquals(error(stage.sync("x", 1)), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(error(stage.sync(a, 0)), ErrorCode.ILLEGAL_GENERATION);
  assertEquals(stage.leave("x"), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(stage.leave(a), 0);
  assertEquals(stage.state, "Empty");
  assertEquals(stage.commitOf(a, 1), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(stage.commitOf("", -1), 0);
});

Deno.test("classic: an id that nobody joins with is forgotten after a session", () => {
  const stage = new Members();
  const id = stage.newId();
  stage.pass(10_000);
  assertEquals(stage.join(id).value.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("classic: whoever waits is sent away when the coordinator goes", () => {
  const stage = new Members();
  stage.stable(1);
  const joining = stage.join(stage.newId());
  stage.reload();
  assertEquals(joining.value.errorCode, ErrorCode.NOT_COORDINATOR);
});

Deno.test("classic: a stable group is taken over as it is, with its members' sessions", () => {
  const stage = new Members();
  const [a, b] = stage.stable(2) as [string, string];
  stage.reload();
  assertEquals([stage.beat(a, 1), stage.beat(b, 1)], [0, 0]);
  assertEquals(text(stage.sync(b, 1).value.assignment), `of ${b}`);
  stage.pass(10_100);
  assertEquals(stage.beat(a, 1), ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("classic: with every member new, the generation goes on", () => {
  const stage = new Members();
  const [a] = stage.stable(1) as [string];
  stage.leave(a);
  stage.reload();
  const b = stage.newId();
  const joined = stage.join(b);
  stage.pass(1);
  assertEquals(joined.value.generationId, 3);
});

Deno.test("classic: a static member that does not come back keeps the group waiting, and leads no more", () => {
  const stage = new Members();
  const join = (instance: string, memberId = "") =>
    stage.join(memberId, { groupInstanceId: instance });
  const [i, j] = [join("i"), join("j")];
  stage.pass(1);
  const [first, second] = [i.value.memberId, j.value.memberId];
  assertEquals(i.value.leader, first);
  stage.sync(first, 1, {});
  stage.sync(second, 1);
  // Only the follower joins again: the absent leader stays a member, but leads no more.
  const again = stage.join(second, {
    groupInstanceId: "j",
    protocols: [{ name: "range", metadata: bytes("new") }],
  });
  for (let seconds = 0; seconds < 60; seconds += 5) {
    stage.ask("heartbeat", HEARTBEAT, {
      groupId: "g",
      memberId: first,
      groupInstanceId: "i",
      generationId: 1,
    });
    stage.pass(5000);
  }
  assertEquals(again.value.leader, second);
  assertEquals(again.value.members.length, 2);
});

Deno.test("classic: generations and commits are counted", () => {
  const stage = new Members();
  const [a] = stage.stable(1) as [string];
  stage.commitOf(a, 1);
  stage.commitOf(a, 1);
  stage.commitOf(a, 0);
  assertEquals(stage.count("group-completed-rebalance-count"), 1);
  assertEquals(stage.count("offset-commit-count"), 2);
});

Deno.test("classic: an id that is given back ends no first rebalance before its time", () => {
  const stage = new Members({ "group.initial.rebalance.delay.ms": "3000" });
  const [a, b] = [stage.newId(), stage.newId()];
  const joined = stage.join(a);
  assertEquals(stage.leave(b), 0);
  assert(!joined.isSettled);
  stage.pass(3000);
  assertEquals(joined.value.errorCode, 0);
});

Deno.test("classic: a static member whose place took long to write has a session again", () => {
  const stage = new Members();
  const joined = stage.join("", { groupInstanceId: "i" });
  stage.pass(1);
  stage.sync(joined.value.memberId, 1);
  stage.commitsAtOnce = false;
  const again = stage.join("", { groupInstanceId: "i" });
  stage.pass(11_000);
  assert(!again.isSettled);
  stage.commitsAtOnce = true;
  stage.commit();
  assertEquals(again.value.errorCode, 0);
  stage.pass(10_100);
  assertEquals(stage.state, "Empty");
});

Deno.test("classic: a leader that gives twice is held to what it gave first", () => {
  const stage = new Members();
  const id = stage.newId();
  stage.join(id);
  stage.pass(1);
  stage.commitsAtOnce = false;
  stage.sync(id, 1, { [id]: "first" });
  const second = stage.sync(id, 1, { [id]: "second" });
  stage.commit();
  assertEquals(text(second.value.assignment), "first");
  stage.commitsAtOnce = true;
  stage.reload();
  assertEquals(text(stage.sync(id, 1).value.assignment), "first");
});

Deno.test("classic: who takes a static member's place and does not sync in time is told so", () => {
  const stage = new Members();
  const joins = ["i", "j"].map((groupInstanceId) => stage.join("", { groupInstanceId }));
  stage.pass(1);
  const [first, second] = joins.map(({ value }) => value.memberId) as [string, string];
  stage.sync(first, 1, { [first]: "1", [second]: "2" });
  assertEquals(stage.state, "Stable");
  const beat = (memberId: string, groupInstanceId: string) =>
    stage.ask("heartbeat", HEARTBEAT, { groupId: "g", memberId, groupInstanceId, generationId: 1 });
  for (let seconds = 0; seconds < 59; seconds++) {
    stage.pass(1000);
    beat(first, "i");
    beat(second, "j");
  }
  // It has never asked for its assignment, and its place is not written when time is out.
  stage.commitsAtOnce = false;
  const again = stage.join("", { groupInstanceId: "j" });
  stage.pass(2000);
  assertEquals(again.value.errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
  stage.commit();
  assertEquals(stage.state, "PreparingRebalance");
});
