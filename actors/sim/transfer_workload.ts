/**
 * Transactions of the real clients in a simulated cluster, for readers of committed records to
 * judge (P29 to P35): transfers, each of which writes to two partitions, by producers that are
 * replaced while they go on (zombies); and exactly-once copies from one topic to another.
 *
 * In the end every partition must be decided to its end, both halves of each transfer be there or
 * none, as its producer was told, and the copy hold what its original holds, once, in order.
 *
 * @module
 */

import { Admin } from "../client/admin/admin.ts";
import { Consumer } from "../client/consumer/consumer.ts";
import { ProducerFencedError, TransactionAbortedError } from "../client/errors.ts";
import { Producer } from "../client/producer/producer.ts";
import type { Outcome, SendStep } from "./history.ts";
import type { SimulatedWorld } from "./simulate.ts";

/** How large it is. */
export interface TransferWorkloadOptions {
  /** Of each topic. */
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Transactional ids that transfer. */
  readonly transactors: number;
  /** The mean time between two transfers of a producer, and between two records to be copied. */
  readonly everyMs: number;
  /** Transfers of a producer before another takes its transactional id over. */
  readonly takenOverAfter: number;
  /** For how long there are faults. */
  readonly forMs: number;
}

const TRANSFERS = "transfers";
const INPUT = "input";
const OUTPUT = "output";
const DRAIN_MS = 180_000;
const POLL_MS = 200;
const TRANSACTION_TIMEOUT_MS = 10_000;
/** Of so many transfers one is aborted on purpose. */
const ABORTED_ONE_IN = 5;

class Intended extends Error {}

interface Transfer {
  readonly values: readonly [number, number];
  outcome: Outcome;
}

/** Transfers and copies until all faults have ended, and then judges. */
export async function transferWorkload(
  world: SimulatedWorld,
  options: TransferWorkloadOptions,
): Promise<TransferCounts> {
  return await new TransferWorkload(world, options).run();
}

/** How much there was to judge. */
export interface TransferCounts {
  readonly committed: number;
  readonly aborted: number;
  readonly unknown: number;
  readonly copied: number;
  /** Producers that were told that another has their transactional id. */
  readonly fenced: number;
}

class TransferWorkload {
  readonly #world: SimulatedWorld;
  readonly #options: TransferWorkloadOptions;
  readonly #transfers: Transfer[] = [];
  #nextValue = 1;
  #fenced = 0;
  #mended = false;
  #copied = false;

  constructor(world: SimulatedWorld, options: TransferWorkloadOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(): Promise<TransferCounts> {
    const { transactors, forMs } = this.#options;
    await this.#createTopics();
    const writing = [this.#write()];
    for (let id = 0; id < transactors; id++) writing.push(this.#transact(`t${id}`, 0));
    const reading = this.#watch();
    const copying = this.#copy();
    await this.#world.sleep(forMs);
    this.#mended = true;
    this.#world.mend();
    await Promise.all(writing);
    await this.#awaitCopies();
    this.#copied = true;
    await Promise.all([copying, reading]);
    return await this.#judge();
  }

  #connection() {
    return { environment: this.#world.environment, requestTimeoutMs: 5000 };
  }

  async #createTopics(): Promise<void> {
    const { partitions, replicationFactor } = this.#options;
    const topics = [TRANSFERS, INPUT, OUTPUT];
    const made = topics.map((name) => ({ name, partitions, replicationFactor }));
    await this.#until(async () => {
      await using admin = await Admin.connect([...this.#world.bootstrap], this.#connection());
      const there = await admin.listTopics();
      const missing = made.filter(({ name }) => !there.includes(name));
      if (missing.length > 0) await admin.createTopics(missing);
    });
  }

  /** Goes on trying until it succeeds. */
  async #until<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await attempt();
      } catch {
        await this.#world.sleep(500);
      }
    }
  }

  #pause(): Promise<void> {
    return this.#world.sleep(1 + this.#world.random.integer(2 * this.#options.everyMs));
  }

  // Transfers.

  async #transact(id: string, incarnation: number): Promise<void> {
    const { takenOverAfter } = this.#options;
    const producer = await this.#until(() =>
      Producer.connect<string, string>([...this.#world.bootstrap], {
        ...this.#connection(),
        transactionalId: id,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
        deliveryTimeoutMs: 8000,
        maxBlockMs: 8000,
      })
    );
    let heir: Promise<void> | undefined;
    for (let count = 1; !this.#mended; count++) {
      // This one goes on: it is a zombie from now on.
      if (count === takenOverAfter) heir = this.#transact(id, incarnation + 1);
      if (!await this.#transfer(producer, `${id}.${incarnation}`)) break;
      await this.#pause();
    }
    await producer.close({ timeoutMs: 1000 });
    await heir;
  }

  /** Returns whether the producer may go on. */
  async #transfer(producer: Producer<string, string>, process: string): Promise<boolean> {
    const { partitions } = this.#options;
    const { history, random } = this.#world;
    const values = [this.#nextValue++, this.#nextValue++] as const;
    const transfer: Transfer = { values, outcome: "info" };
    this.#transfers.push(transfer);
    const first = random.integer(partitions);
    const steps: SendStep[] = values.map((value, half) => ({
      kind: "send",
      partition: `${TRANSFERS}-${(first + half) % partitions}`,
      value,
      offset: undefined,
    }));
    const operation = history.begin("txn", process, steps);
    const end = (outcome: Outcome) => {
      transfer.outcome = outcome;
      operation.end(outcome, steps);
    };
    const aborts = random.integer(ABORTED_ONE_IN) === 0;
    try {
      await producer.transaction(async (transaction) => {
        await Promise.all(values.map(async (value, half) => {
          const partition = (first + half) % partitions;
          const sent = await transaction.send({ topic: TRANSFERS, partition, value: `${value}` });
          steps[half] = { ...steps[half]!, offset: sent.offset };
        }));
        if (aborts) throw new Intended();
      });
      end("ok");
    } catch (error) {
      const isAborted = error instanceof Intended || error instanceof TransactionAbortedError;
      end(isAborted ? "fail" : "info");
      if (!(error instanceof ProducerFencedError)) return true;
      this.#fenced++;
      return false;
    }
    return true;
  }

  /** Reads what is committed while it is written. */
  async #watch(): Promise<void> {
    const { history } = this.#world;
    const consumer = await this.#reader("read_committed", TRANSFERS);
    const partitions = consumer.assignment();
    history.assign("watcher", partitions.map(({ partition }) => `${TRANSFERS}-${partition}`));
    while (!this.#copied) {
      try {
        for (const record of await consumer.poll(POLL_MS)) {
          const { offset, partition } = record;
          const records = [{ offset, value: Number(record.text()) }];
          history.polled("watcher", [{
            kind: "poll",
            partition: `${TRANSFERS}-${partition}`,
            records,
          }]);
        }
      } catch {
        await this.#world.sleep(POLL_MS);
      }
    }
    await consumer.close();
  }

  #reader(isolationLevel: "read_committed" | "read_uncommitted", topic: string): Promise<Consumer> {
    const { partitions } = this.#options;
    const assign = Array.from(
      { length: partitions },
      (_, partition) => ({ topic, partition, offset: 0 }),
    );
    return this.#until(() =>
      Consumer.connect([...this.#world.bootstrap], {
        ...this.#connection(),
        assign,
        isolationLevel,
        autoOffsetReset: "none",
      })
    );
  }

  // Copies.

  async #write(): Promise<void> {
    const { partitions } = this.#options;
    const producer = await this.#until(() =>
      Producer.connect<string, string>([...this.#world.bootstrap], this.#connection())
    );
    const sent: Promise<unknown>[] = [];
    for (let value = 1; !this.#mended; value++) {
      const partition = this.#world.random.integer(partitions);
      sent.push(producer.send({ topic: INPUT, partition, value: `${value}` }).catch(() => {}));
      await this.#pause();
    }
    await Promise.all(sent);
    await producer.close({ timeoutMs: 1000 });
  }

  /** One copier after the other: what befalls one ends it, and its group goes on with the next. */
  async #copy(): Promise<void> {
    while (!this.#copied) {
      try {
        await this.#copyAsOne();
      } catch {
        await this.#world.sleep(500);
      }
    }
  }

  async #copyAsOne(): Promise<void> {
    const bootstrap = [...this.#world.bootstrap];
    await using producer = await Producer.connect<string, string>(bootstrap, {
      ...this.#connection(),
      transactionalId: "copier",
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      deliveryTimeoutMs: 8000,
      maxBlockMs: 8000,
    });
    await using consumer = await Consumer.connect(bootstrap, {
      ...this.#connection(),
      group: "copiers",
      topics: [INPUT],
      from: "earliest",
      enableAutoCommit: false,
      isolationLevel: "read_committed",
      groupProtocol: "classic",
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 1000,
      maxPollRecords: 20,
      // So long, and a little more, one waits to join by a node that lost its power meanwhile.
      maxPollIntervalMs: 30_000,
    });
    while (!this.#copied) {
      const records = await consumer.poll(POLL_MS);
      if (records.length === 0) continue;
      const next = new Map<number, number>();
      for (const { partition, offset } of records) next.set(partition, offset + 1);
      await producer.transaction(async (transaction) => {
        const sent = records.map((record) => {
          const { partition } = record;
          return transaction.send({ topic: OUTPUT, partition, value: record.text() });
        });
        const offsets = Array.from(
          next,
          ([partition, offset]) => ({ topic: INPUT, partition, offset }),
        );
        await transaction.sendOffsets(offsets, consumer.groupMetadata());
        await Promise.all(sent);
      });
    }
  }

  // The end.

  /** Until the copy is as long as its original. */
  async #awaitCopies(): Promise<void> {
    const deadline = this.#world.nowMs + DRAIN_MS;
    for (;;) {
      const [original, copy] = [await this.#readAll(INPUT), await this.#readAll(OUTPUT)];
      const [wanted, there] = [original.flat().length, copy.flat().length];
      if (there >= wanted) return;
      if (this.#world.nowMs > deadline) {
        throw new Error(`Of ${wanted} records ${there} were copied within ${DRAIN_MS} ms`);
      }
      await this.#world.sleep(1000);
    }
  }

  /** What a reader of committed records sees of a topic, once all of it is decided. */
  async #readAll(topic: string): Promise<number[][]> {
    const values: number[][] = Array.from({ length: this.#options.partitions }, () => []);
    const ends = await this.#decidedEnds(topic);
    const consumer = await this.#reader("read_committed", topic);
    const deadline = this.#world.nowMs + DRAIN_MS;
    const isAtEnd = () =>
      ends.every(({ partition, offset }) =>
        (consumer.position({ topic, partition }) ?? 0) >= offset
      );
    while (!isAtEnd()) {
      const records = await consumer.poll(POLL_MS).catch(() => []);
      for (const record of records) values[record.partition]!.push(Number(record.text()));
      if (this.#world.nowMs > deadline) {
        throw new Error(`Cannot read ${topic} to ${JSON.stringify(ends)} in ${DRAIN_MS} ms`);
      }
    }
    await consumer.close();
    return values;
  }

  /** P32: no transaction stays open for longer than its time-out. */
  async #decidedEnds(topic: string) {
    const decided = await this.#reader("read_committed", topic);
    const visible = await this.#reader("read_uncommitted", topic);
    const deadline = this.#world.nowMs + DRAIN_MS;
    for (;;) {
      const ends = await this.#until(() => visible.endOffsets());
      const stable = await this.#until(() => decided.endOffsets());
      const isDecided = ends.every(({ partition, offset }) =>
        (stable.find((one) => one.partition === partition)?.offset ?? -1) >= offset
      );
      if (isDecided) {
        await Promise.all([decided.close(), visible.close()]);
        return ends;
      }
      if (this.#world.nowMs > deadline) {
        throw new Error(
          `${topic} ends at ${JSON.stringify(ends)}, and is decided to ${JSON.stringify(stable)} ` +
            `after ${DRAIN_MS} ms`,
        );
      }
      await this.#world.sleep(1000);
    }
  }

  async #judge(): Promise<TransferCounts> {
    const counts = new Map<number, number>();
    const read = (await this.#readAll(TRANSFERS)).flat();
    for (const value of read) counts.set(value, (counts.get(value) ?? 0) + 1);
    for (const { values, outcome } of this.#transfers) {
      const seen = values.map((value) => counts.get(value) ?? 0).join(" and ");
      const isAllowed = seen === "1 and 1" && outcome !== "fail" ||
        seen === "0 and 0" && outcome !== "ok";
      if (!isAllowed) {
        throw new Error(`The transfer of ${values} is ${outcome}, its halves were read ${seen}`);
      }
    }
    const [original, copy] = [await this.#readAll(INPUT), await this.#readAll(OUTPUT)];
    original.forEach((values, partition) => {
      if (values.join() === copy[partition]!.join()) return;
      throw new Error(`The copy of partition ${partition} is ${copy[partition]}, not ${values}`);
    });
    const of = (outcome: Outcome) =>
      this.#transfers.filter((transfer) => transfer.outcome === outcome).length;
    return {
      committed: of("ok"),
      aborted: of("fail"),
      unknown: of("info"),
      copied: copy.flat().length,
      fenced: this.#fenced,
    };
  }
}
