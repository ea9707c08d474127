/**
 * FetchSnapshot: reads a part of a snapshot of the metadata log (KIP-630).
 *
 * Version 1 adds the directory id and the endpoints (KIP-853).
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
  records,
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

export const FETCH_SNAPSHOT = api({
  key: 59,
  name: "FetchSnapshot",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    clusterId: string({ nullableVersions: "0+", default: null, tag: 0, taggedVersions: "0+" }),
    replicaId: int32({ default: -1 }),
    maxBytes: int32({ default: 0x7fffffff }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partition: int32(),
        currentLeaderEpoch: int32(),
        snapshotId: struct({
          endOffset: int64(),
          epoch: int32(),
        }),
        position: int64(),
        replicaDirectoryId: uuid({ versions: "1+", tag: 0, taggedVersions: "1+", ignorable: true }),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        index: int32(),
        errorCode: int16(),
        snapshotId: struct({
          endOffset: int64(),
          epoch: int32(),
        }),
        currentLeader: struct({
          leaderId: int32(),
          leaderEpoch: int32(),
        }, { tag: 0, taggedVersions: "0+" }),
        size: int64(),
        position: int64(),
        unalignedRecords: records(),
      })),
    })),
    nodeEndpoints: array(
      struct({
        nodeId: int32({ versions: "1+" }),
        host: string({ versions: "1+" }),
        port: uint16({ versions: "1+" }),
      }),
      { versions: "1+", tag: 0, taggedVersions: "1+" },
    ),
  }),
});

export type FetchSnapshotRequest = Infer<typeof FETCH_SNAPSHOT.request>;
export type FetchSnapshotResponse = Infer<typeof FETCH_SNAPSHOT.response>;
export type TopicSnapshot = FetchSnapshotRequest["topics"][number];
export type PartitionSnapshot = TopicSnapshot["partitions"][number];
export type SnapshotId = PartitionSnapshot["snapshotId"];
export type ResponseTopicSnapshot = FetchSnapshotResponse["topics"][number];
export type ResponsePartitionSnapshot = ResponseTopicSnapshot["partitions"][number];
export type ResponseSnapshotId = ResponsePartitionSnapshot["snapshotId"];
export type LeaderIdAndEpoch = ResponsePartitionSnapshot["currentLeader"];
export type NodeEndpoint = FetchSnapshotResponse["nodeEndpoints"][number];
