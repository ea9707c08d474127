/**
 * AddPartitionsToTxn: puts partitions into a transaction before anything is produced to them.
 *
 * Clients name one transaction. Brokers, from version 4 on, may name several, and may only ask
 * whether the partitions are part of them (KIP-890).
 *
 * @module
 */

import {
  ADD_PARTITIONS_TO_TXN,
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnResponse,
  type AddPartitionsToTxnResult,
  type AddPartitionsToTxnTransaction,
} from "../../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { isInternalTopic, TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type { ErrorReply, VerifiedPartitions } from "../../coordinator/transaction/requests.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { Gather } from "../gather.ts";
import { CLUSTER_ACTION } from "../quorum_questions.ts";
import {
  askTransactions,
  producerError,
  transactionAccess,
} from "../transactions/transaction_questions.ts";

/** The first version that is for brokers. */
const OF_BROKERS = 4;

type AddCall = Call<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse>;
type ErrorOf = (topic: string, partition: number) => ErrorCode | undefined;

export const addPartitionsToTxn: ApiHandler<
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse
> = {
  api: ADD_PARTITIONS_TO_TXN,
  access: (request) =>
    isOfBroker(request)
      ? CLUSTER_ACTION
      : [transactionAccess("write", request.v3AndBelowTransactionalId)],
  handle(call) {
    const transactions = transactionsOf(call);
    const gather = new Gather<AddPartitionsToTxnResult>(
      transactions.length,
      (results) => call.reply(responseOf(call.version >= OF_BROKERS, results)),
    );
    transactions.forEach((transaction, slot) => {
      handleOne(call, transaction, (errorOf) => gather.fill(slot, resultOf(transaction, errorOf)));
    });
  },
  failed(request, errorCode) {
    if (isOfBroker(request)) return { ...responseOf(true, []), errorCode };
    const transaction = ofClient(request);
    return responseOf(false, [resultOf(transaction, () => errorCode as ErrorCode)]);
  },
};

function isOfBroker({ transactions }: AddPartitionsToTxnRequest): boolean {
  return transactions.length > 0;
}

function transactionsOf({ request, version }: AddCall): readonly AddPartitionsToTxnTransaction[] {
  return version >= OF_BROKERS ? request.transactions : [ofClient(request)];
}

function ofClient(request: AddPartitionsToTxnRequest): AddPartitionsToTxnTransaction {
  return {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics,
  };
}

function handleOne(
  call: AddCall,
  transaction: AddPartitionsToTxnTransaction,
  done: (errorOf: ErrorOf) => void,
): void {
  const refused = refusals(call, transaction);
  if (refused !== undefined) return done(refused);
  const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = transaction;
  const partitions = topics.map(({ name, partitions }) => ({ topic: name, partitions }));
  const of = { transactionalId, producerId, producerEpoch, partitions };
  const failed = (error: ErrorCode) => done(() => producerError(error, call.version));
  if (verifyOnly) {
    return askTransactions<VerifiedPartitions>(
      call,
      transactionalId,
      (replyTo) => ({ kind: "verify-partitions", ...of, replyTo }),
      ({ topics }) =>
        done((topic, partition) =>
          topics.find((each) => each.topic === topic)?.partitions
            .find((each) => each.partition === partition)?.error
        ),
      failed,
    );
  }
  const clientVersion = call.version >= OF_BROKERS ? 2 : 0;
  askTransactions<ErrorReply>(
    call,
    transactionalId,
    (replyTo) => ({ kind: "add-partitions", ...of, clientVersion, replyTo }),
    ({ error }) => failed(error),
    failed,
  );
}

/** Where a partition cannot be added none is: what to say of each. */
function refusals(
  { version, allows, broker }: AddCall,
  { topics }: AddPartitionsToTxnTransaction,
): ErrorOf | undefined {
  const errorOf: ErrorOf = (topic, partition) => {
    // Offsets come by TxnOffsetCommit, of which brokers speak; nobody writes transactions so.
    const mayWrite = version >= OF_BROKERS
      ? topic !== TRANSACTION_TOPIC
      : !isInternalTopic(topic) && allows(topicAccess("write", topic));
    if (!mayWrite) return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return broker.image.topicByName(topic)?.partitions[partition] === undefined
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : undefined;
  };
  const isRefused = topics.some(({ name, partitions }) =>
    partitions.some((partition) => errorOf(name, partition) !== undefined)
  );
  if (!isRefused) return undefined;
  return (topic, partition) => errorOf(topic, partition) ?? ErrorCode.OPERATION_NOT_ATTEMPTED;
}

function resultOf(
  { transactionalId, topics }: AddPartitionsToTxnTransaction,
  errorOf: ErrorOf,
): AddPartitionsToTxnResult {
  return {
    transactionalId,
    topicResults: topics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map((partitionIndex) => ({
        partitionIndex,
        partitionErrorCode: errorOf(name, partitionIndex) ?? ErrorCode.UNKNOWN_SERVER_ERROR,
      })),
    })),
  };
}

function responseOf(
  ofBroker: boolean,
  results: readonly AddPartitionsToTxnResult[],
): AddPartitionsToTxnResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    resultsByTransaction: ofBroker ? results : [],
    resultsByTopicV3AndBelow: ofBroker ? [] : results[0]?.topicResults ?? [],
  };
}
