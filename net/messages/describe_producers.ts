/**
 * DescribeProducers: the producers that partitions know of (KIP-664).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const DESCRIBE_PRODUCERS = api({
  key: 61,
  name: "DescribeProducers",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    topics: array(struct({
      name: string(),
      partitionIndexes: array(int32()),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+", default: null }),
        activeProducers: array(struct({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ default: -1 }),
        })),
      })),
    })),
  }),
});

export type DescribeProducersRequest = Infer<typeof DESCRIBE_PRODUCERS.request>;
export type DescribeProducersResponse = Infer<typeof DESCRIBE_PRODUCERS.response>;
export type TopicRequest = DescribeProducersRequest["topics"][number];
export type TopicResponse = DescribeProducersResponse["topics"][number];
export type PartitionResponse = TopicResponse["partitions"][number];
export type ProducerState = PartitionResponse["activeProducers"][number];
