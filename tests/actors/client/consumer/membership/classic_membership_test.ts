/** Each rule of the membership by the classic protocol. */

import { assert, assertEquals } from "@std/assert";
import { RANGE } from "../../../../../actors/client/consumer/assignors/range.ts";
import { COOPERATIVE_STICKY } from "../../../../../actors/client/consumer/assignors/sticky.ts";
import { ClassicMembership } from "../../../../../actors/client/consumer/membership/classic_membership.ts";
import {
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../../../../actors/client/consumer/membership/consumer_protocol.ts";
import { HEARTBEAT } from "../../../../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../../../net/messages/leave_group.ts";
import { SYNC_GROUP } from "../../../../../net/messages/sync_group.ts";
import { places, Run, SETTINGS } from "./membership_runs.ts";

function begin(assignor = RANGE, groupInstanceId: string | null = null): Run<ClassicMembership> {
  return new Run(new ClassicMembership({ ...SETTINGS, groupInstanceId }, [assignor]));
}

const FOLLOWER = { memberId: "m", leader: "other", protocolType: "consumer" };

/** Joins as one that follows, and is given these. */
function join(run: Run<ClassicMembership>, generationId: number, ...names: string[]): void {
  const protocolName = run.request(JOIN_GROUP).protocols[0]!.name;
  run.answer(JOIN_GROUP, { ...FOLLOWER, generationId, protocolName });
  run.answer(SYNC_GROUP, { assignment: encodeAssignment(places(...names)) });
}

function stable(assignor = RANGE): Run<ClassicMembership> {
  const run = begin(assignor);
  join(run, 1, "t-0", "t-1");
  assertEquals(run.effects(), ["assign t-0 t-1"]);
  run.accepted();
  return run;
}

Deno.test("classic membership: joins again with the id it was handed", () => {
  const run = begin();
  assertEquals(run.request(JOIN_GROUP).memberId, "");
  run.answer(JOIN_GROUP, { errorCode: 79, memberId: "handed" });
  assertEquals(run.request(JOIN_GROUP).memberId, "handed");
});

Deno.test("classic membership: the leader divides, the others only ask", () => {
  const run = begin();
  const metadata = encodeSubscription({
    topics: ["t"],
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });
  run.answer(JOIN_GROUP, {
    ...FOLLOWER,
    leader: "m",
    generationId: 3,
    protocolName: "range",
    members: [{ memberId: "m", metadata }, { memberId: "n", metadata }],
  });
  assertEquals(run.effects(), ["lead"]);
  run.machine.led(new Map([["m", places("t-0")], ["n", places("t-1")]]));
  run.take();
  const { generationId, assignments } = run.request(SYNC_GROUP);
  assertEquals(generationId, 3);
  assertEquals(assignments.map(({ memberId }) => memberId), ["m", "n"]);
  run.answer(SYNC_GROUP, { assignment: assignments[0]!.assignment });
  assertEquals(run.effects(), ["assign t-0"]);
  run.accepted();
  run.machine.groupMetadataChanged(run.now);
  run.take();
  assertEquals(run.effects(), ["revoke t-0"]);
});

Deno.test("classic membership: gives signs of life in intervals", () => {
  const run = stable();
  run.pass(2999);
  assertEquals(run.asked.length, 0);
  run.pass(1);
  assertEquals(run.request(HEARTBEAT).generationId, 1);
  run.pass(3000);
  assertEquals(run.asked.length, 1);
  run.answer(HEARTBEAT, {});
  run.pass(3000);
  assertEquals(run.asked.length, 1);
});

Deno.test("classic membership: an eager member gives up all before it joins again", () => {
  const run = stable();
  run.pass(3000);
  run.refuse(HEARTBEAT, "REBALANCE_IN_PROGRESS");
  assertEquals(run.effects(), ["revoke t-0 t-1"]);
  assertEquals(run.asked.length, 0);
  run.released();
  const [protocol] = run.request(JOIN_GROUP).protocols;
  assertEquals(decodeSubscription(protocol!.metadata).ownedPartitions, []);
  join(run, 2, "t-1");
  assertEquals(run.effects(), ["assign t-1"]);
});

Deno.test("classic membership: while it gives up, it stays alive", () => {
  const run = stable();
  run.pass(3000);
  run.refuse(HEARTBEAT, "REBALANCE_IN_PROGRESS");
  run.pass(3000);
  run.refuse(HEARTBEAT, "REBALANCE_IN_PROGRESS");
  assertEquals(run.effects(), ["revoke t-0 t-1"]);
  run.released();
  run.request(JOIN_GROUP);
});

Deno.test("classic membership: a cooperative member keeps what it has, gives up, and joins again", () => {
  const run = stable(COOPERATIVE_STICKY);
  run.pass(3000);
  run.refuse(HEARTBEAT, "REBALANCE_IN_PROGRESS");
  assertEquals(run.effects(), []);
  const [protocol] = run.request(JOIN_GROUP).protocols;
  const { ownedPartitions, generationId } = decodeSubscription(protocol!.metadata);
  assertEquals([ownedPartitions, generationId], [places("t-0", "t-1"), 1]);
  join(run, 2, "t-0");
  assertEquals(run.effects(), ["revoke t-1"]);
  run.released();
  assertEquals(run.effects(), ["assign t-0"]);
  run.accepted();
  join(run, 3, "t-0");
  assertEquals(run.effects(), ["assign t-0"]);
  run.accepted();
  assertEquals(run.asked.length, 0);
});

for (const error of ["UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION"] as const) {
  Deno.test(`classic membership: ${error} takes what it had`, () => {
    const run = stable();
    run.pass(3000);
    run.refuse(HEARTBEAT, error);
    assertEquals(run.effects(), ["lose t-0 t-1"]);
    run.released();
    assertEquals(run.request(JOIN_GROUP).memberId, error === "UNKNOWN_MEMBER_ID" ? "" : "m");
    assertEquals(run.machine.metadata.generationId, -1);
  });
}

Deno.test("classic membership: what is assigned is lost with the generation, had or not", () => {
  const run = begin();
  join(run, 1, "t-0");
  run.pass(3000);
  run.refuse(HEARTBEAT, "UNKNOWN_MEMBER_ID");
  assertEquals(run.effects(), ["assign t-0", "lose t-0"]);
  run.machine.accepted(run.step - 1, run.now);
  run.take();
  assertEquals(run.asked.length, 0);
  run.released();
  run.request(JOIN_GROUP);
});

Deno.test("classic membership: a commit that finds it out of its generation counts, an old one not", () => {
  const run = stable();
  run.machine.commitRefused(25, 0, run.now);
  run.take();
  assertEquals(run.effects(), []);
  run.machine.commitRefused(25, 1, run.now);
  run.take();
  assertEquals(run.effects(), ["lose t-0 t-1"]);
});

for (const error of ["FENCED_INSTANCE_ID", "GROUP_AUTHORIZATION_FAILED"] as const) {
  Deno.test(`classic membership: ${error} ends it`, () => {
    const run = begin();
    run.refuse(JOIN_GROUP, error);
    assertEquals(run.effects(), [`fail ${error}`]);
    assertEquals(run.machine.due, Infinity);
  });
}

Deno.test("classic membership: what may pass is tried again after a while", () => {
  const run = begin();
  run.refuse(JOIN_GROUP, "COORDINATOR_LOAD_IN_PROGRESS");
  assertEquals([run.asked.length, run.effects()], [0, []]);
  run.pass(130);
  run.disconnect();
  assertEquals(run.effects(), ["forget-coordinator"]);
  assertEquals(run.asked.length, 0);
  run.pass(300);
  run.request(JOIN_GROUP);
});

Deno.test("classic membership: silence of the coordinator is no reason to give up", () => {
  const run = stable();
  for (let i = 0; i < 5; i++) {
    run.pass(3000);
    run.disconnect();
  }
  assertEquals(new Set(run.effects()), new Set(["forget-coordinator"]));
  run.pass(3000);
  run.answer(HEARTBEAT, {});
  assertEquals(run.effects(), []);
});

Deno.test("classic membership: other topics are a reason to join again, the same ones not", () => {
  const run = stable();
  run.machine.subscribe(["t"], run.now);
  run.take();
  assertEquals([run.asked.length, run.effects()], [0, []]);
  run.machine.subscribe(["t", "u"], run.now);
  run.take();
  assertEquals(run.effects(), ["revoke t-0 t-1"]);
});

Deno.test("classic membership: a user who does not come back leaves, and joins when it does", () => {
  const run = stable();
  run.machine.polled(run.now, false);
  run.pass(3000);
  run.answer(HEARTBEAT, {});
  run.pass(57_000);
  assertEquals(run.request(LEAVE_GROUP).members[0]!.memberId, "m");
  run.answer(LEAVE_GROUP, {});
  assertEquals(run.effects(), ["lose t-0 t-1"]);
  run.pass(100_000);
  assertEquals(run.asked.length, 0);
  run.released();
  assertEquals(run.request(JOIN_GROUP).memberId, "");
});

Deno.test("classic membership: a member leaves, a static one is expected back", () => {
  const run = stable();
  run.machine.leave();
  run.take();
  run.request(LEAVE_GROUP);
  const fixed = begin(RANGE, "fixed");
  assertEquals(fixed.request(JOIN_GROUP).groupInstanceId, "fixed");
  join(fixed, 1, "t-0");
  fixed.machine.leave();
  fixed.take();
  assertEquals(fixed.asked.length, 0);
  assert(fixed.machine.due === Infinity);
});
