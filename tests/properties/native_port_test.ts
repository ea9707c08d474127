/**
 * The native port against bytes of every kind: whatever comes in, no actor fails, another client is
 * served, what is ended is told in one line, and nothing is held for who has gone.
 */

import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { NATIVE_HANDSHAKE } from "../../net/handshake.ts";
import { API_VERSIONS } from "../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { FETCH } from "../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../net/messages/list_offsets.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { PRODUCE } from "../../net/messages/produce.ts";
import { APIS } from "../../net/messages/table.ts";
import type { Api } from "../../net/schema.ts";
import { batchOf, BrokerWorld } from "../actors/broker/broker_world.ts";
import { HANDSHAKE, requestFrame, type TestClient } from "../actors/broker/test_client.ts";
import { messages, versionsOf } from "../net/arbitraries.ts";
import { damaged } from "../net/damage.ts";

/** A node with a client that must not notice anything, for many runs of a property. */
class Port {
  readonly #world = BrokerWorld.serving({
    properties: { "auto.create.topics.enable": "false", "queued.max.fetch.bytes": "1000000" },
  });
  readonly #victim: TestClient;
  #sent = 0;
  #lines = 0;

  constructor() {
    this.#victim = this.#world.client();
    this.#world.createTopic(this.#victim, "victim");
    this.#world.createTopic(this.#victim, "target", 2);
    this.#world.produce(this.#victim, "target", batchOf(["a", "b"], { compression: "gzip" }));
    this.#world.pass(10);
  }

  /** Sends the pieces, as a client that shook hands or as one that did not. */
  attack(shaken: boolean, pieces: readonly Uint8Array[]): void {
    const world = this.#world;
    const { lentBytes } = world.booted.usage;
    const hostile = world.connect();
    if (shaken) assertEquals(world.settled(hostile.handshake()).errorCode, 0);
    for (const piece of pieces) {
      hostile.raw(piece.slice());
      world.pass(1);
    }
    this.#serveVictim();
    const endedByNode = hostile.ended.isSettled;
    hostile.close(true);
    world.pass(5);
    const lines = world.linesWith("connection closed").length - this.#lines;
    this.#lines += lines;
    assert(lines === 1 || lines === 0 && !endedByNode, `${lines} lines for one connection`);
    assertEquals(world.linesWith("actor failed"), []);
    assertEquals(world.failure, undefined);
    const usage = world.booted.usage;
    assertEquals(usage, {
      lentBytes,
      requestBytes: 0,
      fetchedBytes: 0,
      receivedBytes: 0,
      waitingPlaces: 0,
    });
  }

  #serveVictim(): void {
    const { errorCode, baseOffset } = this.#world.produce(this.#victim, "victim", batchOf(["v"]));
    assertEquals([errorCode, baseOffset], [0, this.#sent++]);
  }
}

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

/** Bytes in pieces, as a network may give them. */
function inPieces(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<readonly Uint8Array[]> {
  return fc.tuple(bytes, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }))
    .map(([whole, cuts]) => {
      const places = [0, ...cuts.map((cut) => Math.floor(cut * whole.length)), whole.length];
      places.sort((a, b) => a - b);
      return places.slice(1).map((place, index) => whole.subarray(places[index], place));
    });
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("native port: any bytes, in any pieces, harm nobody else", () => {
  const port = new Port();
  const bytes = fc.uint8Array({ maxLength: 400, size: "max" });
  fc.assert(
    fc.property(fc.boolean(), inPieces(bytes), (shaken, pieces) => {
      port.attack(shaken, pieces);
    }),
    { numRuns: 200 },
  );
});

Deno.test("native port: damaged frames, in any pieces, harm nobody else", () => {
  const port = new Port();
  const frames = fc.array(
    fc.oneof(damaged(fc.constantFrom(...FRAMES)), fc.constantFrom(...FRAMES)),
    { minLength: 1, maxLength: 4 },
  ).map(concat);
  fc.assert(
    fc.property(fc.boolean(), inPieces(frames), (shaken, pieces) => {
      port.attack(shaken, pieces);
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
  const port = new Port();
  fc.assert(
    fc.property(fc.array(anyRequest, { minLength: 1, maxLength: 3 }), (frames) => {
      port.attack(true, frames);
    }),
    { numRuns: 400 },
  );
});
