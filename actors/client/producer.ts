/**
 * The producer: takes records, gives a promise for each, and sees to it that they get to their
 * partitions.
 *
 * Owns the way of a record from `send` into a batch, and the public face. Beneath it everything is
 * synchronous: the accumulator keeps batches, the sender sends them, the cluster knows who leads
 * what. Promises are made only here.
 *
 * Invariants: keys and values are copied before `send` returns; each record settles once; records
 * sent to one partition are appended in the order they were sent, and, where the producer is
 * idempotent, each once; nobody is told inside `send`.
 *
 * @module
 */

import type { Environment } from "../runtime/environment.ts";
import { ErrorCode, isRetriable } from "../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../net/messages/init_producer_id.ts";
import { Accumulator, PartitionQueue, type TopicQueues } from "./accumulator.ts";
import { Breather } from "./breather.ts";
import { type Bootstrap, parseBootstrap } from "./bootstrap.ts";
import { Cluster } from "./cluster.ts";
import { CoarseClock } from "./coarse_clock.ts";
import { type ProducerConfig, type ProducerSettings, producerSettings } from "./configs.ts";
import { defaultEnvironment } from "./default_environment.ts";
import {
  BufferExhaustedError,
  type ClientError,
  ClosedError,
  errorForCode,
  TimeoutError,
  UnknownTopicError,
} from "./errors.ts";
import { FlushWaiter } from "./flush_waiter.ts";
import { ProducerInterceptors } from "./interceptors.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import { ProducerIdentity } from "./producer_identity.ts";
import { ProducerMetrics } from "./producer_metrics.ts";
import { RecordAppender } from "./record_appender.ts";
import { checkTimestamp, contentOf, copyOf, copyOfHeaders, headersOf } from "./record_contents.ts";
import type { BatchRecord, Data, ProducerRecord, RecordMetadata, SendCallback } from "./records.ts";
import { SendBacklog, type Waiting } from "./send_backlog.ts";
import { Sender } from "./sender.ts";
import { SendGroup, type SentRecords } from "./send_group.ts";
import { PartitionSequences } from "./sequences.ts";
import type { Serializer } from "./serializers.ts";
import { checkTopicName } from "./topic_name.ts";
import { asClientError, WaitingGroup, WaitingRecord } from "./waiting_sends.ts";

/** Sends records. Safe to share; made by `Producer.connect`. */
export class Producer<K = Data, V = Data> implements AsyncDisposable {
  readonly #environment: Environment;
  readonly #settings: ProducerSettings;
  readonly #keySerializer: Serializer<K> | undefined;
  readonly #valueSerializer: Serializer<V> | undefined;
  readonly #cluster: Cluster;
  readonly #accumulator: Accumulator;
  readonly #appender: RecordAppender;
  readonly #backlog: SendBacklog;
  readonly #sender: Sender;
  /** Undefined where it is not idempotent. */
  readonly #identity: ProducerIdentity | undefined;
  readonly #breather: Breather;
  readonly #clock: CoarseClock;
  readonly #interceptors: ProducerInterceptors<K, V> | undefined;
  /** The topic sent to last: most callers stay with one. */
  #lastTopic: TopicQueues | undefined;
  #closing: Promise<void> | undefined;
  readonly #thrown = (error: unknown) => {
    this.#environment.logger.log("error", "callback of send threw", { error: String(error) });
  };

  /** Not to be called: `Producer.connect` makes producers. */
  constructor(cluster: Cluster, config: ProducerConfig<K, V>, settings: ProducerSettings) {
    const { environment } = cluster;
    this.#environment = environment;
    this.#settings = settings;
    this.#keySerializer = config.keySerializer;
    this.#valueSerializer = config.valueSerializer;
    this.#cluster = cluster;
    const random = environment.random.stream("producer");
    this.#accumulator = new Accumulator({
      batchSize: settings.batchSize,
      bufferMemory: settings.bufferMemory,
      batchBegan: (queue) => this.#sender.batchBegan(queue),
      batchFull: (queue) => this.#sender.batchFull(queue),
    });
    this.#appender = new RecordAppender({
      ...settings,
      accumulator: this.#accumulator,
      clock: environment.clock,
      random,
    });
    this.#backlog = new SendBacklog({
      environment,
      maxBlockMs: settings.maxBlockMs,
      timeoutError: (topic) => this.#waitedTooLong(topic),
      shrunk: () => this.#breather.roomMade(!this.#backlog.isEmpty),
    });
    this.#identity = settings.enableIdempotence ? this.#makeIdentity() : undefined;
    this.#sender = new Sender({
      settings,
      environment,
      random,
      identity: this.#identity,
      accumulator: this.#accumulator,
      metrics: new ProducerMetrics(environment.metrics, settings.clientId),
      link: (node) => cluster.link(node),
      isShortOfRoom: () => !this.#backlog.isEmpty,
      staleMetadata: () => cluster.metadata.requestUpdate(),
      leadersNamed: (leaders, brokers) => cluster.metadata.takeLeaders(leaders, brokers),
      roomMade: () => this.#roomMade(),
      thrown: this.#thrown,
    });
    this.#clock = new CoarseClock(environment);
    this.#breather = new Breather(environment, this.#accumulator, settings.bufferMemory);
    this.#interceptors = config.interceptors === undefined || config.interceptors.length === 0
      ? undefined
      : new ProducerInterceptors(config.interceptors, environment.logger);
    cluster.observe({
      linksChanged: () => {
        this.#identity?.connected();
        this.#sender.wake();
      },
      metadataUpdated: () => this.#metadataUpdated(),
    });
  }

  /**
   * Connects to a cluster by any of its brokers.
   * @throws {BrokerNotAvailableError} when none of the addresses can be connected to.
   * @throws {InvalidConfigError} when an address or a config cannot be used.
   */
  static async connect<K = Data, V = Data>(
    bootstrap: Bootstrap,
    config: ProducerConfig<K, V> = {},
  ): Promise<Producer<K, V>> {
    const settings = producerSettings(config);
    const cluster = new Cluster({
      environment: config.environment ?? defaultEnvironment(),
      settings,
      bootstrap: parseBootstrap(bootstrap),
      allowAutoTopicCreation: true,
    });
    const producer = new Producer<K, V>(cluster, config, settings);
    await cluster.connect();
    producer.#identity?.want();
    return producer;
  }

  /**
   * Sends a record. Settles when the record is acknowledged as `acks` asks, or with why it was not,
   * at the latest after `maxBlockMs` and `deliveryTimeoutMs`. With a callback there is no promise,
   * which is faster; it is called in its place.
   */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>;
  /** Sends a record and has `callback` told what came of it. */
  send(record: ProducerRecord<K, V>, callback: SendCallback): void;
  send(
    record: ProducerRecord<K, V>,
    callback?: SendCallback,
  ): Promise<RecordMetadata> | undefined {
    if (this.#interceptors !== undefined) return this.#sendIntercepted(record, callback);
    return this.#sendPlain(record, callback);
  }

  /**
   * Sends many records of one topic, with one promise for all: where they are, in the same order.
   * When records fail the promise rejects with the first error, after all have settled. Records
   * that the buffer has no room for are taken later: they must not change until then.
   */
  sendBatch(topic: string, records: readonly BatchRecord<K, V>[]): Promise<SentRecords> {
    if (this.#interceptors !== undefined) {
      return Promise.all(records.map((record) => this.send({ ...record, topic })));
    }
    try {
      if (this.#closing !== undefined) throw this.#closedError();
      const queues = this.#topic(topic);
      const group = new SendGroup(records.length);
      const now = this.#environment.clock.wall();
      const append = (record: BatchRecord<K, V>) => this.#append(queues, record, now);
      const waiting = new WaitingGroup(group, records, append);
      if (!this.#mayAppend(queues) || waiting.append() !== "all") this.#wait(queues, waiting);
      return group.promise;
    } catch (error) {
      return Promise.reject(asClientError(error));
    }
  }

  /**
   * Lets a loop breathe that sends without awaiting: resolves at once mostly, now and then after
   * the event loop has turned, and, when the buffer fills up, once there is room.
   */
  ready(): Promise<void> {
    return this.#breather.ready(!this.#backlog.isEmpty);
  }

  /** Sends what waits without lingering; resolves when everything sent before has settled. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#sender.beginFlush();
      const waiter = new FlushWaiter(() => {
        this.#sender.endFlush();
        resolve();
      });
      this.#accumulator.addWaiter(waiter);
      this.#backlog.addWaiter(waiter);
      waiter.armed();
    });
  }

  /** The number of partitions of a topic, once it is known. */
  partitionsFor(topic: string): number | undefined {
    return this.#cluster.metadata.topic(topic)?.partitions.length;
  }

  /**
   * Takes no more records, waits until those sent have settled, or for `timeoutMs`, then closes the
   * connections. What is left then fails.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(options.timeoutMs);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number | undefined): Promise<void> {
    const flushed = this.flush();
    if (timeoutMs === undefined) {
      await flushed;
    } else {
      await new Promise<void>((resolve) => {
        const timer = this.#environment.timers.schedule(timeoutMs, resolve);
        flushed.then(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#backlog.close(this.#closedError());
    this.#identity?.close();
    this.#sender.close(this.#closedError());
    this.#breather.close();
    await this.#cluster.close();
  }

  #sendPlain(
    record: ProducerRecord<K, V>,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    try {
      if (this.#closing !== undefined) throw this.#closedError();
      const last = this.#lastTopic;
      const isSame = last !== undefined && last.name === record.topic;
      const queues = isSame ? last : this.#topic(record.topic);
      const timestamp = record.timestamp ?? this.#clock.now();
      const batch = this.#mayAppend(queues) ? this.#append(queues, record, timestamp) : undefined;
      if (batch === undefined) return this.#sendLater(queues, record, timestamp, callback);
      if (callback !== undefined) {
        batch.addCallback(callback);
        return undefined;
      }
      return batch.promise();
    } catch (error) {
      return this.#refuse(asClientError(error), callback);
    }
  }

  /** The slow way: a copy of the record waits for its topic or for room. */
  #sendLater(
    queues: TopicQueues,
    record: ProducerRecord<K, V>,
    timestamp: number,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    const { topic, partition } = record;
    checkTimestamp(timestamp, topic);
    const key = copyOf(contentOf(topic, record.key, this.#keySerializer));
    const value = copyOf(contentOf(topic, record.value, this.#valueSerializer));
    const headers = copyOfHeaders(headersOf(topic, record.headers));
    const append = () => this.#appender.append(queues, partition, timestamp, key, value, headers);
    if (callback !== undefined) {
      this.#wait(queues, new WaitingRecord({ kind: "callback", callback }, append, this.#thrown));
      return undefined;
    }
    return new Promise((resolve) => {
      this.#wait(queues, new WaitingRecord({ kind: "promise", resolve }, append, this.#thrown));
    });
  }

  #sendIntercepted(
    record: ProducerRecord<K, V>,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    const interceptors = this.#interceptors!;
    const told: SendCallback = (metadata, error) => {
      interceptors.onAcknowledgement(metadata, error);
      callback?.(metadata, error);
    };
    const changed = interceptors.onSend(record);
    if (callback !== undefined) return this.#sendPlain(changed, told);
    return new Promise((resolve, reject) => {
      this.#sendPlain(changed, (metadata, error) => {
        told(metadata, error);
        if (metadata === undefined) reject(error);
        else resolve(metadata);
      });
    });
  }

  /** A record that was not taken: told later, as of all others. */
  #refuse(
    error: ClientError,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    if (callback === undefined) return Promise.reject(error);
    const refused = new WaitingRecord(
      { kind: "callback", callback },
      () => undefined,
      this.#thrown,
    );
    this.#environment.dispatcher.atEndOfTurn(() => refused.fail(error));
    return undefined;
  }

  #append(
    queues: TopicQueues,
    record: BatchRecord<K, V>,
    now: number,
  ): ProducerBatch | undefined {
    const { name } = queues;
    const { timestamp } = record;
    if (timestamp !== undefined) checkTimestamp(timestamp, name);
    return this.#appender.append(
      queues,
      record.partition,
      timestamp ?? now,
      contentOf(name, record.key, this.#keySerializer),
      contentOf(name, record.value, this.#valueSerializer),
      record.headers === undefined ? undefined : headersOf(name, record.headers),
    );
  }

  #mayAppend(queues: TopicQueues): boolean {
    return queues.partitionCount > 0 && !queues.hasBacklog;
  }

  #wait(queues: TopicQueues, waiting: Waiting): void {
    this.#backlog.add(queues, waiting);
    // Batches do not linger while records wait for the memory they take.
    this.#sender.wake();
  }

  #topic(name: string): TopicQueues {
    checkTopicName(name, "Cannot send");
    const queues = this.#accumulator.topic(name);
    if (queues.partitionCount === 0) {
      this.#cluster.metadata.want(name);
      this.#updateTopic(queues);
    }
    return this.#lastTopic = queues;
  }

  /** Takes over what is known of a topic's partitions and their leaders. */
  #updateTopic(queues: TopicQueues): void {
    const info = this.#cluster.metadata.topic(queues.name);
    if (info === undefined) return;
    for (const { partition, leader, leaderEpoch } of info.partitions) {
      const queue = queues.partitions[partition] ??= this.#makeQueue(queues.name, partition);
      queue.leader = leader;
      queue.leaderEpoch = leaderEpoch;
    }
  }

  #makeQueue(topic: string, partition: number): PartitionQueue {
    const identity = this.#identity;
    const sequences = identity === undefined ? undefined : new PartitionSequences(identity);
    return new PartitionQueue(topic, partition, sequences);
  }

  #makeIdentity(): ProducerIdentity {
    const { environment, settings } = this.#cluster;
    return new ProducerIdentity({
      environment,
      random: environment.random.stream("producer id"),
      retryBackoff: settings.retryBackoff,
      ask: (request, done) => {
        const link = this.#cluster.anyLink();
        link?.send(INIT_PRODUCER_ID, request, settings.requestTimeoutMs, done);
        return link !== undefined;
      },
      changed: () => this.#sender.wake(),
      failed: (error) => this.#sender.failWaiting(error),
    });
  }

  /** Fails what waits for a topic that cannot be had. */
  #failRefused(queues: TopicQueues): void {
    const errorCode = this.#cluster.metadata.topic(queues.name)?.errorCode ?? ErrorCode.NONE;
    if (errorCode === ErrorCode.NONE || isRetriable(errorCode)) return;
    this.#backlog.failTopic(queues.name, errorForCode(errorCode, `Cannot send to ${queues.name}`));
    this.#cluster.metadata.unwant(queues.name);
  }

  #metadataUpdated(): void {
    for (const queues of this.#accumulator.topics.values()) {
      this.#updateTopic(queues);
      this.#failRefused(queues);
    }
    this.#sender.leadersChanged();
    this.#backlog.drain();
  }

  #roomMade(): void {
    if (!this.#backlog.isEmpty) this.#backlog.drain();
    this.#breather.roomMade(!this.#backlog.isEmpty);
  }

  #waitedTooLong(queues: TopicQueues): ClientError {
    const { name } = queues;
    const waited = `within maxBlockMs ${this.#settings.maxBlockMs}`;
    if (queues.partitionCount > 0) {
      return new BufferExhaustedError(`Cannot send to ${name}: the buffer had no room ${waited}`);
    }
    const info = this.#cluster.metadata.topic(name);
    this.#cluster.metadata.unwant(name);
    if (info?.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      return new UnknownTopicError(`Cannot send to ${name}: the topic was not there ${waited}`);
    }
    return new TimeoutError(`Cannot send to ${name}: its partitions were not known ${waited}`);
  }

  #closedError(): ClientError {
    return new ClosedError("Cannot send: the producer is closed");
  }
}
