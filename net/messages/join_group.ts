/**
 * JoinGroup: makes a member part of the next generation of a classic group.
 *
 * Versions: 1 adds the rebalance time-out, 4 hands out a member id before joining (KIP-394), 5 adds
 * static members (KIP-345); 6 is flexible; 7 adds the protocol type to the response, 8 the reason
 * (KIP-800), 9 lets the leader skip the assignment (KIP-814).
 *
 * @module
 */

import { api, array, bool, bytes, type Infer, int16, int32, string, struct } from "../schema.ts";

export const JOIN_GROUP = api({
  key: 11,
  name: "JoinGroup",
  versions: "0-9",
  flexibleVersions: "6+",
  request: struct({
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ versions: "1+", default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ versions: "5+", nullableVersions: "5+", default: null }),
    protocolType: string(),
    protocols: array(struct({
      name: string(),
      metadata: bytes(),
    })),
    reason: string({ versions: "8+", nullableVersions: "8+", default: null, ignorable: true }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({
      versions: "7+",
      nullableVersions: "7+",
      default: null,
      ignorable: true,
    }),
    protocolName: string({ nullableVersions: "7+" }),
    leader: string(),
    skipAssignment: bool({ versions: "9+" }),
    memberId: string(),
    members: array(struct({
      memberId: string(),
      groupInstanceId: string({
        versions: "5+",
        nullableVersions: "5+",
        default: null,
        ignorable: true,
      }),
      metadata: bytes(),
    })),
  }),
});

export type JoinGroupRequest = Infer<typeof JOIN_GROUP.request>;
export type JoinGroupResponse = Infer<typeof JOIN_GROUP.response>;
export type JoinGroupRequestProtocol = JoinGroupRequest["protocols"][number];
export type JoinGroupResponseMember = JoinGroupResponse["members"][number];
