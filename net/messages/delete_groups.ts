/**
 * DeleteGroups: forgets groups without members, and their offsets (KIP-229).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const DELETE_GROUPS = api({
  key: 42,
  name: "DeleteGroups",
  versions: "0-2",
  flexibleVersions: "2+",
  request: struct({
    groupsNames: array(string()),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(struct({
      groupId: string(),
      errorCode: int16(),
    })),
  }),
});

export type DeleteGroupsRequest = Infer<typeof DELETE_GROUPS.request>;
export type DeleteGroupsResponse = Infer<typeof DELETE_GROUPS.response>;
export type DeletableGroupResult = DeleteGroupsResponse["results"][number];
