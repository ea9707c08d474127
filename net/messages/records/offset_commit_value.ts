/**
 * OffsetCommitValue: a committed offset in `__consumer_offsets`.
 *
 * @module
 */

import { type Infer, int32, int64, string, struct, table } from "../../schema.ts";

export const OFFSET_COMMIT_VALUE = table({
  name: "OffsetCommitValue",
  versions: "0-4",
  flexibleVersions: "4+",
  fields: struct({
    offset: int64(),
    leaderEpoch: int32({ versions: "3+", default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ versions: "1", default: -1, ignorable: true }),
  }),
});

export type OffsetCommitValue = Infer<typeof OFFSET_COMMIT_VALUE>;
