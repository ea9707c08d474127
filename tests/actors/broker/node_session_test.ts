/** What a fellow node may do over its connection, and a client may not. */

import { assert, assertEquals } from "@std/assert";
import { ServedApis } from "../../../actors/broker/apis/table.ts";
import { NATIVE_HANDSHAKE, PeerRole } from "../../../net/handshake.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../net/messages/offset_for_leader_epoch.ts";
import { APIS, NODE_APIS } from "../../../net/messages/table.ts";
import { limitApis } from "../../../net/messages/version_limits.ts";
import { BrokerWorld } from "./broker_world.ts";

/** A connection that has said it is node 2. */
function fellow(world: BrokerWorld) {
  const client = world.connect();
  const { clusterId } = world.booted;
  const answer = world.settled(client.handshake({ role: PeerRole.NODE, nodeId: 2, clusterId }));
  return { client, answer };
}

const NODE_KEYS: ReadonlySet<number> = new Set(NODE_APIS.map(({ key }) => key));

Deno.test("node session: a node of the cluster is let in and shown what nodes may use", () => {
  const world = BrokerWorld.serving();
  const { answer } = fellow(world);
  assertEquals([answer.errorCode, answer.nodeId], [0, 1]);
  const served = new ServedApis();
  assertEquals(answer.apiKeys.map(({ apiKey }) => apiKey), served.forNodes.map(({ key }) => key));
  const client = world.connect();
  const { apiKeys } = world.settled(client.handshake());
  assertEquals(apiKeys.map(({ apiKey }) => apiKey), served.forClients.map(({ key }) => key));
  assertEquals(apiKeys.filter(({ apiKey }) => NODE_KEYS.has(apiKey)), []);
});

Deno.test("node session: ApiVersions shows clients nothing of what only nodes may use", () => {
  const world = BrokerWorld.serving();
  const { apiKeys } = world.ask(world.client(), API_VERSIONS, {});
  assert(apiKeys.length > 10);
  assertEquals(apiKeys.filter(({ apiKey }) => NODE_KEYS.has(apiKey)), []);
});

Deno.test("node session: only the node itself may fetch as its replica, and in every version", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const topicId = world.createTopic(client, "t");
  const node = fellow(world).client;
  const fetch = (peer: typeof client, replicaId: number, version: number) =>
    world.ask(peer, FETCH, {
      replicaId: version < 15 ? replicaId : -1,
      replicaState: version < 15 ? {} : { replicaId },
      topics: [{
        topic: version < 13 ? "t" : "",
        topicId,
        partitions: [{ partition: 0, partitionMaxBytes: 1000 }],
      }],
    }, version).errorCode;
  for (const version of [12, 14, 15, 17]) {
    assertEquals(fetch(client, 2, version), ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    assertEquals(fetch(node, 3, version), ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    assertEquals(fetch(client, -1, version), ErrorCode.NONE);
  }
});

Deno.test("node session: only the node itself may ask for epochs as its replica", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "t");
  const node = fellow(world).client;
  const ask = (peer: typeof client, replicaId: number) =>
    world.ask(peer, OFFSET_FOR_LEADER_EPOCH, {
      replicaId,
      topics: [{ topic: "t", partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    }).topics[0]!.partitions[0]!.errorCode;
  assertEquals(ask(client, 2), ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  assertEquals(ask(node, 1), ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
  assertEquals(ask(node, 2), ErrorCode.NONE);
  assertEquals(ask(client, -2), ErrorCode.NONE);
});

Deno.test("served APIs: limits leave out what an older node does not speak", () => {
  const served = new ServedApis({ Fetch: 15, Metadata: -1 });
  assertEquals(served.find(FETCH.key, PeerRole.CLIENT, "native")?.versions, { min: 4, max: 15 });
  assertEquals(served.find(METADATA.key, PeerRole.NODE, "native"), undefined);
  const shown = served.forClients.find(({ key }) => key === FETCH.key);
  assertEquals(shown?.advertisedVersions.max, 15);
  assertEquals(limitApis(APIS, undefined), APIS);
  assertEquals(NODE_KEYS.has(NATIVE_HANDSHAKE.key), false);
});

/** A node that listens, and whose controller waits for its disk. */
function starting(syncMs: number): BrokerWorld {
  const world = new BrokerWorld();
  world.node.disk.slowSyncs(syncMs);
  world.boot();
  world.pass(50);
  return world;
}

Deno.test("node session: clients are greeted when the node serves, fellow nodes at once", () => {
  const world = starting(1000);
  const early = world.connect();
  const greeting = early.handshake();
  const node = fellow(world);
  assertEquals(node.answer.errorCode, 0);
  assertEquals(greeting.isSettled, false);
  assertEquals(world.settled(greeting).errorCode, 0);
  world.createTopic(early, "t");
});

Deno.test("node session: a client of another cluster is refused before the node serves", () => {
  const world = starting(1000);
  const from = world.simulation.nowMs;
  const { errorCode } = world.settled(world.connect().handshake({ clusterId: "elsewhere" }));
  assertEquals(errorCode, ErrorCode.INCONSISTENT_CLUSTER_ID);
  assert(world.simulation.nowMs - from < 100);
});

Deno.test("node session: a client waits for the node to serve as long as for a handshake", () => {
  const world = starting(60_000);
  const client = world.connect();
  client.handshake();
  const from = world.simulation.nowMs;
  world.until(() => client.ended.isSettled, "the connection ends");
  assertEquals(Math.round((world.simulation.nowMs - from) / 1000), 10);
  assertEquals(world.linesWith("the node does not serve yet").length, 1);
});
