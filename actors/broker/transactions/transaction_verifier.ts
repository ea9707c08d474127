/**
 * Asks transaction coordinators, here or at other brokers, whether partitions are part of open
 * transactions, or has them become so (KIP-890).
 *
 * Owns what is gathered of one turn: what concerns one transaction is asked at once. It keeps no
 * answer: that is for the partitions to do.
 *
 * Invariant: each question gets one answer.
 *
 * @module
 */

import type { NodeId } from "../../../storage/bytes/ids.ts";
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from "../../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { CoordinatorRequest } from "../../coordinator/coordinator_actor.ts";
import { TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type {
  ErrorReply,
  TransactionRequest,
  VerifiedPartitions,
} from "../../coordinator/transaction/requests.ts";
import type { TopicPartitions } from "../../coordinator/transaction/transaction.ts";
import type { ClientError } from "../../link/errors.ts";
import type { VerifyTransaction } from "../../partition/verification.ts";
import type { Ask } from "./marker_append.ts";
import type { BrokerServices } from "../services.ts";

export interface TransactionVerifierOptions {
  readonly broker: BrokerServices;
  readonly ask: Ask;
  /** Asks another broker; false where it cannot be reached, and there is no answer. */
  send(
    to: NodeId,
    request: AddPartitionsToTxnRequest,
    done: (result: AddPartitionsToTxnResponse | ClientError) => void,
  ): boolean;
  /** Has `run` called when what has come by now was taken. */
  soon(run: () => void): void;
}

/** What is asked about one transaction at once. */
interface Group {
  readonly first: VerifyTransaction;
  readonly questions: VerifyTransaction[];
}

export class TransactionVerifier {
  readonly #options: TransactionVerifierOptions;
  #groups = new Map<string, Group>();

  constructor(options: TransactionVerifierOptions) {
    this.#options = options;
  }

  verify(question: VerifyTransaction): void {
    const { transactionalId, producerId, producerEpoch, add, replyTo } = question;
    if (!add && !this.#options.broker.config.transactionPartitionVerificationEnable) {
      return void replyTo.tell({ kind: "transaction-verified", error: ErrorCode.NONE });
    }
    const key = `${producerId}/${producerEpoch}/${add}/${transactionalId}`;
    const group = this.#groups.get(key);
    if (group !== undefined) return void group.questions.push(question);
    if (this.#groups.size === 0) this.#options.soon(() => this.#flush());
    this.#groups.set(key, { first: question, questions: [question] });
  }

  #flush(): void {
    const groups = this.#groups;
    this.#groups = new Map();
    for (const group of groups.values()) this.#ask(group);
  }

  #ask(group: Group): void {
    const { broker } = this.#options;
    const { transactionalId } = group.first;
    if (transactionalId === "") return answerAll(group, ErrorCode.INVALID_REQUEST);
    const partition = broker.coordinators.partitionOf(TRANSACTION_TOPIC, transactionalId);
    const leader = partition === undefined
      ? -1
      : broker.image.topicByName(TRANSACTION_TOPIC)?.partitions[partition]?.leader ?? -1;
    if (leader < 0) return answerAll(group, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    if (leader === broker.nodeId) this.#askHere(group);
    else this.#askThere(leader, group);
  }

  #askHere(group: Group): void {
    const { broker, ask } = this.#options;
    const { transactionalId, producerId, producerEpoch, add } = group.first;
    const coordinator = broker.coordinators.find<TransactionRequest>(
      TRANSACTION_TOPIC,
      transactionalId,
    );
    if (typeof coordinator === "number") return answerAll(group, coordinator);
    const of = { transactionalId, producerId, producerEpoch, partitions: topicsOf(group) };
    const { requestTimeoutMs } = broker.config;
    if (add) {
      return ask<CoordinatorRequest<TransactionRequest>, ErrorReply>(
        coordinator,
        requestTimeoutMs,
        (replyTo) => ({
          kind: "coordinate",
          request: { kind: "add-partitions", ...of, clientVersion: 2, replyTo },
        }),
        (result) => answerAll(group, result.kind === "reply" ? result.reply.error : UNANSWERED),
      );
    }
    ask<CoordinatorRequest<TransactionRequest>, VerifiedPartitions>(
      coordinator,
      requestTimeoutMs,
      (replyTo) => ({ kind: "coordinate", request: { kind: "verify-partitions", ...of, replyTo } }),
      (result) => {
        if (result.kind !== "reply") return answerAll(group, UNANSWERED);
        const { topics } = result.reply;
        answerEach(
          group,
          (topic, partition) =>
            topics.find((each) => each.topic === topic)?.partitions
              .find((each) => each.partition === partition)?.error,
        );
      },
    );
  }

  #askThere(leader: NodeId, group: Group): void {
    const { transactionalId, producerId, producerEpoch, add } = group.first;
    const topics = topicsOf(group).map(({ topic: name, partitions }) => ({ name, partitions }));
    const isSent = this.#options.send(leader, {
      transactions: [{ transactionalId, producerId, producerEpoch, verifyOnly: !add, topics }],
      v3AndBelowTransactionalId: "",
      v3AndBelowProducerId: 0,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [],
    }, (result) => {
      if (!("resultsByTransaction" in result)) return answerAll(group, UNANSWERED);
      if (result.errorCode !== ErrorCode.NONE) return answerAll(group, ErrorCode.INVALID_TXN_STATE);
      const results = result.resultsByTransaction[0]?.topicResults;
      answerEach(
        group,
        (topic, partition) =>
          results?.find(({ name }) => name === topic)?.resultsByPartition
            .find(({ partitionIndex }) => partitionIndex === partition)
            ?.partitionErrorCode as ErrorCode | undefined,
      );
    });
    if (!isSent) answerAll(group, UNANSWERED);
  }
}

/** Asking has come to nothing. */
const UNANSWERED = ErrorCode.NETWORK_EXCEPTION;

function topicsOf({ questions }: Group): TopicPartitions[] {
  const topics = new Map<string, Set<number>>();
  for (const { topic, partition } of questions) {
    const partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, new Set([partition]));
    else partitions.add(partition);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions: [...partitions] }));
}

function answerAll(group: Group, error: ErrorCode): void {
  answerEach(group, () => error);
}

function answerEach(
  { questions }: Group,
  errorOf: (topic: string, partition: number) => ErrorCode | undefined,
): void {
  for (const { topic, partition, replyTo } of questions) {
    const error = errorOf(topic, partition) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    replyTo.tell({ kind: "transaction-verified", error: forProducers(error) });
  }
}

/**
 * What a producer is told of a coordinator's error. What may pass is told by an error that every
 * client tries again upon, without asking for metadata first.
 */
function forProducers(error: ErrorCode): ErrorCode {
  switch (error) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.CONCURRENT_TRANSACTIONS:
    case ErrorCode.NETWORK_EXCEPTION:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.NOT_COORDINATOR:
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    default:
      return error;
  }
}
