/**
 * Peers that do on Kafka's port what they should not. Whatever it is: the node stays up, another
 * client notices nothing, one line says why the connection was ended, and nothing is held for it.
 */

import { assertEquals } from "@std/assert";
import { API_VERSIONS } from "../../../net/messages/api_versions.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { VOTE } from "../../../net/messages/vote.ts";
import type { Api } from "../../../net/schema.ts";
import { uint32, withstand } from "./attacked_node.ts";
import { BrokerWorld } from "./broker_world.ts";
import { kafkaFrame, KafkaTestClient } from "./kafka_test_client.ts";

const PROPERTIES = {
  "socket.write.timeout.ms": "5000",
  "connections.max.idle.ms": "30000",
  "queued.max.fetch.bytes": "4000000",
};

interface Attack {
  readonly name: string;
  /** Part of the line that is logged. */
  readonly reason: string;
  readonly reads?: boolean;
  run(hostile: KafkaTestClient): void;
}

function hostilePeer({ name, reason, reads = true, run }: Attack): void {
  Deno.test(`hostile kafka peer: ${name}`, () => {
    const attack = (world: BrokerWorld) => {
      const client = new KafkaTestClient();
      run(world.kafkaClient(reads ? client : client.neverReads()));
      return () => world.linesWith("connection closed").length > 0;
    };
    withstand(BrokerWorld.serving({ properties: PROPERTIES, kafka: true }), attack, reason);
  });
}

/** A request of an API, its body given as it is; the client id is null. */
function frameOf(apiKey: number, version: number, ...body: number[]): Uint8Array {
  const header = [apiKey >> 8, apiKey & 0xff, version >> 8, version & 0xff, 0, 0, 0, 1];
  const whole = [...header, 0xff, 0xff, ...body];
  return new Uint8Array([...uint32(whole.length), ...whole]);
}

const noise = new Uint8Array(2000).map((_, index) => 255 - ((index * 7919) >> 3));
/** A request of one API with the fields of another. */
const asIf = <T>(api: Api<T, unknown>, key: number): Api<T, unknown> => ({ ...api, key });

function manyTimes(frame: Uint8Array, count: number): Uint8Array {
  const flood = new Uint8Array(frame.length * count);
  for (let i = 0; i < count; i++) flood.set(frame, i * frame.length);
  return flood;
}

const fetchLarge = kafkaFrame(FETCH, {
  maxBytes: 50 << 20,
  minBytes: 1,
  topics: [{ topic: "large", partitions: [{ partition: 0, partitionMaxBytes: 4 << 20 }] }],
}, 11);

const ATTACKS: readonly Attack[] = [
  { name: "noise", reason: "a frame of", run: (peer) => peer.raw(noise) },
  {
    name: "a frame that claims 2 GB",
    reason: "a frame of 2147483647 bytes, over 104857600",
    run: (peer) => peer.raw(uint32(0x7fffffff, 1, 2, 3)),
  },
  {
    name: "a frame that claims less than nothing",
    reason: "a frame of 4294967295 bytes",
    run: (peer) => peer.raw(uint32(0xffffffff)),
  },
  { name: "an empty frame", reason: "a frame of 0 bytes", run: (peer) => peer.raw(uint32(0)) },
  {
    name: "text of another protocol",
    reason: "a frame of 1195725856 bytes",
    run: (peer) => peer.raw(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: node\r\n\r\n")),
  },
  {
    name: "TLS where there is none",
    reason: "a frame of 369295617 bytes",
    run: (peer) => peer.raw(new Uint8Array([0x16, 0x03, 0x01, 0x01, 0x32, 0x01, 0x00])),
  },
  { name: "silence", reason: "idle for 30000 ms", run: () => {} },
  {
    name: "half a frame, then silence",
    reason: "idle for 30000 ms",
    run: (peer) => peer.raw(kafkaFrame(METADATA, { topics: null }, 9).slice(0, 11)),
  },
  {
    name: "a large frame that never ends",
    reason: "idle for 30000 ms",
    run: (peer) => peer.raw(uint32(50_000_000, 0, 0, 0, 9, 0, 0, 0, 1)),
  },
  {
    name: "a frame that ends with the connection",
    reason: "the peer closed within a frame",
    run: (peer) => {
      peer.raw(kafkaFrame(METADATA, { topics: null }, 9).slice(0, -1));
      peer.close();
    },
  },
  {
    name: "fields of another message",
    reason: "Cannot decode Produce",
    run: (peer) => peer.raw(kafkaFrame(asIf(METADATA, PRODUCE.key), { topics: null }, 9)),
  },
  {
    name: "bytes behind the message",
    reason: "bytes follow the message",
    run: (peer) => peer.raw(frameOf(METADATA.key, 1, 0, 0, 0, 0, 7)),
  },
  {
    name: "two billion topics in a few bytes",
    reason: "2147483647 elements are due",
    run: (peer) => peer.raw(frameOf(METADATA.key, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0)),
  },
  {
    name: "fewer topics than none",
    reason: "the length is -2147483648",
    run: (peer) => peer.raw(frameOf(METADATA.key, 1, 0x80, 0, 0, 0)),
  },
  {
    name: "a hundred thousand topics",
    reason: "more elements than are allowed",
    run: (peer) => peer.raw(kafkaFrame(METADATA, { topics: Array(100_000).fill({ name: "" }) }, 4)),
  },
  {
    name: "a billion tagged fields",
    reason: "tagged fields are due",
    run: (peer) => peer.raw(frameOf(API_VERSIONS.key, 3, 0xff, 0xff, 0xff, 0xff, 0x03)),
  },
  {
    name: "a varint without an end",
    reason: "Cannot decode",
    run: (peer) => peer.raw(frameOf(METADATA.key, 9, 0, ...Array(20).fill(0xff))),
  },
  {
    name: "an API that is not there",
    reason: "of API 999, which is not served",
    run: (peer) => peer.raw(frameOf(999, 0)),
  },
  {
    name: "an API that is for nodes",
    reason: `of API ${VOTE.key}, which is not served`,
    run: (peer) => peer.raw(kafkaFrame(VOTE, {}, 0)),
  },
  {
    name: "a version that is not served",
    reason: "version 2 of Produce, which is not served",
    run: (peer) => peer.raw(frameOf(PRODUCE.key, 2, 0, 0)),
  },
  {
    name: "one that asks for much and never reads its replies",
    reason: "the peer does not read its replies",
    reads: false,
    run: (peer) => peer.raw(manyTimes(fetchLarge, 200)),
  },
  {
    name: "a flood of tiny requests whose replies are never read",
    reason: "the peer does not read its replies",
    reads: false,
    run: (peer) => peer.raw(manyTimes(kafkaFrame(API_VERSIONS, {}, 2), 20_000)),
  },
];

for (const attack of ATTACKS) hostilePeer(attack);

Deno.test("hostile kafka peer: nobody says that he is a follower", () => {
  const world = BrokerWorld.serving({ kafka: true });
  const client = world.kafkaClient();
  world.createTopic(world.client(), "t");
  const request = { replicaId: 2, minBytes: 1, maxBytes: 1000, topics: [] };
  assertEquals(world.settled(client.begin(FETCH, request, 11)).errorCode, 31);
});

Deno.test("hostile kafka peer: past max.connections nobody is let in, and somebody is again", () => {
  const properties = { "max.connections": "2" };
  const world = BrokerWorld.serving({ properties, kafka: true });
  const [first] = [world.kafkaClient(), world.kafkaClient()];
  const third = world.kafkaClient();
  world.until(() => third.ended.isSettled, "it is turned away");
  first!.close();
  world.pass(100);
  const fourth = world.kafkaClient();
  assertEquals(world.settled(fourth.begin(METADATA, { topics: [] }, 1)).topics, []);
});
