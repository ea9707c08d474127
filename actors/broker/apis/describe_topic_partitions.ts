/**
 * DescribeTopicPartitions: topics page by page, with the replicas that may lead once the ISR is
 * empty (KIP-966).
 *
 * Topics come by name. A page ends after so many partitions; the cursor says where the next begins.
 * No topics asked for are all of them.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import {
  type Cursor,
  DESCRIBE_TOPIC_PARTITIONS,
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
  type DescribeTopicPartitionsResponseTopic,
} from "../../../net/messages/describe_topic_partitions.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { TopicImage } from "../../controller/cluster_image.ts";
import { isInternalTopic } from "../../coordinator/internal_topics.ts";
import { topicAccess } from "../sessions/access.ts";
import { withTopicOperations } from "../sessions/authorized_operations.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { absence, describePartition, type Reachable, reachableFrom } from "./metadata.ts";

/** Of Metadata, in which the words for the state of a partition are numbered. */
const NEWEST_WORDS = 12;

export const describeTopicPartitions: ApiHandler<
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse
> = {
  api: DESCRIBE_TOPIC_PARTITIONS,
  access: ({ topics }) => topics.map(({ name }) => topicAccess("describe", name)),
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    const { request: { topics, cursor }, broker } = call;
    const refuse = () =>
      call.reply(describeTopicPartitions.failed(call.request, ErrorCode.INVALID_REQUEST, null));
    if (cursor !== null && cursor.partitionIndex < 0) return refuse();
    const isAll = topics.length === 0;
    const names = isAll
      ? [...broker.image.topics.values()].map(({ name }) => name)
        .filter((name) => call.allows(topicAccess("describe", name)))
      : topics.map(({ name }) => name);
    if (cursor !== null && !isAll && !names.includes(cursor.topicName)) return refuse();
    const from = cursor?.topicName ?? "";
    const due = [...new Set(names)].filter((name) => name >= from).sort();
    call.reply(page(call, due, cursor));
  },
  failed: ({ topics }, errorCode) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name }) => unknown(name, errorCode)),
    nextCursor: null,
  }),
};

type DescribeCall = Call<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>;

function page(
  call: DescribeCall,
  names: readonly string[],
  cursor: Cursor | null,
): DescribeTopicPartitionsResponse {
  const { broker: { image, config }, request } = call;
  const limit = Math.min(config.maxRequestPartitionSizeLimit, request.responsePartitionLimit);
  const cluster = reachableFrom(call, NEWEST_WORDS);
  const topics: DescribeTopicPartitionsResponseTopic[] = [];
  let left = Math.max(limit, 1);
  for (const name of names) {
    if (left === 0) return { throttleTimeMs: 0, topics, nextCursor: at(name, 0) };
    const topic = image.topicByName(name);
    if (topic === undefined) {
      topics.push(withTopicOperations(call, unknown(name, absence(name))));
      continue;
    }
    const first = name === cursor?.topicName ? cursor.partitionIndex : 0;
    const end = Math.min(topic.partitions.length, first + left);
    topics.push(withTopicOperations(call, describe(cluster, topic, first, end)));
    if (end < topic.partitions.length) {
      return { throttleTimeMs: 0, topics, nextCursor: at(name, end) };
    }
    left -= Math.max(end - first, 0);
  }
  return { throttleTimeMs: 0, topics, nextCursor: null };
}

function at(topicName: string, partitionIndex: number) {
  return { topicName, partitionIndex };
}

function describe(
  cluster: Reachable,
  { name, id, partitions }: TopicImage,
  first: number,
  end: number,
): DescribeTopicPartitionsResponseTopic {
  return {
    errorCode: ErrorCode.NONE,
    name,
    topicId: id,
    isInternal: isInternalTopic(name),
    partitions: partitions.slice(first, end).map((partition, index) => ({
      ...describePartition(cluster, id, first + index, partition),
      errorCode: ErrorCode.NONE,
      eligibleLeaderReplicas: partition.elr,
      lastKnownElr: partition.lastKnownElr,
    })),
    topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
  };
}

function unknown(name: string, errorCode: number): DescribeTopicPartitionsResponseTopic {
  return {
    errorCode,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
  };
}
