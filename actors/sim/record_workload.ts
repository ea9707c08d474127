/**
 * A client of the simulated world that sends numbered records, reads them back, and tells a checker
 * of everything it saw.
 *
 * Each value is sent once, in batches of a few, to a drawn partition; nothing is repeated, so that
 * what a broker does shows as it is. Readers follow each partition all the while.
 *
 * @module
 */

import { type Offset, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { BatchCursor } from "../../storage/record_batch.ts";
import { RecordCursor } from "../../storage/record.ts";
import { BufferPool } from "../../net/buffer_pool.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FETCH, type FetchResponse } from "../../net/messages/fetch.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { PRODUCE, type ProduceResponse } from "../../net/messages/produce.ts";
import type { SocketAddress } from "../../net/network.ts";
import { make } from "../../net/schema/make.ts";
import { NodeConnection } from "../link/node_connection.ts";
import { producerSettings } from "../client/configs.ts";
import type { ClientError } from "../client/errors.ts";
import type { Environment, RandomStream } from "../runtime/environment.ts";
import type { RecordChecker, SendOutcome } from "./record_checker.ts";

export interface WorkloadOptions {
  readonly environment: Environment;
  readonly broker: SocketAddress;
  readonly topic: string;
  readonly partitions: number;
  /** Configs of the topic. */
  readonly configs: Readonly<Record<string, string>>;
  /** The mean time between two sends. */
  readonly sendEveryMs: number;
  /** The most bytes of a value. */
  readonly valueBytesMax: number;
  readonly checker: RecordChecker;
}

/** How the operations of a workload ended. */
export interface WorkloadCounts {
  /** Sends that were acknowledged. */
  readonly ok: number;
  /** Sends that were refused. */
  readonly fail: number;
  /** Sends whose outcome nobody knows. */
  readonly info: number;
  /** Records that were read. */
  readonly recordsRead: number;
}

const REQUEST_TIMEOUT_MS = 5000;
const RETRY_MS = 200;
const FETCH_BYTES = 64 * 1024;

/** Errors that say that nothing was appended; all others leave that open. */
const REFUSED: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.MESSAGE_TOO_LARGE,
]);

export class RecordWorkload {
  readonly #options: WorkloadOptions;
  readonly #random: RandomStream;
  readonly #connection: NodeConnection;
  readonly #positions: Offset[];
  readonly #values: number[][];
  readonly #counts = { ok: 0, fail: 0, info: 0, recordsRead: 0 };
  /** The high watermarks that the broker told, -1 where it has not. */
  #ends: Offset[] = [];
  /** Rises with each connection: order is promised on one only. */
  #connections = 0;
  #nextValue = 1;
  #sending = false;
  #topicId: Uuid | undefined;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    const { environment, partitions } = options;
    this.#random = environment.random.stream("workload");
    this.#positions = new Array(partitions).fill(0);
    this.#values = Array.from({ length: partitions }, () => []);
    this.#connection = new NodeConnection({
      environment,
      settings: producerSettings({ requestTimeoutMs: REQUEST_TIMEOUT_MS, clientId: "workload" }),
      random: environment.random.stream("connection"),
      pool: new BufferPool(),
      address: options.broker,
      ready: () => this.#connections++,
      lost: () => {},
      mayConnect: () => this.#connection.connect(),
    });
  }

  get counts(): WorkloadCounts {
    return this.#counts;
  }

  /** What was read of each partition, by offset. */
  get values(): readonly (readonly number[])[] {
    return this.#values;
  }

  /** Connects, makes the topic, and begins to send and read. */
  start(): void {
    this.#sending = true;
    this.#connection.connect();
    this.#createTopic();
  }

  /** Sends no more; goes on reading. */
  stopSending(): void {
    this.#sending = false;
  }

  /** Whether every partition was read up to the end that the broker last told. */
  isDrained(): boolean {
    return this.#topicId !== undefined && this.#ends.length === this.#options.partitions &&
      this.#ends.every((end, partition) => end >= 0 && end === this.#positions[partition]);
  }

  /** Forgets how far the broker was: `isDrained` is true only when it was told anew. */
  forgetEnds(): void {
    this.#ends = new Array(this.#options.partitions).fill(-1);
  }

  #createTopic(): void {
    const { topic, partitions, configs } = this.#options;
    const request = make(CREATE_TOPICS.request, {
      topics: [{
        name: topic,
        numPartitions: partitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      }],
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
    this.#connection.send(CREATE_TOPICS, request, REQUEST_TIMEOUT_MS, (response) => {
      const code = response instanceof Error ? -1 : response.topics[0]?.errorCode;
      if (code !== ErrorCode.NONE && code !== ErrorCode.TOPIC_ALREADY_EXISTS) {
        return this.#later(RETRY_MS, () => this.#createTopic());
      }
      this.#findTopic();
    });
  }

  #findTopic(): void {
    const { topic, partitions } = this.#options;
    const request = make(METADATA.request, { topics: [{ topicId: ZERO_UUID, name: topic }] });
    this.#connection.send(METADATA, request, REQUEST_TIMEOUT_MS, (response) => {
      const found = response instanceof Error ? undefined : response.topics[0];
      if (found?.errorCode !== ErrorCode.NONE) {
        return this.#later(RETRY_MS, () => this.#findTopic());
      }
      this.#topicId = found.topicId;
      this.#sendNext();
      for (let partition = 0; partition < partitions; partition++) this.#fetch(partition);
    });
  }

  #later(delayMs: number, run: () => void): void {
    this.#options.environment.timers.schedule(delayMs, run);
  }

  #sendNext(): void {
    if (!this.#sending) return;
    if (this.#connection.isReady) this.#send();
    const { sendEveryMs } = this.#options;
    this.#later(1 + this.#random.integer(2 * sendEveryMs), () => this.#sendNext());
  }

  #send(): void {
    const { environment, topic, partitions, checker, valueBytesMax } = this.#options;
    const index = this.#random.integer(partitions);
    const count = 1 + this.#random.integer(4);
    const values = Array.from({ length: count }, () => this.#nextValue++);
    const builder = new RecordBatchBuilder(new Uint8Array(count * (valueBytesMax + 64) + 64));
    for (const value of values) {
      const padding = "x".repeat(this.#random.integer(valueBytesMax));
      builder.tryAppend(environment.clock.wall(), null, `${value} ${padding}`);
    }
    const request = make(PRODUCE.request, {
      acks: -1,
      timeoutMs: REQUEST_TIMEOUT_MS,
      topicData: [{ name: topic, partitionData: [{ index, records: builder.build() }] }],
    });
    const connection = String(this.#connections);
    this.#connection.send(PRODUCE, request, REQUEST_TIMEOUT_MS, (response) => {
      const outcome = outcomeOf(response);
      this.#counts[outcome.kind]++;
      checker.sent(index, connection, values, outcome);
    });
  }

  #fetch(partition: number): void {
    const request = make(FETCH.request, {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{
        topicId: this.#topicId ?? ZERO_UUID,
        partitions: [{
          partition,
          fetchOffset: this.#positions[partition] ?? 0,
          partitionMaxBytes: FETCH_BYTES,
        }],
      }],
    });
    this.#connection.send(FETCH, request, REQUEST_TIMEOUT_MS, (response) => {
      const again = this.#fetched(partition, response) ? 0 : RETRY_MS;
      this.#later(again, () => this.#fetch(partition));
    });
  }

  /** Takes in what a fetch gave; false where it gave an error. */
  #fetched(partition: number, response: FetchResponse | ClientError): boolean {
    if (response instanceof Error) return false;
    const data = response.responses[0]?.partitions[0];
    if (data === undefined || data.errorCode !== ErrorCode.NONE) return false;
    this.#options.checker.visible(partition, data.highWatermark);
    if (data.records !== null) this.#take(partition, data.records);
    this.#ends[partition] = data.highWatermark;
    return true;
  }

  #take(partition: number, bytes: Uint8Array): void {
    const { checker } = this.#options;
    const batches = new BatchCursor(bytes);
    const cursor = new RecordCursor();
    while (batches.next()) {
      const { batch } = batches;
      if (batch.computeCrc() !== batch.crc) return checker.corrupt(partition, "a wrong checksum");
      cursor.open(batch);
      while (cursor.next()) {
        const expected = this.#positions[partition] as Offset;
        if (cursor.offset < expected) continue;
        const value = Number(new TextDecoder().decode(cursor.value ?? undefined).split(" ")[0]);
        checker.read(partition, expected, cursor.offset, value);
        this.#positions[partition] = cursor.offset + 1;
        (this.#values[partition] as number[])[cursor.offset] = value;
        this.#counts.recordsRead++;
      }
    }
  }
}

function outcomeOf(response: ProduceResponse | ClientError): SendOutcome {
  if (response instanceof Error) return { kind: "info" };
  const partition = response.responses[0]?.partitionResponses[0];
  if (partition === undefined) return { kind: "info" };
  if (partition.errorCode === ErrorCode.NONE) return { kind: "ok", offset: partition.baseOffset };
  return { kind: REFUSED.has(partition.errorCode) ? "fail" : "info" };
}
