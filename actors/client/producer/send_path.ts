/**
 * The way of a record from `send` into a batch, through interceptors and serializers, at once where
 * its topic is known and there is room, else by way of the backlog.
 *
 * Invariants: keys and values are copied before `send` returns; each record settles once; nobody is
 * told inside `send`.
 *
 * @module
 */

import type { Environment } from "../../runtime/environment.ts";
import type { TopicQueues } from "./accumulator.ts";
import { CoarseClock } from "../coarse_clock.ts";
import type { ProducerConfig } from "../configs.ts";
import { type ClientError, ClosedError } from "../errors.ts";
import { ProducerInterceptors } from "../interceptors.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import type { ProducerTopics } from "./producer_topics.ts";
import type { RecordAppender } from "./record_appender.ts";
import { checkTimestamp, contentOf, copyOf, copyOfHeaders, headersOf } from "./record_contents.ts";
import type { BatchRecord, ProducerRecord, RecordMetadata, SendCallback } from "../records.ts";
import type { SendBacklog, Waiting } from "./send_backlog.ts";
import { SendGroup, type SentRecords } from "./send_group.ts";
import type { Serializer } from "../serializers.ts";
import { asClientError, WaitingGroup, WaitingRecord } from "./waiting_sends.ts";

export interface SendPathOptions {
  readonly environment: Environment;
  readonly topics: ProducerTopics;
  readonly appender: RecordAppender;
  readonly backlog: SendBacklog;
  /** Records wait for room: batches must not linger. */
  hurry(): void;
  /** A callback of the user threw. */
  thrown(error: unknown): void;
}

/** The way of one producer's records. */
export class SendPath<K, V> {
  readonly #options: SendPathOptions;
  readonly #topics: ProducerTopics;
  readonly #clock: CoarseClock;
  readonly #keySerializer: Serializer<K> | undefined;
  readonly #valueSerializer: Serializer<V> | undefined;
  readonly #interceptors: ProducerInterceptors<K, V> | undefined;
  #isClosed = false;

  constructor(config: ProducerConfig<K, V>, options: SendPathOptions) {
    const { environment, topics } = options;
    this.#options = options;
    this.#topics = topics;
    this.#clock = new CoarseClock(environment);
    this.#keySerializer = config.keySerializer;
    this.#valueSerializer = config.valueSerializer;
    this.#interceptors = config.interceptors === undefined || config.interceptors.length === 0
      ? undefined
      : new ProducerInterceptors(config.interceptors, environment.logger);
  }

  /** Sends a record; the promise is undefined with a callback. */
  send(
    record: ProducerRecord<K, V>,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    if (this.#interceptors !== undefined) return this.#sendIntercepted(record, callback);
    return this.#sendPlain(record, callback);
  }

  /** Sends many records of one topic. */
  sendBatch(topic: string, records: readonly BatchRecord<K, V>[]): Promise<SentRecords> {
    if (this.#interceptors !== undefined) {
      return Promise.all(records.map((record) => this.send({ ...record, topic }, undefined)!));
    }
    try {
      this.#checkOpen();
      const queues = this.#topics.get(topic);
      const group = new SendGroup(records.length);
      const now = this.#options.environment.clock.wall();
      const append = (record: BatchRecord<K, V>) => this.#append(queues, record, now);
      const waiting = new WaitingGroup(group, records, append);
      if (!mayAppend(queues) || waiting.append() !== "all") this.#wait(queues, waiting);
      return group.promise;
    } catch (error) {
      return Promise.reject(asClientError(error));
    }
  }

  /** A record that was not taken: told later, as of all others. */
  refuse(
    error: ClientError,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    if (callback === undefined) return Promise.reject(error);
    const { thrown, environment } = this.#options;
    const refused = new WaitingRecord({ kind: "callback", callback }, () => undefined, thrown);
    environment.dispatcher.atEndOfTurn(() => refused.fail(error));
    return undefined;
  }

  /** Takes no more records. */
  close(): void {
    this.#isClosed = true;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError("Cannot send: the producer is closed");
  }

  #sendPlain(
    record: ProducerRecord<K, V>,
    callback: SendCallback | undefined,
  ): Promise<RecordMetadata> | undefined {
    try {
      this.#checkOpen();
      const queues = this.#topics.get(record.topic);
      const timestamp = record.timestamp ?? this.#clock.now();
      const batch = mayAppend(queues) ? this.#append(queues, record, timestamp) : undefined;
      if (batch === undefined) return this.#sendLater(queues, record, timestamp, callback);
      if (callback !== undefined) {
        batch.addCallback(callback);
        return undefined;
      }
      return batch.promise();
    } catch (error) {
      return this.refuse(asClientError(error), callback);
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
    const { appender, thrown } = this.#options;
    checkTimestamp(timestamp, topic);
    const key = copyOf(contentOf(topic, record.key, this.#keySerializer));
    const value = copyOf(contentOf(topic, record.value, this.#valueSerializer));
    const headers = copyOfHeaders(headersOf(topic, record.headers));
    const append = () => appender.append(queues, partition, timestamp, key, value, headers);
    if (callback !== undefined) {
      this.#wait(queues, new WaitingRecord({ kind: "callback", callback }, append, thrown));
      return undefined;
    }
    return new Promise((resolve) => {
      this.#wait(queues, new WaitingRecord({ kind: "promise", resolve }, append, thrown));
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

  #append(
    queues: TopicQueues,
    record: BatchRecord<K, V>,
    now: number,
  ): ProducerBatch | undefined {
    const { name } = queues;
    const { timestamp } = record;
    if (timestamp !== undefined) checkTimestamp(timestamp, name);
    return this.#options.appender.append(
      queues,
      record.partition,
      timestamp ?? now,
      contentOf(name, record.key, this.#keySerializer),
      contentOf(name, record.value, this.#valueSerializer),
      record.headers === undefined ? undefined : headersOf(name, record.headers),
    );
  }

  #wait(queues: TopicQueues, waiting: Waiting): void {
    this.#options.backlog.add(queues, waiting);
    this.#options.hurry();
  }
}

function mayAppend(queues: TopicQueues): boolean {
  return queues.partitionCount > 0 && !queues.hasBacklog;
}
