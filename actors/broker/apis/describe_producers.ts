/**
 * DescribeProducers: the producers that the leaders of partitions know, and their open transactions
 * (KIP-664).
 *
 * @module
 */

import {
  DESCRIBE_PRODUCERS,
  type DescribeProducersRequest,
  type DescribeProducersResponse,
  type PartitionResponse,
} from "../../../net/messages/describe_producers.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ProducerEntry } from "../../../storage/producer_state.ts";
import type { DescribeProducersReply } from "../../partition/messages.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askPartitions } from "../partition_questions.ts";

export const describeProducers: ApiHandler<DescribeProducersRequest, DescribeProducersResponse> = {
  api: DESCRIBE_PRODUCERS,
  access: ({ topics }) => topics.map(({ name }) => topicAccess("read", name)),
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    const topics = call.request.topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes,
    }));
    askPartitions<number, DescribeProducersReply, PartitionResponse>(call, {
      topics,
      partitionOf: (partitionIndex) => partitionIndex,
      timeoutMs: call.broker.config.requestTimeoutMs,
      question: (_partitionIndex, replyTo) => ({ kind: "describe-producers", replyTo }),
      answered: (partitionIndex, { error, producers }) => ({
        ...failure(partitionIndex, error),
        activeProducers: producers.map(describe),
      }),
      failed: failure,
    }, (topics) => call.reply({ throttleTimeMs: 0, topics }));
  },
  failed: ({ topics }, errorCode) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => failure(partitionIndex, errorCode)),
    })),
  }),
};

function failure(partitionIndex: number, errorCode: number): PartitionResponse {
  return {
    partitionIndex,
    errorCode: errorCode === ErrorCode.REQUEST_TIMED_OUT
      ? ErrorCode.NOT_LEADER_OR_FOLLOWER
      : errorCode,
    errorMessage: null,
    activeProducers: [],
  };
}

function describe(entry: ProducerEntry): PartitionResponse["activeProducers"][number] {
  const { producerId, producerEpoch, coordinatorEpoch, lastTimestamp, batches } = entry;
  return {
    producerId,
    producerEpoch,
    lastSequence: batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp,
    coordinatorEpoch,
    currentTxnStartOffset: entry.currentTransactionFirstOffset,
  };
}
