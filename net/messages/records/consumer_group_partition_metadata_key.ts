/**
 * ConsumerGroupPartitionMetadataKey: the key of what a group knows of its topics (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_PARTITION_METADATA_KEY = table({
  name: "ConsumerGroupPartitionMetadataKey",
  versions: "4",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "4" }),
  }),
});

export type ConsumerGroupPartitionMetadataKey = Infer<typeof CONSUMER_GROUP_PARTITION_METADATA_KEY>;
