/**
 * Sends many records as fast as they are taken, in one of the ways that a user may: a promise for
 * each record, keyed text, whole lists, or a callback for each.
 */

import { Producer } from "../../../actors/client/producer/producer.ts";
import type { ProducerConfig } from "../../../actors/client/configs.ts";
import type { BatchRecord } from "../../../actors/client/records.ts";
import { byteValues, textKeys, textValues } from "./payloads.ts";

/** How records are sent. */
export type ProduceMode = "promise" | "keyed" | "batch" | "callback";

export interface ProduceLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly mode: ProduceMode;
  readonly recordSize: number;
  /** How many keys there are, where records have one; default 10,000. */
  readonly keys?: number;
  readonly config?: ProducerConfig;
}

/** What a run did. */
export interface Throughput {
  readonly records: number;
  /** Of keys and values. */
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** Records that may be unacknowledged at a time. */
const WINDOW = 50_000;
/** Records of one `sendBatch`. */
const LIST = 1_000;
/** Records between two breaths of a loop that does not await. */
const BREATH = 500;

/** A producer that sends loads; `run` may be called again and again. */
export class ProduceRunner implements AsyncDisposable {
  readonly #load: ProduceLoad;
  readonly #producer: Producer;
  readonly #values: Uint8Array[];
  readonly #texts: string[];
  readonly #keys: string[];

  static async connect(load: ProduceLoad): Promise<ProduceRunner> {
    return new ProduceRunner(load, await Producer.connect(load.bootstrap, load.config));
  }

  constructor(load: ProduceLoad, producer: Producer) {
    this.#load = load;
    this.#producer = producer;
    this.#values = byteValues(load.recordSize);
    this.#texts = textValues(load.recordSize);
    this.#keys = load.mode === "keyed" ? textKeys(load.keys) : [];
  }

  /** Sends so many records; resolves when all are acknowledged, rejects when one is not. */
  async run(records: number): Promise<Throughput> {
    const start = performance.now();
    const bytes = await this.#send(records);
    return { records, bytes, elapsedMs: performance.now() - start };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#producer.close();
  }

  #send(records: number): Promise<number> {
    switch (this.#load.mode) {
      case "promise":
        return this.#sendByPromise(records);
      case "keyed":
        return this.#sendKeyed(records);
      case "batch":
        return this.#sendLists(records);
      case "callback":
        return this.#sendByCallback(records);
    }
  }

  async #sendByPromise(records: number): Promise<number> {
    const { topic, recordSize } = this.#load;
    const producer = this.#producer;
    const values = this.#values;
    const window: Promise<unknown>[] = [];
    for (let i = 0; i < records; i++) {
      const slot = i % WINDOW;
      if (i >= WINDOW) await window[slot];
      window[slot] = producer.send({ topic, value: values[i & 1023]! });
    }
    await Promise.all(window);
    return records * recordSize;
  }

  async #sendKeyed(records: number): Promise<number> {
    const { topic } = this.#load;
    const producer = this.#producer;
    const texts = this.#texts;
    const keys = this.#keys;
    const window: Promise<unknown>[] = [];
    let bytes = 0;
    for (let i = 0; i < records; i++) {
      const slot = i % WINDOW;
      if (i >= WINDOW) await window[slot];
      const key = keys[(i * 7919) % keys.length]!;
      const value = texts[i & 1023]!;
      bytes += key.length + value.length;
      window[slot] = producer.send({ topic, key, value });
    }
    await Promise.all(window);
    return bytes;
  }

  async #sendLists(records: number): Promise<number> {
    const { topic, recordSize } = this.#load;
    const values = this.#values;
    const lists = WINDOW / LIST;
    const window: Promise<unknown>[] = [];
    for (let sent = 0, slot = 0; sent < records; sent += LIST, slot = (slot + 1) % lists) {
      await window[slot];
      const list: BatchRecord[] = [];
      const count = Math.min(LIST, records - sent);
      for (let i = 0; i < count; i++) list.push({ value: values[(sent + i) & 1023]! });
      window[slot] = this.#producer.sendBatch(topic, list);
    }
    await Promise.all(window);
    return records * recordSize;
  }

  async #sendByCallback(records: number): Promise<number> {
    const { topic, recordSize } = this.#load;
    const producer = this.#producer;
    const values = this.#values;
    const done = Promise.withResolvers<void>();
    let left = records;
    const acknowledged = (_metadata: unknown, error: Error | undefined) => {
      if (error !== undefined) done.reject(error);
      if (--left === 0) done.resolve();
    };
    for (let i = 0; i < records; i++) {
      if (i % BREATH === 0) await producer.ready();
      producer.send({ topic, value: values[i & 1023]! }, acknowledged);
    }
    await done.promise;
    return records * recordSize;
  }
}
