/**
 * Consumer groups (KIP-848) held to their rules (P36) whatever members, metadata and the log do:
 * members that lose responses, take their time to give up, leave, for a while too, and vanish;
 * topics that grow and go; writes that fail; coordinators that are replaced.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatResponse,
} from "../../../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import {
  type Assignment,
  assignmentOf,
  intersection,
  isSubset,
  listedOf,
  NO_PARTITIONS,
  sameAssignment,
  sizeOf,
  union,
} from "../../../../actors/coordinator/group/assignment.ts";
import type { ConsumerGroup } from "../../../../actors/coordinator/group/consumer_group.ts";
import { type Awaited, GroupStage } from "./group_stage.ts";

const GROUP = "g";
const TOPICS = ["t", "u"] as const;

type Op =
  | { readonly kind: "beat"; readonly member: number; readonly isLost: boolean }
  /** It has given up what it was told to, and takes up what it was given. */
  | { readonly kind: "follow"; readonly member: number }
  | { readonly kind: "subscribe"; readonly member: number; readonly topics: number }
  | { readonly kind: "leave"; readonly member: number }
  | { readonly kind: "vanish"; readonly member: number }
  /** A static member leaves for a while: the next in its place takes what it had. */
  | { readonly kind: "restart"; readonly member: number }
  | { readonly kind: "drop"; readonly topic: number }
  | { readonly kind: "grow"; readonly topic: number; readonly by: number }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "commit" }
  | { readonly kind: "fail" }
  | { readonly kind: "reload" };

const member = fc.integer({ min: 0, max: 4 });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("beat" as const),
      member,
      isLost: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("follow" as const), member }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("subscribe" as const),
      member,
      topics: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), member }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("vanish" as const), member }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("restart" as const), member }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("drop" as const),
      topic: fc.integer({ min: 0, max: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("grow" as const),
      topic: fc.integer({ min: 0, max: 1 }),
      by: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      seconds: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 8, arbitrary: fc.constant({ kind: "commit" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "fail" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reload" as const }) },
);

/** A member as it sees itself. */
class Client {
  readonly id: string;
  readonly instanceId: string | null;
  epoch = 0;
  /** What it works on. */
  owned: Assignment = NO_PARTITIONS;
  /** What it was told to have. */
  told: Assignment = NO_PARTITIONS;
  topics: readonly string[] = ["t"];
  pattern = "";
  isSubscriptionNew = false;
  /** It does not know whether it was heard: it tells all there is to tell. */
  tellsAll = true;
  waits: Awaited<ConsumerGroupHeartbeatResponse> | undefined;
  isLost = false;
  /** By its own clock: it stops working when it has not been heard of for so long. */
  heardAtMs = -Infinity;

  constructor(id: string, instanceId: string | null) {
    this.id = id;
    this.instanceId = instanceId;
  }

  abandon(): void {
    this.epoch = 0;
    this.owned = NO_PARTITIONS;
    this.told = NO_PARTITIONS;
    this.tellsAll = true;
    this.waits = undefined;
  }
}

/** Members and their coordinator. */
class Play {
  readonly stage = new GroupStage();
  readonly clients: Client[] = [];
  readonly #counts = [3, 2];
  #incarnation = 0;

  constructor() {
    this.stage.commitsAtOnce = false;
    TOPICS.forEach((name, index) => this.stage.setTopic(name, this.#counts[index]!));
    for (let index = 0; index < 5; index++) this.clients.push(this.#newClient(index));
  }

  #newClient(index: number): Client {
    const instanceId = index < 2 ? `i${index}` : null;
    return new Client(`m${index}-${this.#incarnation++}`, instanceId);
  }

  get group(): ConsumerGroup | undefined {
    return this.stage.machine.consumer.get(GROUP);
  }

  run(step: Op): void {
    switch (step.kind) {
      case "beat":
        return this.beat(this.clients[step.member]!, step.isLost);
      case "follow":
        return this.follow(this.clients[step.member]!);
      case "subscribe": {
        const client = this.clients[step.member]!;
        client.topics = TOPICS.filter((_, index) => (step.topics & 1 << index) !== 0);
        client.pattern = step.topics < 4 ? "" : "[tu]";
        client.isSubscriptionNew = true;
        return;
      }
      case "leave":
        return this.#leave(step.member);
      case "vanish":
        this.clients[step.member] = this.#newClient(step.member);
        return;
      case "restart":
        return this.#restart(step.member);
      case "drop":
        if (this.#counts[step.topic] === 0) return;
        this.#counts[step.topic] = 0;
        return this.stage.removeTopic(TOPICS[step.topic]!);
      case "grow":
        this.#counts[step.topic]! += step.by;
        return void this.stage.setTopic(TOPICS[step.topic]!, this.#counts[step.topic]!);
      case "pass":
        return this.#pass(step.seconds);
      case "commit":
        this.stage.commit();
        return this.#receiveAll();
      case "fail":
        this.stage.fail();
        return this.#receiveAll();
      case "reload":
        this.stage.reload();
        return this.#receiveAll();
    }
  }

  beat(client: Client, isLost = false): void {
    if (client.waits !== undefined) return;
    const { tellsAll } = client;
    client.isLost = isLost;
    client.tellsAll = true;
    client.waits = this.stage.ask("consumer-group-heartbeat", CONSUMER_GROUP_HEARTBEAT, {
      groupId: GROUP,
      memberId: client.id,
      instanceId: client.instanceId,
      memberEpoch: client.epoch,
      // What it was given and has not taken up it may take up while this is on its way.
      topicPartitions: listedOf(union(client.owned, client.told)),
      rebalanceTimeoutMs: tellsAll ? 300_000 : -1,
      subscribedTopicNames: tellsAll || client.isSubscriptionNew ? client.topics : null,
      subscribedTopicRegex: tellsAll || client.isSubscriptionNew ? client.pattern : null,
    });
    client.isSubscriptionNew = false;
    this.#receive(client);
  }

  /** Gives up what it is not to have, then takes up the rest. */
  follow(client: Client): void {
    client.owned = sameAssignment(client.owned, intersection(client.owned, client.told))
      ? client.told
      : intersection(client.owned, client.told);
  }

  #leave(index: number): void {
    const client = this.clients[index]!;
    if (client.epoch === 0 || client.waits !== undefined) return;
    // It gives up everything before it says so.
    client.abandon();
    this.stage.ask("consumer-group-heartbeat", CONSUMER_GROUP_HEARTBEAT, {
      groupId: GROUP,
      memberId: client.id,
      instanceId: client.instanceId,
      memberEpoch: -1,
    });
    this.clients[index] = this.#newClient(index);
  }

  #restart(index: number): void {
    const client = this.clients[index]!;
    if (client.instanceId === null || client.epoch === 0 || client.waits !== undefined) return;
    client.abandon();
    this.stage.ask("consumer-group-heartbeat", CONSUMER_GROUP_HEARTBEAT, {
      groupId: GROUP,
      memberId: client.id,
      instanceId: client.instanceId,
      memberEpoch: -2,
    });
    const next = this.clients[index] = this.#newClient(index);
    next.topics = client.topics;
    next.pattern = client.pattern;
  }

  /** Nobody who lives is silent for so long that it is taken for dead. */
  #pass(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.stage.pass(1000);
      this.stage.commit();
      this.#receiveAll();
      for (const client of this.clients) {
        const silentMs = this.stage.nowMs - client.heardAtMs;
        if (client.epoch === 0 || silentMs < 40_000) continue;
        client.waits = undefined;
        this.beat(client);
        this.stage.commit();
        this.#receive(client);
      }
    }
  }

  #receiveAll(): void {
    for (const client of this.clients) this.#receive(client);
  }

  #receive(client: Client): void {
    const { waits } = client;
    if (waits === undefined || !waits.isSettled) return;
    client.waits = undefined;
    if (client.isLost) return;
    const { errorCode, memberEpoch, assignment } = waits.value;
    if (errorCode === ErrorCode.NONE) {
      assert(memberEpoch >= client.epoch, `epoch ${memberEpoch} after ${client.epoch}`);
      client.heardAtMs = this.stage.nowMs;
      client.epoch = memberEpoch;
      client.tellsAll = false;
      if (assignment !== null) client.told = assignmentOf(assignment.topicPartitions);
    } else if (
      errorCode === ErrorCode.FENCED_MEMBER_EPOCH || errorCode === ErrorCode.UNKNOWN_MEMBER_ID ||
      errorCode === ErrorCode.GROUP_ID_NOT_FOUND || errorCode === ErrorCode.UNRELEASED_INSTANCE_ID
    ) {
      client.abandon();
    } else {
      assert(
        errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE ||
          errorCode === ErrorCode.NOT_COORDINATOR,
        `error ${errorCode}`,
      );
    }
  }

  check(): void {
    this.#checkClients();
    const { group } = this;
    if (group !== undefined) checkGroup(group);
  }

  /** NoDoubleClientAssignment. */
  #checkClients(): void {
    const owners = new Map<string, string>();
    for (const { id, owned } of this.clients) {
      for (const { topicId, partitions } of listedOf(owned)) {
        for (const partition of partitions) {
          const place = `${topicId}-${partition}`;
          const other = owners.get(place);
          assert(other === undefined, `${place} is worked on by ${other} and ${id}`);
          owners.set(place, id);
        }
      }
    }
  }

  /** Everybody beats and follows until nothing changes. */
  settle(): void {
    this.stage.commitsAtOnce = true;
    this.stage.commit();
    this.#receiveAll();
    // Those who are gone are out after their sessions.
    for (let round = 0; round < 30; round++) {
      this.stage.pass(3000);
      for (const client of this.clients) {
        this.beat(client);
        this.#receive(client);
        this.follow(client);
        this.follow(client);
        this.check();
      }
    }
  }

  checkSettled(): void {
    const group = this.group!;
    assertEquals(group.state, "Stable");
    assertEquals([...group.members.keys()].sort(), this.clients.map(({ id }) => id).sort());
    const isWanted = (name: string) =>
      this.clients.some(({ topics, pattern }) => topics.includes(name) || pattern !== "");
    const there = TOPICS.map((name, index) => isWanted(name) ? this.#counts[index]! : 0);
    const given = this.clients.reduce((sum, { owned }) => sum + sizeOf(owned), 0);
    assertEquals(given, there[0]! + there[1]!);
    for (const { id, owned, epoch } of this.clients) {
      assertEquals(listedOf(owned), listedOf(group.targetOf(id)));
      assertEquals(epoch, group.epoch);
    }
  }
}

/** What is so of a group whenever one looks. */
function checkGroup(group: ConsumerGroup): void {
  // LegalTargetAssignment.
  if (group.targetEpoch === group.epoch) {
    const wanted = new Map<string, number>();
    for (const [name, { topicId, numPartitions }] of group.topics) {
      const isWanted = group.members.values().some((one) => group.subscriptionOf(one).has(name));
      if (isWanted) wanted.set(topicId, numPartitions);
    }
    const given = new Set<string>();
    for (const [memberId, target] of group.target) {
      const known = group.members.get(memberId);
      assert(known !== undefined, `${memberId} has a target and is no member`);
      const subscribed = group.subscriptionOf(known);
      for (const [topicId, partitions] of target) {
        const topic = group.topics.values().find((one) => one.topicId === topicId);
        assert(topic !== undefined && subscribed.has(topic.topicName), "not subscribed");
        for (const partition of partitions) {
          assert(partition < (wanted.get(topicId) ?? 0), "there is no such partition");
          assert(!given.has(`${topicId}-${partition}`), "it is given twice");
          given.add(`${topicId}-${partition}`);
        }
      }
    }
    const total = wanted.values().reduce((sum, count) => sum + count, 0);
    if (group.members.size > 0) assertEquals(given.size, total);
  }
  // Each partition is held by one member at most, and held by whom it says.
  for (const [memberId, known] of group.members) {
    assert(known.memberEpoch <= group.epoch, "a member is ahead of its group");
    assertEquals(sizeOf(intersection(known.assigned, known.pendingRevocation)), 0);
    for (const held of [known.assigned, known.pendingRevocation]) {
      for (const { topicId, partitions } of listedOf(held)) {
        for (const partition of partitions) {
          assertEquals(group.holderOf(topicId, partition), memberId);
        }
      }
    }
    // A member comes to the target's epoch only when it has nothing to give up.
    if (known.memberEpoch === group.targetEpoch && group.targetEpoch === group.epoch) {
      assert(isSubset(known.assigned, group.targetOf(memberId)), "it has what it must not");
    }
  }
}

/** A group as plain data. */
function shapeOf(group: ConsumerGroup | undefined): unknown {
  if (group === undefined) return undefined;
  const byKey = <Value>(map: ReadonlyMap<string, Value>) =>
    [...map].sort(([a], [b]) => a < b ? -1 : 1);
  return {
    epoch: group.epoch,
    targetEpoch: group.targetEpoch,
    topics: byKey(group.topics).map(([name, { topicId, numPartitions }]) => [
      name,
      topicId,
      numPartitions,
    ]),
    target: byKey(group.target).map(([id, target]) => [id, listedOf(target)]),
    patterns: byKey(group.patterns).map(([pattern, { topics }]) => [pattern, topics]),
    members: byKey(group.members).map(([id, one]) => [id, {
      ...one,
      assigned: listedOf(one.assigned),
      pendingRevocation: listedOf(one.pendingRevocation),
    }]),
  };
}

Deno.test("consumer groups: no partition is worked on twice, every target is legal, all settles", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 10, maxLength: 80, size: "max" }), (steps) => {
      const play = new Play();
      for (const step of steps) {
        play.run(step);
        play.check();
      }
      play.settle();
      play.checkSettled();
    }),
    { numRuns: 60 },
  );
});

Deno.test("consumer groups: what fails leaves nothing behind, and the log says it all", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 5, maxLength: 60, size: "max" }), (steps) => {
      const play = new Play();
      for (const step of steps) play.run(step);
      play.stage.fail();
      const folded = play.stage.folded();
      assertEquals(shapeOf(play.group), shapeOf(folded.consumer.get(GROUP)));
    }),
    { numRuns: 60 },
  );
});
