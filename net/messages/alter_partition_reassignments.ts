/**
 * AlterPartitionReassignments: gives partitions other replicas, or takes that back (KIP-455).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const ALTER_PARTITION_REASSIGNMENTS = api({
  key: 45,
  name: "AlterPartitionReassignments",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    timeoutMs: int32({ default: 60000 }),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        replicas: array(int32(), { nullableVersions: "0+", default: null }),
      })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    responses: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      })),
    })),
  }),
});

export type AlterPartitionReassignmentsRequest = Infer<
  typeof ALTER_PARTITION_REASSIGNMENTS.request
>;
export type AlterPartitionReassignmentsResponse = Infer<
  typeof ALTER_PARTITION_REASSIGNMENTS.response
>;
export type ReassignableTopic = AlterPartitionReassignmentsRequest["topics"][number];
export type ReassignablePartition = ReassignableTopic["partitions"][number];
export type ReassignableTopicResponse = AlterPartitionReassignmentsResponse["responses"][number];
export type ReassignablePartitionResponse = ReassignableTopicResponse["partitions"][number];
