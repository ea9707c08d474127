/**
 * DescribeGroups: state, protocol and members of classic groups.
 *
 * Versions: 3 adds authorized operations, 4 static members (KIP-345); 5 is flexible; 6 tells of a
 * group that is not known (KIP-1043).
 *
 * @module
 */

import { api, array, bool, bytes, type Infer, int16, int32, string, struct } from "../schema.ts";

export const DESCRIBE_GROUPS = api({
  key: 15,
  name: "DescribeGroups",
  versions: "0-6",
  flexibleVersions: "5+",
  request: struct({
    groups: array(string()),
    includeAuthorizedOperations: bool({ versions: "3+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    groups: array(struct({
      errorCode: int16(),
      errorMessage: string({ versions: "6+", nullableVersions: "6+", default: null }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array(struct({
        memberId: string(),
        groupInstanceId: string({
          versions: "4+",
          nullableVersions: "4+",
          default: null,
          ignorable: true,
        }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      })),
      authorizedOperations: int32({ versions: "3+", default: -2147483648 }),
    })),
  }),
});

export type DescribeGroupsRequest = Infer<typeof DESCRIBE_GROUPS.request>;
export type DescribeGroupsResponse = Infer<typeof DESCRIBE_GROUPS.response>;
export type DescribedGroup = DescribeGroupsResponse["groups"][number];
export type DescribedGroupMember = DescribedGroup["members"][number];
