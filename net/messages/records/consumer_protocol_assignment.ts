/**
 * ConsumerProtocolAssignment: what a member of a classic group of consumers is assigned.
 *
 * @module
 */

import { array, bytes, type Infer, int32, string, struct, table } from "../../schema.ts";

export const CONSUMER_PROTOCOL_ASSIGNMENT = table({
  name: "ConsumerProtocolAssignment",
  versions: "0-3",
  flexibleVersions: "none",
  fields: struct({
    assignedPartitions: array(struct({
      topic: string(),
      partitions: array(int32()),
    })),
    userData: bytes({ nullableVersions: "0+", default: null }),
  }),
});

export type ConsumerProtocolAssignment = Infer<typeof CONSUMER_PROTOCOL_ASSIGNMENT>;
export type TopicPartition = ConsumerProtocolAssignment["assignedPartitions"][number];
