/**
 * ListOffsets: the offset at a time, or the first, the last, or that of the largest timestamp.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  LIST_OFFSETS,
  type ListOffsetsPartition,
  type ListOffsetsPartitionResponse,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
} from "../../../net/messages/list_offsets.ts";
import type { ListOffsetReply } from "../../partition/messages.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askPartitions } from "../partition_questions.ts";

/** The first version that tells leader epochs (KIP-320). */
const LEADER_EPOCHS = 4;

/** The first version whose clients know OFFSET_NOT_AVAILABLE (KIP-207). */
const OFFSET_NOT_AVAILABLE = 5;

/** What negative timestamps stand for, and since which version: each is refused in older ones. */
const SPECIAL_SINCE: ReadonlyMap<number, number> = new Map([
  [-1, 1], // the end
  [-2, 1], // the start
  [-3, 7], // the record of the largest timestamp
  [-4, 8], // the start of what is local
  [-5, 9], // the end of what is tiered
]);

/** Whoever calls himself so sees where the log ends, as followers do. */
const DEBUGGING_REPLICA_ID = -2;

export const listOffsets: ApiHandler<ListOffsetsRequest, ListOffsetsResponse> = {
  api: LIST_OFFSETS,
  access: (request) => request.topics.map(({ name }) => topicAccess("describe", name)),
  replicaId: ({ replicaId }) => replicaId,
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    const { request } = call;
    const { replicaId } = request;
    const follower = replicaId >= 0 || replicaId === DEBUGGING_REPLICA_ID;
    const readCommitted = request.isolationLevel === 1;
    const { topics, twice } = eachOnce(request.topics);
    askPartitions<ListOffsetsPartition, ListOffsetReply, ListOffsetsPartitionResponse>(call, {
      topics,
      partitionOf: ({ partitionIndex }) => partitionIndex,
      timeoutMs: call.broker.config.requestTimeoutMs,
      question: ({ timestamp, currentLeaderEpoch }, replyTo) => ({
        kind: "list-offset",
        timestamp,
        currentLeaderEpoch,
        readCommitted,
        follower,
        replyTo,
      }),
      answered: (asked, { error, timestamp, offset, leaderEpoch }) => {
        const { partitionIndex } = asked;
        if (twice.has(asked)) return failure(partitionIndex, ErrorCode.INVALID_REQUEST);
        if (!isUnderstood(asked.timestamp, call.version)) {
          return failure(partitionIndex, ErrorCode.UNSUPPORTED_VERSION);
        }
        const isKnown = call.version >= OFFSET_NOT_AVAILABLE;
        return {
          partitionIndex,
          errorCode: error === ErrorCode.OFFSET_NOT_AVAILABLE && !isKnown
            ? ErrorCode.LEADER_NOT_AVAILABLE
            : error,
          oldStyleOffsets: [],
          timestamp,
          offset,
          leaderEpoch: call.version >= LEADER_EPOCHS ? leaderEpoch : -1,
        };
      },
      failed: (asked, errorCode) =>
        failure(asked.partitionIndex, twice.has(asked) ? ErrorCode.INVALID_REQUEST : errorCode),
    }, (topics) => call.reply({ throttleTimeMs: 0, topics }));
  },
  failed: (request, errorCode) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => failure(partitionIndex, errorCode)),
    })),
  }),
};

/** Each partition once, and those that are there more than once: as in Kafka they get no offset. */
function eachOnce(asked: ListOffsetsRequest["topics"]) {
  const first = new Map<string, ListOffsetsPartition>();
  const twice = new Set<ListOffsetsPartition>();
  const topics = asked.map(({ name, partitions }) => ({
    name,
    partitions: partitions.filter((partition) => {
      const key = `${partition.partitionIndex} ${name}`;
      const earlier = first.get(key);
      if (earlier === undefined) first.set(key, partition);
      else twice.add(earlier);
      return earlier === undefined;
    }),
  }));
  return { topics, twice: twice as ReadonlySet<ListOffsetsPartition> };
}

function isUnderstood(timestamp: number, version: number): boolean {
  return timestamp >= 0 || version >= (SPECIAL_SINCE.get(timestamp) ?? Infinity);
}

function failure(partitionIndex: number, errorCode: number): ListOffsetsPartitionResponse {
  return {
    partitionIndex,
    errorCode: errorCode === ErrorCode.REQUEST_TIMED_OUT
      ? ErrorCode.LEADER_NOT_AVAILABLE
      : errorCode,
    oldStyleOffsets: [],
    timestamp: -1,
    offset: -1,
    leaderEpoch: -1,
  };
}
