/**
 * ConsumerGroupTargetAssignmentMetadataKey: the key of the epoch of a target assignment (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY = table({
  name: "ConsumerGroupTargetAssignmentMetadataKey",
  versions: "6",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "6" }),
  }),
});

export type ConsumerGroupTargetAssignmentMetadataKey = Infer<
  typeof CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY
>;
