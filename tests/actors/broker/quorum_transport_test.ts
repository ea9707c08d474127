/** The connections of the quorum protocol: node 2 asks node 1, which is up, or not. */

import { assert, assertEquals } from "@std/assert";
import { NodeQuorumTransport } from "../../../actors/broker/quorum_transport.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { METADATA_TOPIC_ID } from "../../../actors/controller/metadata_topic.ts";
import type { QuorumPeer } from "../../../actors/controller/messages.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { FETCH, type FetchResponse } from "../../../net/messages/fetch.ts";
import { VOTE, type VoteResponse } from "../../../net/messages/vote.ts";
import { make } from "../../../net/schema/make.ts";
import { walkBatches } from "../../../storage/record_batch.ts";
import { BrokerWorld, NODE, PORT } from "./broker_world.ts";

const PEER: QuorumPeer = { id: 1, address: { host: NODE, port: PORT } };
const VOTE_REQUEST = make(VOTE.request, {
  topics: [{ topicName: "__cluster_metadata", partitions: [{ candidateId: 2 }] }],
});

function stage(world: BrokerWorld) {
  const pool = new BufferPool();
  const transport = new NodeQuorumTransport({
    environment: world.simulation.node("client").environment!,
    nodeId: 2,
    clusterId: world.booted.clusterId,
    pool,
    config: parseBrokerConfig({}),
  });
  const vote = (peer: QuorumPeer = PEER, timeoutMs = 2000) => {
    const answers: (VoteResponse | undefined)[] = [];
    transport.send(peer, VOTE, VOTE_REQUEST, timeoutMs, (answer) => answers.push(answer));
    return answers;
  };
  const settled = <T>(answers: readonly T[]): T => {
    world.until(() => answers.length > 0, "an answer");
    world.pass(10);
    assertEquals(answers.length, 1);
    return answers[0]!;
  };
  return { transport, vote, settled, pool };
}

Deno.test("quorum transport: a voter is asked and answers, whoever it is if its id is not known", () => {
  const world = BrokerWorld.serving();
  const { vote, settled } = stage(world);
  for (const peer of [PEER, { ...PEER, id: -1 }]) {
    const voted = settled(vote(peer))?.topics[0]?.partitions[0];
    assertEquals([voted?.leaderId, voted?.voteGranted], [1, false]);
  }
});

Deno.test("quorum transport: another node than the one meant is not asked", () => {
  const world = BrokerWorld.serving();
  const { vote, settled } = stage(world);
  assertEquals(settled(vote({ ...PEER, id: 5 })), undefined);
});

Deno.test("quorum transport: a node that is away answers nothing, and is tried again at once", () => {
  const world = BrokerWorld.serving();
  const { vote, settled } = stage(world);
  assert(settled(vote()) !== undefined);
  world.crash();
  const from = world.simulation.nowMs;
  assertEquals(settled(vote()), undefined);
  assert(world.simulation.nowMs - from < 100, "a refusal is no time-out");
  world.start();
  const answers = vote();
  assert(settled(answers) !== undefined);
});

Deno.test("quorum transport: a new address takes the place of the old one", () => {
  const world = BrokerWorld.serving();
  const { vote, settled } = stage(world);
  assertEquals(settled(vote({ id: 1, address: { host: NODE, port: PORT + 1 } })), undefined);
  assert(settled(vote()) !== undefined);
});

Deno.test("quorum transport: fetched records are the receiver's own", () => {
  const world = BrokerWorld.serving();
  const { transport, settled, pool } = stage(world);
  const partitions = [{
    partition: 0,
    currentLeaderEpoch: 1,
    fetchOffset: 0,
    partitionMaxBytes: 1 << 20,
  }];
  const request = make(FETCH.request, {
    replicaState: { replicaId: 2 },
    maxBytes: 1 << 20,
    maxWaitMs: 100,
    topics: [{ topicId: METADATA_TOPIC_ID, partitions }],
  });
  const answers: (FetchResponse | undefined)[] = [];
  transport.send(PEER, FETCH, request, 2000, (answer) => answers.push(answer));
  const records = settled(answers)?.responses[0]?.partitions[0]?.records;
  assert(records !== null && records !== undefined && records.length > 0);
  const before = records.slice();
  for (let i = 0; i < 20; i++) {
    const later: unknown[] = [];
    const names = { clientSoftwareName: "x".repeat(500), clientSoftwareVersion: "y" };
    transport.send(PEER, API_VERSIONS, names, 2000, (answer) => later.push(answer));
    settled(later);
  }
  assertEquals(records, before);
  assert([...walkBatches(records)].length > 0);
  transport.close();
  world.pass(100);
  assertEquals(pool.statistics.lentBytes, 0);
});

Deno.test("quorum transport: after its end nothing is asked, and what was asked ends", () => {
  const world = BrokerWorld.serving();
  const { transport, vote, settled, pool } = stage(world);
  const before = vote();
  transport.close();
  assertEquals(settled(before), undefined);
  assertEquals(settled(vote()), undefined);
  assertEquals(pool.statistics.lentBytes, 0);
});
