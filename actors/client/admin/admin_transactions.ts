/**
 * What the admin client asks about transactions: which there are, what is in them, which producers
 * partitions know of, and how to end one that nobody ends (KIP-664).
 *
 * @module
 */

import type { Epoch, NodeId, Offset, ProducerId, Timestamp } from "../../../storage/bytes/ids.ts";
import { DESCRIBE_PRODUCERS } from "../../../net/messages/describe_producers.ts";
import { DESCRIBE_TRANSACTIONS } from "../../../net/messages/describe_transactions.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { LIST_TRANSACTIONS } from "../../../net/messages/list_transactions.ts";
import { WRITE_TXN_MARKERS } from "../../../net/messages/write_txn_markers.ts";
import { make } from "../../../net/schema/make.ts";
import { type AdminCalls, check, type ItemResult } from "./admin_calls.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** Which transactions to list; all that there are when nothing is said. */
export interface ListTransactionsOptions {
  /** In one of these states, as `Ongoing`. */
  readonly states?: readonly string[];
  /** Of one of these producers. */
  readonly producerIds?: readonly ProducerId[];
  /** Open for longer than so many milliseconds. */
  readonly durationMs?: number;
}

/** A transactional id as lists have it. */
export interface TransactionListing {
  /** Whose transactions they are. */
  readonly transactionalId: string;
  /** The producer that has it. */
  readonly producerId: ProducerId;
  /** As `Ongoing`, `Empty`, `CompleteCommit`. */
  readonly state: string;
  /** The broker that coordinates it. */
  readonly coordinator: NodeId;
}

/** A transactional id and its transaction. */
export interface TransactionDescription {
  /** Whose transactions they are. */
  readonly transactionalId: string;
  /** The producer that has it. */
  readonly producerId: ProducerId;
  /** Of that producer. */
  readonly producerEpoch: number;
  /** As `Ongoing`, `Empty`, `CompleteCommit`. */
  readonly state: string;
  /** How long one of its transactions may be open. */
  readonly timeoutMs: number;
  /** When the open one was begun; null where none is. */
  readonly startTime: Timestamp | null;
  /** What is part of the open one. */
  readonly partitions: readonly TopicPartition[];
}

/** A producer that a partition knows of. */
export interface ProducerDescription {
  /** Its id. */
  readonly producerId: ProducerId;
  /** Its epoch. */
  readonly producerEpoch: number;
  /** Of the last record. */
  readonly lastSequence: number;
  /** Of the last batch. */
  readonly lastTimestamp: Timestamp;
  /** Of the coordinator that ended its last transaction; -1 where there was none. */
  readonly coordinatorEpoch: Epoch;
  /** Where its open transaction begins; null where none is open. */
  readonly currentTransactionStartOffset: Offset | null;
}

/** The producers that a partition knows of. */
export interface PartitionProducers extends TopicPartition {
  /** Those that wrote to it not too long ago. */
  readonly producers: readonly ProducerDescription[];
}

/** A transaction in one partition that nobody ends. */
export interface AbortTransaction extends TopicPartition {
  /** Whose it is. */
  readonly producerId: ProducerId;
  /** Of that producer, as `describeProducers` tells it. */
  readonly producerEpoch: number;
  /** As `describeProducers` tells it; 0 in place of -1. */
  readonly coordinatorEpoch: Epoch;
}

const UNANSWERED: ItemResult = { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR };

export async function listTransactions(
  calls: AdminCalls,
  { states = [], producerIds = [], durationMs = -1 }: ListTransactionsOptions,
): Promise<TransactionListing[]> {
  const request = make(LIST_TRANSACTIONS.request, {
    stateFilters: states,
    producerIdFilters: producerIds,
    durationFilter: durationMs,
  });
  const answers = await calls.everyBroker(LIST_TRANSACTIONS, request, "Cannot list transactions");
  return answers.flatMap(({ node, response }) =>
    response.transactionStates.map(({ transactionalId, producerId, transactionState }) => ({
      transactionalId,
      producerId,
      state: transactionState,
      coordinator: node,
    }))
  ).sort((a, b) => a.transactionalId < b.transactionalId ? -1 : 1);
}

export function describeTransactions(
  calls: AdminCalls,
  transactionalIds: readonly string[],
): Promise<TransactionDescription[]> {
  return Promise.all(transactionalIds.map(async (transactionalId) => {
    const { transactionStates } = await calls.coordinator(
      "transaction",
      transactionalId,
      DESCRIBE_TRANSACTIONS,
      make(DESCRIBE_TRANSACTIONS.request, { transactionalIds: [transactionalId] }),
      ({ transactionStates }) => transactionStates[0] ?? UNANSWERED,
    );
    const [found] = transactionStates;
    check(found ?? UNANSWERED, `Cannot describe transactional id ${transactionalId}`);
    const { producerId, producerEpoch, transactionState, topics } = found!;
    const { transactionTimeoutMs, transactionStartTimeMs } = found!;
    return {
      transactionalId,
      producerId,
      producerEpoch,
      state: transactionState,
      timeoutMs: transactionTimeoutMs,
      startTime: transactionStartTimeMs < 0 ? null : transactionStartTimeMs,
      partitions: topics.flatMap(({ topic, partitions }) =>
        partitions.map((partition) => ({ topic, partition }))
      ),
    };
  }));
}

export async function describeProducers(
  calls: AdminCalls,
  partitions: readonly TopicPartition[],
): Promise<PartitionProducers[]> {
  const results = await calls.leaders({
    api: DESCRIBE_PRODUCERS,
    items: partitions,
    request: (items) =>
      make(DESCRIBE_PRODUCERS.request, {
        topics: Array.from(Map.groupBy(items, ({ topic }) => topic), ([name, items]) => ({
          name,
          partitionIndexes: items.map(({ partition }) => partition),
        })),
      }),
    results: ({ topics }) =>
      topics.flatMap(({ name: topic, partitions }) =>
        partitions.map((result) => ({ topic, partition: result.partitionIndex, result }))
      ),
  });
  return partitions.map(({ topic, partition }, index) => {
    const one = results[index]!;
    check(one, `Cannot describe the producers of ${topic}-${partition}`);
    const producers = one.activeProducers.map(({ currentTxnStartOffset, ...producer }) => ({
      ...producer,
      currentTransactionStartOffset: currentTxnStartOffset < 0 ? null : currentTxnStartOffset,
    }));
    return { topic, partition, producers };
  });
}

export async function abortTransaction(
  calls: AdminCalls,
  { topic, partition, producerId, producerEpoch, coordinatorEpoch }: AbortTransaction,
): Promise<void> {
  const [leader] = await calls.byLeader([{ topic, partition }]);
  const request = make(WRITE_TXN_MARKERS.request, {
    markers: [{
      producerId,
      producerEpoch,
      coordinatorEpoch,
      transactionResult: false,
      topics: [{ name: topic, partitionIndexes: [partition] }],
    }],
  });
  const { markers } = await calls.broker(leader?.node, WRITE_TXN_MARKERS, request);
  const result = markers[0]?.topics[0]?.partitions[0] ?? UNANSWERED;
  check(result, `Cannot abort the transaction of producer ${producerId} in ${topic}-${partition}`);
}

/** Any time-out does: nothing will be sent by the id that is thereby taken. */
const FENCING_TIMEOUT_MS = 60_000;

export async function fenceProducers(
  calls: AdminCalls,
  transactionalIds: readonly string[],
): Promise<void> {
  await Promise.all(transactionalIds.map(async (transactionalId) => {
    const request = make(INIT_PRODUCER_ID.request, {
      transactionalId,
      transactionTimeoutMs: FENCING_TIMEOUT_MS,
    });
    const response = await calls.coordinator(
      "transaction",
      transactionalId,
      INIT_PRODUCER_ID,
      request,
      (response) => response,
    );
    check(response, `Cannot fence the producer of transactional id ${transactionalId}`);
  }));
}
