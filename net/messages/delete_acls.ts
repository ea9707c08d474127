/**
 * DeleteAcls: removes the access control entries that match filters (KIP-140).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const DELETE_ACLS = api({
  key: 31,
  name: "DeleteAcls",
  versions: "1-3",
  flexibleVersions: "2+",
  request: struct({
    filters: array(struct({
      resourceTypeFilter: int8(),
      resourceNameFilter: string({ nullableVersions: "0+" }),
      patternTypeFilter: int8({ versions: "1+", default: 3 }),
      principalFilter: string({ nullableVersions: "0+" }),
      hostFilter: string({ nullableVersions: "0+" }),
      operation: int8(),
      permissionType: int8(),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    filterResults: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      matchingAcls: array(struct({
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ versions: "1+", default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      })),
    })),
  }),
});

export type DeleteAclsRequest = Infer<typeof DELETE_ACLS.request>;
export type DeleteAclsResponse = Infer<typeof DELETE_ACLS.response>;
export type DeleteAclsFilter = DeleteAclsRequest["filters"][number];
export type DeleteAclsFilterResult = DeleteAclsResponse["filterResults"][number];
export type DeleteAclsMatchingAcl = DeleteAclsFilterResult["matchingAcls"][number];
