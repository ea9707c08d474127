/**
 * ConsumerGroupCurrentMemberAssignmentKey: the key of what a member has now (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY = table({
  name: "ConsumerGroupCurrentMemberAssignmentKey",
  versions: "8",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "8" }),
    memberId: string({ versions: "8" }),
  }),
});

export type ConsumerGroupCurrentMemberAssignmentKey = Infer<
  typeof CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY
>;
