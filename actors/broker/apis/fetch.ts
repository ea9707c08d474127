/**
 * Fetch: batches from each of the partitions named, waiting for some where there are too few.
 *
 * Versions 13 and up name topics by id. No fetch sessions yet: session id 0 and every partition in
 * each response, which every client accepts (KIP-227).
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  FETCH,
  type FetchPartition,
  type FetchRequest,
  type FetchResponse,
  type FetchTopic,
  type PartitionData,
} from "../../../net/messages/fetch.ts";
import type { ReadReply } from "../../partition/messages.ts";
import type { ApiHandler, Call } from "../call.ts";
import { FetchOperation, type FetchTarget } from "../fetch_operation.ts";
import { OFFLINE } from "../services.ts";
import { fetchMetadataLog, isMetadataFetch } from "./fetch_metadata_log.ts";

/** The first version that names topics by id (KIP-516). */
const TOPIC_IDS = 13;

export const fetch: ApiHandler<FetchRequest, FetchResponse> = {
  api: FETCH,
  access: (request) =>
    request.topics.map(({ topic }) => ({
      operation: "read",
      resourceType: "topic",
      resourceName: topic,
    })),
  replicaId: ({ replicaId, replicaState }) => Math.max(replicaId, replicaState.replicaId),
  handle(call) {
    if (isMetadataFetch(call)) return fetchMetadataLog(call, fetch);
    const { request } = call;
    const targets = request.topics.flatMap((topic) =>
      topic.partitions.map((partition) => findTarget(call, topic, partition))
    );
    const operation = new FetchOperation(call, targets, {
      minBytes: request.minBytes,
      maxBytes: Math.min(request.maxBytes, call.broker.config.fetchMaxBytes),
      maxWaitMs: request.maxWaitMs,
      readCommitted: request.isolationLevel === 1,
    }, (replies) => {
      const { bytesOutTotal, failedFetchRequestsTotal } = call.broker.metrics;
      for (const { error, records } of replies) {
        if (error !== ErrorCode.NONE) failedFetchRequestsTotal.add(1);
        else if (records !== null) bytesOutTotal.add(records.length);
      }
      call.reply(response(request, replies), () => {
        for (const reply of replies) reply.release();
      });
    });
    operation.start();
  },
  failed: (request, errorCode) => ({
    ...response(request, undefined),
    errorCode,
  }),
};

function findTarget(
  { broker, version }: Call<FetchRequest, FetchResponse>,
  { topic: name, topicId }: FetchTopic,
  asked: FetchPartition,
): FetchTarget {
  const { partition, fetchOffset, partitionMaxBytes, currentLeaderEpoch } = asked;
  const byId = version >= TOPIC_IDS;
  const topic = byId ? broker.image.topicById(topicId) : broker.image.topicByName(name);
  const held = topic && broker.partitions.find(topic.id, partition);
  const base = { fetchOffset, maxBytes: partitionMaxBytes, currentLeaderEpoch };
  if (held === undefined || held === OFFLINE) {
    return { ...base, partition: undefined, error: missing() };
  }
  return { ...base, partition: held, error: ErrorCode.NONE };

  function missing(): ErrorCode {
    if (held === OFFLINE) return ErrorCode.KAFKA_STORAGE_ERROR;
    if (topic?.partitions[partition] !== undefined) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (topic === undefined && byId) return ErrorCode.UNKNOWN_TOPIC_ID;
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  }
}

const NONE = { epoch: -1, endOffset: -1, leaderId: -1, leaderEpoch: -1 } as const;

/** Replies in the order of the request's partitions; without them, of no partition. */
function response(
  request: FetchRequest,
  replies: readonly ReadReply[] | undefined,
): FetchResponse {
  let slot = 0;
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    sessionId: 0,
    responses: replies === undefined ? [] : request.topics.map((topic) => ({
      topic: topic.topic,
      topicId: topic.topicId,
      partitions: topic.partitions.map(({ partition }) =>
        partitionData(partition, replies[slot++] as ReadReply)
      ),
    })),
    nodeEndpoints: [],
  };
}

function partitionData(partitionIndex: number, reply: ReadReply): PartitionData {
  return {
    partitionIndex,
    errorCode: reply.error,
    highWatermark: reply.highWatermark,
    lastStableOffset: reply.lastStableOffset,
    logStartOffset: reply.logStartOffset,
    divergingEpoch: NONE,
    currentLeader: NONE,
    snapshotId: NONE,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: reply.records,
  };
}
