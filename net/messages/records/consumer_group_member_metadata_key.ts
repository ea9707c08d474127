/**
 * ConsumerGroupMemberMetadataKey: the key of a member (KIP-848).
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const CONSUMER_GROUP_MEMBER_METADATA_KEY = table({
  name: "ConsumerGroupMemberMetadataKey",
  versions: "5",
  flexibleVersions: "none",
  fields: struct({
    groupId: string({ versions: "5" }),
    memberId: string({ versions: "5" }),
  }),
});

export type ConsumerGroupMemberMetadataKey = Infer<typeof CONSUMER_GROUP_MEMBER_METADATA_KEY>;
