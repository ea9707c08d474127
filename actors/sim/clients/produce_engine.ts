/**
 * Sends numbered values to one partition, as a real producer would, and writes down what came of
 * each.
 *
 * An idempotent one has several batches in flight and repeats each until it is answered for good or
 * its time is up; then nobody knows what became of it, and the producer goes on with another epoch
 * or another id. The others send each batch once.
 *
 * Invariant: a batch that was written once keeps its producer id, epoch and sequence.
 *
 * @module
 */

import type { NodeId, ProducerId, Uuid } from "../../../storage/bytes/ids.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { make } from "../../../net/schema/make.ts";
import type { History, OpenOperation, SendStep } from "../history.ts";
import type { ClusterLink } from "./cluster_link.ts";
import { historyKey, type TopicPlan } from "./topic_plan.ts";

export interface ProduceEngineOptions {
  readonly link: ClusterLink;
  readonly history: History;
  /** Of the process, with its incarnation. */
  readonly name: string;
  readonly topic: TopicPlan;
  readonly partition: number;
  /** The mean time between two batches. */
  readonly everyMs: number;
  /** So many are made at once, as far as there may be more under way. */
  readonly batchesAtOnce: number;
  readonly valueBytesMax: number;
  readonly inFlightMax: number;
  /** How long a batch is repeated. */
  readonly deliveryTimeoutMs: number;
  /** A value that nobody else sends. */
  nextValue(): number;
  /** Whether to make no more batches. */
  isStopped(): boolean;
  /** Told before a batch is sent again. */
  repeated(topicId: Uuid, batch: ProducedBatch): void;
  /** Told of each batch that was acknowledged. */
  acknowledged(batch: ProducedBatch): void;
  /** Told that the first of the batches in flight was refused as out of order. */
  outOfOrder(topicId: Uuid, batch: ProducedBatch, by: NodeId): void;
}

/** What identifies a batch. */
export interface ProducedBatch {
  readonly partition: number;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly sequence: number;
  /** Whether it stood in the leader's log already when it was sent again. */
  wasStored: boolean;
}

interface Batch extends ProducedBatch {
  /** Counts the batches that were made. */
  readonly number: number;
  readonly topicId: Uuid;
  readonly values: readonly number[];
  readonly records: Uint8Array;
  readonly operation: OpenOperation;
  readonly deadline: number;
  attempts: number;
  inFlight: boolean;
  notBefore: number;
  /** Whether any attempt may have been appended. */
  mayBeStored: boolean;
  done: boolean;
}

const BATCH_RECORDS_MAX = 32;
/** Of one producer, by each log. */
const REMEMBERED_BATCHES = 5;

const ACKS = { idempotent: -1, all: -1, leader: 1, none: 0 } as const;

/** Errors that say that this attempt appended nothing. */
const NOTHING_APPENDED: ReadonlySet<number> = new Set([
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.INVALID_PRODUCER_EPOCH,
]);

/** Errors after which a batch is not repeated, and its producer begins anew. */
const FATAL: ReadonlySet<number> = new Set([
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.UNKNOWN_PRODUCER_ID,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.UNSUPPORTED_VERSION,
]);

export class ProduceEngine {
  readonly #options: ProduceEngineOptions;
  readonly #link: ClusterLink;
  /** Not answered for good, in the order of their sequences. */
  #batches: Batch[] = [];
  #producerId: ProducerId = -1;
  #producerEpoch = -1;
  #sequence = 0;
  /** Whether a batch of this epoch is stored. */
  #isKnown = false;
  #asking = false;
  #topicId: Uuid | undefined;
  #generation = 0;
  #made = 0;

  constructor(options: ProduceEngineOptions) {
    this.#options = options;
    this.#link = options.link;
    this.#link.onRefresh(() => this.#pump());
    this.#makeNext();
  }

  /** Batches of which it is not known what becomes of them. */
  get open(): number {
    return this.#batches.length;
  }

  get #isIdempotent(): boolean {
    return this.#options.topic.mode === "idempotent";
  }

  #makeNext(): void {
    const { everyMs, batchesAtOnce, isStopped } = this.#options;
    if (!isStopped()) this.#makeBatches();
    const meanMs = batchesAtOnce * everyMs;
    this.#link.later(1 + this.#link.random.integer(2 * meanMs), () => this.#makeNext());
  }

  #makeBatches(): void {
    const { topic, batchesAtOnce } = this.#options;
    const known = this.#link.topic(topic.name);
    if (known === undefined) return this.#link.refresh();
    if (known.id !== this.#topicId) this.#begin(known.id);
    const before = this.#batches.length;
    while (this.#batches.length < before + batchesAtOnce && this.#mayMake()) {
      this.#batches.push(this.#newBatch(known.id));
    }
    if (this.#batches.length > before) this.#pump();
    else if (this.#isIdempotent && this.#producerId < 0) this.#askForId();
  }

  #mayMake(): boolean {
    if (this.#batches.length >= (this.#isIdempotent ? this.#options.inFlightMax : 1)) return false;
    const first = this.#batches[0];
    // Brokers remember so many batches: what is repeated must be among them.
    if (this.#made - (first?.number ?? this.#made) >= REMEMBERED_BATCHES) return false;
    // A broker that does not know a producer takes any sequence for its first (as in Kafka).
    return !this.#isIdempotent || this.#producerId >= 0 && first?.sequence !== 0;
  }

  /** The topic is another: what was under way is nobody's business any more. */
  #begin(topicId: Uuid): void {
    this.#topicId = topicId;
    this.#giveUp();
  }

  #newBatch(topicId: Uuid): Batch {
    const { topic, partition, nextValue, valueBytesMax, history, name } = this.#options;
    const { random } = this.#link;
    const count = 1 + random.integer(BATCH_RECORDS_MAX);
    const values = Array.from({ length: count }, () => nextValue());
    const builder = new RecordBatchBuilder(new Uint8Array(count * (valueBytesMax + 64) + 64));
    for (const value of values) {
      const padding = "x".repeat(random.integer(valueBytesMax));
      builder.tryAppend(this.#link.environment.clock.wall(), null, `${value} ${padding}`);
    }
    const stamp = this.#isIdempotent
      ? {
        producerId: this.#producerId,
        producerEpoch: this.#producerEpoch,
        baseSequence: this.#sequence,
      }
      : {};
    const key = historyKey(topic.name, topicId, partition);
    const process = `${name}.${this.#generation}`;
    const batch: Batch = {
      number: this.#made++,
      topicId,
      partition,
      producerId: this.#producerId,
      producerEpoch: this.#producerEpoch,
      sequence: this.#sequence,
      values,
      records: builder.build(stamp),
      operation: history.begin("send", process, steps(key, values, undefined)),
      deadline: this.#link.now + this.#options.deliveryTimeoutMs,
      attempts: 0,
      inFlight: false,
      notBefore: 0,
      mayBeStored: false,
      done: false,
      wasStored: false,
    };
    this.#sequence += count;
    return batch;
  }

  #askForId(): void {
    if (this.#asking) return;
    this.#asking = true;
    const bumps = this.#producerEpoch >= 0 && this.#link.random.chance(1, 2);
    const request = make(INIT_PRODUCER_ID.request, {
      transactionalId: null,
      transactionTimeoutMs: 0x7fffffff,
      ...(bumps ? { producerId: this.#lastProducerId, producerEpoch: this.#producerEpoch } : {}),
    });
    this.#link.sendAny(INIT_PRODUCER_ID, request, this.#link.requestTimeoutMs, (response) => {
      this.#asking = false;
      if (response instanceof Error || response.errorCode !== ErrorCode.NONE) return;
      this.#producerId = this.#lastProducerId = response.producerId;
      this.#producerEpoch = response.producerEpoch;
      this.#sequence = 0;
      this.#isKnown = false;
      this.#generation++;
    });
  }
  #lastProducerId: ProducerId = -1;

  /**
   * Sends what is due, in the order of its sequences. A log takes any sequence of whom it does not
   * know: so a second batch of an epoch is not sent before the first is stored.
   */
  #pump(): void {
    const { now } = this.#link;
    const alone = this.#isIdempotent && !this.#isKnown;
    for (const batch of this.#batches) {
      if (!batch.inFlight) {
        if (batch.deadline <= now) return this.#giveUp();
        if (batch.notBefore > now) return;
        if (!this.#send(batch)) return;
      }
      if (alone) return;
    }
  }

  #send(batch: Batch): boolean {
    const { topic, partition, repeated } = this.#options;
    const known = this.#link.topic(topic.name);
    const leader = known?.id === batch.topicId ? known.leaders[partition]?.leader ?? -1 : -1;
    if (leader < 0) {
      this.#retry(batch);
      return false;
    }
    const request = make(PRODUCE.request, {
      acks: ACKS[topic.mode],
      timeoutMs: this.#link.requestTimeoutMs,
      topicData: [{
        name: topic.name,
        partitionData: [{ index: partition, records: batch.records }],
      }],
    });
    batch.attempts++;
    if (batch.attempts > 1) repeated(batch.topicId, batch);
    if (topic.mode === "none") {
      this.#link.sendOneWay(leader, PRODUCE, request);
      this.#end(batch, "info", undefined);
      return true;
    }
    batch.inFlight = true;
    const timeoutMs = this.#link.requestTimeoutMs + 1000;
    const sent = this.#link.send(leader, PRODUCE, request, timeoutMs, (response) => {
      batch.inFlight = false;
      if (batch.done) return;
      const answer = response instanceof Error
        ? undefined
        : response.responses[0]?.partitionResponses[0];
      this.#answered(batch, leader, answer?.errorCode, answer?.baseOffset ?? -1);
    });
    if (sent) return true;
    batch.inFlight = false;
    this.#retry(batch);
    return false;
  }

  #answered(batch: Batch, by: NodeId, code: number | undefined, baseOffset: number): void {
    if (code === ErrorCode.NONE || code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#options.acknowledged(batch);
      this.#isKnown = true;
      this.#end(batch, "ok", baseOffset >= 0 ? baseOffset : undefined);
      return this.#pump();
    }
    if (code === undefined || !NOTHING_APPENDED.has(code)) batch.mayBeStored = true;
    this.#link.refresh();
    if (!this.#isIdempotent) {
      return this.#end(batch, batch.mayBeStored ? "info" : "fail", undefined);
    }
    const isFirst = this.#batches[0] === batch;
    if (code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && isFirst) {
      this.#options.outOfOrder(batch.topicId, batch, by);
      return this.#giveUp();
    }
    if (code !== undefined && FATAL.has(code)) return this.#giveUp();
    this.#retry(batch);
  }

  #retry(batch: Batch): void {
    const delayMs = 20 +
      this.#link.random.integer(Math.min(1000, 100 << Math.min(batch.attempts, 4)));
    batch.notBefore = this.#link.now + delayMs;
    this.#link.refresh();
    this.#link.later(delayMs + 1, () => this.#pump());
  }

  /** Nobody knows what became of what was sent; the next sequences would not follow on it. */
  #giveUp(): void {
    for (const batch of [...this.#batches]) {
      this.#end(batch, batch.mayBeStored || batch.inFlight ? "info" : "fail", undefined);
    }
    this.#producerId = -1;
  }

  #end(batch: Batch, outcome: "ok" | "fail" | "info", baseOffset: number | undefined): void {
    if (batch.done) return;
    batch.done = true;
    this.#batches = this.#batches.filter((other) => other !== batch);
    const { topic, partition } = this.#options;
    // What is not promised is not held against anybody: see TopicPlan.
    const isPromised = !topic.isVolatile && ACKS[topic.mode] === -1;
    const told = outcome === "ok" && !isPromised ? "info" : outcome;
    const key = historyKey(topic.name, batch.topicId, partition);
    batch.operation.end(told, steps(key, batch.values, told === "ok" ? baseOffset : undefined));
  }
}

function steps(
  partition: string,
  values: readonly number[],
  baseOffset: number | undefined,
): SendStep[] {
  return values.map((value, index) => ({
    kind: "send",
    partition,
    value,
    offset: baseOffset === undefined ? undefined : baseOffset + index,
  }));
}
