/**
 * How long a producer waits for its acknowledgements at a steady rate: from when a record was due
 * to when it was acknowledged, so that a producer that is held up does not hide it by sending less.
 */

import { Producer } from "../../../actors/client/producer/producer.ts";
import { percentile } from "../percentiles.ts";

export interface AcknowledgedLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly recordSize: number;
  readonly recordsPerSecond: number;
}

/** Milliseconds from due to acknowledged. */
export interface Acknowledgements {
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of each record that was looked at. */
  readonly latenciesMs: readonly number[];
}

/** Of so many records one is looked at. */
const SAMPLED = 20;

/** Sends at a steady rate for as many seconds as it is told. */
export class AcknowledgedSender implements AsyncDisposable {
  readonly #load: AcknowledgedLoad;
  readonly #producer: Producer;

  static async connect(load: AcknowledgedLoad): Promise<AcknowledgedSender> {
    return new AcknowledgedSender(load, await Producer.connect(load.bootstrap, { lingerMs: 1 }));
  }

  constructor(load: AcknowledgedLoad, producer: Producer) {
    this.#load = load;
    this.#producer = producer;
  }

  async run(seconds: number): Promise<Acknowledgements> {
    const { topic, recordSize, recordsPerSecond } = this.#load;
    const value = new Uint8Array(recordSize);
    const records = Math.round(seconds * recordsPerSecond);
    const msPerRecord = 1000 / recordsPerSecond;
    const latencies: number[] = [];
    const all = Promise.withResolvers<void>();
    let left = records;
    const start = performance.now();
    const acknowledged = (record: number, error: Error | undefined) => {
      if (error !== undefined) all.reject(error);
      if (record % SAMPLED === 0) {
        latencies.push(performance.now() - start - record * msPerRecord);
      }
      if (--left === 0) all.resolve();
    };
    for (let sent = 0; sent < records;) {
      const due = Math.min(records, Math.floor((performance.now() - start) / msPerRecord) + 1);
      for (; sent < due; sent++) {
        const record = sent;
        this.#producer.send({ topic, value }, (_, error) => acknowledged(record, error));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await all.promise;
    const sorted = Float64Array.from(latencies);
    return {
      records,
      recordsPerSecond: records / (performance.now() - start) * 1000,
      p50Ms: percentile(sorted, 50),
      p99Ms: percentile(sorted, 99),
      maxMs: percentile(sorted, 100),
      latenciesMs: latencies,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#producer.close();
  }
}
