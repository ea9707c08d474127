/**
 * Peers that do what they should not. Whatever it is: the node stays up, another client notices
 * nothing, one line says why the connection was ended, and nothing is held for it afterwards.
 */

import { assert, assertEquals } from "@std/assert";
import { NATIVE_HANDSHAKE, PeerRole } from "../../../net/handshake.ts";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { VOTE } from "../../../net/messages/vote.ts";
import type { Api } from "../../../net/schema.ts";
import { uint32, withstand } from "./attacked_node.ts";
import { batchOf, beginFetch, BrokerWorld } from "./broker_world.ts";
import { compressWith } from "./damaged_batches.ts";
import { HANDSHAKE, requestFrame, type TestClient } from "./test_client.ts";

const PROPERTIES = {
  "socket.write.timeout.ms": "5000",
  "connections.max.idle.ms": "30000",
  "queued.max.fetch.bytes": "4000000",
};

interface Attack {
  readonly name: string;
  /** Part of the line that is logged. */
  readonly reason: string;
  /** Whether the hostile one says who it is before, as a client does. */
  readonly shaken: boolean;
  run(hostile: TestClient, world: BrokerWorld): void;
}

function hostilePeer({ name, reason, shaken, run }: Attack): void {
  Deno.test(`hostile peer: ${name}`, () => {
    const attack = (world: BrokerWorld) => {
      const hostile = world.connect();
      if (shaken) assertEquals(world.settled(hostile.handshake()).errorCode, 0);
      run(hostile, world);
      return () => hostile.ended.isSettled;
    };
    withstand(BrokerWorld.serving({ properties: PROPERTIES }), attack, reason);
  });
}

/** A frame around an envelope given as it is. */
function frameOf(...envelope: number[]): Uint8Array {
  return new Uint8Array([
    ...uint32(4 + envelope.length),
    ...uint32(envelope.length),
    ...envelope,
  ]);
}

const noise = new Uint8Array(2000).map((_, index) => 255 - ((index * 7919) >> 3));
/** A request of one API with the fields of another. */
const asIf = <T>(api: Api<T, unknown>, key: number): Api<T, unknown> => ({ ...api, key });

const BEFORE_HANDSHAKE: readonly (Omit<Attack, "shaken">)[] = [
  { name: "noise first", reason: "a frame of", run: (peer) => peer.raw(noise) },
  {
    name: "a frame that claims 2 GB first",
    reason: "a frame of 2147483647 bytes, over 16384",
    run: (peer) => peer.raw(uint32(0x7fffffff, 1, 2, 3)),
  },
  {
    name: "text of another protocol",
    reason: "a frame of",
    run: (peer) => peer.raw(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: node\r\n\r\n")),
  },
  { name: "silence", reason: "no handshake within its deadline", run: () => {} },
  {
    name: "half a handshake, then silence",
    reason: "no handshake within its deadline",
    run: (peer) => peer.raw(uint32(100, 0, 0, 0, 90)),
  },
  {
    name: "a request before the handshake",
    reason: "no handshake but of API 3",
    run: (peer) => void peer.begin(METADATA, { topics: null }),
  },
  {
    name: "a node without an id",
    reason: "role 1 of node -1 is not accepted",
    run: (peer, { booted }) =>
      void peer.handshake({ role: PeerRole.NODE, clusterId: booted.clusterId }),
  },
  {
    name: "one that is neither client nor node",
    reason: "role 2 of node 7 is not accepted",
    run: (peer) => void peer.handshake({ role: 2, nodeId: 7 }),
  },
  {
    name: "a node of another cluster",
    reason: "looks for cluster elsewhere",
    run: (peer) => void peer.handshake({ role: PeerRole.NODE, nodeId: 7, clusterId: "elsewhere" }),
  },
  {
    name: "a node of no cluster",
    reason: "looks for cluster null",
    run: (peer) => void peer.handshake({ role: PeerRole.NODE, nodeId: 7 }),
  },
  {
    name: "another protocol version",
    reason: "native protocol 9 is not supported",
    run: (peer) => void peer.handshake({ protocolVersion: 9 }),
  },
  {
    name: "a handshake of a version that is none",
    reason: "handshake version 7 is not supported",
    run: (peer) =>
      // Behind two lengths, an array's first byte and a key of three bytes.
      peer.raw(requestFrame(NATIVE_HANDSHAKE, HANDSHAKE).with(12, 7)),
  },
  {
    name: "a client of another cluster",
    reason: "looks for cluster elsewhere",
    run: (peer) => void peer.handshake({ clusterId: "elsewhere" }),
  },
  {
    name: "a refused handshake and then a good one",
    reason: "role 1 of node -1 is not accepted",
    run: (peer) => {
      peer.handshake({ role: PeerRole.NODE });
      peer.handshake();
      peer.begin(CREATE_TOPICS, {
        timeoutMs: 1000,
        topics: [{ name: "evil", numPartitions: 1, replicationFactor: 1 }],
      });
    },
  },
  {
    name: "a large frame before the handshake",
    reason: "a frame of 20000 bytes, over 16384",
    run: (peer) => peer.raw(uint32(20_000)),
  },
];

const AFTER_HANDSHAKE: readonly (Omit<Attack, "shaken">)[] = [
  { name: "noise", reason: "a frame of", run: (peer) => peer.raw(noise) },
  {
    name: "a frame that claims 2 GB",
    reason: "a frame of 2147483647 bytes, over 104857600",
    run: (peer) => peer.raw(uint32(0x7fffffff, 0, 0, 0, 9)),
  },
  {
    name: "a frame that claims 4 GB",
    reason: "a frame of 4294967295 bytes",
    run: (peer) => peer.raw(uint32(0xffffffff)),
  },
  { name: "an empty frame", reason: "a frame of 0 bytes", run: (peer) => peer.raw(uint32(0)) },
  {
    name: "a frame that ends with the connection",
    reason: "the peer closed within a frame",
    run: (peer) => {
      peer.raw(requestFrame(METADATA, { topics: null }).slice(0, -1));
      peer.close();
    },
  },
  {
    name: "a frame that never ends",
    reason: "idle for 30000 ms",
    run: (peer) => peer.raw(uint32(50_000_000, 0, 0, 0, 90, 1, 2, 3)),
  },
  {
    name: "a connection broken within a frame",
    reason: "reset",
    run: (peer) => {
      peer.raw(uint32(1000, 0, 0, 0, 90));
      peer.close(true);
    },
  },
  {
    name: "fields of wrong types",
    reason: "Cannot decode Produce",
    run: (peer) => void peer.begin(asIf(FETCH, PRODUCE.key), { topics: [] }, 11),
  },
  {
    name: "fields that are missing",
    reason: "Cannot decode Metadata",
    run: (peer) => void peer.begin(asIf(API_VERSIONS, METADATA.key), {}, 4),
  },
  {
    name: "an envelope that is larger than its frame",
    reason: "an envelope of",
    run: (peer) => peer.raw(new Uint8Array([...uint32(20), ...uint32(900), ...new Uint8Array(16)])),
  },
  {
    name: "a huge envelope",
    reason: "an envelope of 5000000 bytes",
    run: (peer) => {
      peer.raw(uint32(5_000_004, ...uint32(5_000_000)));
      peer.raw(new Uint8Array(5_000_000).fill(0xc0));
    },
  },
  {
    name: "an array of four billion elements",
    reason: "Cannot decode",
    run: (peer) => peer.raw(frameOf(0xdd, 0xff, 0xff, 0xff, 0xff, 3, 12, 1, 0x90)),
  },
  {
    name: "a topic list of four billion topics",
    reason: "Cannot decode Metadata",
    run: (peer) =>
      peer.raw(frameOf(0x97, 3, 12, 1, 0x90, 0xdd, 0xff, 0xff, 0xff, 0xff, 0xc3, 0xc3)),
  },
  {
    name: "a request about a hundred thousand topics",
    reason: "more than 25000 elements",
    run: (peer) => void peer.begin(METADATA, { topics: Array(100_000).fill({ name: "" }) }, 4),
  },
  {
    name: "a map where an array is due",
    reason: "Cannot decode",
    run: (peer) => peer.raw(frameOf(0x83, 3, 12, 1, 0x90, 0xc0, 0xc3)),
  },
  {
    name: "an attachment that is not there",
    reason: "an attachment of 4096 bytes",
    run: (peer) => peer.raw(frameOf(0x96, 0, 11, 1, 0x91, 0xcd, 0x10, 0x00, 0xc0, 1)),
  },
  {
    name: "an API that is not there",
    reason: "a request of API 999, which is not served",
    run: (peer) => void peer.begin(asIf(API_VERSIONS, 999), {}),
  },
  {
    name: "an API that is not served",
    reason: "a request of API 999, which is not served",
    run: (peer) => peer.raw(requestFrame(asIf(API_VERSIONS, 999), {})),
  },
  {
    name: "an API that is for nodes",
    reason: `a request of API ${VOTE.key}, which is not served`,
    run: (peer) => void peer.begin(VOTE, {}),
  },
  {
    name: "a version that is not served",
    reason: "version 0 of Fetch is not served",
    run: (peer) => peer.raw(requestFrame(asIf(API_VERSIONS, FETCH.key), {}, 0)),
  },
  {
    name: "a response instead of a request",
    reason: "a response of API 3",
    run: (peer) => peer.raw(requestFrame(asIf(METADATA, ~METADATA.key), { topics: null })),
  },
  {
    name: "a second handshake",
    reason: "a request of API 10000, which is not served",
    run: (peer) => void peer.handshake(),
  },
  {
    name: "one that never reads its replies",
    reason: "the peer does not read its replies",
    run: (peer) => {
      peer.stopReading();
      for (let i = 0; i < 200; i++) beginFetch(peer, "large", 0, { partitionMaxBytes: 4 << 20 });
    },
  },
  {
    name: "a flood of tiny requests whose replies are never read",
    reason: "the peer does not read its replies",
    run: (peer) => {
      peer.stopReading();
      const request = requestFrame(API_VERSIONS, {});
      const flood = new Uint8Array(request.length * 20_000);
      for (let i = 0; i < 20_000; i++) flood.set(request, i * request.length);
      peer.raw(flood);
    },
  },
  {
    name: "silence after the handshake",
    reason: "idle for 30000 ms",
    run: () => {},
  },
];

for (const attack of BEFORE_HANDSHAKE) hostilePeer({ ...attack, shaken: false });
for (const attack of AFTER_HANDSHAKE) hostilePeer({ ...attack, shaken: true });

Deno.test("hostile peer: what follows a refused handshake makes nothing", () => {
  const world = BrokerWorld.serving();
  const hostile = world.connect();
  hostile.handshake({ role: PeerRole.NODE });
  hostile.handshake();
  hostile.begin(CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: [{ name: "evil", numPartitions: 1, replicationFactor: 1 }],
  });
  world.pass(1000);
  assertEquals(world.ask(world.client(), METADATA, { topics: null }).topics, []);
});

Deno.test("hostile peer: bombs and garbage in batches are kept as they are, and open nowhere", () => {
  const world = BrokerWorld.serving();
  const [hostile, victim] = [world.client(), world.client()];
  world.createTopic(victim, "orders");
  for (const kind of ["bomb", "garbage"] as const) {
    const batch = compressWith(kind, 5000);
    assertEquals(world.produce(hostile, "orders", batch).errorCode, 0);
  }
  for (let i = 0; i < 20; i++) {
    hostile.begin(LIST_OFFSETS, {
      replicaId: -1,
      topics: [{ name: "orders", partitions: [{ partitionIndex: 0, timestamp: 4000 }] }],
    });
  }
  assertEquals(world.produce(victim, "orders", batchOf(["a"])).errorCode, 0);
  assertEquals(world.linesWith("offline"), []);
  assertEquals(world.linesWith("actor failed"), []);
});

Deno.test("hostile peer: a hundred at once, each ended by itself with its own line", () => {
  const world = BrokerWorld.serving({ properties: PROPERTIES });
  const victim = world.client();
  world.createTopic(victim, "victim");
  const attacks = [...BEFORE_HANDSHAKE, ...AFTER_HANDSHAKE].filter(({ name }) =>
    !name.includes("replies")
  );
  const hostile = Array.from({ length: 100 }, (_, i) => {
    const attack = attacks[i % attacks.length]!;
    const peer = world.connect();
    if (AFTER_HANDSHAKE.includes(attack)) world.settled(peer.handshake());
    attack.run(peer, world);
    return peer;
  });
  for (let i = 0; i < 40; i++) {
    assertEquals(world.produce(victim, "victim", batchOf([`${i}`])).errorCode, 0);
    world.pass(1000);
  }
  assert(hostile.every(({ ended }) => ended.isSettled));
  assertEquals(world.linesWith("connection closed").length, hostile.length);
  assertEquals(world.linesWith("actor failed"), []);
  victim.close();
  world.pass(100);
  world.assertNothingHeld();
});
