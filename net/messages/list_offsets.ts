/**
 * ListOffsets: the offset of a timestamp, or of one of the named positions.
 *
 * Negative timestamps name positions: -1 latest, -2 earliest, -3 largest timestamp (version 7,
 * KIP-734), -4 earliest local (version 8, KIP-405), -5 latest tiered (version 9, KIP-1005). Version
 * 2 adds the isolation level, 4 the leader epoch (KIP-320); 6 is flexible.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, int8, string, struct } from "../schema.ts";

export const LIST_OFFSETS = api({
  key: 2,
  name: "ListOffsets",
  versions: "1-9",
  flexibleVersions: "6+",
  request: struct({
    replicaId: int32(),
    isolationLevel: int8({ versions: "2+" }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: "4+", default: -1, ignorable: true }),
        timestamp: int64(),
        maxNumOffsets: int32({ versions: "0", default: 1 }),
      })),
    })),
    timeoutMs: int32({ versions: "10+", ignorable: true }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        oldStyleOffsets: array(int64(), { versions: "0" }),
        timestamp: int64({ versions: "1+", default: -1 }),
        offset: int64({ versions: "1+", default: -1 }),
        leaderEpoch: int32({ versions: "4+", default: -1 }),
      })),
    })),
  }),
});

export type ListOffsetsRequest = Infer<typeof LIST_OFFSETS.request>;
export type ListOffsetsResponse = Infer<typeof LIST_OFFSETS.response>;
export type ListOffsetsTopic = ListOffsetsRequest["topics"][number];
export type ListOffsetsPartition = ListOffsetsTopic["partitions"][number];
export type ListOffsetsTopicResponse = ListOffsetsResponse["topics"][number];
export type ListOffsetsPartitionResponse = ListOffsetsTopicResponse["partitions"][number];
