/**
 * SnapshotHeaderRecord: the control record that a snapshot begins with (KIP-630).
 *
 * @module
 */

import { type Infer, int16, int64, struct, table } from "../../schema.ts";

export const SNAPSHOT_HEADER_RECORD = table({
  name: "SnapshotHeaderRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    version: int16(),
    lastContainedLogTimestamp: int64(),
  }),
});

export type SnapshotHeaderRecord = Infer<typeof SNAPSHOT_HEADER_RECORD>;
