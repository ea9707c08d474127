/**
 * OffsetForLeaderEpoch: where a leader epoch ends in the leader's log (KIP-320).
 *
 * @module
 */

import {
  type EpochEndOffset,
  OFFSET_FOR_LEADER_EPOCH,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
  type OffsetForLeaderPartition,
} from "../../../net/messages/offset_for_leader_epoch.ts";
import type { EndOfEpochReply } from "../../partition/messages.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askPartitions } from "../partition_questions.ts";

export const offsetForLeaderEpoch: ApiHandler<
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse
> = {
  api: OFFSET_FOR_LEADER_EPOCH,
  access: (request) => request.topics.map(({ topic }) => topicAccess("describe", topic)),
  replicaId: ({ replicaId }) => replicaId,
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    const { request } = call;
    askPartitions<OffsetForLeaderPartition, EndOfEpochReply, EpochEndOffset>(call, {
      topics: request.topics.map(({ topic, partitions }) => ({ name: topic, partitions })),
      partitionOf: ({ partition }) => partition,
      timeoutMs: call.broker.config.requestTimeoutMs,
      question: ({ leaderEpoch, currentLeaderEpoch }, replyTo) => ({
        kind: "end-of-epoch",
        leaderEpoch,
        currentLeaderEpoch,
        replyTo,
      }),
      answered: ({ partition }, { error, leaderEpoch, endOffset }) => ({
        errorCode: error,
        partition,
        leaderEpoch,
        endOffset,
      }),
      failed: ({ partition }, errorCode) => unknown(partition, errorCode),
    }, (topics) =>
      call.reply({
        throttleTimeMs: 0,
        topics: topics.map(({ name, partitions }) => ({ topic: name, partitions })),
      }));
  },
  failed: (request, errorCode) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => unknown(partition, errorCode)),
    })),
  }),
};

function unknown(partition: number, errorCode: number): EpochEndOffset {
  return { errorCode, partition, leaderEpoch: -1, endOffset: -1 };
}
