/**
 * What a transaction coordinator can be asked. Each question carries `replyTo` and gets one reply.
 *
 * @module
 */

import type { Epoch, ProducerId, Timestamp } from "../../../storage/bytes/ids.ts";
import type { ErrorCode } from "../../../net/messages/errors.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { ProducerIdAndEpoch } from "./rules.ts";
import type { ClientVersion, TopicPartitions, TransactionStatus } from "./transaction.ts";

/** Who has a transactional id now, or why it could not be found out. */
export interface ProducerReply {
  readonly error: ErrorCode;
  /** -1 with an error. */
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** InitProducerId of a transactional producer. */
export interface InitTransactions {
  readonly kind: "init-producer";
  readonly transactionalId: string;
  readonly timeoutMs: number;
  readonly expected: ProducerIdAndEpoch | undefined;
  readonly replyTo: Ref<ProducerReply>;
}

interface OfProducer extends ProducerIdAndEpoch {
  readonly transactionalId: string;
}

/** Puts partitions into a transaction, which begins with the first. */
export interface AddPartitions extends OfProducer {
  readonly kind: "add-partitions";
  readonly partitions: readonly TopicPartitions[];
  readonly clientVersion: ClientVersion;
  readonly replyTo: Ref<ErrorReply>;
}

/** Asks whether partitions are part of the open transaction. */
export interface VerifyPartitions extends OfProducer {
  readonly kind: "verify-partitions";
  readonly partitions: readonly TopicPartitions[];
  readonly replyTo: Ref<VerifiedPartitions>;
}

export interface EndTransactionRequest extends OfProducer {
  readonly kind: "end-transaction";
  readonly committed: boolean;
  readonly clientVersion: ClientVersion;
  readonly replyTo: Ref<ProducerReply>;
}

export interface ErrorReply {
  readonly error: ErrorCode;
}

export interface VerifiedPartitions {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly error: ErrorCode }[];
  }[];
}

/** DescribeTransactions of one id. */
export interface DescribeTransaction {
  readonly kind: "describe-transaction";
  readonly transactionalId: string;
  readonly replyTo: Ref<TransactionDescription>;
}

export interface TransactionDescription extends ProducerReply {
  readonly status: TransactionStatus | "";
  readonly timeoutMs: number;
  readonly startedAt: Timestamp;
  readonly partitions: readonly TopicPartitions[];
}

/** Asks for all transactional ids of this coordinator. */
export interface ListTransactionalIds {
  readonly kind: "list-transactions";
  readonly replyTo: Ref<TransactionListings>;
}

export interface TransactionListing {
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly status: TransactionStatus;
  readonly startedAt: Timestamp;
}

export interface TransactionListings {
  readonly error: ErrorCode;
  readonly transactions: readonly TransactionListing[];
}

export type TransactionRequest =
  | InitTransactions
  | AddPartitions
  | VerifyPartitions
  | EndTransactionRequest
  | DescribeTransaction
  | ListTransactionalIds;

/** Has the outcome of a transaction written to all its partitions, however long that takes. */
export interface WriteMarkers extends ProducerIdAndEpoch {
  readonly kind: "write-markers";
  readonly transactionalId: string;
  readonly committed: boolean;
  readonly coordinatorEpoch: Epoch;
  /** With version 2 no record of the transaction has its markers' epoch. */
  readonly transactionVersion: ClientVersion;
  readonly partitions: readonly TopicPartitions[];
  /** Told once, when every partition has it or is no more. */
  readonly replyTo: Ref<MarkersWritten>;
}

export interface MarkersWritten {
  readonly kind: "markers-written";
  /** NONE, or what says that somebody newer has the transactional id in hand. */
  readonly error: ErrorCode;
}

/** Nobody waits for these markers any more. */
export interface ForgetMarkers {
  readonly kind: "forget-markers";
  readonly replyTo: Ref<MarkersWritten>;
}

export type MarkersRequest = WriteMarkers | ForgetMarkers;

/** Answers a request that nobody can serve. */
export function refuseTransactionRequest(request: TransactionRequest, error: ErrorCode): void {
  switch (request.kind) {
    case "init-producer":
    case "end-transaction":
      return void request.replyTo.tell(refusedProducer(error));
    case "add-partitions":
      return void request.replyTo.tell({ error });
    case "verify-partitions":
      return void request.replyTo.tell(verified(request, () => error));
    case "describe-transaction":
      return void request.replyTo.tell(undescribed(error));
    case "list-transactions":
      return void request.replyTo.tell({ error, transactions: [] });
  }
}

export function refusedProducer(error: ErrorCode): ProducerReply {
  return { error, producerId: -1, producerEpoch: -1 };
}

/** The answer about each partition that was asked about. */
export function verified(
  { partitions }: VerifyPartitions,
  errorOf: (topic: string, partition: number) => ErrorCode,
): VerifiedPartitions {
  return {
    topics: partitions.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition, error: errorOf(topic, partition) })),
    })),
  };
}

/** The description of a transactional id that cannot be described. */
export function undescribed(error: ErrorCode): TransactionDescription {
  const nothing = { status: "", timeoutMs: 0, startedAt: -1, partitions: [] } as const;
  return { ...refusedProducer(error), ...nothing };
}
