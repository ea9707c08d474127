/**
 * Kafka's port against what real clients send, damaged: no actor fails, another client is served,
 * and nothing is held for who has gone.
 *
 * The frames of one world come from one seed, which is named where something fails; then
 * `KAFKA_FRAMES_SEED=… KAFKA_FRAMES=2000` shows it again. `KAFKA_FRAMES=1000000` is a long look,
 * which prints figures; with `--v8-flags=--expose-gc` the heap is looked at too.
 */

import { assert, assertEquals } from "@std/assert";
import type { Authorizer } from "../../actors/broker/sessions/access.ts";
import { SeededStream } from "../../actors/runtime/random_stream.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { MalformedMessageError } from "../../net/kafka/codec.ts";
import { decodeRequest, encodeRequest } from "../../net/kafka/framing.ts";
import { batchOf, BrokerWorld } from "../actors/broker/broker_world.ts";
import type { KafkaTestClient } from "../actors/broker/kafka_test_client.ts";
import type { TestClient } from "../actors/broker/test_client.ts";
import { type ClientFrame, clientFrames } from "../net/kafka/client_frames.ts";
import { ZERO_UUID } from "../../storage/bytes/ids.ts";
import { crc32c } from "../../storage/bytes/crc32c.ts";
import { writeInt32 } from "../../storage/bytes/big_endian.ts";
import { frameOf, written } from "../net/wire.ts";
import { mutated } from "./frame_mutations.ts";

const FRAMES = Number(Deno.env.get("KAFKA_FRAMES") ?? 6000);
const FIRST_SEED = Number(Deno.env.get("KAFKA_FRAMES_SEED") ?? 1);
const FRAMES_PER_WORLD = 2000;
const FRAMES_PER_CONNECTION = 20;
/** How long an answer may be waited for: some requests wait, some frames are none. */
const WAIT_MS = 20;
/** Then the connection waits for the rest of a frame, or for something long. */
const SILENT_FRAMES = 3;
const FRAMES_PER_LOOK = 500;
/** Until then code is compiled, and pools are filled. */
const WARM_WORLDS = 3;
/** What worlds that were collected may leave behind, of whatever kind. */
const HEAP_SLACK_BYTES = 32 << 20;

const RECORDED = clientFrames("request");

/** Nobody puts limits on others, which would be no fault of the node. */
const AUTHORIZER: Authorizer = {
  allows: (_principal, { operation, resourceType }) =>
    !(resourceType === "cluster" && operation === "alter-configs"),
};

const PROPERTIES = {
  "queued.max.fetch.bytes": "4000000",
  "offsets.topic.num.partitions": "2",
  "transaction.state.log.num.partitions": "2",
  "group.initial.rebalance.delay.ms": "0",
};

const figures = {
  frames: 0,
  connections: 0,
  answers: 0,
  endedByNode: 0,
  slowestMs: 0,
  slowest: "",
};

/** A node, who attacks it, and who must not notice. */
class AttackedNode {
  readonly #world = BrokerWorld.serving({
    properties: PROPERTIES,
    kafka: true,
    purity: false,
    authorizer: AUTHORIZER,
  });
  readonly #victim: TestClient;
  readonly #random: SeededStream;
  readonly #frames: readonly Uint8Array[];
  readonly #target: Target;
  readonly #lentBytes: number;
  #hostile: KafkaTestClient | undefined;
  #framesOfHostile = 0;
  /** Frames in a row that came to nothing yet. */
  #silent = 0;
  #sent = 0;

  constructor(seed: number) {
    const world = this.#world;
    this.#random = new SeededStream(seed, 7, 9);
    this.#victim = world.client();
    world.createTopic(this.#victim, "victim");
    const topicId = world.createTopic(this.#victim, "target", 2);
    world.produce(this.#victim, "target", batchOf(["a", "b"], { compression: "gzip" }));
    world.pass(10);
    this.#target = { topic: "target", topicId };
    this.#frames = [
      ...RECORDED.map(({ bytes }) => bytes),
      ...RECORDED.map((frame) => aimed(frame, this.#target, this.#random)),
    ];
    this.#lentBytes = world.booted.usage.lentBytes;
  }

  /** Sends a frame behind those of the same connection, and lets the node work on it. */
  attack(): void {
    const hostile = this.#hostile ??= this.#connect();
    const bytes = this.#draw();
    const begun = performance.now();
    const answers = hostile.unexpected.length;
    hostile.raw(bytes);
    this.#world.simulation.run({
      forMs: WAIT_MS,
      until: () => hostile.unexpected.length > answers || hostile.ended.isSettled,
    });
    const tookMs = performance.now() - begun;
    figures.frames++;
    if (tookMs > figures.slowestMs) {
      figures.slowestMs = tookMs;
      figures.slowest = bytes.subarray(0, 300).toHex();
    }
    this.#silent = hostile.unexpected.length > answers ? 0 : this.#silent + 1;
    const isOver = this.#silent === SILENT_FRAMES ||
      ++this.#framesOfHostile === FRAMES_PER_CONNECTION;
    if (hostile.ended.isSettled) figures.endedByNode++;
    if (hostile.ended.isSettled || isOver) this.#leave();
  }

  #draw(): Uint8Array {
    const random = this.#random;
    if (random.chance(1, 3)) {
      return absurd(RECORDED[random.integer(RECORDED.length)]!, this.#target, random);
    }
    const frame = this.#frames[random.integer(this.#frames.length)]!;
    return mutated(frame, random, this.#frames);
  }

  /** Nobody but the attacker has noticed, and nothing is held for it. */
  look(): void {
    this.#leave();
    const world = this.#world;
    const { errorCode, baseOffset } = world.produce(this.#victim, "victim", batchOf(["v"]));
    assertEquals([errorCode, baseOffset], [0, this.#sent++]);
    world.pass(5);
    assertEquals(world.linesWith("actor failed"), []);
    world.logged.length = 0;
    assertEquals(world.failure, undefined);
    assertEquals(world.booted.usage, {
      lentBytes: this.#lentBytes,
      requestBytes: 0,
      fetchedBytes: 0,
      receivedBytes: 0,
      waitingPlaces: 0,
    });
  }

  /** Lets everything that was begun come to its end in time, and ends in order. */
  end(): void {
    this.#world.pass(120_000);
    this.look();
    const { topics } = this.#world.ask(this.#victim, METADATA, { topics: null });
    assert(topics.length < FRAMES_PER_WORLD, `${topics.length} topics were made`);
    this.#victim.close(true);
    this.#world.stop();
    assertEquals(this.#world.closeFailures, []);
  }

  #connect(): KafkaTestClient {
    figures.connections++;
    return this.#world.kafkaClient();
  }

  #leave(): void {
    if (this.#hostile === undefined) return;
    figures.answers += this.#hostile.unexpected.length;
    this.#hostile.close(true);
    this.#hostile = undefined;
    this.#framesOfHostile = 0;
    this.#silent = 0;
  }
}

/** What names topics, by name or by id, but for those that are to be made or deleted. */
const ABOUT_TOPICS = new Set(["name", "topic", "topicName"]);
const OF_THEIR_OWN = new Set(["CreateTopics", "DeleteTopics"]);

interface Target {
  readonly topic: string;
  readonly topicId: string;
}

/** The request about a topic that is there, with records that are damaged under a CRC that fits. */
function aimed(frame: ClientFrame, { topic, topicId }: Target, random: SeededStream): Uint8Array {
  if (OF_THEIR_OWN.has(frame.api.name)) return frame.bytes;
  return withValues(frame, (name, value) => {
    if (value instanceof Uint8Array) {
      return name === "records" ? damagedBatch(value, random) : value;
    }
    if (name === "topicId" && value !== ZERO_UUID) return topicId;
    return ABOUT_TOPICS.has(name) && typeof value === "string" && value !== "" ? topic : value;
  });
}

const NUMBERS = [-1, 0, 1, 2, 127, 128, 32_767, 0x7fffffff, -0x80000000, 2 ** 40, -128];
const TEXTS = ["", "target", "../..", "a".repeat(250), "a".repeat(32_767), "__consumer_offsets"];

/** A request that is written as it should be, and says what nobody would mean. */
function absurd(frame: ClientFrame, target: Target, random: SeededStream): Uint8Array {
  const bytes = aimed(frame, target, random);
  const pick = <T>(values: readonly T[]): T => values[random.integer(values.length)]!;
  return withValues({ ...frame, bytes }, (_name, value) => {
    if (!random.chance(1, 8)) return value;
    if (typeof value === "number") return pick(NUMBERS);
    if (typeof value === "string") return pick(TEXTS);
    if (typeof value === "boolean") return !value;
    if (Array.isArray(value)) return pick([[], [...value, ...value], value.slice(1)]);
    return value;
  });
}

/** The request with other values, or as it is where its table does not allow them. */
function withValues(
  { api, version, bytes }: ClientFrame,
  change: (name: string, value: unknown) => unknown,
): Uint8Array {
  const changed = (name: string, before: unknown): unknown => {
    const value = change(name, before);
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map((element) => changed(name, element));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, changed(key, of)]));
  };
  const { correlationId, clientId, request } = decodeRequest(frameOf(bytes), api);
  const header = { correlationId, clientId };
  const message = changed("", request);
  try {
    return written((writer) => void encodeRequest(writer, api, version, header, message));
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    return bytes;
  }
}

const ATTRIBUTES_AT = 21;
const CRC_AT = 17;

function damagedBatch(batch: Uint8Array, random: SeededStream): Uint8Array {
  const copy = batch.slice();
  if (copy.length <= ATTRIBUTES_AT || random.chance(1, 4)) return copy;
  const at = ATTRIBUTES_AT + random.integer(copy.length - ATTRIBUTES_AT);
  copy[at]! ^= 1 << random.integer(8);
  writeInt32(copy, CRC_AT, crc32c(copy.subarray(ATTRIBUTES_AT)) | 0);
  return copy;
}

/**
 * Bytes of the heap that are used once everything is collected; undefined where nobody can tell.
 */
function heapBytes(): number | undefined {
  const { gc } = globalThis as { readonly gc?: () => void };
  if (gc === undefined) return undefined;
  gc();
  return Deno.memoryUsage().heapUsed;
}

function attackOne(seed: number): void {
  try {
    const node = new AttackedNode(seed);
    for (let sent = 0; sent < FRAMES_PER_WORLD; sent++) {
      if (sent % FRAMES_PER_LOOK === 0) node.look();
      node.attack();
    }
    node.end();
  } catch (error) {
    throw new Error(`KAFKA_FRAMES_SEED=${seed}`, { cause: error });
  }
}

Deno.test("kafka port: damaged frames of real clients harm nobody else", () => {
  let before: number | undefined;
  for (let seed = FIRST_SEED; figures.frames < FRAMES; seed++) {
    attackOne(seed);
    const after = heapBytes();
    if (seed === FIRST_SEED + WARM_WORLDS) before = after;
    if (before !== undefined && after !== undefined) {
      assert(after < before + HEAP_SLACK_BYTES, `The heap has ${after} bytes at ${seed}`);
    }
    if (FRAMES > 10_000 && seed % 10 === 0) {
      const { slowest, ...rest } = figures;
      console.log(JSON.stringify({ seed, after, ...rest, slowest: slowest.slice(0, 160) }));
    }
  }
  assert(figures.answers > figures.frames / 5, JSON.stringify(figures));
  assert(figures.endedByNode > figures.frames / 10, JSON.stringify(figures));
});
