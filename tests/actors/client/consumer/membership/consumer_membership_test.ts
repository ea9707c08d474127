/** Each rule of the membership by the consumer protocol (KIP-848). */

import { assertEquals } from "@std/assert";
import { ConsumerMembership } from "../../../../../actors/client/consumer/membership/consumer_membership.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../../../../net/messages/consumer_group_heartbeat.ts";
import type { ErrorName } from "../../../../../net/messages/errors.ts";
import { Run, SETTINGS } from "./membership_runs.ts";

const IDS = new Map([["t", "id-of-t"], ["u", "id-of-u"]]);

class ConsumerRun extends Run<ConsumerMembership> {
  readonly known: Map<string, string>;

  constructor(groupInstanceId: string | null = null, known = new Map(IDS)) {
    super(
      new ConsumerMembership({
        ...SETTINGS,
        groupInstanceId,
        memberId: "me",
        serverAssignor: null,
        topicId: (name) => known.get(name),
        topicName: (id) => [...known].find(([, topicId]) => topicId === id)?.[0],
      }),
    );
    this.known = known;
  }

  get beat() {
    return this.request(CONSUMER_GROUP_HEARTBEAT);
  }

  /** Answers the heartbeat, with an assignment of partitions of t where one is given. */
  ok(memberEpoch: number, partitions?: number[], topicId = "id-of-t"): void {
    this.answer(CONSUMER_GROUP_HEARTBEAT, {
      memberId: "me",
      memberEpoch,
      heartbeatIntervalMs: 2000,
      assignment: partitions === undefined
        ? null
        : { topicPartitions: partitions.length === 0 ? [] : [{ topicId, partitions }] },
    });
  }

  no(error: ErrorName): void {
    this.refuse(CONSUMER_GROUP_HEARTBEAT, error);
  }
}

/** A member that has partitions 0 and 1 of t in epoch 1, of which the coordinator knows. */
function stable(): ConsumerRun {
  const run = new ConsumerRun();
  run.ok(1, [0, 1]);
  run.accepted();
  run.ok(1);
  assertEquals(run.effects(), ["assign t-0 t-1"]);
  return run;
}

Deno.test("consumer membership: joins with all that there is to say", () => {
  const { beat } = new ConsumerRun();
  assertEquals([beat.memberId, beat.memberEpoch], ["me", 0]);
  assertEquals(beat.subscribedTopicNames, ["t"]);
  assertEquals(beat.topicPartitions, []);
  assertEquals(beat.rebalanceTimeoutMs, 60_000);
});

Deno.test("consumer membership: says what it has once it has it, and then nothing twice", () => {
  const run = new ConsumerRun();
  run.ok(1, [0, 1]);
  assertEquals(run.effects(), ["assign t-0 t-1"]);
  assertEquals(run.asked.length, 0);
  run.accepted();
  assertEquals(run.beat.topicPartitions, [{ topicId: "id-of-t", partitions: [0, 1] }]);
  assertEquals([run.beat.subscribedTopicNames, run.beat.rebalanceTimeoutMs], [null, -1]);
  run.ok(1);
  run.pass(1999);
  assertEquals(run.asked.length, 0);
  run.pass(1);
  assertEquals(run.beat.topicPartitions, null);
  assertEquals(run.beat.memberEpoch, 1);
});

Deno.test("consumer membership: gives up before it takes on", () => {
  const run = stable();
  run.pass(2000);
  run.ok(1, [1, 2]);
  assertEquals(run.effects(), ["revoke t-0"]);
  run.pass(2000);
  assertEquals(run.beat.topicPartitions, null);
  run.ok(1);
  run.released();
  assertEquals(run.effects(), ["assign t-1 t-2"]);
  run.accepted();
  assertEquals(run.beat.topicPartitions, [{ topicId: "id-of-t", partitions: [1, 2] }]);
});

Deno.test("consumer membership: a target that comes meanwhile is for afterwards", () => {
  const run = stable();
  run.pass(2000);
  run.ok(1, [1]);
  run.pass(2000);
  run.ok(2, [1, 3]);
  assertEquals(run.effects(), ["revoke t-0"]);
  run.released();
  run.accepted();
  assertEquals(run.effects(), ["assign t-1", "assign t-1 t-3"]);
});

Deno.test("consumer membership: topics of which only the id is known are waited for", () => {
  const run = new ConsumerRun(null, new Map());
  run.ok(1, [0]);
  assertEquals(run.effects(), ["update-metadata"]);
  run.known.set("t", "id-of-t");
  run.machine.metadataChanged();
  run.take();
  assertEquals(run.effects(), ["assign t-0"]);
});

for (const error of ["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID"] as const) {
  Deno.test(`consumer membership: ${error} takes all, and it joins anew`, () => {
    const run = stable();
    run.pass(2000);
    run.no(error);
    assertEquals(run.effects(), ["lose t-0 t-1"]);
    assertEquals(run.machine.metadata.generationId, -1);
    run.released();
    assertEquals([run.beat.memberEpoch, run.beat.topicPartitions], [0, []]);
  });
}

Deno.test("consumer membership: one that is put out again and again takes its time", () => {
  const run = new ConsumerRun();
  run.no("UNKNOWN_MEMBER_ID");
  run.beat;
  run.no("UNKNOWN_MEMBER_ID");
  assertEquals(run.asked.length, 0);
  run.pass(130);
  run.beat;
});

Deno.test("consumer membership: after an answer was lost it says all again", () => {
  const run = stable();
  run.pass(2000);
  run.disconnect();
  assertEquals(run.effects(), ["forget-coordinator"]);
  run.pass(130);
  assertEquals(run.beat.subscribedTopicNames, ["t"]);
  assertEquals(run.beat.topicPartitions, [{ topicId: "id-of-t", partitions: [0, 1] }]);
  assertEquals(run.beat.memberEpoch, 1);
});

Deno.test("consumer membership: what it is taking on is not given away while it says all again", () => {
  const run = stable();
  run.pass(2000);
  run.ok(2, [0, 1, 2]);
  assertEquals(run.effects(), ["assign t-0 t-1 t-2"]);
  run.pass(2000);
  run.disconnect();
  run.pass(130);
  assertEquals(run.beat.topicPartitions, [{ topicId: "id-of-t", partitions: [0, 1, 2] }]);
});

Deno.test("consumer membership: other topics are told at once", () => {
  const run = stable();
  run.machine.subscribe(["u", "t"], run.now);
  run.take();
  assertEquals(run.beat.subscribedTopicNames, ["t", "u"]);
});

Deno.test("consumer membership: a refusal that no repetition heals ends it", () => {
  const run = stable();
  run.pass(2000);
  run.no("GROUP_AUTHORIZATION_FAILED");
  assertEquals(run.effects(), ["fail GROUP_AUTHORIZATION_FAILED"]);
  assertEquals(run.machine.due, Infinity);
});

Deno.test("consumer membership: where it is not served, somebody else must see to it", () => {
  const run = new ConsumerRun();
  run.no("UNSUPPORTED_VERSION");
  assertEquals(run.effects(), ["unsupported"]);
});

Deno.test("consumer membership: a user who does not come back leaves, and joins when it does", () => {
  const run = stable();
  run.machine.polled(run.now, false);
  run.pass(2000);
  run.ok(1);
  run.pass(58_000);
  assertEquals(run.beat.memberEpoch, -1);
  run.ok(-1);
  assertEquals(run.effects(), ["lose t-0 t-1"]);
  run.pass(100_000);
  assertEquals(run.asked.length, 0);
  run.released();
  assertEquals(run.beat.memberEpoch, 0);
});

Deno.test("consumer membership: leaves for good, a static member for a while", () => {
  for (const [instanceId, epoch] of [[null, -1], ["fixed", -2]] as const) {
    const run = new ConsumerRun(instanceId);
    assertEquals(run.beat.instanceId, instanceId);
    run.ok(1, []);
    run.asked.length = 0;
    run.machine.leave();
    run.take();
    assertEquals(run.beat.memberEpoch, epoch);
  }
});
