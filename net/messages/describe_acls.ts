/**
 * DescribeAcls: the access control entries that match a filter (KIP-140).
 *
 * Version 2 is flexible; 3 adds the user resource (KIP-373).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const DESCRIBE_ACLS = api({
  key: 29,
  name: "DescribeAcls",
  versions: "1-3",
  flexibleVersions: "2+",
  request: struct({
    resourceTypeFilter: int8(),
    resourceNameFilter: string({ nullableVersions: "0+" }),
    patternTypeFilter: int8({ versions: "1+", default: 3 }),
    principalFilter: string({ nullableVersions: "0+" }),
    hostFilter: string({ nullableVersions: "0+" }),
    operation: int8(),
    permissionType: int8(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    resources: array(struct({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8({ versions: "1+", default: 3 }),
      acls: array(struct({
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      })),
    })),
  }),
});

export type DescribeAclsRequest = Infer<typeof DESCRIBE_ACLS.request>;
export type DescribeAclsResponse = Infer<typeof DESCRIBE_ACLS.response>;
export type DescribeAclsResource = DescribeAclsResponse["resources"][number];
export type AclDescription = DescribeAclsResource["acls"][number];
