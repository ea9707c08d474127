/**
 * Kafka's port against bytes of every kind: whatever comes in, no actor fails, another client is
 * served, what is ended is told in one line, and nothing is held for who has gone.
 */

import fc from "fast-check";
import { API_VERSIONS } from "../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../net/messages/find_coordinator.ts";
import { HEARTBEAT } from "../../net/messages/heartbeat.ts";
import { INIT_PRODUCER_ID } from "../../net/messages/init_producer_id.ts";
import { LIST_OFFSETS } from "../../net/messages/list_offsets.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { OFFSET_COMMIT } from "../../net/messages/offset_commit.ts";
import { PRODUCE } from "../../net/messages/produce.ts";
import { batchOf, type BrokerWorld } from "../actors/broker/broker_world.ts";
import { kafkaFrame } from "../actors/broker/kafka_test_client.ts";
import { versionsOf } from "../net/arbitraries.ts";
import { damaged } from "../net/damage.ts";
import { AttackedPort, concat, inPieces } from "./attacked_port.ts";

/** Frames that a client might send, in many versions. */
const FRAMES: readonly Uint8Array[] = [
  ...versionsOf(METADATA.request).map((version) =>
    kafkaFrame(METADATA, { topics: [{ name: "target" }] }, version)
  ),
  ...versionsOf(API_VERSIONS.request).map((version) => kafkaFrame(API_VERSIONS, {}, version)),
  ...[3, 7, 9, 11].map((version) =>
    kafkaFrame(PRODUCE, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{
        name: "target",
        partitionData: [
          { index: 0, records: batchOf(["some", "records"]) },
          { index: 1, records: batchOf(["more"], { compression: "lz4" }) },
        ],
      }],
    }, version)
  ),
  ...[4, 11, 12].map((version) =>
    kafkaFrame(FETCH, {
      maxWaitMs: 10,
      minBytes: 1,
      maxBytes: 10_000,
      topics: [{ topic: "target", partitions: [{ partition: 0, partitionMaxBytes: 1000 }] }],
    }, version)
  ),
  kafkaFrame(LIST_OFFSETS, {
    replicaId: -1,
    topics: [{ name: "target", partitions: [{ partitionIndex: 0, timestamp: 1 }] }],
  }, 2),
  kafkaFrame(CREATE_TOPICS, {
    timeoutMs: 1000,
    validateOnly: true,
    topics: [{ name: "made", numPartitions: 2, replicationFactor: 1 }],
  }, 4),
  kafkaFrame(FIND_COORDINATOR, { key: "group" }, 2),
  kafkaFrame(HEARTBEAT, { groupId: "group", memberId: "m" }, 3),
  kafkaFrame(OFFSET_COMMIT, {
    groupId: "group",
    topics: [{ name: "target", partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
  }, 7),
  kafkaFrame(INIT_PRODUCER_ID, { transactionTimeoutMs: 1000 }, 4),
];

const kafka = (world: BrokerWorld) => world.kafkaClient();

/** `KAFKA_PORT_RUNS` for a long look. */
const RUNS = Number(Deno.env.get("KAFKA_PORT_RUNS") ?? 600);

Deno.test("kafka port: any bytes, in any pieces, harm nobody else", () => {
  const port = new AttackedPort();
  const bytes = fc.uint8Array({ maxLength: 400, size: "max" });
  fc.assert(
    fc.property(inPieces(bytes), (pieces) => port.attack(kafka, pieces)),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});

Deno.test("kafka port: damaged frames, in any pieces, harm nobody else", () => {
  const port = new AttackedPort();
  const frames = fc.array(
    fc.oneof(damaged(fc.constantFrom(...FRAMES)), fc.constantFrom(...FRAMES)),
    { minLength: 1, maxLength: 4 },
  ).map(concat);
  fc.assert(
    fc.property(inPieces(frames), (pieces) => port.attack(kafka, pieces)),
    { numRuns: RUNS },
  );
});
