/**
 * ApiVersions: which APIs and versions a broker serves; the first request of most clients.
 *
 * Versions: 1 adds the throttle time; 3 is flexible and adds the client's software (KIP-511) and
 * the features (KIP-584); 4 lets a feature's smallest version be 0. The response header never has a
 * tag buffer, whatever the version, and an unknown request version is answered with a version 0
 * body and UNSUPPORTED_VERSION, so that any client can learn the range.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const API_VERSIONS = api({
  key: 18,
  name: "ApiVersions",
  versions: "0-4",
  flexibleVersions: "3+",
  request: struct({
    clientSoftwareName: string({ versions: "3+", ignorable: true }),
    clientSoftwareVersion: string({ versions: "3+", ignorable: true }),
  }),
  response: struct({
    errorCode: int16(),
    apiKeys: array(struct({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    })),
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    supportedFeatures: array(
      struct({
        name: string({ versions: "3+" }),
        minVersion: int16({ versions: "3+" }),
        maxVersion: int16({ versions: "3+" }),
      }),
      { versions: "3+", tag: 0, taggedVersions: "3+", ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({
      versions: "3+",
      default: -1,
      tag: 1,
      taggedVersions: "3+",
      ignorable: true,
    }),
    finalizedFeatures: array(
      struct({
        name: string({ versions: "3+" }),
        maxVersionLevel: int16({ versions: "3+" }),
        minVersionLevel: int16({ versions: "3+" }),
      }),
      { versions: "3+", tag: 2, taggedVersions: "3+", ignorable: true },
    ),
    zkMigrationReady: bool({ versions: "3+", tag: 3, taggedVersions: "3+", ignorable: true }),
  }),
});

export type ApiVersionsRequest = Infer<typeof API_VERSIONS.request>;
export type ApiVersionsResponse = Infer<typeof API_VERSIONS.response>;
export type ApiVersion = ApiVersionsResponse["apiKeys"][number];
export type SupportedFeatureKey = ApiVersionsResponse["supportedFeatures"][number];
export type FinalizedFeatureKey = ApiVersionsResponse["finalizedFeatures"][number];
