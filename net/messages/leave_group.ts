/**
 * LeaveGroup: takes members out of a classic group.
 *
 * Versions: 3 takes several members, by id or instance id (KIP-345); 4 is flexible; 5 adds the
 * reason (KIP-800).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const LEAVE_GROUP = api({
  key: 13,
  name: "LeaveGroup",
  versions: "0-5",
  flexibleVersions: "4+",
  request: struct({
    groupId: string(),
    memberId: string({ versions: "0-2" }),
    members: array(
      struct({
        memberId: string({ versions: "3+" }),
        groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
        reason: string({ versions: "5+", nullableVersions: "5+", default: null, ignorable: true }),
      }),
      { versions: "3+" },
    ),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    members: array(
      struct({
        memberId: string({ versions: "3+" }),
        groupInstanceId: string({ versions: "3+", nullableVersions: "3+" }),
        errorCode: int16({ versions: "3+" }),
      }),
      { versions: "3+" },
    ),
  }),
});

export type LeaveGroupRequest = Infer<typeof LEAVE_GROUP.request>;
export type LeaveGroupResponse = Infer<typeof LEAVE_GROUP.response>;
export type MemberIdentity = LeaveGroupRequest["members"][number];
export type MemberResponse = LeaveGroupResponse["members"][number];
