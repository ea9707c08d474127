/**
 * The native port against bytes of every kind: whatever comes in, no actor fails, another client is
 * served, what is ended is told in one line, and nothing is held for who has gone.
 */

import fc from "fast-check";
import { assertEquals } from "@std/assert";
import { NATIVE_HANDSHAKE } from "../../net/handshake.ts";
import { API_VERSIONS } from "../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../net/messages/list_offsets.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { PRODUCE } from "../../net/messages/produce.ts";
import { APIS } from "../../net/messages/table.ts";
import type { Api } from "../../net/schema.ts";
import { batchOf, type BrokerWorld } from "../actors/broker/broker_world.ts";
import { HANDSHAKE, requestFrame } from "../actors/broker/test_client.ts";
import { messages, versionsOf } from "../net/arbitraries.ts";
import { damaged } from "../net/damage.ts";
import { AttackedPort, concat, inPieces } from "./attacked_port.ts";

/** Frames that a client might send, of every API and version. */
const FRAMES: readonly Uint8Array[] = [
  requestFrame(NATIVE_HANDSHAKE, HANDSHAKE),
  ...versionsOf(METADATA.request).map((version) =>
    requestFrame(METADATA, { topics: [{ name: "target" }] }, version)
  ),
  requestFrame(API_VERSIONS, {}),
  ...[3, 11].map((version) =>
    requestFrame(PRODUCE, {
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
  ...[4, 12].map((version) =>
    requestFrame(FETCH, {
      maxWaitMs: 10,
      minBytes: 1,
      topics: [{ topic: "target", partitions: [{ partition: 0, partitionMaxBytes: 1000 }] }],
    }, version)
  ),
  requestFrame(LIST_OFFSETS, {
    replicaId: -1,
    topics: [{ name: "target", partitions: [{ partitionIndex: 0, timestamp: 1 }] }],
  }),
  requestFrame(CREATE_TOPICS, {
    timeoutMs: 1000,
    validateOnly: true,
    topics: [{ name: "made", numPartitions: 2, replicationFactor: 1 }],
  }),
];

/** A client that shook hands, or one that did not. */
const native = (shaken: boolean) => (world: BrokerWorld) => {
  const hostile = world.connect();
  if (shaken) assertEquals(world.settled(hostile.handshake()).errorCode, 0);
  return hostile;
};

Deno.test("native port: any bytes, in any pieces, harm nobody else", () => {
  const port = new AttackedPort();
  const bytes = fc.uint8Array({ maxLength: 400, size: "max" });
  fc.assert(
    fc.property(fc.boolean(), inPieces(bytes), (shaken, pieces) => {
      port.attack(native(shaken), pieces);
    }),
    { numRuns: 200 },
  );
});

Deno.test("native port: damaged frames, in any pieces, harm nobody else", () => {
  const port = new AttackedPort();
  const frames = fc.array(
    fc.oneof(damaged(fc.constantFrom(...FRAMES)), fc.constantFrom(...FRAMES)),
    { minLength: 1, maxLength: 4 },
  ).map(concat);
  fc.assert(
    fc.property(fc.boolean(), inPieces(frames), (shaken, pieces) => {
      port.attack(native(shaken), pieces);
    }),
    { numRuns: 600 },
  );
});

const NODE_ID = 1;

/** Any request that a table allows, but for topics by the thousand. */
const anyRequest: fc.Arbitrary<Uint8Array> = fc.constantFrom(...APIS).chain((api) =>
  fc.constantFrom(...versionsOf(api.request)).chain((version) =>
    messages(api.request, version).map((message) =>
      requestFrame(api as Api<unknown, unknown>, tamed(message), version)
    )
  )
);

/**
 * With names that are there in some places, and numbers of partitions that a test can bear; the
 * node itself is not put out of its cluster, which an administrator may.
 */
function tamed(message: unknown): never {
  const few = (key: string, value: unknown) => {
    if (typeof value !== "number") return value;
    if (key === "numPartitions" || key === "count") return Math.min(value, 3);
    return key === "brokerId" && value === NODE_ID ? NODE_ID + 1 : value;
  };
  const walk = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) return value.map((element) => walk(element, key));
    if (value instanceof Uint8Array || typeof value !== "object" || value === null) {
      return few(key, value);
    }
    return Object.fromEntries(Object.entries(value).map(([name, of]) => [name, walk(of, name)]));
  };
  return walk(message, "") as never;
}

Deno.test("native port: any request that its table allows is answered or refused", () => {
  const port = new AttackedPort();
  fc.assert(
    fc.property(fc.array(anyRequest, { minLength: 1, maxLength: 3 }), (frames) => {
      port.attack(native(true), frames);
    }),
    { numRuns: 400 },
  );
});
