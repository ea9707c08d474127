/**
 * AddOffsetsToTxn: puts the partition of `__consumer_offsets` in which a group's offsets are kept
 * into a transaction.
 *
 * A producer may ask before anybody has used a group: then the topic is made, as nobody else would.
 *
 * @module
 */

import {
  ADD_OFFSETS_TO_TXN,
  type AddOffsetsToTxnRequest,
  type AddOffsetsToTxnResponse,
} from "../../../net/messages/add_offsets_to_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type InternalTopicsRequest,
  OFFSETS_TOPIC,
  type TopicEnsured,
} from "../../coordinator/internal_topics.ts";
import type { ErrorReply } from "../../coordinator/transaction/requests.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import {
  askTransactions,
  producerError,
  transactionAccess,
} from "../transactions/transaction_questions.ts";

export const addOffsetsToTxn: ApiHandler<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse> = {
  api: ADD_OFFSETS_TO_TXN,
  access: ({ transactionalId, groupId }) => [
    transactionAccess("write", transactionalId),
    { operation: "read", resourceType: "group", resourceName: groupId },
  ],
  handle(call) {
    const { broker } = call;
    if (broker.image.topicByName(OFFSETS_TOPIC) !== undefined) return add(call);
    call.ask<InternalTopicsRequest, TopicEnsured>(
      broker.internalTopics,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "ensure-topic", topic: OFFSETS_TOPIC, replyTo }),
      () => add(call),
    );
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode }),
};

function add(call: Call<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse>): void {
  const { request, version, broker } = call;
  const { transactionalId, producerId, producerEpoch, groupId } = request;
  const reply = (errorCode: ErrorCode) => call.reply({ throttleTimeMs: 0, errorCode });
  const partition = broker.coordinators.partitionOf(OFFSETS_TOPIC, groupId);
  if (partition === undefined) return reply(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  askTransactions<ErrorReply>(
    call,
    transactionalId,
    (replyTo) => ({
      kind: "add-partitions",
      transactionalId,
      producerId,
      producerEpoch,
      partitions: [{ topic: OFFSETS_TOPIC, partitions: [partition] }],
      clientVersion: 0,
      replyTo,
    }),
    ({ error }) => reply(producerError(error, version)),
    reply,
  );
}
