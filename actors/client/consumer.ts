/**
 * The consumer: reads partitions that it was given, from where it was told, record by record or by
 * batches.
 *
 * Owns the public face: promises and iterators. Beneath it everything is synchronous: the
 * subscription knows positions, the fetcher keeps data coming, the feed gives them out.
 *
 * Invariants: a record is given out once, in the order of its partition; `position` is the offset
 * after the last one given; what is fetched ahead is bounded.
 *
 * @module
 */

import { NONE, type Offset } from "../../storage/bytes/ids.ts";
import { type Bootstrap, parseBootstrap } from "./bootstrap.ts";
import { Cluster } from "./cluster.ts";
import {
  type AssignedPartition,
  type ConsumerConfig,
  type ConsumerSettings,
  consumerSettings,
} from "./configs.ts";
import { ConsumerEngine } from "./consumer_engine.ts";
import type { ConsumerRecord } from "./consumer_record.ts";
import { defaultEnvironment } from "./default_environment.ts";
import { ClosedError, InvalidConfigError } from "./errors.ts";
import type { FetchedBatch } from "./fetched_batch.ts";
import {
  EARLIEST,
  LATEST,
  lookUpOffsets,
  type OffsetAnswer,
  type OffsetQuery,
} from "./offset_lookup.ts";
import type { AssignedState } from "./subscription.ts";
import { checkTopicName } from "./topic_name.ts";

/** A partition of a topic. */
export interface TopicPartition {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
}

/** An offset of a partition. */
export interface PartitionOffset extends TopicPartition {
  /** Of the record. */
  readonly offset: Offset;
}

/** What a time leads to: null where no record is as late. */
export interface OffsetAndTimestamp extends TopicPartition {
  /** Of the first record that is as late. */
  readonly offset: Offset | null;
  /** Of the record at that offset. */
  readonly timestamp: number | null;
}

/** Records, or batches, given out before the event loop is let go on. */
const TAKEN_IN_A_TURN = 4096;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** Reads records; for one reader at a time. Made by `Consumer.connect`. */
export class Consumer<K = Uint8Array | null, V = Uint8Array | null>
  implements AsyncDisposable, AsyncIterable<ConsumerRecord<K, V>> {
  readonly #cluster: Cluster;
  readonly #settings: ConsumerSettings;
  readonly #engine: ConsumerEngine<K, V>;
  #leftInTurn = TAKEN_IN_A_TURN;
  #closing: Promise<void> | undefined;

  /** Not to be called: `Consumer.connect` makes consumers. */
  constructor(cluster: Cluster, config: ConsumerConfig<K, V>, settings: ConsumerSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#engine = new ConsumerEngine(cluster, config, settings);
  }

  /**
   * Connects to a cluster by any of its brokers and finds where to begin: a record that is stored
   * after this has resolved is not missed, wherever the consumer begins.
   * @throws {BrokerNotAvailableError} when none of the addresses can be connected to.
   * @throws {InvalidConfigError} when an address or a config cannot be used.
   */
  static async connect<K = Uint8Array | null, V = Uint8Array | null>(
    bootstrap: Bootstrap,
    config: ConsumerConfig<K, V>,
  ): Promise<Consumer<K, V>> {
    const settings = consumerSettings(config);
    if ((config.topics === undefined) === (config.assign === undefined)) {
      throw new InvalidConfigError("Cannot consume: give either topics or assign");
    }
    const named = config.topics ?? config.assign?.map(({ topic }) => topic) ?? [];
    for (const topic of named) checkTopicName(topic, "Cannot consume");
    const cluster = new Cluster({
      environment: config.environment ?? defaultEnvironment(),
      settings,
      bootstrap: parseBootstrap(bootstrap),
      allowAutoTopicCreation: settings.allowAutoCreateTopics,
    });
    const consumer = new Consumer<K, V>(cluster, config, settings);
    await cluster.connect();
    await new Promise<void>((resolve) => consumer.#engine.start(resolve));
    return consumer;
  }

  /**
   * The next records, at most `maxPollRecords`: what is there, or what comes within the time.
   * @throws {ClientError} when records cannot be fetched or read; the next call goes on.
   */
  async poll(timeoutMs: number): Promise<ConsumerRecord<K, V>[]> {
    const { clock } = this.#cluster.environment;
    const deadline = clock.monotonic() + timeoutMs;
    for (;;) {
      this.#checkOpen();
      const records = this.#engine.takeMany(this.#settings.maxPollRecords);
      const leftMs = deadline - clock.monotonic();
      if (records.length > 0 || leftMs <= 0) return records;
      await this.#engine.changed(leftMs);
    }
  }

  /**
   * All records, as they come, without end: `close` ends it. An error ends the loop that got it;
   * another loop goes on.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    return this.#iterator(() => this.#engine.take());
  }

  /** As the consumer itself, but by undecoded batches; each lasts until the next is asked for. */
  batches(): AsyncIterableIterator<FetchedBatch<K, V>> {
    return this.#iterator(() => this.#engine.takeBatch());
  }

  /** Reads these partitions from now on, and no others. */
  assign(partitions: readonly AssignedPartition[]): void {
    this.#checkOpen();
    for (const { topic } of partitions) checkTopicName(topic, "Cannot consume");
    this.#engine.assign(partitions);
  }

  /** The partitions that are read. */
  assignment(): TopicPartition[] {
    return this.#engine.subscription.partitions.map(({ topic, partition }) => ({
      topic,
      partition,
    }));
  }

  /** The offset of the next record; undefined while it is being looked up. */
  position(partition: TopicPartition): Offset | undefined {
    const { position } = this.#state(partition, "tell the position of");
    return position === NONE ? undefined : position;
  }

  /** Goes on from an offset; what was fetched ahead is dropped. */
  seek(partition: TopicPartition, offset: Offset): void {
    const state = this.#state(partition, "seek in");
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new InvalidConfigError(`Cannot seek to ${offset}: it is no offset`);
    }
    state.seek(offset);
    this.#engine.wake();
  }

  /** Goes on from the start of the log; of all partitions when none are named. */
  seekToBeginning(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#reset(partitions, "earliest");
  }

  /** Goes on from the end of the log, as it is when it is looked up. */
  seekToEnd(partitions: readonly TopicPartition[] = this.assignment()): void {
    this.#reset(partitions, "latest");
  }

  /** Gives out nothing of these partitions until `resume`; of all when none are named. */
  pause(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const partition of partitions) this.#state(partition, "pause").isPaused = true;
  }

  /** Gives out records of these partitions again. */
  resume(partitions: readonly TopicPartition[] = this.assignment()): void {
    for (const partition of partitions) this.#state(partition, "resume").isPaused = false;
    this.#engine.wake();
  }

  /** The partitions that are paused. */
  paused(): TopicPartition[] {
    return this.assignment().filter((partition) => this.#state(partition, "see").isPaused);
  }

  /** The first offsets that can be read. */
  beginningOffsets(
    partitions: readonly TopicPartition[] = this.assignment(),
  ): Promise<PartitionOffset[]> {
    return this.#lookUp(partitions.map((partition) => ({ ...partition, timestamp: EARLIEST })));
  }

  /** The offsets after the last that can be read, by the isolation level. */
  endOffsets(
    partitions: readonly TopicPartition[] = this.assignment(),
  ): Promise<PartitionOffset[]> {
    return this.#lookUp(partitions.map((partition) => ({ ...partition, timestamp: LATEST })));
  }

  /** The first offsets whose records are at least as late as the times given. */
  async offsetsForTimes(queries: readonly OffsetQuery[]): Promise<OffsetAndTimestamp[]> {
    const answers = await this.#lookUp(queries);
    return answers.map(({ topic, partition, offset, timestamp }) =>
      offset === NONE
        ? { topic, partition, offset: null, timestamp: null }
        : { topic, partition, offset, timestamp }
    );
  }

  /** Ends loops over records, and the connections. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#engine.close();
    await this.#cluster.close();
  }

  /** The cheapest there is: a promise that is fulfilled already for what is there already. */
  #iterator<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    return {
      next: (): Promise<IteratorResult<T, undefined>> => {
        if (this.#leftInTurn-- > 0) {
          try {
            const value = take();
            if (value !== undefined) return Promise.resolve({ done: false, value });
          } catch (error) {
            return Promise.reject(error);
          }
        }
        return this.#takeLater(take);
      },
      return: () => Promise.resolve(END),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async #takeLater<T>(take: () => T | undefined): Promise<IteratorResult<T, undefined>> {
    if (this.#leftInTurn <= 0) await this.#engine.turned();
    this.#leftInTurn = TAKEN_IN_A_TURN;
    for (;;) {
      if (this.#closing !== undefined) return END;
      const value = take();
      if (value !== undefined) return { done: false, value };
      await this.#engine.changed();
    }
  }

  #state({ topic, partition }: TopicPartition, action: string): AssignedState {
    this.#checkOpen();
    const state = this.#engine.subscription.get(topic, partition);
    if (state !== undefined) return state;
    throw new InvalidConfigError(`Cannot ${action} ${topic}-${partition}: it is not assigned`);
  }

  #reset(partitions: readonly TopicPartition[], start: "earliest" | "latest"): void {
    for (const partition of partitions) this.#state(partition, "seek in").reset(start);
    this.#engine.wake();
  }

  #lookUp(queries: readonly OffsetQuery[]): Promise<OffsetAnswer[]> {
    this.#checkOpen();
    const { isReadCommitted, defaultApiTimeoutMs: timeoutMs } = this.#settings;
    const options = { cluster: this.#cluster, isReadCommitted, timeoutMs };
    return new Promise<OffsetAnswer[]>((resolve, reject) => {
      lookUpOffsets(queries, options, (result) => {
        if (result instanceof Error) reject(result);
        else resolve([...result]);
      });
    });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) {
      throw new ClosedError("Cannot consume: the consumer is closed");
    }
  }
}
