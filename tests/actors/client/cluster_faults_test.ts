/**
 * The real producer and consumer against a real cluster whose nodes are killed, stopped and cut
 * off: what was acknowledged is there once and in order, and a consumer that reads along sees just
 * that.
 */

import { assert, assertEquals } from "@std/assert";
import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import type { ConsumerRecord } from "../../../actors/client/consumer/consumer_record.ts";
import type { Producer } from "../../../actors/client/producer/producer.ts";
import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { SeededRandom } from "../../../actors/sim/random.ts";
import { ClusterWorld } from "../cluster_world.ts";

const PARTITIONS = 2;
const ROUNDS = 12;

interface Sent {
  readonly number: number;
  readonly partition: number;
  offset: number | undefined;
  error: string | undefined;
}

class Run {
  readonly world: ClusterWorld;
  readonly random: RandomStream;
  readonly sent: Sent[] = [];
  readonly seen: ConsumerRecord[] = [];
  #cut: number | undefined;
  #down: number | undefined;

  constructor(seed: number) {
    this.world = ClusterWorld.serving({ seed });
    this.random = new SeededRandom(seed).stream("faults");
  }

  send(producer: Producer): void {
    const number = this.sent.length;
    const partition = this.random.integer(PARTITIONS);
    const sent: Sent = { number, partition, offset: undefined, error: undefined };
    this.sent.push(sent);
    producer.send({ topic: "t", partition, value: String(number) }).then(
      ({ offset }) => sent.offset = offset,
      (error) => sent.error = String(error),
    );
  }

  /** One node at a time is down or cut off, so that two of three go on. */
  fault(): void {
    const { world, random } = this;
    if (this.#cut !== undefined) {
      world.heal();
      this.#cut = undefined;
    } else if (this.#down !== undefined) {
      world.start(this.#down);
      this.#down = undefined;
    } else {
      const id = 1 + random.integer(3);
      if (random.chance(1, 2)) {
        world.isolate(id);
        this.#cut = id;
      } else {
        world.crash(id);
        this.#down = id;
      }
    }
  }

  /** All nodes serve again. */
  end(): void {
    while (this.#cut !== undefined || this.#down !== undefined) this.fault();
  }

  async read(consumer: Consumer): Promise<void> {
    for await (const record of consumer) this.seen.push(record);
  }
}

async function run(seed: number): Promise<Run> {
  const run = new Run(seed);
  const { world, random } = run;
  const admin = await world.admin();
  await world.settled(admin.createTopics([{
    name: "t",
    partitions: PARTITIONS,
    replicationFactor: 3,
    configs: { "min.insync.replicas": "2" },
  }]));
  await world.settled(admin.close());
  const producer = await world.producer({ batchSize: 100, requestTimeoutMs: 5_000 });
  const { environment } = world;
  const consumer = await world.settled(Consumer.connect(world.bootstrap, {
    environment,
    topics: ["t"],
    from: "earliest",
    requestTimeoutMs: 5_000,
  }));
  const reading = run.read(consumer);
  for (let round = 0; round < ROUNDS; round++) {
    for (let burst = 0; burst < 10; burst++) {
      for (let i = random.integer(8); i > 0; i--) run.send(producer);
      await world.simulation.runAsync({ forMs: random.integer(800) });
    }
    run.fault();
    await world.simulation.runAsync({ forMs: random.integer(12_000) });
  }
  run.end();
  await world.settled(producer.flush());
  const acked = run.sent.filter(({ offset }) => offset !== undefined).length;
  await world.simulation.runAsync({ forMs: 60_000, until: () => run.seen.length >= acked });
  await world.settled(consumer.close());
  await world.settled(reading);
  await world.settled(producer.close());
  return run;
}

/** P21, P24, P25, P27, P28, P38. */
function check({ sent, seen }: Run): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const records = seen.filter((record) => record.partition === partition);
    const numbers = records.map((record) => Number(record.text()));
    for (let i = 1; i < records.length; i++) {
      assert(records[i]!.offset > records[i - 1]!.offset, "it reads on, and never back");
      assert(numbers[i]! > numbers[i - 1]!, `${numbers[i]} comes after ${numbers[i - 1]}`);
    }
    const byOffset = new Map(records.map((record, i) => [record.offset, numbers[i]]));
    for (const { number, offset } of sent.filter((sent) => sent.partition === partition)) {
      if (offset !== undefined) {
        assertEquals(byOffset.get(offset), number, "it is where it is said");
      }
    }
  }
  const acked = sent.filter(({ offset }) => offset !== undefined);
  assert(acked.length > sent.length / 2, `${acked.length} of ${sent.length} were acknowledged`);
}

const first = Number(Deno.env.get("STROM_SEED") ?? 1);
const count = Number(Deno.env.get("STROM_SEEDS") ?? 4);
for (let seed = first; seed < first + count; seed++) {
  Deno.test(`clients: a cluster whose nodes come and go loses, repeats and reorders nothing (seed ${seed})`, async () => {
    check(await run(seed));
  });
}
