/** Runs of a producer among mishaps, drawn by fast-check, and what all of them must show. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ProducerConfig } from "../../../../actors/client/configs.ts";
import { Producer } from "../../../../actors/client/producer/producer.ts";
import type { RecordMetadata } from "../../../../actors/client/records.ts";
import { drawWorld } from "../../../../actors/sim/world_options.ts";
import { SeededRandom } from "../../../../actors/sim/random.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { ClientWorld } from "../client_world.ts";

export const decoder = new TextDecoder();
const PARTITIONS = 3;
export const BUFFER_MEMORY = 6_000;

/** One step of a test: something the user does, or something that befalls the cluster. */
export type Step =
  | {
    readonly kind: "send";
    readonly count: number;
    readonly key: string | null;
    readonly bytes: number;
  }
  | { readonly kind: "batch"; readonly count: number; readonly bytes: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "hang-up" }
  | {
    readonly kind: "move";
    readonly partition: number;
    readonly leader: number;
    /** Batches that the new leader has of those that nobody was told are stored. */
    readonly kept: number;
  }
  | { readonly kind: "flush" };

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 12 }),
      key: fc.constantFrom(null, "a", "b", "c", "d"),
      bytes: fc.integer({ min: 0, max: 700 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      count: fc.integer({ min: 0, max: 30 }),
      bytes: fc.integer({ min: 0, max: 200 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.oneof(fc.nat(400), fc.nat(3_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hang-up" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      partition: fc.nat(PARTITIONS - 1),
      leader: fc.constantFrom(1, 2, -1),
      kept: fc.constantFrom(Infinity, 0, 1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
);

/** What answers go wrong, drawn for each request from a seed. */
export interface Mishaps {
  readonly seed: number;
  readonly closesOf100: number;
  readonly silencesOf100: number;
  readonly errorsOf100: number;
  readonly tooLargeBytes: number;
  /** Errors that are answered although the batch was appended. */
  readonly errorsAfterAppendOf100: number;
  /** Requests whose connection is lost, and which are handled some time later. */
  readonly latesOf100: number;
}

export const mishaps: fc.Arbitrary<Mishaps> = fc.record({
  seed: fc.nat(),
  closesOf100: fc.constantFrom(0, 5, 20),
  silencesOf100: fc.constantFrom(0, 0, 3, 15),
  errorsOf100: fc.constantFrom(0, 10, 40),
  tooLargeBytes: fc.constantFrom(Infinity, Infinity, 500),
  errorsAfterAppendOf100: fc.constantFrom(0, 0, 10),
  latesOf100: fc.constantFrom(0, 0, 10, 30),
});

const RETRIABLE = [
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
];

const AFTER_APPEND = [
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
];

function befall(world: ClientWorld, mishaps: Mishaps): () => void {
  const random = new SeededRandom(mishaps.seed).stream("mishaps");
  const { cluster } = world;
  cluster.intercept = (api) => {
    if (api !== PRODUCE) return undefined;
    if (random.chance(mishaps.closesOf100, 100)) {
      return { kind: "close", afterHandling: random.chance(1, 2) };
    }
    if (random.chance(mishaps.latesOf100, 100)) {
      return { kind: "late", afterMs: random.integer(6_000) };
    }
    return random.chance(mishaps.silencesOf100, 100) ? { kind: "silence" } : undefined;
  };
  cluster.produceErrorAfter = () =>
    random.chance(mishaps.errorsAfterAppendOf100, 100)
      ? AFTER_APPEND[random.integer(AFTER_APPEND.length)]!
      : 0;
  cluster.produceError = (_topic, _partition, batch) => {
    if (batch.length > mishaps.tooLargeBytes) return ErrorCode.MESSAGE_TOO_LARGE;
    if (!random.chance(mishaps.errorsOf100, 100)) return 0;
    return RETRIABLE[random.integer(RETRIABLE.length)]!;
  };
  return () => {
    cluster.intercept = () => undefined;
    cluster.produceError = () => 0;
    cluster.produceErrorAfter = () => 0;
    cluster.topics.get("t")!.partitions.forEach((partition) => {
      if (partition.leader < 0) partition.leader = 1;
    });
  };
}

export interface Sent {
  readonly value: string;
  settlements: number;
  metadata: RecordMetadata | undefined;
}

export class Run {
  readonly world: ClientWorld;
  readonly sent: Sent[] = [];
  readonly #groups: Promise<unknown>[] = [];
  #next = 0;

  constructor(world: ClientWorld) {
    this.world = world;
  }

  /** A value that says when it was sent. */
  #value(bytes: number): string {
    return `${String(this.#next++).padStart(6, "0")}${".".repeat(bytes)}`;
  }

  async step(producer: Producer, step: Step): Promise<void> {
    switch (step.kind) {
      case "send":
        for (let i = 0; i < step.count; i++) {
          this.#send(producer, step.key, this.#value(step.bytes));
        }
        break;
      case "batch": {
        const values = Array.from(
          { length: step.count },
          () => ({ value: this.#value(step.bytes) }),
        );
        const own = values.map(({ value }): Sent => ({
          value,
          settlements: 0,
          metadata: undefined,
        }));
        this.sent.push(...own);
        const settle = (metadataOf: (index: number) => RecordMetadata | undefined) =>
          own.forEach((sent, index) => {
            sent.settlements++;
            sent.metadata = metadataOf(index);
          });
        this.#groups.push(
          producer.sendBatch("t", values).then(
            (records) => settle((index) => records.at(index)),
            () => settle(() => undefined),
          ),
        );
        break;
      }
      case "pass":
        await this.world.pass(step.ms);
        break;
      case "hang-up":
        for (const broker of this.world.cluster.brokers.values()) broker.hangUp();
        break;
      case "move": {
        this.world.cluster.partition("t", step.partition)!.move(step.leader, step.kept);
        break;
      }
      case "flush":
        producer.flush();
    }
  }

  #send(producer: Producer, key: string | null, value: string): void {
    const sent: Sent = { value, settlements: 0, metadata: undefined };
    this.sent.push(sent);
    const record = { topic: "t", key, value };
    if (value.length % 2 === 0) {
      producer.send(record, (metadata) => {
        sent.settlements++;
        sent.metadata = metadata;
      });
    } else {
      producer.send(record).then(
        (metadata) => {
          sent.settlements++;
          sent.metadata = metadata;
        },
        () => sent.settlements++,
      );
    }
  }
}

export async function run(
  seed: number,
  config: ProducerConfig,
  misfortune: Mishaps,
  steps: readonly Step[],
): Promise<Run> {
  const world = new ClientWorld({
    seed,
    brokers: 2,
    world: drawWorld(new SeededRandom(seed).stream("world")),
  });
  world.cluster.createTopic("t", PARTITIONS);
  const result = new Run(world);
  const { environment } = world;
  const producer = await world.settled(
    Producer.connect(world.bootstrap, { ...config, environment }),
  );
  const end = befall(world, misfortune);
  for (const step of steps) await result.step(producer, step);
  end();
  await world.settled(producer.flush());
  // Requests of batches that were given up end, too, and those that lay somewhere come.
  await world.pass(6_000);
  await world.settle();
  const free = environment.metrics.gauge("buffer-available-bytes", { "client-id": "strom" });
  const isUsed = result.sent.length > 0;
  if (isUsed) assertEquals(free.value, BUFFER_MEMORY, "memory is given back");
  await world.settled(producer.close());
  return result;
}

/** Every send settled once; what was acknowledged is where its metadata say. */
export function check({ world, sent }: Run): void {
  const stored = world.cluster.topics.get("t")!.partitions.map(({ records }) => records);
  for (const { value, settlements, metadata } of sent) {
    assertEquals(settlements, 1, value.slice(0, 6));
    if (metadata === undefined) continue;
    const record = stored[metadata.partition]![metadata.offset];
    assertEquals(decoder.decode(record!.value!), value);
  }
}
