/**
 * SyncGroup: brings the leader's assignment to a classic group, and each member its own.
 *
 * Versions: 3 adds static members (KIP-345); 4 is flexible; 5 adds protocol type and name
 * (KIP-559).
 *
 * @module
 */

import { api, array, bytes, type Infer, int16, int32, string, struct } from "../schema.ts";

export const SYNC_GROUP = api({
  key: 14,
  name: "SyncGroup",
  versions: "0-5",
  flexibleVersions: "4+",
  request: struct({
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ versions: "3+", nullableVersions: "3+", default: null }),
    protocolType: string({
      versions: "5+",
      nullableVersions: "5+",
      default: null,
      ignorable: true,
    }),
    protocolName: string({
      versions: "5+",
      nullableVersions: "5+",
      default: null,
      ignorable: true,
    }),
    assignments: array(struct({
      memberId: string(),
      assignment: bytes(),
    })),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    protocolType: string({
      versions: "5+",
      nullableVersions: "5+",
      default: null,
      ignorable: true,
    }),
    protocolName: string({
      versions: "5+",
      nullableVersions: "5+",
      default: null,
      ignorable: true,
    }),
    assignment: bytes(),
  }),
});

export type SyncGroupRequest = Infer<typeof SYNC_GROUP.request>;
export type SyncGroupResponse = Infer<typeof SYNC_GROUP.response>;
export type SyncGroupRequestAssignment = SyncGroupRequest["assignments"][number];
