/**
 * OffsetDelete: forgets committed offsets of topics that a group no longer subscribes to (KIP-496).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const OFFSET_DELETE = api({
  key: 47,
  name: "OffsetDelete",
  versions: "0",
  flexibleVersions: "none",
  request: struct({
    groupId: string(),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
      })),
    })),
  }),
  response: struct({
    errorCode: int16(),
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
      })),
    })),
  }),
});

export type OffsetDeleteRequest = Infer<typeof OFFSET_DELETE.request>;
export type OffsetDeleteResponse = Infer<typeof OFFSET_DELETE.response>;
export type OffsetDeleteRequestTopic = OffsetDeleteRequest["topics"][number];
export type OffsetDeleteRequestPartition = OffsetDeleteRequestTopic["partitions"][number];
export type OffsetDeleteResponseTopic = OffsetDeleteResponse["topics"][number];
export type OffsetDeleteResponsePartition = OffsetDeleteResponseTopic["partitions"][number];
