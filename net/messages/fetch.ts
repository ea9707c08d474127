/**
 * Fetch: reads record batches, for consumers and for following replicas.
 *
 * Versions: 7 adds fetch sessions (KIP-227); 9 the leader epoch to be checked (KIP-320); 10 allows
 * zstd (KIP-110); 11 adds the rack, to read from the closest replica (KIP-392); 12 is flexible and
 * finds logs that diverge (KIP-595); 13 replaces names by topic ids (KIP-516); 15 moves the replica
 * id into `replicaState` (KIP-903); 16 adds the endpoints of new leaders (KIP-951); 17 adds the
 * follower's directory id (KIP-853).
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
  records,
  string,
  struct,
  uuid,
} from "../schema.ts";

export const FETCH = api({
  key: 1,
  name: "Fetch",
  versions: "4-17",
  flexibleVersions: "12+",
  request: struct({
    clusterId: string({
      versions: "12+",
      nullableVersions: "12+",
      default: null,
      tag: 0,
      taggedVersions: "12+",
      ignorable: true,
    }),
    replicaId: int32({ versions: "0-14", default: -1 }),
    replicaState: struct({
      replicaId: int32({ versions: "15+", default: -1 }),
      replicaEpoch: int64({ versions: "15+", default: -1 }),
    }, { versions: "15+", tag: 1, taggedVersions: "15+" }),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ versions: "3+", default: 0x7fffffff, ignorable: true }),
    isolationLevel: int8({ versions: "4+", ignorable: true }),
    sessionId: int32({ versions: "7+", ignorable: true }),
    sessionEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
    topics: array(struct({
      topic: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array(struct({
        partition: int32(),
        currentLeaderEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ versions: "12+", default: -1 }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({
          versions: "17+",
          tag: 0,
          taggedVersions: "17+",
          ignorable: true,
        }),
      })),
    })),
    forgottenTopicsData: array(
      struct({
        topic: string({ versions: "7-12", ignorable: true }),
        topicId: uuid({ versions: "13+", ignorable: true }),
        partitions: array(int32(), { versions: "7+" }),
      }),
      { versions: "7+" },
    ),
    rackId: string({ versions: "11+", ignorable: true }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16({ versions: "7+", ignorable: true }),
    sessionId: int32({ versions: "7+" }),
    responses: array(struct({
      topic: string({ versions: "0-12", ignorable: true }),
      topicId: uuid({ versions: "13+", ignorable: true }),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ versions: "4+", default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        divergingEpoch: struct({
          epoch: int32({ versions: "12+", default: -1 }),
          endOffset: int64({ versions: "12+", default: -1 }),
        }, { versions: "12+", tag: 0, taggedVersions: "12+" }),
        currentLeader: struct({
          leaderId: int32({ versions: "12+", default: -1 }),
          leaderEpoch: int32({ versions: "12+", default: -1 }),
        }, { versions: "12+", tag: 1, taggedVersions: "12+" }),
        snapshotId: struct({
          endOffset: int64({ default: -1 }),
          epoch: int32({ default: -1 }),
        }, { versions: "12+", tag: 2, taggedVersions: "12+" }),
        abortedTransactions: array(
          struct({
            producerId: int64({ versions: "4+" }),
            firstOffset: int64({ versions: "4+" }),
          }),
          { versions: "4+", nullableVersions: "4+", ignorable: true },
        ),
        preferredReadReplica: int32({ versions: "11+", default: -1 }),
        records: records({ nullableVersions: "0+" }),
      })),
    })),
    nodeEndpoints: array(
      struct({
        nodeId: int32({ versions: "16+" }),
        host: string({ versions: "16+" }),
        port: int32({ versions: "16+" }),
        rack: string({ versions: "16+", nullableVersions: "16+", default: null }),
      }),
      { versions: "16+", tag: 0, taggedVersions: "16+" },
    ),
  }),
});

export type FetchRequest = Infer<typeof FETCH.request>;
export type FetchResponse = Infer<typeof FETCH.response>;
export type ReplicaState = FetchRequest["replicaState"];
export type FetchTopic = FetchRequest["topics"][number];
export type FetchPartition = FetchTopic["partitions"][number];
export type ForgottenTopic = FetchRequest["forgottenTopicsData"][number];
export type FetchableTopicResponse = FetchResponse["responses"][number];
export type PartitionData = FetchableTopicResponse["partitions"][number];
export type EpochEndOffset = PartitionData["divergingEpoch"];
export type LeaderIdAndEpoch = PartitionData["currentLeader"];
export type SnapshotId = PartitionData["snapshotId"];
export type AbortedTransaction = NonNullable<PartitionData["abortedTransactions"]>[number];
export type NodeEndpoint = FetchResponse["nodeEndpoints"][number];
