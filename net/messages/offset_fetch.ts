/**
 * OffsetFetch: the offsets that groups have committed.
 *
 * Versions: 2 fetches all of a group's offsets and adds the top-level error, 3 the throttle time, 5
 * leader epochs (KIP-320); 6 is flexible; 7 asks for stable offsets (KIP-447), 8 for several groups
 * (KIP-709); 9 adds the member of the consumer protocol (KIP-848).
 *
 * @module
 */

import {
  api,
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  string,
  struct,
  uuid,
} from "../schema.ts";

export const OFFSET_FETCH = api({
  key: 9,
  name: "OffsetFetch",
  versions: "1-9",
  flexibleVersions: "6+",
  request: struct({
    groupId: string({ versions: "0-7" }),
    topics: array(
      struct({
        name: string({ versions: "0-7" }),
        partitionIndexes: array(int32(), { versions: "0-7" }),
      }),
      { versions: "0-7", nullableVersions: "2-7" },
    ),
    groups: array(
      struct({
        groupId: string({ versions: "8+" }),
        memberId: string({
          versions: "9+",
          nullableVersions: "9+",
          default: null,
          ignorable: true,
        }),
        memberEpoch: int32({ versions: "9+", default: -1, ignorable: true }),
        topics: array(
          struct({
            name: string({ versions: "8-9", ignorable: true }),
            topicId: uuid({ versions: "10+", ignorable: true }),
            partitionIndexes: array(int32(), { versions: "8+" }),
          }),
          { versions: "8+", nullableVersions: "8+" },
        ),
      }),
      { versions: "8+" },
    ),
    requireStable: bool({ versions: "7+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    topics: array(
      struct({
        name: string({ versions: "0-7" }),
        partitions: array(
          struct({
            partitionIndex: int32({ versions: "0-7" }),
            committedOffset: int64({ versions: "0-7" }),
            committedLeaderEpoch: int32({ versions: "5-7", default: -1, ignorable: true }),
            metadata: string({ versions: "0-7", nullableVersions: "0-7" }),
            errorCode: int16({ versions: "0-7" }),
          }),
          { versions: "0-7" },
        ),
      }),
      { versions: "0-7" },
    ),
    errorCode: int16({ versions: "2-7", ignorable: true }),
    groups: array(
      struct({
        groupId: string({ versions: "8+" }),
        topics: array(
          struct({
            name: string({ versions: "8-9", ignorable: true }),
            topicId: uuid({ versions: "10+", ignorable: true }),
            partitions: array(
              struct({
                partitionIndex: int32({ versions: "8+" }),
                committedOffset: int64({ versions: "8+" }),
                committedLeaderEpoch: int32({ versions: "8+", default: -1, ignorable: true }),
                metadata: string({ versions: "8+", nullableVersions: "8+" }),
                errorCode: int16({ versions: "8+" }),
              }),
              { versions: "8+" },
            ),
          }),
          { versions: "8+" },
        ),
        errorCode: int16({ versions: "8+" }),
      }),
      { versions: "8+" },
    ),
  }),
});

export type OffsetFetchRequest = Infer<typeof OFFSET_FETCH.request>;
export type OffsetFetchResponse = Infer<typeof OFFSET_FETCH.response>;
export type OffsetFetchRequestTopic = NonNullable<OffsetFetchRequest["topics"]>[number];
export type OffsetFetchRequestGroup = OffsetFetchRequest["groups"][number];
export type OffsetFetchRequestTopics = NonNullable<OffsetFetchRequestGroup["topics"]>[number];
export type OffsetFetchResponseTopic = OffsetFetchResponse["topics"][number];
export type OffsetFetchResponsePartition = OffsetFetchResponseTopic["partitions"][number];
export type OffsetFetchResponseGroup = OffsetFetchResponse["groups"][number];
export type OffsetFetchResponseTopics = OffsetFetchResponseGroup["topics"][number];
export type OffsetFetchResponsePartitions = OffsetFetchResponseTopics["partitions"][number];
