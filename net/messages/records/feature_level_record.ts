/**
 * FeatureLevelRecord: a finalized feature and its level. The first record of a metadata log is that
 * of `metadata.version`, so its own version can never rise above 0; level 0 removes the feature.
 *
 * @module
 */

import { type Infer, int16, record, string, struct } from "../../schema.ts";

export const FEATURE_LEVEL_RECORD = record({
  type: 12,
  name: "FeatureLevelRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    name: string(),
    featureLevel: int16(),
  }),
});

export type FeatureLevelRecord = Infer<typeof FEATURE_LEVEL_RECORD>;
