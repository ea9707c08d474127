/**
 * ConsumerGroupMetadataValue: the epoch of a group of the consumer protocol (KIP-848).
 *
 * @module
 */

import { type Infer, int32, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_METADATA_VALUE = table({
  name: "ConsumerGroupMetadataValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    epoch: int32(),
  }),
});

export type ConsumerGroupMetadataValue = Infer<typeof CONSUMER_GROUP_METADATA_VALUE>;
