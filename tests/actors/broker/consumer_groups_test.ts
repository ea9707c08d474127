/** Groups of the consumer protocol (KIP-848) as clients of a booted node see them. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../../../net/messages/consumer_group_describe.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { DELETE_GROUPS } from "../../../net/messages/delete_groups.ts";
import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { LIST_GROUPS } from "../../../net/messages/list_groups.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

const PROPERTIES = { "offsets.topic.num.partitions": "3" };

function serving(partitions = 4) {
  const world = BrokerWorld.serving({ properties: PROPERTIES });
  const client = world.client();
  const topicId = world.createTopic(client, "t", partitions);
  world.ask(client, FIND_COORDINATOR, { coordinatorKeys: ["g"] });
  return { world, client, topicId };
}

type Owned = readonly { readonly topicId: string; readonly partitions: readonly number[] }[];

/** A member that does what it is told, when it is asked to. */
class Member {
  readonly #world: BrokerWorld;
  readonly #client: TestClient;
  readonly id: string;
  epoch = 0;
  owned: Owned = [];
  error = 0;

  constructor(world: BrokerWorld, client: TestClient, id: string) {
    this.#world = world;
    this.#client = client;
    this.id = id;
  }

  /** Sends a heartbeat, full when it joins; takes what it is assigned. */
  beat(draft: Draft<ConsumerGroupHeartbeatRequest> = {}): this {
    const joining = {
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: ["t"],
      topicPartitions: [],
    };
    const response = this.#world.ask(this.#client, CONSUMER_GROUP_HEARTBEAT, {
      groupId: "g",
      memberId: this.id,
      memberEpoch: this.epoch,
      topicPartitions: this.owned as Draft<ConsumerGroupHeartbeatRequest>["topicPartitions"],
      ...(this.epoch === 0 ? joining : {}),
      ...draft,
    });
    this.error = response.errorCode;
    if (this.error !== 0) return this;
    this.epoch = response.memberEpoch;
    if (response.assignment !== null) this.owned = response.assignment.topicPartitions;
    return this;
  }

  get partitions(): readonly number[] {
    return this.owned.flatMap(({ partitions }) => [...partitions]).sort();
  }
}

/** Members beat in turn until nothing changes any more. */
function settle(...members: readonly Member[]): void {
  for (let round = 0; round < 10; round++) {
    for (const member of members) member.beat();
  }
}

Deno.test("consumer groups: who joins draws its id itself from version 1 on", () => {
  const { world, client } = serving();
  const join = (version: number) =>
    world.ask(client, CONSUMER_GROUP_HEARTBEAT, {
      groupId: "g",
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: ["t"],
      topicPartitions: [],
    }, version);
  assertEquals(join(1).errorCode, ErrorCode.INVALID_REQUEST);
  const { errorCode, memberId } = join(0);
  assertEquals(errorCode, 0);
  assertNotEquals(memberId, "");
});

Deno.test("consumer groups: the first member is given everything with its first heartbeat", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  assertEquals([a.error, a.epoch, a.partitions], [0, 1, [0, 1, 2, 3]]);
});

Deno.test("consumer groups: a second member is given what the first has given up", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  const b = new Member(world, client, "b").beat();
  assertEquals([b.epoch, b.partitions], [2, []]);
  const before = a.owned;
  a.beat();
  // It is told what it may keep, and stays in its epoch until it says that it has given up.
  assertEquals([a.epoch, a.partitions.length], [1, 2]);
  const kept = a.owned;
  b.beat();
  assertEquals(b.partitions, []);
  a.beat({ topicPartitions: before as Draft<ConsumerGroupHeartbeatRequest>["topicPartitions"] });
  assertEquals(a.epoch, 1);
  a.owned = kept;
  a.beat();
  assertEquals(a.epoch, 2);
  b.beat();
  assertEquals([...a.partitions, ...b.partitions].sort(), [0, 1, 2, 3]);
  assertEquals(b.partitions.length, 2);
});

Deno.test("consumer groups: a member that leaves, or is silent, makes room for others", () => {
  const { world, client } = serving();
  const members = ["a", "b", "c"].map((id) => new Member(world, client, id));
  settle(...members);
  assertEquals(members.map(({ partitions }) => partitions.length).sort(), [1, 1, 2]);
  const [a, b, c] = members as [Member, Member, Member];
  a.beat({ memberEpoch: -1 });
  settle(b, c);
  assertEquals([...b.partitions, ...c.partitions].sort(), [0, 1, 2, 3]);
  for (let seconds = 0; seconds < 60; seconds += 5) {
    world.pass(5000);
    c.beat();
  }
  settle(c);
  assertEquals(c.partitions, [0, 1, 2, 3]);
  b.beat();
  assertEquals(b.error, ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("consumer groups: a group has the session and the heartbeats that it set itself", () => {
  const { world, client } = serving();
  const set = { "consumer.session.timeout.ms": "59000", "consumer.heartbeat.interval.ms": "9000" };
  const configs = Object.entries(set).map(([name, value]) => ({ name, value, configOperation: 0 }));
  const resources = [{ resourceType: CONFIG_RESOURCE.group, resourceName: "g", configs }];
  const [altered] = world.ask(client, INCREMENTAL_ALTER_CONFIGS, { resources }).responses;
  assertEquals([altered!.errorCode, altered!.errorMessage], [0, null]);
  const told = (groupId: string) =>
    world.ask(client, CONSUMER_GROUP_HEARTBEAT, {
      groupId,
      memberId: "m",
      rebalanceTimeoutMs: 10_000,
      subscribedTopicNames: ["t"],
      topicPartitions: [],
    }).heartbeatIntervalMs;
  world.ask(client, FIND_COORDINATOR, { coordinatorKeys: ["other"] });
  assertEquals([told("g"), told("other")], [9000, 5000]);
  const isMember = (groupId: string) => {
    const { groups } = world.ask(client, CONSUMER_GROUP_DESCRIBE, { groupIds: [groupId] });
    return groups[0]!.members.length === 1;
  };
  world.pass(46_000);
  assertEquals([isMember("g"), isMember("other")], [true, false]);
  world.pass(14_000);
  assertEquals(isMember("g"), false);
});

Deno.test("consumer groups: a member that gives nothing up in time is out", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  const b = new Member(world, client, "b").beat();
  const owned = a.owned;
  const stubborn = () =>
    a.beat({ topicPartitions: owned as Draft<ConsumerGroupHeartbeatRequest>["topicPartitions"] });
  stubborn();
  world.pass(9000);
  assertEquals(stubborn().error, 0);
  world.pass(1100);
  assertEquals(stubborn().error, ErrorCode.UNKNOWN_MEMBER_ID);
  settle(b);
  assertEquals(b.partitions, [0, 1, 2, 3]);
});

Deno.test("consumer groups: a member of another epoch is fenced", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  assertEquals(a.beat({ memberEpoch: 7 }).error, ErrorCode.FENCED_MEMBER_EPOCH);
});

Deno.test("consumer groups: new partitions and new topics are shared out", () => {
  const { world, client } = serving(2);
  const a = new Member(world, client, "a").beat({ subscribedTopicRegex: "t.*" });
  assertEquals(a.partitions, [0, 1]);
  const created = world.ask(client, CREATE_PARTITIONS, {
    topics: [{ name: "t", count: 4, assignments: null }],
    timeoutMs: 1000,
  });
  assertEquals(created.results[0]!.errorMessage, null);
  settle(a);
  assertEquals([a.partitions, a.epoch], [[0, 1, 2, 3], 2]);
  world.createTopic(client, "t2", 1);
  world.createTopic(client, "other", 1);
  settle(a);
  assertEquals([a.partitions, a.epoch], [[0, 0, 1, 2, 3], 3]);
});

Deno.test("consumer groups: an expression that is none is refused", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat({ subscribedTopicRegex: "(" });
  assertEquals(a.error, ErrorCode.INVALID_REGULAR_EXPRESSION);
});

Deno.test("consumer groups: only the member's present epoch commits and fetches", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  const commit = (memberEpoch: number, memberId = "a", version = 9) =>
    world.ask(client, OFFSET_COMMIT, {
      groupId: "g",
      memberId,
      generationIdOrMemberEpoch: memberEpoch,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 5 }] }],
    }, version).topics[0]!.partitions[0]!.errorCode;
  const fetch = (memberEpoch: number, memberId: string | null) =>
    world.ask(client, OFFSET_FETCH, {
      groups: [{ groupId: "g", memberId, memberEpoch, topics: null }],
    }).groups[0]!.errorCode;
  assertEquals(commit(a.epoch), 0);
  assertEquals(commit(a.epoch - 1), ErrorCode.STALE_MEMBER_EPOCH);
  assertEquals(commit(a.epoch, "x"), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(commit(-1, ""), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(commit(a.epoch, "a", 8), ErrorCode.UNSUPPORTED_VERSION);
  assertEquals([fetch(a.epoch, "a"), fetch(-1, null)], [0, 0]);
  assertEquals(fetch(a.epoch - 1, "a"), ErrorCode.STALE_MEMBER_EPOCH);
  assertEquals(fetch(a.epoch, "x"), ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("consumer groups: everything is as before after the node was killed", () => {
  const { world, client } = serving();
  const [a, b] = [new Member(world, client, "a"), new Member(world, client, "b")];
  settle(a, b);
  const describe = (by: TestClient) =>
    world.ask(by, CONSUMER_GROUP_DESCRIBE, { groupIds: ["g"] }).groups[0]!;
  const before = describe(client);
  assertEquals([before.groupState, before.groupEpoch, before.assignmentEpoch], ["Stable", 2, 2]);
  world.crash();
  world.start();
  const again = world.client();
  world.until(() => describe(again).errorCode === 0, "the coordinator has loaded");
  assertEquals(describe(again), before);
});

Deno.test("consumer groups: a static member that leaves for a while keeps its partitions", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat({ instanceId: "i" });
  const b = new Member(world, client, "b");
  for (let round = 0; round < 5; round++) {
    a.beat({ instanceId: "i" });
    b.beat();
  }
  const kept = a.partitions;
  assertEquals(kept.length, 2);
  const early = new Member(world, client, "a2").beat({ instanceId: "i" });
  assertEquals(early.error, ErrorCode.UNRELEASED_INSTANCE_ID);
  a.beat({ instanceId: "i", memberEpoch: -2 });
  const epoch = b.beat().epoch;
  const back = new Member(world, client, "a2").beat({ instanceId: "i" });
  assertEquals([back.error, back.partitions, back.epoch], [0, kept, epoch]);
  a.epoch = 1;
  assertEquals(a.beat({ instanceId: "i" }).error, ErrorCode.FENCED_INSTANCE_ID);
});

Deno.test("consumer groups: requests that make no sense are refused", () => {
  const { world, client } = serving();
  const beat = (draft: Draft<ConsumerGroupHeartbeatRequest>) =>
    new Member(world, client, "a").beat(draft).error;
  assertEquals(beat({ groupId: "" }), ErrorCode.INVALID_REQUEST);
  assertEquals(beat({ rebalanceTimeoutMs: -1 }), ErrorCode.INVALID_REQUEST);
  assertEquals(beat({ subscribedTopicNames: [] }), ErrorCode.INVALID_REQUEST);
  assertEquals(beat({ serverAssignor: "magic" }), ErrorCode.UNSUPPORTED_ASSIGNOR);
  assertEquals(beat({ memberEpoch: -3 }), ErrorCode.INVALID_REQUEST);
  assertEquals(beat({ memberEpoch: 3 }), ErrorCode.GROUP_ID_NOT_FOUND);
});

Deno.test("consumer groups: the two protocols do not mix, but follow each other", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  const join = () =>
    world.ask(client, JOIN_GROUP, {
      groupId: "g",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      protocolType: "consumer",
      protocols: [{ name: "range" }],
    }, 3);
  assertEquals(join().errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  a.beat({ memberEpoch: -1 });
  assertEquals(join().errorCode, 0);
  const b = new Member(world, client, "b").beat();
  assertEquals(b.error, ErrorCode.GROUP_ID_NOT_FOUND);
  const { groups } = world.ask(client, LIST_GROUPS, {});
  assertEquals(groups.map(({ groupType }) => groupType), ["classic"]);
  world.pass(20_000);
  assertEquals(new Member(world, client, "b").beat().partitions, [0, 1, 2, 3]);
  const described = world.ask(client, DESCRIBE_GROUPS, { groups: ["g"] }).groups[0]!;
  assertEquals(described.errorCode, ErrorCode.GROUP_ID_NOT_FOUND);
});

Deno.test("consumer groups: a group is deleted when it has no members", () => {
  const { world, client } = serving();
  const a = new Member(world, client, "a").beat();
  const remove = () =>
    world.ask(client, DELETE_GROUPS, { groupsNames: ["g"] }).results[0]!.errorCode;
  assertEquals(remove(), ErrorCode.NON_EMPTY_GROUP);
  a.beat({ memberEpoch: -1 });
  assertEquals(remove(), 0);
  assertEquals(remove(), ErrorCode.GROUP_ID_NOT_FOUND);
});

Deno.test("consumer groups: a member without an id is given one", () => {
  const { world, client } = serving();
  const { memberId, memberEpoch } = world.ask(client, CONSUMER_GROUP_HEARTBEAT, {
    groupId: "g",
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ["t"],
    topicPartitions: [],
  }, 0);
  assertNotEquals(memberId, "");
  assertEquals(memberEpoch, 1);
});
