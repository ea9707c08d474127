/**
 * GroupMetadataKey: the key of a classic group in `__consumer_offsets`.
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const GROUP_METADATA_KEY = table({
  name: "GroupMetadataKey",
  versions: "2",
  flexibleVersions: "none",
  fields: struct({
    group: string({ versions: "2" }),
  }),
});

export type GroupMetadataKey = Infer<typeof GROUP_METADATA_KEY>;
