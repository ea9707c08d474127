/**
 * AddRaftVoter: takes a node into the voters of the metadata quorum (KIP-853).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct, uint16, uuid } from "../schema.ts";

export const ADD_RAFT_VOTER = api({
  key: 80,
  name: "AddRaftVoter",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    clusterId: string({ nullableVersions: "0+" }),
    timeoutMs: int32(),
    voterId: int32(),
    voterDirectoryId: uuid(),
    listeners: array(struct({
      name: string(),
      host: string(),
      port: uint16(),
    })),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", ignorable: true }),
  }),
});

export type AddRaftVoterRequest = Infer<typeof ADD_RAFT_VOTER.request>;
export type AddRaftVoterResponse = Infer<typeof ADD_RAFT_VOTER.response>;
export type Listener = AddRaftVoterRequest["listeners"][number];
