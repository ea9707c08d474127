/**
 * What the coordinator keeps of a transactional id: which producer has it, and how far its
 * transaction has come. As Kafka keeps it, in one record an id.
 *
 * Owns the states and which may follow which, and the way to and from the record. It does not own
 * when a transaction goes from one to the next: that is rules.ts'.
 *
 * Invariants: a transaction is never changed, a change makes another; in Empty, CompleteCommit and
 * CompleteAbort there is no partition.
 *
 * @module
 */

import { NONE, type ProducerId, type Timestamp } from "../../../storage/bytes/ids.ts";
import type { TransactionLogKey } from "../../../net/messages/records/transaction_log_key.ts";
import type { TransactionLogValue } from "../../../net/messages/records/transaction_log_value.ts";

/** The states of a transaction, with Kafka's numbers. */
export const TRANSACTION_STATUS = {
  Empty: 0,
  Ongoing: 1,
  PrepareCommit: 2,
  PrepareAbort: 3,
  CompleteCommit: 4,
  CompleteAbort: 5,
  Dead: 6,
  PrepareEpochFence: 7,
} as const;

export type TransactionStatus = keyof typeof TRANSACTION_STATUS;

const STATUSES = Object.keys(TRANSACTION_STATUS) as TransactionStatus[];

/**
 * What each state may come after. Dead is never written: the record is deleted instead. Nor is
 * PrepareEpochFence: a producer is fenced and its transaction aborted by one record.
 */
export const VALID_PREVIOUS: Readonly<Record<TransactionStatus, readonly TransactionStatus[]>> = {
  Empty: ["Empty", "CompleteCommit", "CompleteAbort"],
  Ongoing: ["Ongoing", "Empty", "CompleteCommit", "CompleteAbort"],
  PrepareCommit: ["Ongoing"],
  // From all but the first: a client of version 2 may abort what has not begun, for a new epoch.
  PrepareAbort: ["Ongoing", "Empty", "CompleteCommit", "CompleteAbort"],
  CompleteCommit: ["PrepareCommit"],
  CompleteAbort: ["PrepareAbort"],
  Dead: ["Empty", "CompleteCommit", "CompleteAbort"],
  PrepareEpochFence: ["Ongoing"],
};

/** The `transaction.version` of a transaction: from 2 on it has an epoch of its own. */
export type ClientVersion = 0 | 2;

/** The largest epoch. One less is the last that a producer has: it must be possible to fence it. */
export const EPOCH_MAX = 0x7fff;

/** The partitions of a transaction, by topic. */
export type TransactionPartitions = ReadonlyMap<string, ReadonlySet<number>>;

export const NO_PARTITIONS: TransactionPartitions = new Map();

/** A transactional id, and the transaction that it has. */
export interface Transaction {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  /** The id before, once its epochs were used up; else -1. */
  readonly previousProducerId: ProducerId;
  /** The id that the producer has from the end of this transaction on; else -1. */
  readonly nextProducerId: ProducerId;
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  readonly status: TransactionStatus;
  readonly partitions: TransactionPartitions;
  /** When its first partition was added, or -1. */
  readonly startedAt: Timestamp;
  readonly updatedAt: Timestamp;
  /** How the transaction was begun or ended; 0 where the coordinator ended it by itself. */
  readonly clientVersion: ClientVersion;
}

/** The record of a transactional id. */
export interface TransactionLogRecord {
  readonly kind: "TransactionLog";
  readonly key: TransactionLogKey;
  /** Null where the id is forgotten. */
  readonly value: TransactionLogValue | null;
}

/** The record that says so. */
export function recordOf(transaction: Transaction): TransactionLogRecord {
  const { transactionalId, status, partitions } = transaction;
  return {
    kind: "TransactionLog",
    key: { transactionalId },
    value: {
      producerId: transaction.producerId,
      previousProducerId: transaction.previousProducerId,
      nextProducerId: transaction.nextProducerId,
      producerEpoch: transaction.producerEpoch,
      transactionTimeoutMs: transaction.timeoutMs,
      transactionStatus: TRANSACTION_STATUS[status],
      transactionPartitions: status === "Empty" ? null : listPartitions(partitions).map(
        ({ topic, partitions }) => ({ topic, partitionIds: partitions }),
      ),
      transactionLastUpdateTimestampMs: transaction.updatedAt,
      transactionStartTimestampMs: transaction.startedAt,
      clientTransactionVersion: transaction.clientVersion,
    },
  };
}

/** The record by which a transactional id is forgotten. */
export function tombstoneOf(transactionalId: string): TransactionLogRecord {
  return { kind: "TransactionLog", key: { transactionalId }, value: null };
}

/** What a record says; undefined where its state is none that is ever written. */
export function transactionOf(
  transactionalId: string,
  value: TransactionLogValue,
): Transaction | undefined {
  const status = STATUSES[value.transactionStatus];
  if (status === undefined || status === "Dead" || status === "PrepareEpochFence") return undefined;
  const partitions = new Map<string, Set<number>>();
  for (const { topic, partitionIds } of value.transactionPartitions ?? []) {
    partitions.set(topic, new Set(partitionIds));
  }
  return {
    transactionalId,
    producerId: value.producerId,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    producerEpoch: value.producerEpoch,
    timeoutMs: value.transactionTimeoutMs,
    status,
    partitions: status === "Empty" ? NO_PARTITIONS : partitions,
    startedAt: value.transactionStartTimestampMs,
    updatedAt: value.transactionLastUpdateTimestampMs,
    clientVersion: value.clientTransactionVersion >= 2 ? 2 : 0,
  };
}

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** The partitions, as messages list them. */
export function listPartitions(partitions: TransactionPartitions): TopicPartitions[] {
  return [...partitions].map(([topic, indexes]) => ({ topic, partitions: [...indexes] }));
}

/** Whether all of `added` are among the partitions. */
export function includesPartitions(
  partitions: TransactionPartitions,
  added: readonly TopicPartitions[],
): boolean {
  return added.every(({ topic, partitions: indexes }) => {
    const known = partitions.get(topic);
    return indexes.every((index) => known?.has(index) === true);
  });
}

/** The partitions with `added`. */
export function withPartitions(
  partitions: TransactionPartitions,
  added: readonly TopicPartitions[],
): TransactionPartitions {
  const all = new Map(partitions);
  for (const { topic, partitions: indexes } of added) {
    all.set(topic, new Set([...all.get(topic) ?? [], ...indexes]));
  }
  return all;
}

/** More than the partitions take in a record. */
export function sizeInRecord(partitions: TransactionPartitions): number {
  let bytes = 0;
  for (const [topic, indexes] of partitions) {
    bytes += TOPIC_OVERHEAD_BYTES + topic.length * UTF8_BYTES_MAX + indexes.size * INDEX_BYTES;
  }
  return bytes;
}

const TOPIC_OVERHEAD_BYTES = 16;
const UTF8_BYTES_MAX = 3;
const INDEX_BYTES = 4;

/** Whether a producer with this epoch needs another id before its epoch can rise again. */
export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= EPOCH_MAX - 1;
}

/** Whether the outcome is decided and markers are on their way. */
export function isPrepared({ status }: Transaction): boolean {
  return status === "PrepareCommit" || status === "PrepareAbort";
}

/** A new transactional id: its first producer. */
export function newTransaction(
  transactionalId: string,
  producerId: ProducerId,
  timeoutMs: number,
  now: Timestamp,
): Transaction {
  return {
    transactionalId,
    producerId,
    previousProducerId: NONE,
    nextProducerId: NONE,
    producerEpoch: 0,
    timeoutMs,
    status: "Empty",
    partitions: NO_PARTITIONS,
    startedAt: NONE,
    updatedAt: now,
    clientVersion: 0,
  };
}
