/**
 * ConsumerProtocolSubscription: what a member of a classic group of consumers subscribes to and
 * owns.
 *
 * @module
 */

import { array, bytes, type Infer, int32, string, struct, table } from "../../schema.ts";

export const CONSUMER_PROTOCOL_SUBSCRIPTION = table({
  name: "ConsumerProtocolSubscription",
  versions: "0-3",
  flexibleVersions: "none",
  fields: struct({
    topics: array(string()),
    userData: bytes({ nullableVersions: "0+", default: null }),
    ownedPartitions: array(
      struct({
        topic: string({ versions: "1+" }),
        partitions: array(int32(), { versions: "1+" }),
      }),
      { versions: "1+", ignorable: true },
    ),
    generationId: int32({ versions: "2+", default: -1, ignorable: true }),
    rackId: string({ versions: "3+", nullableVersions: "3+", default: null, ignorable: true }),
  }),
});

export type ConsumerProtocolSubscription = Infer<typeof CONSUMER_PROTOCOL_SUBSCRIPTION>;
export type TopicPartition = ConsumerProtocolSubscription["ownedPartitions"][number];
