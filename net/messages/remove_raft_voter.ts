/**
 * RemoveRaftVoter: takes a node out of the voters of the metadata quorum (KIP-853).
 *
 * @module
 */

import { api, type Infer, int16, int32, string, struct, uuid } from "../schema.ts";

export const REMOVE_RAFT_VOTER = api({
  key: 81,
  name: "RemoveRaftVoter",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    clusterId: string({ nullableVersions: "0+" }),
    voterId: int32(),
    voterDirectoryId: uuid(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", ignorable: true }),
  }),
});

export type RemoveRaftVoterRequest = Infer<typeof REMOVE_RAFT_VOTER.request>;
export type RemoveRaftVoterResponse = Infer<typeof REMOVE_RAFT_VOTER.response>;
