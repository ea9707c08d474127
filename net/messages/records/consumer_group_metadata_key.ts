/**
 * ConsumerGroupMetadataKey: the key of a group's epoch (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_METADATA_KEY = table({
  name: "ConsumerGroupMetadataKey",
  versions: "3",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "3" }),
  }),
});

export type ConsumerGroupMetadataKey = Infer<typeof CONSUMER_GROUP_METADATA_KEY>;
