/** Reads many records as fast as they come: record by record, or by batches that nobody decodes. */

import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import type { ConsumerConfig } from "../../../actors/client/configs.ts";
import type { Throughput } from "./produce.ts";

export type ConsumeMode = "records" | "batches";

export interface ConsumeLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly mode: ConsumeMode;
  /** Where each run begins: at the start of the log, or where the one before ended. */
  readonly from: "start" | "last";
  readonly config?: ConsumerConfig;
}

/**
 * Takes loads; `run` may be called again and again. Each run from the start has a consumer of its
 * own, and its connecting counts: one that sought back would still wait for answers to what it had
 * asked for at the end.
 */
export class ConsumeRunner implements AsyncDisposable {
  readonly #load: ConsumeLoad;
  #consumer: Consumer | undefined;

  static async connect(load: ConsumeLoad): Promise<ConsumeRunner> {
    const runner = new ConsumeRunner(load);
    if (load.from === "last") runner.#consumer = await runner.#connect();
    return runner;
  }

  constructor(load: ConsumeLoad) {
    this.#load = load;
  }

  /** Reads so many records, or a few more. */
  async run(records: number): Promise<Throughput> {
    const start = performance.now();
    const consumer = this.#consumer ?? await this.#connect();
    const read = this.#load.mode === "records"
      ? await this.#readRecords(consumer, records)
      : await this.#readBatches(consumer, records);
    const elapsedMs = performance.now() - start;
    if (this.#consumer === undefined) await consumer.close();
    return { ...read, elapsedMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer?.close();
  }

  #connect(): Promise<Consumer> {
    const { bootstrap, config, topic } = this.#load;
    return Consumer.connect(bootstrap, { ...config, topics: [topic], from: "earliest" });
  }

  async #readRecords(
    consumer: Consumer,
    wanted: number,
  ): Promise<{ records: number; bytes: number }> {
    let records = 0;
    let bytes = 0;
    for await (const { key, value } of consumer) {
      bytes += (key?.length ?? 0) + (value?.length ?? 0);
      if (++records >= wanted) break;
    }
    return { records, bytes };
  }

  async #readBatches(
    consumer: Consumer,
    wanted: number,
  ): Promise<{ records: number; bytes: number }> {
    let records = 0;
    let bytes = 0;
    for await (const batch of consumer.batches()) {
      bytes += batch.bytes.length;
      records += batch.recordsCount;
      if (records >= wanted) break;
    }
    return { records, bytes };
  }
}
