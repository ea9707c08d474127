/**
 * OffsetCommit: stores the offsets that a group has come to.
 *
 * Versions: 3 adds the throttle time, 5 drops the retention time, 6 adds leader epochs (KIP-320), 7
 * static members (KIP-345); 8 is flexible; 9 serves groups of the consumer protocol (KIP-848).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct, uuid } from "../schema.ts";

export const OFFSET_COMMIT = api({
  key: 8,
  name: "OffsetCommit",
  versions: "2-9",
  flexibleVersions: "8+",
  request: struct({
    groupId: string(),
    generationIdOrMemberEpoch: int32({ versions: "1+", default: -1, ignorable: true }),
    memberId: string({ versions: "1+", ignorable: true }),
    groupInstanceId: string({ versions: "7+", nullableVersions: "7+", default: null }),
    retentionTimeMs: int64({ versions: "2-4", default: -1, ignorable: true }),
    topics: array(struct({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array(struct({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: "6+", default: -1, ignorable: true }),
        committedMetadata: string({ nullableVersions: "0+" }),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    topics: array(struct({
      name: string({ versions: "0-9", ignorable: true }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
      })),
    })),
  }),
});

export type OffsetCommitRequest = Infer<typeof OFFSET_COMMIT.request>;
export type OffsetCommitResponse = Infer<typeof OFFSET_COMMIT.response>;
export type OffsetCommitRequestTopic = OffsetCommitRequest["topics"][number];
export type OffsetCommitRequestPartition = OffsetCommitRequestTopic["partitions"][number];
export type OffsetCommitResponseTopic = OffsetCommitResponse["topics"][number];
export type OffsetCommitResponsePartition = OffsetCommitResponseTopic["partitions"][number];
