/**
 * SnapshotFooterRecord: the control record that a snapshot ends with (KIP-630).
 *
 * @module
 */

import { type Infer, int16, struct, table } from "../../schema.ts";

export const SNAPSHOT_FOOTER_RECORD = table({
  name: "SnapshotFooterRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    version: int16(),
  }),
});

export type SnapshotFooterRecord = Infer<typeof SNAPSHOT_FOOTER_RECORD>;
