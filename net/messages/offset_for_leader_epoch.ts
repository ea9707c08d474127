/**
 * OffsetForLeaderEpoch: where a leader epoch ends, to find how far two logs agree (KIP-101,
 * KIP-320).
 *
 * Version 3 adds the replica id, whose default -2 tells a debugging consumer from an ordinary one
 * (-1); version 4 is flexible.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const OFFSET_FOR_LEADER_EPOCH = api({
  key: 23,
  name: "OffsetForLeaderEpoch",
  versions: "2-4",
  flexibleVersions: "4+",
  request: struct({
    replicaId: int32({ versions: "3+", default: -2, ignorable: true }),
    topics: array(struct({
      topic: string(),
      partitions: array(struct({
        partition: int32(),
        currentLeaderEpoch: int32({ versions: "2+", default: -1, ignorable: true }),
        leaderEpoch: int32(),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array(struct({
      topic: string(),
      partitions: array(struct({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ versions: "1+", default: -1, ignorable: true }),
        endOffset: int64({ default: -1 }),
      })),
    })),
  }),
});

export type OffsetForLeaderEpochRequest = Infer<typeof OFFSET_FOR_LEADER_EPOCH.request>;
export type OffsetForLeaderEpochResponse = Infer<typeof OFFSET_FOR_LEADER_EPOCH.response>;
export type OffsetForLeaderTopic = OffsetForLeaderEpochRequest["topics"][number];
export type OffsetForLeaderPartition = OffsetForLeaderTopic["partitions"][number];
export type OffsetForLeaderTopicResult = OffsetForLeaderEpochResponse["topics"][number];
export type EpochEndOffset = OffsetForLeaderTopicResult["partitions"][number];
