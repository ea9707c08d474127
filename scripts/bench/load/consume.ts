/** Reads many records as fast as they come: record by record, or by batches that nobody decodes. */

import { Consumer } from "../../../actors/client/consumer.ts";
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

/** A consumer that takes loads; `run` may be called again and again. */
export class ConsumeRunner implements AsyncDisposable {
  readonly #load: ConsumeLoad;
  readonly #consumer: Consumer;

  static async connect(load: ConsumeLoad): Promise<ConsumeRunner> {
    const consumer = await Consumer.connect(load.bootstrap, {
      ...load.config,
      topics: [load.topic],
      from: "earliest",
    });
    return new ConsumeRunner(load, consumer);
  }

  constructor(load: ConsumeLoad, consumer: Consumer) {
    this.#load = load;
    this.#consumer = consumer;
  }

  /** Reads so many records, or a few more. */
  async run(records: number): Promise<Throughput> {
    if (this.#load.from === "start") this.#consumer.seekToBeginning();
    const start = performance.now();
    const read = this.#load.mode === "records"
      ? await this.#readRecords(records)
      : await this.#readBatches(records);
    return { ...read, elapsedMs: performance.now() - start };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#consumer.close();
  }

  async #readRecords(wanted: number): Promise<{ records: number; bytes: number }> {
    let records = 0;
    let bytes = 0;
    for await (const { key, value } of this.#consumer) {
      bytes += (key?.length ?? 0) + (value?.length ?? 0);
      if (++records >= wanted) break;
    }
    return { records, bytes };
  }

  async #readBatches(wanted: number): Promise<{ records: number; bytes: number }> {
    let records = 0;
    let bytes = 0;
    for await (const batch of this.#consumer.batches()) {
      bytes += batch.bytes.length;
      records += batch.recordsCount;
      if (records >= wanted) break;
    }
    return { records, bytes };
  }
}
