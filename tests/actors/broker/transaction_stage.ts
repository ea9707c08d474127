/**
 * Transactional producers by raw requests, whatever world they run in: each step is one request,
 * so that a test says exactly what reaches a broker, and in which version.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ADD_OFFSETS_TO_TXN } from "../../../net/messages/add_offsets_to_txn.ts";
import { ADD_PARTITIONS_TO_TXN } from "../../../net/messages/add_partitions_to_txn.ts";
import { DESCRIBE_TRANSACTIONS } from "../../../net/messages/describe_transactions.ts";
import { END_TXN } from "../../../net/messages/end_txn.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import type { Api } from "../../../net/schema.ts";
import type { Draft } from "../../../net/schema/make.ts";
import { readMarker } from "../../../storage/producer_replay.ts";
import { walkBatches } from "../../../storage/record_batch.ts";
import { TXN_OFFSET_COMMIT } from "../../../net/messages/txn_offset_commit.ts";
import { batchOf, valuesOf } from "./broker_world.ts";

/** Sends a request and waits for its answer. */
export interface Asker {
  ask<Request, Response>(
    /** The partition whose leader is asked, or the id or group whose coordinator is. */
    to: AskedOf,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version?: number,
  ): Response;
  /** Lets time go on. */
  pass(ms: number): void;
}

export type AskedOf =
  | { readonly topic: string; readonly partition: number }
  | { readonly transactionalId: string }
  | { readonly groupId: string };

/** The two ways of doing transactions: before KIP-890's part 2, and with it. */
export type TransactionVersion = 1 | 2;

const CONCURRENT_WAIT_MS = 20;

/** A transactional producer. */
export class RawProducer {
  readonly id: string;
  readonly #asker: Asker;
  readonly version: TransactionVersion;
  producerId = -1;
  producerEpoch = -1;
  readonly #sequences = new Map<string, number>();

  constructor(asker: Asker, transactionalId: string, version: TransactionVersion = 2) {
    this.#asker = asker;
    this.id = transactionalId;
    this.version = version;
  }

  get #to(): AskedOf {
    return { transactionalId: this.id };
  }

  /** One InitProducerId; the name of its error, or NONE. */
  tryInit(options: { readonly timeoutMs?: number; readonly goOn?: boolean } = {}): string {
    const { timeoutMs = 60_000, goOn = false } = options;
    const { errorCode, producerId, producerEpoch } = this.#asker.ask(this.#to, INIT_PRODUCER_ID, {
      transactionalId: this.id,
      transactionTimeoutMs: timeoutMs,
      ...(goOn ? { producerId: this.producerId, producerEpoch: this.producerEpoch } : {}),
    });
    if (errorCode === ErrorCode.NONE) this.become({ producerId, producerEpoch });
    return errorName(errorCode);
  }

  /** InitProducerId, until nothing is under way any more. */
  init(options: { readonly timeoutMs?: number; readonly goOn?: boolean } = {}): this {
    for (let tries = 0; tries < 100; tries++) {
      const error = this.tryInit(options);
      if (error === "NONE") return this;
      assertEquals(error, "CONCURRENT_TRANSACTIONS");
      this.#asker.pass(CONCURRENT_WAIT_MS);
    }
    throw new Error(`Cannot init ${this.id}: something is under way for too long`);
  }

  become({ producerId, producerEpoch }: { producerId: number; producerEpoch: number }): void {
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) {
      this.#sequences.clear();
    }
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }

  /** AddPartitionsToTxn as clients send it; the names of errors, one a partition. */
  add(topic: string, ...partitions: number[]): string[] {
    const response = this.#asker.ask(this.#to, ADD_PARTITIONS_TO_TXN, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions }],
    }, 3);
    return response.resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) =>
      resultsByPartition.map(({ partitionErrorCode }) => errorName(partitionErrorCode))
    );
  }

  addOffsets(groupId: string): string {
    const { errorCode } = this.#asker.ask(this.#to, ADD_OFFSETS_TO_TXN, {
      transactionalId: this.id,
      producerId: this.producerId,
      producerEpoch: this.producerEpoch,
      groupId,
    });
    return errorName(errorCode);
  }

  /** TxnOffsetCommit of a consumer that is no member, again while coordinators load. */
  commitOffset(groupId: string, topic: string, partitionIndex: number, offset: number): string {
    for (let tries = 0; tries < 100; tries++) {
      const { topics } = this.#asker.ask({ groupId }, TXN_OFFSET_COMMIT, {
        transactionalId: this.id,
        groupId,
        producerId: this.producerId,
        producerEpoch: this.producerEpoch,
        topics: [{
          name: topic,
          partitions: [{ partitionIndex, committedOffset: offset, committedMetadata: "" }],
        }],
      }, this.version === 2 ? 5 : 3);
      const { errorCode } = topics[0]!.partitions[0]!;
      if (!isPassing(errorCode)) return errorName(errorCode);
      this.#asker.pass(CONCURRENT_WAIT_MS);
    }
    throw new Error(`Nobody coordinates ${groupId}`);
  }

  /** One batch, of which the answer's error is given. Partitions are not added before. */
  produce(topic: string, partition: number, ...values: string[]): string {
    const key = `${topic}-${partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const error = this.produceAt(topic, partition, baseSequence, ...values);
    if (error === "NONE") this.#sequences.set(key, baseSequence + values.length);
    return error;
  }

  produceAt(
    topic: string,
    partition: number,
    baseSequence: number,
    ...values: string[]
  ): string {
    const { producerId, producerEpoch } = this;
    const records = batchOf(values, {
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional: true,
    });
    const { responses } = this.#asker.ask({ topic, partition }, PRODUCE, {
      transactionalId: this.id,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    }, this.version === 2 ? 12 : 11);
    return errorName(responses[0]!.partitionResponses[0]!.errorCode);
  }

  /** As a client does: adds the partition where it has to, and produces. */
  send(topic: string, partition: number, ...values: string[]): void {
    if (this.version === 1) assertEquals(this.add(topic, partition), ["NONE"]);
    assertEquals(this.produce(topic, partition, ...values), "NONE");
  }

  /** EndTxn; the name of its error, or NONE. */
  tryEnd(committed: boolean): string {
    const { errorCode, producerId, producerEpoch } = this.#asker.ask(this.#to, END_TXN, {
      transactionalId: this.id,
      producerId: this.producerId,
      producerEpoch: this.producerEpoch,
      committed,
    }, this.version === 2 ? 5 : 4);
    if (errorCode === ErrorCode.NONE && this.version === 2) {
      this.become({ producerId, producerEpoch });
    }
    return errorName(errorCode);
  }

  commit(): void {
    assertEquals(this.tryEnd(true), "NONE");
  }

  abort(): void {
    assertEquals(this.tryEnd(false), "NONE");
  }

  /** The state of the transaction, as its coordinator tells it. */
  describe() {
    for (let tries = 0; tries < 200; tries++) {
      const { transactionStates } = this.#asker.ask(this.#to, DESCRIBE_TRANSACTIONS, {
        transactionalIds: [this.id],
      });
      const [state] = transactionStates;
      if (!isPassing(state!.errorCode)) return state!;
      this.#asker.pass(CONCURRENT_WAIT_MS);
    }
    throw new Error(`Nobody coordinates ${this.id}`);
  }

  get state(): string {
    return this.describe().transactionState;
  }

  /** Waits until the coordinator says that the transaction is complete. */
  awaitComplete(): void {
    for (let tries = 0; tries < 500; tries++) {
      if (this.state.startsWith("Complete")) return;
      this.#asker.pass(CONCURRENT_WAIT_MS);
    }
    throw new Error(`${this.id} does not complete: ${this.state}`);
  }
}

/** Whether a coordinator is just moving or loading. */
function isPassing(errorCode: number): boolean {
  return errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS ||
    errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE || errorCode === ErrorCode.NOT_COORDINATOR;
}

/** Has the internal topics made, as clients do before all else. */
export function findCoordinator(asker: Asker, transactionalId: string): void {
  for (let tries = 0; tries < 100; tries++) {
    const { coordinators } = asker.ask({ transactionalId }, FIND_COORDINATOR, {
      keyType: 1,
      coordinatorKeys: [transactionalId],
    });
    if (coordinators[0]?.errorCode === ErrorCode.NONE) return;
    asker.pass(50);
  }
  throw new Error(`There is no coordinator of ${transactionalId}`);
}

/** All that a read_committed consumer sees of a partition. */
export function committedValues(asker: Asker, topic: string, partition = 0): string[] {
  const values: string[] = [];
  for (let offset = 0;;) {
    const { partitions } = fetchCommitted(asker, topic, partition, offset);
    const { errorCode, records, abortedTransactions } = partitions[0]!;
    assertEquals(errorName(errorCode), "NONE");
    if (records === null) return values;
    values.push(...valuesOfCommitted(records, abortedTransactions ?? []));
    for (const batch of walkBatches(records)) offset = batch.nextOffset;
  }
}

/** What a read_committed consumer makes of a fetch, as Kafka's clients do it. */
function valuesOfCommitted(
  records: Uint8Array,
  abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[],
): string[] {
  const aborted = [...abortedTransactions];
  const open = new Set<number>();
  const values: string[] = [];
  for (const batch of walkBatches(records)) {
    while (aborted.length > 0 && aborted[0]!.firstOffset <= batch.lastOffset) {
      open.add(aborted.shift()!.producerId);
    }
    if (batch.isControl) {
      if (readMarker(batch)?.kind === "ABORT") open.delete(batch.producerId);
    } else if (!batch.isTransactional || !open.has(batch.producerId)) {
      values.push(...valuesOf(batch));
    }
  }
  return values;
}

export function fetchCommitted(
  asker: Asker,
  topic: string,
  partition: number,
  fetchOffset: number,
) {
  const { responses } = asker.ask({ topic, partition }, FETCH, {
    isolationLevel: 1,
    minBytes: 1,
    maxBytes: 50 << 20,
    maxWaitMs: 0,
    topics: [{
      topic,
      partitions: [{ partition, fetchOffset, partitionMaxBytes: 1 << 20, currentLeaderEpoch: -1 }],
    }],
  }, 12);
  return responses[0]!;
}

/** ListOffsets of the end, in both isolations: last stable offset and high watermark. */
export function endOffsets(asker: Asker, topic: string, partition = 0): [number, number] {
  const list = (isolationLevel: number) => {
    const { topics } = asker.ask({ topic, partition }, LIST_OFFSETS, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
    });
    return topics[0]!.partitions[0]!.offset;
  };
  return [list(1), list(0)];
}
