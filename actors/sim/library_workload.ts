/**
 * A workload of the real clients, for a share of the seeds: producers and consumers of the library,
 * with promises, as people use them; all that they are told goes into the history.
 *
 * @module
 */

import { Admin } from "../client/admin/admin.ts";
import { Consumer } from "../client/consumer/consumer.ts";
import { OffsetOutOfRangeError } from "../client/errors.ts";
import { Producer } from "../client/producer/producer.ts";
import { pick } from "./random.ts";
import type { SimulatedWorld } from "./simulate.ts";

/** How large it is. */
export interface LibraryWorkloadOptions {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly producers: number;
  readonly consumers: number;
  /** The mean time between two sends of a producer. */
  readonly everyMs: number;
  /** For how long records are sent while faults happen. */
  readonly sendForMs: number;
}

const TOPIC = "library";
const DRAIN_MS = 120_000;
const POLL_MS = 200;

/** Sends, reads and, when all faults have ended, reads everything to its end. */
export async function libraryWorkload(
  world: SimulatedWorld,
  options: LibraryWorkloadOptions,
): Promise<void> {
  await new LibraryWorkload(world, options).run();
}

class LibraryWorkload {
  readonly #world: SimulatedWorld;
  readonly #options: LibraryWorkloadOptions;
  /** By partition: values acknowledged and not read yet by anybody. */
  readonly #unread: Set<number>[];
  #nextValue = 1;
  #ended = false;

  constructor(world: SimulatedWorld, options: LibraryWorkloadOptions) {
    this.#world = world;
    this.#options = options;
    this.#unread = Array.from({ length: options.partitions }, () => new Set<number>());
  }

  async run(): Promise<void> {
    await this.#createTopic();
    const { producers, consumers, sendForMs } = this.#options;
    const reading = Array.from({ length: consumers }, (_, index) => this.#consume(`c${index}`));
    const sending = Array.from({ length: producers }, (_, index) => this.#produce(`p${index}`));
    await this.#world.sleep(sendForMs);
    this.#world.mend();
    await Promise.all(sending);
    await this.#drain();
    this.#ended = true;
    await Promise.all(reading);
  }

  async #createTopic(): Promise<void> {
    const { partitions, replicationFactor } = this.#options;
    for (;;) {
      try {
        await using admin = await Admin.connect([...this.#world.bootstrap], {
          environment: this.#world.environment,
          requestTimeoutMs: 5000,
        });
        await admin.createTopics([{ name: TOPIC, partitions, replicationFactor }]);
        return;
      } catch (error) {
        if (error instanceof Error && /exists/.test(error.message)) return;
        await this.#world.sleep(500);
      }
    }
  }

  async #produce(name: string): Promise<void> {
    const { environment, random, bootstrap } = this.#world;
    const { partitions, everyMs, sendForMs } = this.#options;
    const producer = await this.#connected(() =>
      Producer.connect([...bootstrap], {
        environment,
        clientId: name,
        requestTimeoutMs: pick(random, [1000, 5000]),
        deliveryTimeoutMs: pick(random, [10_000, 60_000]),
        maxBlockMs: 10_000,
        lingerMs: pick(random, [0, 5, 50]),
        batchSize: pick(random, [100, 1000, 16_384]),
      })
    );
    const until = this.#world.nowMs + sendForMs;
    const settled: Promise<void>[] = [];
    while (this.#world.nowMs < until) {
      const partition = random.integer(partitions);
      settled.push(this.#send(producer, name, partition));
      await this.#world.sleep(1 + random.integer(2 * everyMs));
    }
    await Promise.all(settled);
    await producer.close({ timeoutMs: 1000 });
  }

  async #send(producer: Producer, name: string, partition: number): Promise<void> {
    const value = this.#nextValue++;
    const key = `${TOPIC}-${partition}`;
    const step = { kind: "send", partition: key, value, offset: undefined } as const;
    const operation = this.#world.history.begin("send", `${name}/${partition}`, [step]);
    try {
      const { offset } = await producer.send({ topic: TOPIC, partition, value: String(value) });
      operation.end("ok", [{ ...step, offset: offset >= 0 ? offset : undefined }]);
      this.#unread[partition]!.add(value);
    } catch {
      operation.end("info", [step]);
    }
  }

  async #consume(name: string): Promise<void> {
    const { environment, bootstrap, history } = this.#world;
    const assign = this.#unread.map((_, partition) => ({ topic: TOPIC, partition, offset: 0 }));
    const consumer = await this.#connected(() =>
      Consumer.connect([...bootstrap], {
        environment,
        clientId: name,
        assign,
        autoOffsetReset: "none",
        requestTimeoutMs: 5000,
      })
    );
    history.assign(name, assign.map(({ partition }) => `${TOPIC}-${partition}`));
    while (!this.#ended) {
      try {
        for (const record of await consumer.poll(POLL_MS)) {
          const value = Number(record.text());
          const partition = `${TOPIC}-${record.partition}`;
          const { offset } = record;
          history.polled(name, [{ kind: "poll", partition, records: [{ offset, value }] }]);
          this.#read.add(value);
        }
      } catch (error) {
        if (error instanceof OffsetOutOfRangeError && this.#isLossy(error.partition)) {
          consumer.seekToBeginning([error]);
        }
        await this.#world.sleep(POLL_MS);
      }
    }
    await consumer.close();
  }
  readonly #read = new Set<number>();

  /** Whether it may have lost what it held. */
  #isLossy(partition: number): boolean {
    return this.#world.lossy.has(`${TOPIC}-${partition}`);
  }

  /** Everything that was acknowledged is read by somebody, unless it was given up. */
  async #drain(): Promise<void> {
    const deadline = this.#world.nowMs + DRAIN_MS;
    const missing = () =>
      this.#unread.flatMap((values, partition) =>
        this.#isLossy(partition) ? [] : [...values].filter((value) => !this.#read.has(value))
      );
    while (missing().length > 0) {
      if (this.#world.nowMs > deadline) {
        throw new Error(`Acknowledged and not read within ${DRAIN_MS} ms: ${missing()}`);
      }
      await this.#world.sleep(POLL_MS);
    }
  }

  /** Connects, however often it takes. */
  async #connected<Client>(connect: () => Promise<Client>): Promise<Client> {
    for (;;) {
      try {
        return await connect();
      } catch {
        await this.#world.sleep(500);
      }
    }
  }
}
