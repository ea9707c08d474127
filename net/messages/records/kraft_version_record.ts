/**
 * KRaftVersionRecord: the control record of the finalized `kraft.version` (KIP-853).
 *
 * @module
 */

import { type Infer, int16, struct, table } from "../../schema.ts";

export const K_RAFT_VERSION_RECORD = table({
  name: "KRaftVersionRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    version: int16(),
    kRaftVersion: int16(),
  }),
});

export type KRaftVersionRecord = Infer<typeof K_RAFT_VERSION_RECORD>;
