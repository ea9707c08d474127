/**
 * ConsumerGroupTargetAssignmentMetadataValue: the epoch of a target assignment (KIP-848).
 *
 * @module
 */

import { type Infer, int32, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE = table({
  name: "ConsumerGroupTargetAssignmentMetadataValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    assignmentEpoch: int32(),
  }),
});

export type ConsumerGroupTargetAssignmentMetadataValue = Infer<
  typeof CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE
>;
