/**
 * The consumer: reads partitions that it was given, by the user or as its share in a group, from
 * where it was told or where the group stands, record by record or by batches.
 *
 * Owns the public face: promises and iterators. Beneath it everything is synchronous: the
 * subscription knows positions, the fetcher keeps data coming, the feed gives them out. In a group
 * (group_member.ts) partitions come and go only while the user waits for records.
 *
 * Invariants: a record is given out once, in the order of its partition; `position` is the offset
 * after the last one given; what is fetched ahead is bounded.
 *
 * @module
 */

import { NONE, type Offset } from "../../../storage/bytes/ids.ts";
import { type Bootstrap, parseBootstrap } from "../bootstrap.ts";
import { Cluster } from "../cluster.ts";
import {
  type AssignedPartition,
  type ConsumerConfig,
  type ConsumerSettings,
  consumerSettings,
} from "../configs.ts";
import { ConsumerEngine } from "./consumer_engine.ts";
import type { ConsumerRecord } from "./consumer_record.ts";
import { defaultEnvironment } from "../default_environment.ts";
import { ClosedError, InvalidConfigError } from "../errors.ts";
import type { FetchedBatch } from "./fetched_batch.ts";
import type { GroupMember } from "./group_member.ts";
import type { CommittedOffset, OffsetToCommit } from "./group_offsets.ts";
import type { GroupMetadata } from "./membership/membership.ts";
import {
  EARLIEST,
  LATEST,
  lookUpOffsets,
  type OffsetAnswer,
  type OffsetQuery,
} from "../offset_lookup.ts";
import type { AssignedState } from "./subscription.ts";
import { checkTopicName } from "../topic_name.ts";
import type { OffsetAndTimestamp, PartitionOffset, TopicPartition } from "../topic_partition.ts";

/** Records, or batches, given out before the event loop is let go on. */
const TAKEN_IN_A_TURN = 4096;

/** How long commits are waited for at the end, as in Kafka. */
const CLOSE_TIMEOUT_MS = 30_000;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Reads records; for one reader at a time. Made by `Consumer.connect`.
 *
 * With a `group` the partitions are shared with its other members, and offsets are committed: by
 * themselves, unless `enableAutoCommit` is false, and by `commit`. What was given last counts as
 * processed once the next is asked for, so that nothing is passed over when the consumer ends
 * meanwhile; it is given again to who goes on, unless it was committed.
 */
export class Consumer<K = Uint8Array | null, V = Uint8Array | null>
  implements AsyncDisposable, AsyncIterable<ConsumerRecord<K, V>> {
  readonly #cluster: Cluster;
  readonly #settings: ConsumerSettings;
  readonly #engine: ConsumerEngine<K, V>;
  /** The user assigns partitions, as Kafka's consumers without subscription. */
  readonly #isAssigned: boolean;
  #leftInTurn = TAKEN_IN_A_TURN;
  #closing: Promise<void> | undefined;
  /** A listener may commit still while the consumer leaves its group. */
  #hasEnded = false;

  /** Not to be called: `Consumer.connect` makes consumers. */
  constructor(cluster: Cluster, config: ConsumerConfig<K, V>, settings: ConsumerSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#isAssigned = config.assign !== undefined;
    this.#engine = new ConsumerEngine(cluster, config, settings);
  }

  /**
   * Connects to a cluster by any of its brokers and finds where to begin: a record that is stored
   * after this has resolved is not missed, wherever the consumer begins. A member of a group joins
   * meanwhile; it is assigned partitions while it waits for records.
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
    if (config.topics !== undefined) checkTopics(config.topics, settings);
    for (const { topic } of config.assign ?? []) checkTopicName(topic, "Cannot consume");
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
    this.#engine.comeBack();
    // One who never waits is there nevertheless.
    this.#engine.group?.waits(false);
    for (;;) {
      this.#checkOpen();
      await this.#attend();
      const records = this.#engine.takeMany(this.#settings.maxPollRecords);
      const leftMs = deadline - clock.monotonic();
      if (records.length > 0 || leftMs <= 0) return records;
      await this.#wait(leftMs);
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

  /**
   * Subscribes to these topics, or to those that fit the pattern, and to no others.
   * @throws {InvalidConfigError} without a group, or where partitions were assigned by the user
   */
  subscribe(topics: readonly string[] | RegExp): void {
    this.#checkOpen();
    const group = this.#member("subscribe");
    if (this.#isAssigned) {
      throw new InvalidConfigError("Cannot subscribe: the consumer was assigned its partitions");
    }
    checkTopics(topics, this.#settings);
    group.subscribe(topics);
  }

  /**
   * Commits offsets for the group: after all records that were given so far, or these, each that of
   * the next record to be processed. Tries again until `defaultApiTimeoutMs` have passed.
   * @throws {CommitFailedError} where the partitions are somebody else's now
   * @throws {RebalanceInProgressError} where it must poll first
   */
  async commit(offsets: readonly OffsetToCommit[] = this.#engine.given): Promise<void> {
    await this.#member("commit").commit(offsets, true);
  }

  /** As `commit`, once and without waiting; `callback` is told what came of it. */
  commitAsync(
    offsets: readonly OffsetToCommit[] = this.#engine.given,
    callback: (error: Error | undefined) => void = () => {},
  ): void {
    this.#member("commit").commit(offsets, false).then(() => callback(undefined), callback);
  }

  /** What the group has committed of these partitions, in their order. */
  committed(
    partitions: readonly TopicPartition[] = this.assignment(),
  ): Promise<CommittedOffset[]> {
    return this.#member("tell what is committed").committed(partitions);
  }

  /** Who this consumer is in its group, for a transaction's `sendOffsets`. */
  groupMetadata(): GroupMetadata {
    return this.#member("tell the group").metadata;
  }

  /** The topics that a member of a group subscribes to now. */
  subscription(): string[] {
    return [...this.#member("tell the subscription").topics];
  }

  /**
   * Reads these partitions from now on, and no others. With a group, those without an offset from
   * where the group stands.
   * @throws {InvalidConfigError} for a member that subscribes: its group assigns
   */
  assign(partitions: readonly AssignedPartition[]): void {
    this.#checkOpen();
    if (this.#engine.group !== undefined && !this.#isAssigned) {
      throw new InvalidConfigError("Cannot assign partitions: the consumer subscribes to topics");
    }
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
    this.#engine.seek(state, offset);
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
    for (const partition of partitions) this.#engine.pause(this.#state(partition, "pause"));
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

  /**
   * Ends loops over records, and the connections. A member of a group commits what was processed,
   * unless that is the user's affair, waits for commits that are under way, and leaves. What was
   * not committed within the time fails.
   */
  close({ timeoutMs = CLOSE_TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(timeoutMs);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const { group } = this.#engine;
    if (group !== undefined) {
      this.#engine.wake();
      await group.close(timeoutMs).finally(() => this.#end());
    } else {
      await this.#end();
    }
  }

  async #end(): Promise<void> {
    this.#hasEnded = true;
    this.#engine.close();
    await this.#cluster.close();
  }

  /** Gives up and takes on partitions, as the group wants it. */
  #attend(): Promise<void> | undefined {
    const { group } = this.#engine;
    return group?.needsAttention === true ? group.attend() : undefined;
  }

  /** Waits until there may be something; meanwhile the group knows that the user is there. */
  async #wait(timeoutMs?: number): Promise<void> {
    const { group } = this.#engine;
    group?.waits(true);
    if (group?.needsAttention !== true) await this.#engine.changed(timeoutMs);
    group?.waits(false);
  }

  #member(action: string): GroupMember {
    if (this.#hasEnded) this.#checkOpen();
    const { group } = this.#engine;
    if (group !== undefined) return group;
    throw new InvalidConfigError(`Cannot ${action}: the consumer is in no group`);
  }

  /** The cheapest there is: a promise that is fulfilled already for what is there already. */
  #iterator<T>(take: () => T | undefined): AsyncIterableIterator<T> {
    return {
      next: (): Promise<IteratorResult<T, undefined>> => {
        if (this.#leftInTurn-- > 0 && this.#engine.comeBack()) {
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
    this.#engine.comeBack();
    for (;;) {
      if (this.#closing !== undefined) return END;
      await this.#attend();
      if (this.#closing !== undefined) return END;
      const value = take();
      if (value !== undefined) return { done: false, value };
      await this.#wait();
    }
  }

  #state({ topic, partition }: TopicPartition, action: string): AssignedState {
    if (this.#hasEnded) this.#checkOpen();
    const state = this.#engine.subscription.get(topic, partition);
    if (state !== undefined) return state;
    throw new InvalidConfigError(`Cannot ${action} ${topic}-${partition}: it is not assigned`);
  }

  #reset(partitions: readonly TopicPartition[], start: "earliest" | "latest"): void {
    for (const partition of partitions) {
      this.#engine.seek(this.#state(partition, "seek in"), start);
    }
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

function checkTopics(topics: readonly string[] | RegExp, { group }: ConsumerSettings): void {
  if (!(topics instanceof RegExp)) {
    for (const topic of topics) checkTopicName(topic, "Cannot consume");
  } else if (group === undefined) {
    throw new InvalidConfigError(`Cannot consume ${topics}: only a group can follow a pattern`);
  }
}
