/** Groups of the classic protocol as a client of a booted node sees them. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { DELETE_GROUPS } from "../../../net/messages/delete_groups.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../../net/messages/heartbeat.ts";
import { JOIN_GROUP } from "../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../net/messages/leave_group.ts";
import { LIST_GROUPS } from "../../../net/messages/list_groups.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import { SYNC_GROUP } from "../../../net/messages/sync_group.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

const PROPERTIES = { "offsets.topic.num.partitions": "3" };

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

/** A node with a coordinator that serves. */
function serving(properties: Readonly<Record<string, string>> = {}) {
  const world = BrokerWorld.serving({ properties: { ...PROPERTIES, ...properties } });
  const client = world.client();
  world.createTopic(client, "t", 4);
  find(world, client, "g");
  return { world, client };
}

function find(world: BrokerWorld, client: TestClient, key: string) {
  const { coordinators } = world.ask(client, FIND_COORDINATOR, { coordinatorKeys: [key] });
  return coordinators[0]!;
}

function beginJoin(client: TestClient, memberId: string, groupId = "g") {
  return client.begin(JOIN_GROUP, {
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: bytes(`metadata of ${memberId}`) }],
  });
}

/** A member id, as the coordinator gives it out. */
function memberId(world: BrokerWorld, client: TestClient, groupId = "g"): string {
  const joined = world.settled(beginJoin(client, "", groupId));
  assertEquals(joined.errorCode, ErrorCode.MEMBER_ID_REQUIRED);
  return joined.memberId;
}

/** A group with one stable member. */
function stable(world: BrokerWorld, client: TestClient, groupId = "g") {
  const id = memberId(world, client, groupId);
  const { generationId } = world.settled(beginJoin(client, id, groupId));
  const synced = world.ask(client, SYNC_GROUP, {
    groupId,
    generationId,
    memberId: id,
    protocolType: "consumer",
    protocolName: "range",
    assignments: [{ memberId: id, assignment: bytes("all") }],
  });
  assertEquals([synced.errorCode, text(synced.assignment)], [0, "all"]);
  return { memberId: id, generationId };
}

Deno.test("groups: from version 5 on who syncs says what the group is to go by", () => {
  const { world, client } = serving();
  const { memberId, generationId } = stable(world, client);
  const sync = (version: number) =>
    world.ask(client, SYNC_GROUP, { groupId: "g", generationId, memberId }, version).errorCode;
  assertEquals([sync(4), sync(5)], [0, ErrorCode.INCONSISTENT_GROUP_PROTOCOL]);
});

Deno.test("groups: one that is to be deleted twice is answered once", () => {
  const { world, client } = serving();
  const { results } = world.ask(client, DELETE_GROUPS, { groupsNames: ["none", "none"] });
  assertEquals(results, [{ groupId: "none", errorCode: ErrorCode.GROUP_ID_NOT_FOUND }]);
});

function commit(
  world: BrokerWorld,
  client: TestClient,
  offset: number,
  member: { readonly memberId: string; readonly generationId: number } = {
    memberId: "",
    generationId: -1,
  },
  groupId = "g",
): number {
  const { topics } = world.ask(client, OFFSET_COMMIT, {
    groupId,
    memberId: member.memberId,
    generationIdOrMemberEpoch: member.generationId,
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: offset }] }],
  });
  return topics[0]!.partitions[0]!.errorCode;
}

function fetch(world: BrokerWorld, client: TestClient, groupId = "g") {
  const { groups } = world.ask(client, OFFSET_FETCH, { groups: [{ groupId, topics: null }] });
  return groups[0]!;
}

function offsetOf(world: BrokerWorld, client: TestClient, groupId = "g"): number {
  return fetch(world, client, groupId).topics[0]?.partitions[0]?.committedOffset ?? -1;
}

Deno.test("groups: the topic of offsets is made at first use, compacted and internal", () => {
  const world = BrokerWorld.serving({ properties: PROPERTIES });
  const client = world.client();
  const pending = ["a", "b", "c"].map((key) =>
    client.begin(FIND_COORDINATOR, { coordinatorKeys: [key] })
  );
  for (const one of pending) {
    const [coordinator] = world.settled(one).coordinators;
    assertEquals([coordinator!.errorCode, coordinator!.nodeId], [0, 1]);
  }
  const { topics } = world.ask(client, METADATA, { topics: [{ name: "__consumer_offsets" }] });
  assertEquals([topics[0]!.isInternal, topics[0]!.partitions.length], [true, 3]);
});

Deno.test("groups: clients neither write to the topic of offsets nor delete it", () => {
  const { world, client } = serving();
  const { errorCode } = world.produce(client, "__consumer_offsets", batchOf(["v"]));
  assertEquals(errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION);
  const { responses } = world.ask(client, DELETE_TOPICS, {
    topics: [{ name: "__consumer_offsets" }],
    timeoutMs: 1000,
  });
  assertEquals(responses[0]!.errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION);
});

Deno.test("groups: FindCoordinator of version 0 names one node", () => {
  const { world, client } = serving();
  const found = world.ask(client, FIND_COORDINATOR, { key: "g" }, 0);
  assertEquals([found.errorCode, found.nodeId, found.port], [0, 1, 9192]);
});

Deno.test("groups: a member joins by the id it was given, syncs, commits, and leaves", () => {
  const { world, client } = serving();
  const member = stable(world, client);
  assertEquals(member.generationId, 1);
  const beat = world.ask(client, HEARTBEAT, { groupId: "g", ...member });
  assertEquals(beat.errorCode, 0);
  assertEquals(commit(world, client, 7, member), 0);
  assertEquals(offsetOf(world, client), 7);
  const { groups } = world.ask(client, DESCRIBE_GROUPS, { groups: ["g", "none"] });
  assertEquals(groups.map(({ groupState, protocolData }) => [groupState, protocolData]), [
    ["Stable", "range"],
    ["Dead", ""],
  ]);
  const left = world.ask(client, LEAVE_GROUP, { groupId: "g", members: [member] });
  assertEquals(left.members[0]!.errorCode, 0);
  const listed = world.ask(client, LIST_GROUPS, {}).groups;
  assertEquals(listed, [{
    groupId: "g",
    protocolType: "consumer",
    groupState: "Empty",
    groupType: "classic",
  }]);
});

Deno.test("groups: the first rebalance waits for more members, the leader is told of all", () => {
  const { world, client } = serving();
  const ids = [memberId(world, client), memberId(world, client)];
  const joins = ids.map((id) => beginJoin(client, id));
  const joined = joins.map((join) => world.settled(join));
  assertEquals(joined.map(({ errorCode, generationId }) => [errorCode, generationId]), [
    [0, 1],
    [0, 1],
  ]);
  assertEquals(joined.map(({ leader }) => leader), [ids[0], ids[0]]);
  assertEquals(joined[0]!.members.map((member) => member.memberId), ids);
  assertEquals(joined[1]!.members, []);
});

Deno.test("groups: a commit of another generation, or of nobody the group knows, is refused", () => {
  const { world, client } = serving();
  const member = stable(world, client);
  const old = { ...member, generationId: 0 };
  assertEquals(commit(world, client, 1, old), ErrorCode.ILLEGAL_GENERATION);
  const unknown = { ...member, memberId: "x" };
  assertEquals(commit(world, client, 1, unknown), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(commit(world, client, 1), ErrorCode.UNKNOWN_MEMBER_ID);
  assertEquals(offsetOf(world, client), -1);
});

Deno.test("groups: a member that is silent is out after its session", () => {
  const { world, client } = serving();
  const member = stable(world, client);
  world.pass(9_000);
  assertEquals(world.ask(client, HEARTBEAT, { groupId: "g", ...member }).errorCode, 0);
  world.pass(9_000);
  assertEquals(world.ask(client, HEARTBEAT, { groupId: "g", ...member }).errorCode, 0);
  world.pass(10_100);
  const { errorCode } = world.ask(client, HEARTBEAT, { groupId: "g", ...member });
  assertEquals(errorCode, ErrorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("groups: offsets and members outlast the node", () => {
  const { world, client } = serving();
  const member = stable(world, client);
  assertEquals(commit(world, client, 42, member), 0);
  assertEquals(commit(world, client, 5, undefined, "simple"), 0);
  world.crash();
  world.start();
  const again = world.client();
  world.until(
    () => {
      const { groups } = world.ask(again, OFFSET_FETCH, {
        groups: [{ groupId: "g", topics: null }],
      });
      return groups[0]!.errorCode === 0;
    },
    "the coordinator has loaded",
  );
  assertEquals(offsetOf(world, again), 42);
  assertEquals(world.ask(again, HEARTBEAT, { groupId: "g", ...member }).errorCode, 0);
  world.until(() => fetch(world, again, "simple").errorCode === 0, "the other, too");
  assertEquals(offsetOf(world, again, "simple"), 5);
});

Deno.test("groups: a group without members can be deleted, and is gone after a restart", () => {
  const { world, client } = serving();
  const member = stable(world, client);
  assertEquals(commit(world, client, 42, member), 0);
  const remove = (by: TestClient) =>
    world.ask(by, DELETE_GROUPS, { groupsNames: ["g"] }).results[0]!.errorCode;
  assertEquals(remove(client), ErrorCode.NON_EMPTY_GROUP);
  world.ask(client, LEAVE_GROUP, { groupId: "g", members: [member] });
  assertEquals(remove(client), 0);
  assertEquals(remove(client), ErrorCode.GROUP_ID_NOT_FOUND);
  world.stop();
  world.start();
  const again = world.client();
  world.until(() => fetch(world, again).errorCode === 0, "the coordinator has loaded");
  assertEquals(fetch(world, again).topics, []);
  assertEquals(world.ask(again, LIST_GROUPS, {}).groups, []);
});

Deno.test("groups: offsets of a topic that is deleted are forgotten", () => {
  const { world, client } = serving();
  assertEquals(commit(world, client, 5), 0);
  world.deleteTopic(client, "t");
  world.until(() => fetch(world, client).topics.length === 0, "they are forgotten");
});

Deno.test("groups: offsets that nobody has used for the time of retention are forgotten", () => {
  const { world, client } = serving({
    "offsets.retention.minutes": "1",
    "offsets.retention.check.interval.ms": "10000",
  });
  assertEquals(commit(world, client, 5), 0);
  world.pass(50_000);
  assertEquals(offsetOf(world, client), 5);
  world.pass(25_000);
  assertEquals(offsetOf(world, client), -1);
  assertEquals(world.ask(client, LIST_GROUPS, {}).groups, []);
});

Deno.test("groups: metadata that is too long is refused, alone", () => {
  const { world, client } = serving();
  const { topics } = world.ask(client, OFFSET_COMMIT, {
    groupId: "g",
    topics: [{
      name: "t",
      partitions: [
        { partitionIndex: 0, committedOffset: 1, committedMetadata: "x".repeat(4097) },
        { partitionIndex: 1, committedOffset: 1, committedMetadata: "x".repeat(4096) },
      ],
    }, { name: "nowhere", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
  });
  assertEquals(topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode)), [
    [ErrorCode.OFFSET_METADATA_TOO_LARGE, 0],
    [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
});

Deno.test("groups: members that differ in their protocols do not meet", () => {
  const { world, client } = serving();
  stable(world, client);
  const { errorCode } = world.ask(client, JOIN_GROUP, {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    protocolType: "consumer",
    protocols: [{ name: "roundrobin" }],
  });
  assertEquals(errorCode, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
});

Deno.test("groups: a static member that comes back keeps its place, its former self is fenced", () => {
  const { world, client } = serving();
  const join = (memberId: string) =>
    world.ask(client, JOIN_GROUP, {
      groupId: "g",
      memberId,
      groupInstanceId: "i",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      protocolType: "consumer",
      protocols: [{ name: "range" }],
    });
  const first = join("");
  assertEquals(first.errorCode, 0);
  world.ask(client, SYNC_GROUP, {
    groupId: "g",
    generationId: 1,
    memberId: first.memberId,
    groupInstanceId: "i",
    protocolType: "consumer",
    protocolName: "range",
    assignments: [{ memberId: first.memberId, assignment: bytes("all") }],
  });
  const second = join("");
  assertEquals([second.errorCode, second.generationId, second.skipAssignment], [0, 1, true]);
  assertNotEquals(second.memberId, first.memberId);
  const beat = (memberId: string) =>
    world.ask(client, HEARTBEAT, {
      groupId: "g",
      memberId,
      groupInstanceId: "i",
      generationId: 1,
    }).errorCode;
  assertEquals([beat(first.memberId), beat(second.memberId)], [ErrorCode.FENCED_INSTANCE_ID, 0]);
  assert(world.linesWith("failed").length === 0);
});
