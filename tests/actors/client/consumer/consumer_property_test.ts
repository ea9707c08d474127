import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Consumer } from "../../../../actors/client/consumer/consumer.ts";
import type { ConsumerRecord } from "../../../../actors/client/consumer/consumer_record.ts";
import { SeededRandom } from "../../../../actors/sim/random.ts";
import { drawWorld } from "../../../../actors/sim/world_options.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { RecordBatchBuilder } from "../../../../storage/record_batch_builder.ts";
import { ClientWorld } from "../client_world.ts";

const PARTITIONS = 3;

/** One step of a test: something the user does, or something that befalls the cluster. */
type Step =
  | {
    readonly kind: "store";
    readonly partition: number;
    readonly count: number;
    readonly bytes: number;
    readonly compression: "none" | "gzip" | "lz4";
  }
  | { readonly kind: "poll" | "batches"; readonly count: number }
  | { readonly kind: "seek"; readonly partition: number; readonly share: number }
  | { readonly kind: "pause" | "resume"; readonly partition: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "hang-up" }
  | { readonly kind: "move"; readonly partition: number; readonly leader: number };

const partition = fc.nat(PARTITIONS - 1);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("store" as const),
      partition,
      count: fc.integer({ min: 1, max: 20 }),
      bytes: fc.nat(300),
      compression: fc.constantFrom("none", "none", "gzip", "lz4"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("poll" as const, "batches" as const),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("seek" as const),
      partition,
      share: fc.integer({ min: 0, max: 100 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("pause" as const, "resume" as const),
      partition,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hang-up" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      partition,
      leader: fc.constantFrom(1, 2),
    }),
  },
);

/** The plain model: what comes next of each partition. */
class Run {
  readonly world: ClientWorld;
  readonly consumer: Consumer;
  readonly next = new Array<number>(PARTITIONS).fill(0);
  readonly paused = new Set<number>();

  constructor(world: ClientWorld, consumer: Consumer) {
    this.world = world;
    this.consumer = consumer;
  }

  highWatermark(partition: number): number {
    return this.world.cluster.partition("t", partition)!.highWatermark;
  }

  take(records: Iterable<ConsumerRecord>): void {
    for (const record of records) {
      const { partition, offset } = record;
      assertEquals(offset, this.next[partition], `the next of partition ${partition}`);
      assertEquals(this.paused.has(partition), false, `partition ${partition} is paused`);
      assertEquals(record.text().split(".")[0], `${partition}/${offset}`);
      this.next[partition] = offset + 1;
    }
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const position = this.consumer.position({ topic: "t", partition });
      assertEquals(position, this.next[partition], `the position of partition ${partition}`);
    }
  }

  async step(step: Step): Promise<void> {
    const { world, consumer } = this;
    switch (step.kind) {
      case "store": {
        const { partition, count, bytes, compression } = step;
        const builder = new RecordBatchBuilder(new Uint8Array(64 * 1024));
        const base = this.highWatermark(partition);
        for (let i = 0; i < count; i++) {
          builder.tryAppend(1, null, `${partition}/${base + i}.${"x".repeat(bytes)}`);
        }
        world.cluster.partition("t", partition)!.append(builder.build({ compression }));
        world.cluster.wake();
        break;
      }
      case "poll":
        for (let i = 0; i < step.count; i++) this.take(await world.settled(consumer.poll(50)));
        break;
      case "batches": {
        const batches = consumer.batches();
        for (let i = 0; i < step.count && this.#hasMore(); i++) {
          const { value } = await world.settled(batches.next());
          this.take(value!.records());
        }
        break;
      }
      case "seek": {
        const { partition, share } = step;
        const offset = Math.floor(this.highWatermark(partition) * share / 100);
        consumer.seek({ topic: "t", partition }, offset);
        this.next[partition] = offset;
        break;
      }
      case "pause":
        consumer.pause([{ topic: "t", partition: step.partition }]);
        this.paused.add(step.partition);
        break;
      case "resume":
        consumer.resume([{ topic: "t", partition: step.partition }]);
        this.paused.delete(step.partition);
        break;
      case "pass":
        await world.pass(step.ms);
        break;
      case "hang-up":
        for (const broker of world.cluster.brokers.values()) broker.hangUp();
        break;
      case "move": {
        const moved = world.cluster.partition("t", step.partition)!;
        moved.leader = step.leader;
        moved.leaderEpoch++;
      }
    }
  }

  #hasMore(): boolean {
    return this.next.some((next, partition) =>
      !this.paused.has(partition) && next < this.highWatermark(partition)
    );
  }

  async finish(): Promise<void> {
    this.consumer.resume();
    this.paused.clear();
    while (this.#hasMore()) this.take(await this.world.settled(this.consumer.poll(1000)));
  }
}

Deno.test("consumer: gives every record once and in order from its position, whatever befalls", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.record({
        maxPartitionFetchBytes: fc.constantFrom(100, 1_000, 1_000_000),
        fetchMaxBytes: fc.constantFrom(500, 50_000_000),
        fetchMaxWaitMs: fc.constantFrom(0, 10, 500),
        maxPollRecords: fc.constantFrom(1, 7, 500),
      }),
      fc.record({
        seed: fc.nat(),
        closesOf100: fc.constantFrom(0, 10),
        errorsOf100: fc.constantFrom(0, 20),
      }),
      fc.array(step, { maxLength: 40 }),
      async (seed, config, mishaps, steps) => {
        const world = new ClientWorld({
          seed,
          brokers: 2,
          world: drawWorld(new SeededRandom(seed).stream("world")),
        });
        world.cluster.createTopic("t", PARTITIONS);
        const random = new SeededRandom(mishaps.seed).stream("mishaps");
        const { environment } = world;
        const consumer = await world.settled(Consumer.connect(world.bootstrap, {
          ...config,
          topics: ["t"],
          from: "earliest",
          reconnectBackoffMs: 20,
          retryBackoffMs: 20,
          environment,
        }));
        world.cluster.intercept = (api) => {
          if (api !== FETCH || !random.chance(mishaps.closesOf100, 100)) return undefined;
          return { kind: "close", afterHandling: random.chance(1, 2) };
        };
        world.cluster.fetchError = () =>
          random.chance(mishaps.errorsOf100, 100) ? ErrorCode.KAFKA_STORAGE_ERROR : 0;
        const run = new Run(world, consumer);
        for (const step of steps) await run.step(step);
        await run.finish();
        await world.settled(consumer.close());
      },
    ),
    { numRuns: 60 },
  );
});
