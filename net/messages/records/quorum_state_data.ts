/**
 * QuorumStateData: what a voter must remember over a crash: the epoch, its vote and the leader it
 * knows.
 *
 * Version 1 adds the directory id of the vote, and leaves the voter set to the log (KIP-853).
 *
 * @module
 */

import { array, type Infer, int32, int64, string, struct, table, uuid } from "../../schema.ts";

export const QUORUM_STATE_DATA = table({
  name: "QuorumStateData",
  versions: "0-1",
  flexibleVersions: "0+",
  fields: struct({
    clusterId: string({ versions: "0" }),
    leaderId: int32({ default: -1 }),
    leaderEpoch: int32({ default: -1 }),
    votedId: int32({ default: -1 }),
    votedDirectoryId: uuid({ versions: "1+" }),
    appliedOffset: int64({ versions: "0" }),
    currentVoters: array(
      struct({
        voterId: int32({ versions: "0" }),
      }),
      { versions: "0", nullableVersions: "0" },
    ),
  }),
});

export type QuorumStateData = Infer<typeof QUORUM_STATE_DATA>;
export type Voter = NonNullable<QuorumStateData["currentVoters"]>[number];
