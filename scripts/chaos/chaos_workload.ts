/**
 * Producers and consumers of a chaos run: the library as everybody uses it, taking down what it did
 * and saw. Values are numbers, each sent once.
 *
 * @module
 */

import {
  type Admin,
  Consumer,
  type ConsumerRecord,
  Producer,
  RecordTooLargeError,
  textDeserializer,
} from "../../mod.ts";
import { checkHistory, type HistoryVerdict } from "../../actors/sim/history_checker.ts";
import { History, type HistoryCounts } from "../../actors/sim/history.ts";
import type { PollStep } from "../../actors/sim/history.ts";
import { type ChaosClients, type ChaosSurroundings, safeTopic } from "./chaos_clients.ts";
import { pause } from "./chaos_faults.ts";

export const TOPIC = "chaos";

export interface ChaosVerdict {
  readonly counts: HistoryCounts;
  readonly verdict: HistoryVerdict;
  /** The longest time in which nothing was acknowledged, in milliseconds. */
  readonly longestSilenceMs: number;
}

export interface ChaosWorkloadOptions extends ChaosSurroundings {
  /** Of all producers together. */
  readonly recordsPerSecond: number;
}

const PARTITIONS = 6;
const PRODUCERS = 2;
const CONSUMERS = 2;
const TICK_MS = 20;
const POLL_MS = 200;
/** A silence that is told of. */
const SILENCE_MS = 3000;

type NumberConsumer = Consumer<Uint8Array | null, number>;
type NumberRecord = ConsumerRecord<Uint8Array | null, number>;

/** What the clients of a run do. */
export class ChaosWorkload implements ChaosClients<ChaosVerdict> {
  readonly #history = new History();
  readonly #options: ChaosWorkloadOptions;
  readonly #open: Promise<void>[] = [];
  /** When the last acknowledgement came, and the longest that none came. */
  #lastOk = performance.now();
  #longestSilenceMs = 0;
  #nextValue = 0;

  readonly #producers: Producer<string, string>[] = [];
  readonly #consumers: NumberConsumer[] = [];

  constructor(options: ChaosWorkloadOptions) {
    this.#options = options;
  }

  async connect(admin: Admin): Promise<void> {
    const { bootstrap, access, replicationFactor } = this.#options;
    const topic = safeTopic(replicationFactor);
    await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS, ...topic }]);
    for (let index = 0; index < PRODUCERS; index++) {
      const clientId = `chaos-producer-${index}`;
      const config = { ...access, acks: "all", clientId } as const;
      this.#producers.push(await Producer.connect<string, string>(bootstrap, config));
    }
    for (let index = 0; index < CONSUMERS; index++) {
      this.#consumers.push(await this.#connectConsumer());
    }
  }

  async run(ending: AbortSignal): Promise<void> {
    this.#lastOk = performance.now();
    await Promise.all([
      ...this.#producers.map((producer, index) => this.#produce(producer, index, ending)),
      ...this.#consumers.map((consumer, index) =>
        this.#consume(consumer, `consumer-${index}`, ending)
      ),
    ]);
    await Promise.all(this.#open);
  }

  async judge(): Promise<ChaosVerdict> {
    await this.#drain();
    const verdict = checkHistory(this.#history.operations, { drained: true });
    const { counts } = this.#history;
    return { counts, verdict, longestSilenceMs: this.#longestSilenceMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#producers.map((producer) => producer.close({ timeoutMs: 0 })));
    await Promise.all(this.#consumers.map((consumer) => consumer.close()));
  }

  /** Reads every partition from its beginning to its end. */
  async #drain(): Promise<void> {
    const ends = await this.#ends();
    await using consumer = await this.#connectConsumer();
    const process = "drain";
    const all = this.#partitions();
    this.#history.assign(process, all.map(({ partition }) => name(partition)));
    const isRead = () =>
      all.every(({ partition }) => {
        const position = consumer.position({ topic: TOPIC, partition }) ?? 0;
        return position >= (ends.get(partition) ?? 0);
      });
    while (!isRead()) this.#polled(process, await consumer.poll(POLL_MS));
  }

  async #produce(
    producer: Producer<string, string>,
    index: number,
    ending: AbortSignal,
  ): Promise<void> {
    const perMs = this.#options.recordsPerSecond / 1000 / PRODUCERS;
    const startedAt = performance.now();
    let sent = 0;
    while (!ending.aborted) {
      // By the clock: a machine with much to do wakes us late.
      for (const due = (performance.now() - startedAt) * perMs; sent < due; sent++) {
        const value = this.#nextValue++;
        this.#send(producer, `producer-${index}`, value % PARTITIONS, value);
      }
      await pause(TICK_MS, ending);
    }
    await producer.close();
  }

  #send(
    producer: Producer<string, string>,
    process: string,
    partition: number,
    value: number,
  ): void {
    const step = { kind: "send", partition: name(partition), value } as const;
    // Each partition is a process of its own: nothing is promised across partitions.
    const operation = this.#history.begin("send", `${process}/${partition}`, [
      { ...step, offset: undefined },
    ]);
    const sent = producer.send({ topic: TOPIC, partition, value: String(value) }).then(
      ({ offset }) => {
        this.#acknowledged();
        operation.end("ok", [{ ...step, offset }]);
      },
      (error: unknown) => {
        const outcome = error instanceof RecordTooLargeError ? "fail" : "info";
        operation.end(outcome, [{ ...step, offset: undefined }]);
      },
    );
    this.#open.push(sent);
  }

  #acknowledged(): void {
    const now = performance.now();
    const silenceMs = now - this.#lastOk;
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, silenceMs);
    this.#lastOk = now;
    if (silenceMs < SILENCE_MS) return;
    this.#options.note(`nothing was acknowledged for ${Math.round(silenceMs)} ms`);
  }

  async #consume(
    consumer: NumberConsumer,
    process: string,
    ending: AbortSignal,
  ): Promise<void> {
    this.#history.assign(process, this.#partitions().map(({ partition }) => name(partition)));
    while (!ending.aborted) this.#polled(process, await consumer.poll(POLL_MS));
    await consumer.close();
  }

  #polled(process: string, records: readonly NumberRecord[]): void {
    if (records.length === 0) return;
    const steps = new Map<number, { offset: number; value: number }[]>();
    for (const { partition, offset, value } of records) {
      const list = steps.get(partition) ?? [];
      list.push({ offset, value });
      steps.set(partition, list);
    }
    this.#history.polled(
      process,
      [...steps].map(([partition, records]): PollStep => ({
        kind: "poll",
        partition: name(partition),
        records,
      })),
    );
  }

  #connectConsumer(): Promise<NumberConsumer> {
    const { bootstrap, access } = this.#options;
    return Consumer.connect<Uint8Array | null, number>(bootstrap, {
      ...access,
      assign: this.#partitions(),
      from: "earliest",
      valueDeserializer: (topic, bytes) => Number(textDeserializer(topic, bytes)),
    });
  }

  async #ends(): Promise<Map<number, number>> {
    await using consumer = await this.#connectConsumer();
    const answers = await consumer.endOffsets(this.#partitions());
    return new Map(answers.map(({ partition, offset }) => [partition, offset]));
  }

  #partitions(): { readonly topic: string; readonly partition: number }[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: TOPIC, partition }));
  }
}

function name(partition: number): string {
  return `${TOPIC}-${partition}`;
}
