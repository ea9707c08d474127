/**
 * TxnOffsetCommit: a group's offsets that count when the producer's transaction is committed.
 *
 * The partition of `__consumer_offsets` must be part of the transaction; from version 5 on it
 * becomes so by this (KIP-890).
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  TXN_OFFSET_COMMIT,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitRequestTopic,
  type TxnOffsetCommitResponse,
  type TxnOffsetCommitResponseTopic,
} from "../../../net/messages/txn_offset_commit.ts";
import { groupAccess, topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { askGroup } from "../coordinator_questions.ts";
import { transactionAccess } from "../transactions/transaction_questions.ts";

/** The first version whose clients know that a coordinator is loading. */
const KNOWS_LOADING = 2;

/** The first version whose clients know TRANSACTION_ABORTABLE (KIP-890). */
const TRANSACTION_ABORTABLE = 4;

type CommitCall = Call<TxnOffsetCommitRequest, TxnOffsetCommitResponse>;

export const txnOffsetCommit: ApiHandler<TxnOffsetCommitRequest, TxnOffsetCommitResponse> = {
  api: TXN_OFFSET_COMMIT,
  access: ({ transactionalId, groupId }) => [
    transactionAccess("write", transactionalId),
    groupAccess("read", groupId),
  ],
  handle(call) {
    const { request, version, broker } = call;
    const refused = refusals(call);
    const kept = request.topics.flatMap((topic) => {
      const partitions = topic.partitions.filter(({ partitionIndex }) =>
        refused(topic.name, partitionIndex) === undefined
      );
      return partitions.length === 0 ? [] : [{ ...topic, partitions }];
    });
    const reply = (topics: readonly TxnOffsetCommitResponseTopic[]) =>
      call.reply({ throttleTimeMs: 0, topics: merge(request.topics, topics, refused) });
    if (kept.length === 0) return reply([]);
    askGroup<TxnOffsetCommitResponse>(
      call,
      request.groupId,
      broker.config.offsetsCommitTimeoutMs,
      (replyTo) => ({
        kind: "txn-offset-commit",
        request: { ...request, topics: kept },
        version,
        replyTo,
      }),
      {
        answered: ({ topics }) => reply(withErrors(topics, version)),
        failed: (error) => reply(withErrors(allFailed(kept, error), version)),
      },
    );
  },
  failed: ({ topics }, errorCode) => ({
    throttleTimeMs: 0,
    topics: allFailed(topics, errorCode),
  }),
};

/** What may not be committed, whatever the group says. */
function refusals({ allows, broker }: CommitCall) {
  return (topic: string, partition: number): ErrorCode | undefined => {
    if (!allows(topicAccess("read", topic))) return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return broker.image.topicByName(topic)?.partitions[partition] === undefined
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : undefined;
  };
}

function allFailed(
  topics: readonly TxnOffsetCommitRequestTopic[],
  errorCode: number,
): TxnOffsetCommitResponseTopic[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

/** The answer to each partition in the request's order. */
function merge(
  asked: readonly TxnOffsetCommitRequestTopic[],
  answered: readonly TxnOffsetCommitResponseTopic[],
  refused: (topic: string, partition: number) => ErrorCode | undefined,
): TxnOffsetCommitResponseTopic[] {
  return asked.map(({ name, partitions }) => {
    const found = answered.find((topic) => topic.name === name)?.partitions ?? [];
    return {
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: refused(name, partitionIndex) ??
          found.find((each) => each.partitionIndex === partitionIndex)?.errorCode ??
          ErrorCode.UNKNOWN_SERVER_ERROR,
      })),
    };
  });
}

/** The errors as clients of a version know them. */
function withErrors(
  topics: readonly TxnOffsetCommitResponseTopic[],
  version: number,
): TxnOffsetCommitResponseTopic[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, errorCode }) => ({
      partitionIndex,
      errorCode: errorOf(errorCode, version),
    })),
  }));
}

function errorOf(error: number, version: number): number {
  if (error === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS && version < KNOWS_LOADING) {
    return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  }
  if (error === ErrorCode.TRANSACTION_ABORTABLE && version < TRANSACTION_ABORTABLE) {
    return ErrorCode.INVALID_TXN_STATE;
  }
  return error;
}
