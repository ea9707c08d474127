/**
 * AlterPartition: a partition's leader asks the controller to change the in-sync replicas
 * (KIP-497).
 *
 * Versions: 2 replaces names by topic ids (KIP-841), 3 adds the broker epoch of each replica
 * (KIP-903).
 *
 * @module
 */

import {
  api,
  array,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  string,
  struct,
  uuid,
} from "../schema.ts";

export const ALTER_PARTITION = api({
  key: 56,
  name: "AlterPartition",
  versions: "2-3",
  flexibleVersions: "0+",
  request: struct({
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    topics: array(struct({
      topicName: string({ versions: "0-1", ignorable: true }),
      topicId: uuid({ versions: "2+", ignorable: true }),
      partitions: array(struct({
        partitionIndex: int32(),
        leaderEpoch: int32(),
        newIsr: array(int32(), { versions: "0-2" }),
        newIsrWithEpochs: array(
          struct({
            brokerId: int32({ versions: "3+" }),
            brokerEpoch: int64({ versions: "3+", default: -1 }),
          }),
          { versions: "3+" },
        ),
        leaderRecoveryState: int8({ versions: "1+" }),
        partitionEpoch: int32(),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    topics: array(struct({
      topicName: string({ versions: "0-1", ignorable: true }),
      topicId: uuid({ versions: "2+", ignorable: true }),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        leaderId: int32(),
        leaderEpoch: int32(),
        isr: array(int32()),
        leaderRecoveryState: int8({ versions: "1+", ignorable: true }),
        partitionEpoch: int32(),
      })),
    })),
  }),
});

export type AlterPartitionRequest = Infer<typeof ALTER_PARTITION.request>;
export type AlterPartitionResponse = Infer<typeof ALTER_PARTITION.response>;
export type TopicData = AlterPartitionRequest["topics"][number];
export type PartitionData = TopicData["partitions"][number];
export type BrokerState = PartitionData["newIsrWithEpochs"][number];
export type ResponseTopicData = AlterPartitionResponse["topics"][number];
export type ResponsePartitionData = ResponseTopicData["partitions"][number];
