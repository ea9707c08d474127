/**
 * DescribeQuorum: leader, epoch, high watermark, voters and observers of the metadata quorum
 * (KIP-595).
 *
 * Version 1 adds when each replica was last heard of (KIP-836), 2 directory ids, error messages and
 * the endpoints of the voters (KIP-853).
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
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

const REPLICA_STATE = struct({
  replicaId: int32(),
  replicaDirectoryId: uuid({ versions: "2+" }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ versions: "1+", default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64({ versions: "1+", default: -1, ignorable: true }),
});

export const DESCRIBE_QUORUM = api({
  key: 55,
  name: "DescribeQuorum",
  versions: "0-2",
  flexibleVersions: "0+",
  request: struct({
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
      })),
    })),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ versions: "2+", nullableVersions: "2+", ignorable: true }),
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ versions: "2+", nullableVersions: "2+", ignorable: true }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(REPLICA_STATE),
        observers: array(REPLICA_STATE),
      })),
    })),
    nodes: array(
      struct({
        nodeId: int32({ versions: "2+" }),
        listeners: array(
          struct({
            name: string({ versions: "2+" }),
            host: string({ versions: "2+" }),
            port: uint16({ versions: "2+" }),
          }),
          { versions: "2+" },
        ),
      }),
      { versions: "2+" },
    ),
  }),
});

export type DescribeQuorumRequest = Infer<typeof DESCRIBE_QUORUM.request>;
export type DescribeQuorumResponse = Infer<typeof DESCRIBE_QUORUM.response>;
export type TopicData = DescribeQuorumRequest["topics"][number];
export type PartitionData = TopicData["partitions"][number];
export type ResponseTopicData = DescribeQuorumResponse["topics"][number];
export type ResponsePartitionData = ResponseTopicData["partitions"][number];
export type ReplicaState = ResponsePartitionData["currentVoters"][number];
export type Node = DescribeQuorumResponse["nodes"][number];
export type Listener = Node["listeners"][number];
