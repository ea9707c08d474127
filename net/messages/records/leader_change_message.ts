/**
 * LeaderChangeMessage: the control record with which a new leader of the metadata quorum opens its
 * epoch.
 *
 * Version 1 adds the directory ids of the voters (KIP-853).
 *
 * @module
 */

import { array, type Infer, int16, int32, struct, table, uuid } from "../../schema.ts";

const VOTER = struct({
  voterId: int32(),
  voterDirectoryId: uuid({ versions: "1+" }),
});

export const LEADER_CHANGE_MESSAGE = table({
  name: "LeaderChangeMessage",
  versions: "0-1",
  flexibleVersions: "0+",
  fields: struct({
    version: int16(),
    leaderId: int32(),
    voters: array(VOTER),
    grantingVoters: array(VOTER),
  }),
});

export type LeaderChangeMessage = Infer<typeof LEADER_CHANGE_MESSAGE>;
export type Voter = LeaderChangeMessage["voters"][number];
