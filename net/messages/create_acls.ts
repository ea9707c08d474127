/**
 * CreateAcls: adds access control entries (KIP-140).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const CREATE_ACLS = api({
  key: 30,
  name: "CreateAcls",
  versions: "1-3",
  flexibleVersions: "2+",
  request: struct({
    creations: array(struct({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ versions: "1+", default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
    })),
  }),
});

export type CreateAclsRequest = Infer<typeof CREATE_ACLS.request>;
export type CreateAclsResponse = Infer<typeof CREATE_ACLS.response>;
export type AclCreation = CreateAclsRequest["creations"][number];
export type AclCreationResult = CreateAclsResponse["results"][number];
