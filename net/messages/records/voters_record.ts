/**
 * VotersRecord: the control record that says who votes in the metadata quorum (KIP-853).
 *
 * @module
 */

import {
  array,
  type Infer,
  int16,
  int32,
  string,
  struct,
  table,
  uint16,
  uuid,
} from "../../schema.ts";

export const VOTERS_RECORD = table({
  name: "VotersRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    version: int16(),
    voters: array(struct({
      voterId: int32(),
      voterDirectoryId: uuid(),
      endpoints: array(struct({
        name: string(),
        host: string(),
        port: uint16(),
      })),
      kRaftVersionFeature: struct({
        minSupportedVersion: int16(),
        maxSupportedVersion: int16(),
      }),
    })),
  }),
});

export type VotersRecord = Infer<typeof VOTERS_RECORD>;
export type Voter = VotersRecord["voters"][number];
export type Endpoint = Voter["endpoints"][number];
export type KRaftVersionFeature = Voter["kRaftVersionFeature"];
