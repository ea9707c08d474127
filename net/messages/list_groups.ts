/**
 * ListGroups: the groups that a broker coordinates.
 *
 * Version 3 is flexible; 4 filters by state (KIP-518), 5 by type (KIP-848).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct } from "../schema.ts";

export const LIST_GROUPS = api({
  key: 16,
  name: "ListGroups",
  versions: "0-5",
  flexibleVersions: "3+",
  request: struct({
    statesFilter: array(string(), { versions: "4+" }),
    typesFilter: array(string(), { versions: "5+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    errorCode: int16(),
    groups: array(struct({
      groupId: string(),
      protocolType: string(),
      groupState: string({ versions: "4+", ignorable: true }),
      groupType: string({ versions: "5+", ignorable: true }),
    })),
  }),
});

export type ListGroupsRequest = Infer<typeof LIST_GROUPS.request>;
export type ListGroupsResponse = Infer<typeof LIST_GROUPS.response>;
export type ListedGroup = ListGroupsResponse["groups"][number];
