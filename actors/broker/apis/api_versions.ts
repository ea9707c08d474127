/**
 * ApiVersions: which APIs are served, in which versions, and the finalized features.
 *
 * @module
 */

import {
  API_VERSIONS,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from "../../../net/messages/api_versions.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { Api } from "../../../net/schema.ts";
import { SUPPORTED_FEATURES } from "../../controller/features.ts";
import type { ApiHandler } from "../sessions/call.ts";
import type { BrokerServices } from "../services.ts";

export const apiVersions: ApiHandler<ApiVersionsRequest, ApiVersionsResponse> = {
  api: API_VERSIONS,
  access: () => [],
  handle(call) {
    const { broker, peer, encoding } = call;
    const answer = response(0, broker.apis.of(peer.role, encoding));
    call.reply({ ...answer, ...features(broker, call.version) });
  },
  failed: (_request, errorCode) => response(errorCode, []),
};

/** What whoever asks in a version that is not served is told: one entry, of ApiVersions itself. */
export function unsupportedApiVersions(): ApiVersionsResponse {
  return response(ErrorCode.UNSUPPORTED_VERSION, [API_VERSIONS]);
}

/** The first version whose readers know that a feature may have a level of 0. */
const LEVEL_ZERO = 4;

/** The features that there are, and the levels that the cluster has agreed on. */
function features(
  { image, metadataEndOffset }: BrokerServices,
  version: number,
): Partial<ApiVersionsResponse> {
  return {
    supportedFeatures: SUPPORTED_FEATURES
      .filter(({ minSupportedVersion }) => version >= LEVEL_ZERO || minSupportedVersion > 0)
      .map(({ name, minSupportedVersion: minVersion, maxSupportedVersion: maxVersion }) => ({
        name,
        minVersion,
        maxVersion,
      })),
    finalizedFeaturesEpoch: metadataEndOffset - 1,
    finalizedFeatures: [...image.features].map(([name, level]) => ({
      name,
      maxVersionLevel: level,
      minVersionLevel: level,
    })),
  };
}

function response(errorCode: number, apis: readonly Api[]): ApiVersionsResponse {
  return {
    errorCode,
    apiKeys: apis.map(({ key, advertisedVersions }) => ({
      apiKey: key,
      minVersion: advertisedVersions.min,
      maxVersion: advertisedVersions.max,
    })),
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  };
}
