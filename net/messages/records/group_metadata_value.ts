/**
 * GroupMetadataValue: generation and members of a classic group.
 *
 * @module
 */

import { array, bytes, type Infer, int32, int64, string, struct, table } from "../../schema.ts";

const MEMBER_METADATA = struct({
  memberId: string(),
  groupInstanceId: string({
    versions: "3+",
    nullableVersions: "3+",
    default: null,
    ignorable: true,
  }),
  clientId: string(),
  clientHost: string(),
  rebalanceTimeout: int32({ versions: "1+", default: -1, ignorable: true }),
  sessionTimeout: int32(),
  subscription: bytes(),
  assignment: bytes(),
});

export const GROUP_METADATA_VALUE = table({
  name: "GroupMetadataValue",
  versions: "0-4",
  flexibleVersions: "4+",
  fields: struct({
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullableVersions: "0+" }),
    leader: string({ nullableVersions: "0+" }),
    currentStateTimestamp: int64({ versions: "2+", default: -1, ignorable: true }),
    members: array(MEMBER_METADATA),
  }),
});

export type GroupMetadataValue = Infer<typeof GROUP_METADATA_VALUE>;
export type MemberMetadata = GroupMetadataValue["members"][number];
