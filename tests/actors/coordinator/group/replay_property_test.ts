/**
 * All that a group coordinator keeps is the fold of its log, whatever is asked of it, in whichever
 * protocol, and whatever fails: what is undone leaves nothing behind, what is deleted stays so.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { listedOf } from "../../../../actors/coordinator/group/assignment.ts";
import type { GroupCoordinator } from "../../../../actors/coordinator/group/group_coordinator.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../../../../net/messages/consumer_group_heartbeat.ts";
import { OFFSET_COMMIT } from "../../../../net/messages/offset_commit.ts";
import { OFFSET_DELETE } from "../../../../net/messages/offset_delete.ts";
import { TXN_OFFSET_COMMIT } from "../../../../net/messages/txn_offset_commit.ts";
import { Members } from "./classic_members.ts";

const GROUPS = ["g", "h"];
const TOPICS = ["t", "u"];
const HOUR_MS = 3600_000;

type Op =
  | { readonly kind: "commit"; readonly group: string; readonly topic: string }
  | {
    readonly kind: "commit in transaction";
    readonly producerId: number;
    readonly group: string;
    readonly topic: string;
  }
  | { readonly kind: "end"; readonly producerId: number; readonly outcome: "commit" | "abort" }
  | { readonly kind: "delete offset"; readonly group: string; readonly topic: string }
  | { readonly kind: "delete group"; readonly group: string }
  | { readonly kind: "classic member"; readonly group: string }
  | { readonly kind: "heartbeat"; readonly group: string; readonly epoch: number }
  | { readonly kind: "grow" | "drop"; readonly topic: string }
  | { readonly kind: "pass"; readonly hours: number }
  | { readonly kind: "log commits" | "log fails" | "reload" };

const group = fc.constantFrom(...GROUPS);
const topic = fc.constantFrom(...TOPICS);
const producerId = fc.integer({ min: 1, max: 2 });
const kind = <Kind extends string>(name: Kind) => fc.constant(name);

const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: kind("commit"), group, topic }),
  fc.record({ kind: kind("commit in transaction"), producerId, group, topic }),
  fc.record({
    kind: kind("end"),
    producerId,
    outcome: fc.constantFrom("commit" as const, "abort" as const),
  }),
  fc.record({ kind: kind("delete offset"), group, topic }),
  fc.record({ kind: kind("delete group"), group }),
  fc.record({ kind: kind("classic member"), group }),
  fc.record({ kind: kind("heartbeat"), group, epoch: fc.integer({ min: -1, max: 3 }) }),
  fc.record({ kind: fc.constantFrom("grow" as const, "drop" as const), topic }),
  fc.record({ kind: kind("pass"), hours: fc.constantFrom(0.01, 0.02, 1, 200) }),
  { weight: 4, arbitrary: fc.record({ kind: kind("log commits") }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("log fails") }) },
  fc.record({ kind: kind("reload") }),
);

class Play {
  readonly stage = new Members();
  #number = 0;

  constructor() {
    this.stage.commitsAtOnce = false;
  }

  run(step: Op): void {
    const { stage } = this;
    switch (step.kind) {
      case "commit":
        stage.ask("offset-commit", OFFSET_COMMIT, {
          groupId: step.group,
          topics: this.#offsets(step.topic),
        });
        return;
      case "commit in transaction":
        stage.ask("txn-offset-commit", TXN_OFFSET_COMMIT, {
          groupId: step.group,
          transactionalId: "x",
          producerId: step.producerId,
          producerEpoch: 0,
          topics: this.#offsets(step.topic),
        });
        return;
      case "end":
        stage.send((replyTo) => ({
          ...step,
          kind: "complete-transaction",
          producerEpoch: 0,
          coordinatorEpoch: 0,
          transactionVersion: 0,
          replyTo,
        }));
        return;
      case "delete offset":
        stage.ask("offset-delete", OFFSET_DELETE, {
          groupId: step.group,
          topics: [{ name: step.topic, partitions: [{ partitionIndex: 0 }] }],
        });
        return;
      case "delete group":
        stage.send((replyTo) => ({ kind: "delete-group", groupId: step.group, replyTo }));
        return;
      case "classic member":
        return this.#classicMember(step.group);
      case "heartbeat":
        stage.ask("consumer-group-heartbeat", CONSUMER_GROUP_HEARTBEAT, {
          groupId: step.group,
          memberId: "m",
          memberEpoch: step.epoch,
          rebalanceTimeoutMs: 20_000,
          subscribedTopicNames: TOPICS,
          topicPartitions: [],
        });
        return;
      case "grow": {
        const known = stage.image.topicByName(step.topic)?.partitions.length ?? 0;
        return void stage.setTopic(step.topic, known + 1);
      }
      case "drop":
        if (stage.image.topicByName(step.topic) !== undefined) stage.removeTopic(step.topic);
        return;
      case "pass":
        return stage.pass(step.hours * HOUR_MS);
      case "log commits":
        return stage.commit();
      case "log fails":
        return stage.fail();
      case "reload":
        return stage.reload();
    }
  }

  #offsets(name: string) {
    return [{ name, partitions: [{ partitionIndex: 0, committedOffset: ++this.#number }] }];
  }

  /** It joins, is given everything, and is silent from then on. */
  #classicMember(groupId: string): void {
    const joined = this.stage.join("", { groupId }, 3);
    this.stage.pass(1);
    if (!joined.isSettled || joined.value.errorCode !== 0) return;
    const { memberId, generationId } = joined.value;
    this.stage.sync(memberId, generationId, { [memberId]: "all" });
  }
}

/** All that a coordinator keeps, as plain data. */
function shapeOf({ offsets, metadata, consumer }: GroupCoordinator): unknown {
  const places = GROUPS.flatMap((group) => TOPICS.map((topic) => [group, topic] as const));
  return {
    offsets: places.map(([group, topic]) => [
      offsets.get(group, topic, 0) ?? null,
      offsets.hasPending(group, topic, 0),
    ]),
    groups: [...offsets.groups()].sort(),
    transactions: [1, 2].map((producer) => offsets.hasTransaction(producer)),
    metadata: [...metadata.all].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([groupId, { generation, members }]) => [
        groupId,
        generation,
        members.map(({ memberId }) => memberId),
      ]),
    consumer: [...consumer.all].sort((a, b) => a.groupId < b.groupId ? -1 : 1)
      .map(({ groupId, epoch, targetEpoch, topics, members, target }) => [
        groupId,
        epoch,
        targetEpoch,
        [...topics.keys()].sort(),
        [...members.values()].map((one) => [one.memberId, one.memberEpoch, listedOf(one.assigned)]),
        [...target].map(([memberId, partitions]) => [memberId, listedOf(partitions)]),
      ]),
  };
}

function check(stage: Members): void {
  const { machine } = stage;
  assertEquals(shapeOf(machine), shapeOf(stage.folded()));
  for (const [groupId] of machine.metadata.all) {
    assert(machine.classic.get(groupId) !== undefined, `${groupId} is in the log only`);
  }
  for (const { groupId, members } of machine.consumer.all) {
    const isAssigned = machine.classic.get(groupId)?.state === "Stable";
    assert(members.size === 0 || !isAssigned, `${groupId} is assigned by both protocols`);
  }
}

Deno.test("replay: what a group coordinator keeps is what its log says, whatever fails", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 5, maxLength: 80, size: "max" }), (steps) => {
      const play = new Play();
      const { stage } = play;
      for (const step of steps) {
        play.run(step);
        if (stage.isIdle) check(stage);
      }
      stage.fail();
      check(stage);
    }),
    { numRuns: 60 },
  );
});
