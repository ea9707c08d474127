/**
 * ListPartitionReassignments: the partitions whose replicas are being changed (KIP-455).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const LIST_PARTITION_REASSIGNMENTS = api({
  key: 46,
  name: "ListPartitionReassignments",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    timeoutMs: int32({ default: 60000 }),
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      { nullableVersions: "0+", default: null },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      })),
    })),
  }),
});

export type ListPartitionReassignmentsRequest = Infer<typeof LIST_PARTITION_REASSIGNMENTS.request>;
export type ListPartitionReassignmentsResponse = Infer<
  typeof LIST_PARTITION_REASSIGNMENTS.response
>;
export type ListPartitionReassignmentsTopics = NonNullable<
  ListPartitionReassignmentsRequest["topics"]
>[number];
export type OngoingTopicReassignment = ListPartitionReassignmentsResponse["topics"][number];
export type OngoingPartitionReassignment = OngoingTopicReassignment["partitions"][number];
