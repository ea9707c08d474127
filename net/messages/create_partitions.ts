/**
 * CreatePartitions: raises the number of partitions of topics; `count` is the new total (KIP-195).
 *
 * Version 2 is flexible; 3 may return THROTTLING_QUOTA_EXCEEDED (KIP-599).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, string, struct } from "../schema.ts";

export const CREATE_PARTITIONS = api({
  key: 37,
  name: "CreatePartitions",
  versions: "0-3",
  flexibleVersions: "2+",
  request: struct({
    topics: array(struct({
      name: string(),
      count: int32(),
      assignments: array(
        struct({
          brokerIds: array(int32()),
        }),
        { nullableVersions: "0+" },
      ),
    })),
    timeoutMs: int32(),
    validateOnly: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(struct({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+", default: null }),
    })),
  }),
});

export type CreatePartitionsRequest = Infer<typeof CREATE_PARTITIONS.request>;
export type CreatePartitionsResponse = Infer<typeof CREATE_PARTITIONS.response>;
export type CreatePartitionsTopic = CreatePartitionsRequest["topics"][number];
export type CreatePartitionsAssignment = NonNullable<CreatePartitionsTopic["assignments"]>[number];
export type CreatePartitionsTopicResult = CreatePartitionsResponse["results"][number];
