import { assert, assertEquals } from "@std/assert";
import { ServedApis } from "../../../actors/broker/apis/table.ts";
import {
  correlationIdOf,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  readPrefix,
} from "../../../net/kafka/framing.ts";
import { frameOf, written } from "../wire.ts";
import { clientFrames } from "./client_frames.ts";

/** What the clients that were recorded send: nothing of it must be lost when they are again. */
const SENT: Readonly<Record<string, readonly number[]>> = {
  AddOffsetsToTxn: [0, 1, 4],
  AddPartitionsToTxn: [0, 1, 3],
  AlterClientQuotas: [1],
  AlterConfigs: [0, 1],
  AlterPartitionReassignments: [0],
  ApiVersions: [0, 2, 3, 4],
  ConsumerGroupDescribe: [0, 1],
  ConsumerGroupHeartbeat: [0, 1],
  CreatePartitions: [0, 1, 3],
  CreateTopics: [3, 4, 7],
  DeleteGroups: [1, 2],
  DeleteRecords: [1, 2],
  DeleteTopics: [1, 3, 6],
  DescribeClientQuotas: [1],
  DescribeCluster: [1, 2],
  DescribeConfigs: [1, 2, 4],
  DescribeGroups: [0, 2, 3, 5, 6],
  DescribeLogDirs: [4],
  DescribeProducers: [0],
  DescribeQuorum: [2],
  DescribeTopicPartitions: [0],
  DescribeTransactions: [0],
  ElectLeaders: [2],
  EndTxn: [1, 4, 5],
  Fetch: [4, 11, 17],
  FindCoordinator: [0, 2, 5],
  Heartbeat: [1, 3, 4],
  IncrementalAlterConfigs: [1],
  InitProducerId: [1, 4, 5],
  JoinGroup: [2, 5, 9],
  LeaveGroup: [1, 3, 5],
  ListConfigResources: [1],
  ListGroups: [0, 1, 2, 5],
  ListOffsets: [1, 2, 3, 9],
  ListPartitionReassignments: [0],
  ListTransactions: [1],
  Metadata: [0, 1, 4, 5, 6, 12],
  OffsetCommit: [2, 5, 7, 9],
  OffsetDelete: [0],
  OffsetFetch: [1, 3, 4, 7, 9],
  OffsetForLeaderEpoch: [4],
  Produce: [7, 11, 12],
  SyncGroup: [1, 3, 5],
  TxnOffsetCommit: [1, 3, 4, 5],
  UpdateFeatures: [1],
  WriteTxnMarkers: [1],
};

Deno.test("client frames: there is one of every API and version that a client sends", () => {
  const sent: Record<string, number[]> = {};
  for (const { api, version } of clientFrames("request")) {
    const versions = sent[api.name] ??= [];
    if (!versions.includes(version)) versions.push(version);
  }
  assertEquals(sent, SENT);
  const advertised = new ServedApis().forKafka.map(({ name }) => name);
  assertEquals(advertised.filter((name) => !(name in SENT)), []);
});

Deno.test("client frames: each was answered, but what wants no answer", () => {
  const answered = new Set(
    clientFrames("response").map(({ api, version }) => `${api.name} ${version}`),
  );
  for (const { api, version } of clientFrames("request")) {
    assert(answered.has(`${api.name} ${version}`), `${api.name} version ${version}`);
  }
});

for (const client of new Set(clientFrames("request").map(({ client }) => client))) {
  Deno.test(`client frames: every request of ${client} is read whole, and written as it was`, () => {
    for (const { client: from, api, version, bytes } of clientFrames("request")) {
      if (from !== client) continue;
      const frame = frameOf(bytes);
      const { apiKey, apiVersion, correlationId } = readPrefix(frame);
      assertEquals([apiKey, apiVersion], [api.key, version]);
      const { clientId, request } = decodeRequest(frame, api);
      const again = written((target) =>
        void encodeRequest(target, api, version, { correlationId, clientId }, request)
      );
      assertEquals(again.toHex(), bytes.toHex(), `${api.name} version ${version}`);
    }
  });
}

Deno.test("client frames: every answer that clients had is read whole, and written as it was", () => {
  for (const { api, version, bytes } of clientFrames("response")) {
    const frame = frameOf(bytes);
    const response = decodeResponse(frame, api, version);
    const again = written((target) =>
      void encodeResponse(target, api, version, correlationIdOf(frame), response)
    );
    assertEquals(again.toHex(), bytes.toHex(), `${api.name} version ${version}`);
  }
});
