/**
 * DescribeTopicPartitions: topics and their partitions, page by page, with eligible leader replicas
 * (KIP-966).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, string, struct, uuid } from "../schema.ts";

export const DESCRIBE_TOPIC_PARTITIONS = api({
  key: 75,
  name: "DescribeTopicPartitions",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    topics: array(struct({
      name: string(),
    })),
    responsePartitionLimit: int32({ default: 2000 }),
    cursor: struct({
      topicName: string(),
      partitionIndex: int32(),
    }, { nullableVersions: "0+", default: null }),
  }),
  response: struct({
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(struct({
      errorCode: int16(),
      name: string({ nullableVersions: "0+" }),
      topicId: uuid({ ignorable: true }),
      isInternal: bool({ ignorable: true }),
      partitions: array(struct({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), { nullableVersions: "0+", default: null }),
        lastKnownElr: array(int32(), { nullableVersions: "0+", default: null }),
        offlineReplicas: array(int32(), { ignorable: true }),
      })),
      topicAuthorizedOperations: int32({ default: -2147483648 }),
    })),
    nextCursor: struct({
      topicName: string(),
      partitionIndex: int32(),
    }, { nullableVersions: "0+", default: null }),
  }),
});

export type DescribeTopicPartitionsRequest = Infer<typeof DESCRIBE_TOPIC_PARTITIONS.request>;
export type DescribeTopicPartitionsResponse = Infer<typeof DESCRIBE_TOPIC_PARTITIONS.response>;
export type TopicRequest = DescribeTopicPartitionsRequest["topics"][number];
export type Cursor = NonNullable<DescribeTopicPartitionsRequest["cursor"]>;
export type DescribeTopicPartitionsResponseTopic =
  DescribeTopicPartitionsResponse["topics"][number];
export type DescribeTopicPartitionsResponsePartition =
  DescribeTopicPartitionsResponseTopic["partitions"][number];
export type ResponseCursor = NonNullable<DescribeTopicPartitionsResponse["nextCursor"]>;
