/**
 * The producer: takes records, gives a promise for each, and sees to it that they get to their
 * partitions.
 *
 * Owns the public face, and the course of a transaction. Beneath it everything is synchronous: the
 * send path puts records into batches, the accumulator keeps those, the sender sends them, the
 * cluster knows who leads what.
 *
 * Invariants: each record settles once; records sent to one partition are appended in the order
 * they were sent, and, where the producer is idempotent, each once; in a transaction all of them
 * are seen by readers of committed records, or none.
 *
 * @module
 */

import type { Environment } from "../../runtime/environment.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { Accumulator } from "./accumulator.ts";
import { Breather } from "../breather.ts";
import { type Bootstrap, parseBootstrap } from "../bootstrap.ts";
import { Cluster } from "../cluster.ts";
import { type ProducerConfig, type ProducerSettings, producerSettings } from "../configs.ts";
import { defaultEnvironment } from "../default_environment.ts";
import {
  type ClientError,
  ClosedError,
  errorForCode,
  InvalidConfigError,
  ProducerFencedError,
  TransactionAbortedError,
} from "../errors.ts";
import { FlushWaiter } from "./flush_waiter.ts";
import { type Identity, ProducerIdentity } from "./producer_identity.ts";
import { ProducerMetrics } from "./producer_metrics.ts";
import { ProducerTopics } from "./producer_topics.ts";
import { RecordAppender } from "./record_appender.ts";
import type {
  BatchRecord,
  Data,
  ProducerRecord,
  RecordMetadata,
  SendCallback,
} from "../records.ts";
import { SendBacklog } from "./send_backlog.ts";
import { Sender } from "./sender.ts";
import type { SentRecords } from "./send_group.ts";
import { SendPath } from "./send_path.ts";
import { PartitionSequences } from "./sequences.ts";
import { Transaction, TransactionSequences } from "./transaction.ts";
import { TransactionManager } from "./transaction_manager.ts";

/** Sends records. Safe to share; made by `Producer.connect`. */
export class Producer<K = Data, V = Data> implements AsyncDisposable {
  readonly #environment: Environment;
  readonly #settings: ProducerSettings;
  readonly #cluster: Cluster;
  readonly #accumulator: Accumulator;
  readonly #backlog: SendBacklog;
  readonly #sender: Sender;
  readonly #topics: ProducerTopics;
  /** Undefined where it is not idempotent. */
  readonly #identity: Identity | undefined;
  /** Undefined where it has no transactional id. */
  readonly #transactions: TransactionManager | undefined;
  readonly #breather: Breather;
  readonly #path: SendPath<K, V>;
  #closing: Promise<void> | undefined;
  readonly #thrown = (error: unknown) => {
    this.#environment.logger.log("error", "callback of send threw", { error: String(error) });
  };

  /** Not to be called: `Producer.connect` makes producers. */
  constructor(cluster: Cluster, config: ProducerConfig<K, V>, settings: ProducerSettings) {
    const { environment } = cluster;
    this.#environment = environment;
    this.#settings = settings;
    this.#cluster = cluster;
    const random = environment.random.stream("producer");
    this.#accumulator = new Accumulator({
      batchSize: settings.batchSize,
      bufferMemory: settings.bufferMemory,
      batchBegan: (queue) => this.#sender.batchBegan(queue),
      batchFull: (queue) => this.#sender.batchFull(queue),
    });
    this.#backlog = new SendBacklog({
      environment,
      maxBlockMs: settings.maxBlockMs,
      timeoutError: (topic) => this.#topics.waitedTooLong(topic),
      shrunk: () => this.#breather.roomMade(!this.#backlog.isEmpty),
    });
    this.#transactions = this.#makeTransactions();
    this.#identity = this.#transactions ??
      (settings.enableIdempotence ? this.#makeIdentity() : undefined);
    this.#topics = new ProducerTopics({
      cluster,
      accumulator: this.#accumulator,
      maxBlockMs: settings.maxBlockMs,
      sequencesOf: (topic, partition) => this.#sequencesOf(topic, partition),
      refused: (topic, error) => this.#backlog.failTopic(topic, error),
    });
    this.#sender = new Sender({
      settings,
      environment,
      random,
      identity: this.#identity,
      transactions: this.#transactions,
      accumulator: this.#accumulator,
      metrics: new ProducerMetrics(environment.metrics, settings.clientId),
      link: (node) => cluster.link(node),
      isShortOfRoom: () => !this.#backlog.isEmpty,
      staleMetadata: () => cluster.metadata.requestUpdate(),
      leadersNamed: (leaders, brokers) => cluster.metadata.takeLeaders(leaders, brokers),
      roomMade: () => this.#roomMade(),
      thrown: this.#thrown,
    });
    this.#breather = new Breather(environment, this.#accumulator, settings.bufferMemory);
    this.#path = new SendPath(config, {
      environment,
      topics: this.#topics,
      backlog: this.#backlog,
      appender: new RecordAppender({
        ...settings,
        accumulator: this.#accumulator,
        clock: environment.clock,
        random,
      }),
      hurry: () => this.#sender.wake(),
      thrown: this.#thrown,
    });
    cluster.observe({
      linksChanged: () => {
        this.#identity?.connected();
        this.#sender.wake();
      },
      metadataUpdated: () => this.#metadataUpdated(),
    });
  }

  /**
   * Connects to a cluster by any of its brokers. One with a transactional id takes it from whoever
   * had it, and ends its transaction.
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
    try {
      await producer.#transactions?.init();
    } catch (error) {
      await producer.close();
      throw error;
    }
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
    const refusal = this.#outside();
    if (refusal !== undefined) return this.#path.refuse(refusal, callback);
    return this.#path.send(record, callback);
  }

  /**
   * Sends many records of one topic, with one promise for all: where they are, in the same order.
   * When records fail the promise rejects with the first error, after all have settled. Records
   * that the buffer has no room for are taken later: they must not change until then.
   */
  sendBatch(topic: string, records: readonly BatchRecord<K, V>[]): Promise<SentRecords> {
    const refusal = this.#outside();
    return refusal === undefined ? this.#path.sendBatch(topic, records) : Promise.reject(refusal);
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

  /**
   * Runs a transaction: what `body` sends by it, and the offsets it adds, are committed all
   * together when it has returned, or, when it throws or something cannot be sent, not at all. One
   * at a time; its result is that of `body`.
   * @throws {TransactionAbortedError} where something could not be sent: see `cause`
   * @throws {ProducerFencedError} where a newer producer has the transactional id
   * @throws whatever `body` throws, once the transaction is aborted
   */
  async transaction<T>(body: (transaction: Transaction<K, V>) => T | Promise<T>): Promise<T> {
    const transactions = this.#transactions;
    if (transactions === undefined) {
      throw new InvalidConfigError("Cannot begin a transaction: there is no transactionalId");
    }
    if (this.#closing !== undefined) throw this.#closedError();
    await transactions.begin();
    const transaction = new Transaction<K, V>({
      send: (record) => this.#path.send(record, undefined)!,
      sendBatch: (topic, records) => this.#path.sendBatch(topic, records),
      sendOffsets: (offsets, group) => transactions.sendOffsets(offsets, group),
    });
    try {
      const result = await body(transaction);
      await Promise.all([this.flush(), transaction.end()]);
      const { failure } = transaction;
      if (failure !== undefined) throw notCommitted(failure.error);
      if (transactions.current === undefined) throw notCommitted(undefined);
      if (!transactions.isOpen) throw notCommitted(this.#closedError());
      await transactions.end(true);
      return result;
    } catch (error) {
      await this.#abort(transactions, transaction, error);
      throw error;
    }
  }

  /** The number of partitions of a topic, once it is known. */
  partitionsFor(topic: string): number | undefined {
    return this.#cluster.metadata.topic(topic)?.partitions.length;
  }

  /**
   * Takes no more records, waits until those sent have settled and the transaction that is open is
   * aborted, or for `timeoutMs`, then closes the connections. What is left then fails.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(options.timeoutMs);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number | undefined): Promise<void> {
    this.#path.close();
    const flushed = this.flush().then(() => this.#transactions?.finish());
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

  /** Why nothing can be sent but in a transaction, where that is so. */
  #outside(): ClientError | undefined {
    if (this.#transactions === undefined) return undefined;
    const detail = "A producer with a transactionalId sends in transactions only";
    return errorForCode(ErrorCode.INVALID_TXN_STATE, "Cannot send", detail);
  }

  /** Drops what was not sent yet, waits for what was, and has the transaction aborted. */
  async #abort(
    transactions: TransactionManager,
    transaction: Transaction<K, V>,
    cause: unknown,
  ): Promise<void> {
    if (!transactions.isOpen) return;
    const aborted = new TransactionAbortedError("Cannot send: the transaction is aborted", {
      cause,
    });
    const ended = transaction.end();
    for (const { name } of this.#backlog.topics) this.#backlog.failTopic(name, aborted);
    this.#sender.abort(aborted);
    await Promise.all([this.flush(), ended]);
    this.#sender.endAbort();
    // Whoever closes the producer may have been quicker.
    if (!transactions.isOpen) return;
    try {
      await transactions.end(false);
    } catch (error) {
      this.#environment.logger.log("warn", "transaction not aborted", { error: String(error) });
      if (error instanceof ProducerFencedError) throw error;
    }
  }

  #sequencesOf(topic: string, partition: number): PartitionSequences | undefined {
    const transactions = this.#transactions;
    if (transactions !== undefined) return new TransactionSequences(transactions, topic, partition);
    return this.#identity === undefined ? undefined : new PartitionSequences(this.#identity);
  }

  #makeTransactions(): TransactionManager | undefined {
    const { transactionalId, transactionTimeoutMs, maxBlockMs } = this.#settings;
    if (transactionalId === undefined) return undefined;
    return new TransactionManager({
      cluster: this.#cluster,
      transactionalId,
      transactionTimeoutMs,
      maxBlockMs,
      wake: () => this.#sender.wake(),
      refused: (error) => this.#sender.failWaiting(error),
    });
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

  #metadataUpdated(): void {
    this.#topics.update();
    this.#sender.leadersChanged();
    this.#backlog.drain();
  }

  #roomMade(): void {
    if (!this.#backlog.isEmpty) this.#backlog.drain();
    this.#breather.roomMade(!this.#backlog.isEmpty);
  }

  #closedError(): ClientError {
    return new ClosedError("Cannot send: the producer is closed");
  }
}

/** Something could not be sent: what the transaction ends with. */
function notCommitted(cause: unknown): ClientError {
  if (cause instanceof ProducerFencedError) return cause;
  const reason = cause instanceof Error ? cause.message : "records were lost";
  return new TransactionAbortedError(`Cannot commit the transaction: ${reason}`, { cause });
}
