/**
 * OffsetCommitKey: the key of a committed offset in `__consumer_offsets`.
 *
 * @module
 */

import { type Infer, int32, string, struct, table } from "../../schema.ts";

export const OFFSET_COMMIT_KEY = table({
  name: "OffsetCommitKey",
  versions: "0-1",
  flexibleVersions: "none",
  fields: struct({
    group: string({ versions: "0-1" }),
    topic: string({ versions: "0-1" }),
    partition: int32({ versions: "0-1" }),
  }),
});

export type OffsetCommitKey = Infer<typeof OFFSET_COMMIT_KEY>;
