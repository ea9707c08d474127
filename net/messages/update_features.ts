/**
 * UpdateFeatures: raises or lowers the finalized levels of features (KIP-584).
 *
 * Version 1 adds dry runs and the type of upgrade (KIP-778).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const UPDATE_FEATURES = api({
  key: 57,
  name: "UpdateFeatures",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array(struct({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ versions: "0" }),
      upgradeType: int8({ versions: "1+", default: 1 }),
    })),
    validateOnly: bool({ versions: "1+" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    results: array(
      struct({
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      }),
      { versions: "0-1", ignorable: true },
    ),
  }),
});

export type UpdateFeaturesRequest = Infer<typeof UPDATE_FEATURES.request>;
export type UpdateFeaturesResponse = Infer<typeof UPDATE_FEATURES.response>;
export type FeatureUpdateKey = UpdateFeaturesRequest["featureUpdates"][number];
export type UpdatableFeatureResult = UpdateFeaturesResponse["results"][number];
