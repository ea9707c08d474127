/**
 * How long a record takes from producer to consumer, at a rate that leaves time: the sender writes
 * into each record when it was sent, the receiver subtracts. Both clocks are the machine's. How far
 * the sender itself was behind its schedule, for which timers of a millisecond suffice, is told
 * apart: a sender that is held up must not hide it by sending less.
 */

import { Consumer } from "../../../actors/client/consumer/consumer.ts";
import { Producer } from "../../../actors/client/producer/producer.ts";
import type { ConsumerConfig, ProducerConfig } from "../../../actors/client/configs.ts";
import { percentile } from "../percentiles.ts";

/** Milliseconds from sent to received. */
export interface Latencies {
  readonly records: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface EndToEndLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly recordSize: number;
  readonly recordsPerSecond: number;
  readonly producer?: ProducerConfig;
  readonly consumer?: ConsumerConfig;
}

const TIMESTAMP_BYTES = 8;

/** Milliseconds from due to sent. */
export interface Delays {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sends at a steady rate. */
export class ProbeSender implements AsyncDisposable {
  readonly #load: EndToEndLoad;
  readonly #producer: Producer;

  static async connect(load: EndToEndLoad): Promise<ProbeSender> {
    return new ProbeSender(load, await Producer.connect(load.bootstrap, load.producer));
  }

  constructor(load: EndToEndLoad, producer: Producer) {
    this.#load = load;
    this.#producer = producer;
  }

  /** Sends so many records, each when it is due or as soon after as a timer fires. */
  async run(records: number): Promise<Delays> {
    const { topic, recordSize, recordsPerSecond } = this.#load;
    const value = new Uint8Array(Math.max(recordSize, TIMESTAMP_BYTES));
    const view = new DataView(value.buffer);
    const start = machineTime();
    const msPerRecord = 1000 / recordsPerSecond;
    const sends: Promise<unknown>[] = [];
    const delays = new Float64Array(records);
    for (let sent = 0; sent < records;) {
      const due = Math.min(records, Math.floor((machineTime() - start) / msPerRecord) + 1);
      for (; sent < due; sent++) {
        const now = machineTime();
        delays[sent] = now - start - sent * msPerRecord;
        view.setFloat64(0, now);
        sends.push(this.#producer.send({ topic, value }));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(sends);
    return { p50Ms: percentile(delays, 50), p99Ms: percentile(delays, 99) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#producer.close();
  }
}

/** Receives what a `ProbeSender` sends. */
export class ProbeReceiver implements AsyncDisposable {
  readonly #consumer: Consumer;

  static async connect(load: EndToEndLoad): Promise<ProbeReceiver> {
    const consumer = await Consumer.connect(load.bootstrap, {
      from: "earliest",
      ...load.consumer,
      topics: [load.topic],
    });
    return new ProbeReceiver(consumer);
  }

  constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  /** Receives so many records. */
  async run(records: number): Promise<Latencies> {
    const latencies = new Float64Array(records);
    let received = 0;
    for await (const { value } of this.#consumer) {
      const sent = new DataView(value!.buffer, value!.byteOffset).getFloat64(0);
      latencies[received++] = machineTime() - sent;
      if (received === records) break;
    }
    return {
      records,
      p50Ms: percentile(latencies, 50),
      p99Ms: percentile(latencies, 99),
      p999Ms: percentile(latencies, 99.9),
      maxMs: percentile(latencies, 100),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#consumer.close();
  }
}

/** Milliseconds by a clock that all processes of the machine share, finer than a millisecond. */
function machineTime(): number {
  return performance.timeOrigin + performance.now();
}
