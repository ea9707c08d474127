/**
 * TxnOffsetCommit: stores a group's offsets as part of a transaction.
 *
 * Versions: 2 adds leader epochs; 3 is flexible and adds the member (KIP-447); 5 adds the group to
 * the transaction by itself (KIP-890).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const TXN_OFFSET_COMMIT = api({
  key: 28,
  name: "TxnOffsetCommit",
  versions: "0-5",
  flexibleVersions: "3+",
  request: struct({
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ versions: "3+", default: -1 }),
    memberId: string({ versions: "3+" }),
    groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: "2+", default: -1, ignorable: true }),
        committedMetadata: string({ nullableVersions: "0+" }),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
      })),
    })),
  }),
});

export type TxnOffsetCommitRequest = Infer<typeof TXN_OFFSET_COMMIT.request>;
export type TxnOffsetCommitResponse = Infer<typeof TXN_OFFSET_COMMIT.response>;
export type TxnOffsetCommitRequestTopic = TxnOffsetCommitRequest["topics"][number];
export type TxnOffsetCommitRequestPartition = TxnOffsetCommitRequestTopic["partitions"][number];
export type TxnOffsetCommitResponseTopic = TxnOffsetCommitResponse["topics"][number];
export type TxnOffsetCommitResponsePartition = TxnOffsetCommitResponseTopic["partitions"][number];
