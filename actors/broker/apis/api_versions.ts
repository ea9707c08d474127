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
import type { Api } from "../../../net/schema.ts";
import type { ApiHandler } from "../call.ts";

export const apiVersions: ApiHandler<ApiVersionsRequest, ApiVersionsResponse> = {
  api: API_VERSIONS,
  access: () => [],
  handle: (call) => call.reply(response(0, call.broker.apis.of(call.peer.role))),
  failed: (_request, errorCode) => response(errorCode, []),
};

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
