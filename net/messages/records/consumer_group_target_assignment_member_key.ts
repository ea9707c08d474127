/**
 * ConsumerGroupTargetAssignmentMemberKey: the key of a member's target assignment (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY = table({
  name: "ConsumerGroupTargetAssignmentMemberKey",
  versions: "7",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "7" }),
    memberId: string({ versions: "7" }),
  }),
});

export type ConsumerGroupTargetAssignmentMemberKey = Infer<
  typeof CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY
>;
