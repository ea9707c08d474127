/**
 * A booted node and its clients in a calm simulated world, for tests of what the node does: time is
 * virtual, and a test goes on when its answer is there.
 */

import { assertEquals } from "@std/assert";
import type { Authorizer } from "../../../actors/broker/sessions/access.ts";
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { type BootedNode, bootNode } from "../../../actors/node.ts";
import { Simulation } from "../../../actors/sim/simulation.ts";
import type { SimulatedNode } from "../../../actors/sim/simulated_node.ts";
import { CALM_WORLD, type WorldOptions } from "../../../actors/sim/world_options.ts";
import type { Disk } from "../../../storage/disk.ts";
import type { CrashModel } from "../../../storage/disk_faults.ts";
import type { MemoryDisk } from "../../../storage/memory_disk.ts";
import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_RECORDS } from "../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { type BatchView, walkBatches } from "../../../storage/record_batch.ts";
import { type BatchOptions, RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { decodeRecords } from "../../../storage/record.ts";
import { KafkaTestClient } from "./kafka_test_client.ts";
import { type Pending, TestClient } from "./test_client.ts";

export const NODE = "node";
export const PORT = 9192;
export const KAFKA_PORT = 9092;
const CLIENT = "client";

/** How long a test waits, in virtual time. */
const PATIENCE_MS = 120_000;

export interface BrokerWorldOptions {
  readonly properties?: Readonly<Record<string, string>>;
  readonly world?: Partial<WorldOptions>;
  readonly seed?: number;
  /** Who may do what; everybody everything when absent. */
  readonly authorizer?: Authorizer;
  /** Whether it listens for Kafka's clients too. */
  readonly kafka?: boolean;
  /** False does without a watch over what the node may use, for many short steps. */
  readonly purity?: boolean;
  /** Puts something before the node's disk. */
  readonly wrapDisk?: (disk: Disk) => Disk;
}

export class BrokerWorld {
  readonly simulation: Simulation;
  /** Lines from `info` on. */
  readonly logged: string[] = [];
  /** Why the node failed by itself, once it has. */
  failure: string | undefined;
  /** What could not be closed in order at the last stop. */
  closeFailures: readonly string[] = [];
  /** What a boot threw, which ended its process. */
  bootError: unknown;
  /** Asked for each message before its actor handles it: the handler throws where this is true. */
  throwsAt: ((path: string, kind: string) => boolean) | undefined;
  readonly #node: SimulatedNode;
  readonly #properties: Record<string, string>;
  readonly #wrapDisk: (disk: Disk) => Disk;
  readonly #authorizer: Authorizer | undefined;
  readonly #kafka: boolean;
  #booted: BootedNode | undefined;
  #ready = false;

  constructor(options: BrokerWorldOptions = {}) {
    this.#properties = { ...options.properties };
    this.#wrapDisk = options.wrapDisk ?? ((disk) => disk);
    this.#authorizer = options.authorizer;
    this.#kafka = options.kafka ?? false;
    this.simulation = new Simulation({
      seed: options.seed ?? 1,
      world: { ...CALM_WORLD, ...options.world },
      purity: options.purity ?? true,
      log: (_node, line) => this.logged.push(line),
      logLevel: "info",
      exited: (_node, error) => this.bootError = error,
    });
    this.#node = this.simulation.node(NODE);
    this.simulation.node(CLIENT).start(() => ({ crash: () => {} }));
  }

  /** A world whose node serves. */
  static serving(options: BrokerWorldOptions = {}): BrokerWorld {
    const world = new BrokerWorld(options);
    world.start();
    return world;
  }

  get booted(): BootedNode {
    if (this.#booted === undefined) throw new Error("The node was not started");
    return this.#booted;
  }

  get disk(): MemoryDisk {
    return this.#node.disk.contents;
  }

  get node(): SimulatedNode {
    return this.#node;
  }

  /** Boots the node, without waiting. */
  boot(properties: Readonly<Record<string, string>> = {}): void {
    Object.assign(this.#properties, properties);
    this.#ready = false;
    this.failure = undefined;
    this.bootError = undefined;
    this.#node.start((environment) => {
      const booted = bootNode({
        nodeId: 1,
        native: { host: NODE, port: PORT },
        kafka: this.#kafka ? { host: NODE, port: KAFKA_PORT } : undefined,
        config: parseBrokerConfig(this.#properties),
        environment: { ...environment, disk: this.#wrapDisk(environment.disk) },
        authorizer: this.#authorizer,
        probe: (actor, message) => {
          const { kind = "" } = message as { readonly kind?: string };
          if (this.throwsAt?.(actor.address.path, kind) === true) throw new Error("Thrown by test");
          this.#node.probe(actor, message);
        },
        ready: () => this.#ready = true,
        failed: (reason) => this.failure = reason,
      });
      this.#booted = booted;
      return {
        crash: () => booted.crash(),
        shutdown: (done) =>
          booted.close((failures) => {
            this.closeFailures = failures;
            done();
          }),
      };
    });
  }

  /** Boots the node and waits until it serves. */
  start(properties: Readonly<Record<string, string>> = {}): void {
    this.boot(properties);
    this.until(() => this.#ready, "the node serves");
  }

  /** Ends the node in order. */
  stop(): void {
    let stopped = false;
    this.#node.stop(() => stopped = true);
    this.until(() => stopped, "the node has stopped");
  }

  /** kill -9, or a power cut. */
  crash(powerLoss: boolean | CrashModel = false): void {
    this.#node.crash({ powerLoss });
  }

  /** Lets time go on until something is so. */
  until(condition: () => boolean, what: string): void {
    const { reason } = this.simulation.run({ forMs: PATIENCE_MS, until: condition });
    if (reason !== "condition") {
      throw new Error(`Waited in vain: ${what}; logged:\n${this.logged.join("\n")}`);
    }
  }

  /** Lets so much time pass. */
  pass(forMs: number): void {
    this.simulation.run({ forMs });
  }

  /** A client that has connected, and not said who it is. */
  connect(client: TestClient = new TestClient(), host = CLIENT): TestClient {
    let connected = false;
    if (host !== CLIENT && this.simulation.node(host).state === "down") {
      this.simulation.node(host).start(() => ({ crash: () => {} }));
    }
    const { network } = this.simulation.node(host).environment!;
    client.connect(network, { host: NODE, port: PORT }, () => connected = true);
    this.until(() => connected || client.ended.isSettled, "the client connects");
    return client;
  }

  /** A client that speaks Kafka's protocol, and so may ask at once. */
  kafkaClient(client: KafkaTestClient = new KafkaTestClient()): KafkaTestClient {
    let connected = false;
    const { network } = this.simulation.node(CLIENT).environment!;
    client.connect(network, { host: NODE, port: KAFKA_PORT }, () => connected = true);
    this.until(() => connected || client.ended.isSettled, "the client connects");
    return client;
  }

  /** A client that may ask. */
  client(host = CLIENT): TestClient {
    const client = this.connect(new TestClient(), host);
    const { errorCode } = this.settled(client.handshake());
    assertEquals(errorCode, 0);
    return client;
  }

  /** The response, when it has come. */
  settled<Response>(pending: Pending<Response>): Response {
    this.until(() => pending.isSettled, "an answer comes");
    if (pending.response === undefined) throw new Error("The connection ended without an answer");
    return pending.response;
  }

  /** Asks and waits for the answer. */
  ask<Request, Response>(
    client: TestClient,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version?: number,
  ): Response {
    return this.settled(client.begin(api, draft, version));
  }

  /** Lines that hold the text. */
  linesWith(text: string): string[] {
    return this.logged.filter((line) => line.includes(text));
  }

  createTopic(
    client: TestClient,
    name: string,
    numPartitions = 1,
    configs: Readonly<Record<string, string>> = {},
  ): string {
    const { topics } = this.ask(client, CREATE_TOPICS, {
      timeoutMs: 10_000,
      topics: [{
        name,
        numPartitions,
        replicationFactor: 1,
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      }],
    });
    assertEquals(topics[0]?.errorMessage, null);
    return topics[0]!.topicId;
  }

  deleteTopic(client: TestClient, name: string): void {
    const { responses } = this.ask(client, DELETE_TOPICS, {
      topics: [{ name }],
      timeoutMs: 10_000,
    });
    assertEquals(responses[0]?.errorCode, 0);
  }

  /** Returns error and low watermark. */
  deleteRecords(client: TestClient, name: string, offset: number): [number, number] {
    const { topics } = this.ask(client, DELETE_RECORDS, {
      timeoutMs: 1000,
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
    });
    const { errorCode, lowWatermark } = topics[0]!.partitions[0]!;
    return [errorCode, lowWatermark];
  }

  /** Sends one batch to one partition and gives its part of the answer. */
  produce(client: TestClient, topic: string, records: Uint8Array, options: ProduceOptions = {}) {
    const response = this.settled(beginProduce(client, topic, records, options));
    return response.responses[0]!.partitionResponses[0]!;
  }

  /** Fetches from one partition of a topic by its name and gives its part of the answer. */
  fetch(client: TestClient, topic: string, fetchOffset = 0, options: FetchOptions = {}) {
    const response = this.settled(beginFetch(client, topic, fetchOffset, options));
    return response.responses[0]!.partitions[0]!;
  }

  listOffset(client: TestClient, name: string, timestamp: number, partitionIndex = 0) {
    const { topics } = this.ask(client, LIST_OFFSETS, {
      replicaId: -1,
      topics: [{ name, partitions: [{ partitionIndex, timestamp }] }],
    });
    return topics[0]!.partitions[0]!;
  }

  /** The values of a partition, from the log start. */
  values(client: TestClient, topic: string, partition = 0): string[] {
    const { offset } = this.listOffset(client, topic, -2, partition);
    const end = this.listOffset(client, topic, -1, partition).offset;
    const values: string[] = [];
    for (let next = offset; next < end;) {
      const { records, errorCode } = this.fetch(client, topic, next, { partition });
      assertEquals(errorCode, 0);
      for (const batch of walkBatches(records!)) {
        values.push(...valuesOf(batch));
        next = batch.nextOffset;
      }
    }
    return values;
  }

  leaderEpoch(client: TestClient, topic: string): number {
    const { topics } = this.ask(client, METADATA, { topics: [{ name: topic }] });
    return topics[0]!.partitions[0]!.leaderEpoch;
  }

  /** Nothing is held for sessions any more. */
  assertNothingHeld(): void {
    assertEquals(this.booted.usage, {
      lentBytes: 0,
      requestBytes: 0,
      fetchedBytes: 0,
      receivedBytes: 0,
      waitingPlaces: 0,
    });
  }
}

export interface ProduceOptions {
  readonly acks?: number;
  readonly partition?: number;
  readonly timeoutMs?: number;
  readonly version?: number;
}

export function beginProduce(
  client: TestClient,
  topic: string,
  records: Uint8Array | null,
  { acks = -1, partition = 0, timeoutMs = 30_000, version }: ProduceOptions = {},
) {
  return client.begin(PRODUCE, {
    acks,
    timeoutMs,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  }, version);
}

export interface FetchOptions {
  readonly partition?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly maxWaitMs?: number;
  readonly partitionMaxBytes?: number;
  readonly currentLeaderEpoch?: number;
}

/** By name: version 12 is the last that does. */
export function beginFetch(
  client: TestClient,
  topic: string,
  fetchOffset: number,
  options: FetchOptions = {},
) {
  const { partition = 0, partitionMaxBytes = 1 << 20, currentLeaderEpoch = -1 } = options;
  return client.begin(FETCH, {
    minBytes: options.minBytes ?? 1,
    maxBytes: options.maxBytes ?? 50 << 20,
    maxWaitMs: options.maxWaitMs ?? 0,
    topics: [{
      topic,
      partitions: [{ partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch }],
    }],
  }, 12);
}

/** A batch as a producer makes it; the timestamp is that of all its records. */
export function batchOf(
  values: readonly (string | Uint8Array)[],
  options: BatchOptions & { readonly timestamp?: number } = {},
): Uint8Array {
  const bytes = values.reduce((sum, { length }) => sum + 3 * length + 64, 256);
  const builder = new RecordBatchBuilder(new Uint8Array(bytes));
  for (const value of values) builder.tryAppend(options.timestamp ?? 1_000_000, null, value);
  return builder.build(options).slice();
}

export function valuesOf(batch: BatchView): string[] {
  const text = new TextDecoder();
  return decodeRecords(batch).map(({ value }) => text.decode(value ?? new Uint8Array(0)));
}

/** The values of fetched batches. */
export function valuesIn(records: Uint8Array | null): string[] {
  return records === null ? [] : [...walkBatches(records)].flatMap(valuesOf);
}
