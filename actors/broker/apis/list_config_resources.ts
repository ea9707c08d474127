/**
 * ListConfigResources: what has configs, or can have them, by types (KIP-1142).
 *
 * Of groups only those are told that have set one. There are no client metrics, which are all that
 * version 0 asks for.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  LIST_CONFIG_RESOURCES,
  type ListConfigResourcesRequest,
  type ListConfigResourcesResponse,
} from "../../../net/messages/list_config_resources.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";

const { topic, broker, brokerLogger, clientMetrics, group } = CONFIG_RESOURCE;

/** By version. */
const KNOWN_TYPES = [[clientMetrics], Object.values(CONFIG_RESOURCE)] as const;

export const listConfigResources: ApiHandler<
  ListConfigResourcesRequest,
  ListConfigResourcesResponse
> = {
  api: LIST_CONFIG_RESOURCES,
  access: () => [clusterAccess("describe-configs")],
  handle(call) {
    const { request, version, broker: { image } } = call;
    const known: readonly number[] = KNOWN_TYPES[version] ?? [];
    const { resourceTypes } = request;
    if (!resourceTypes.every((type) => known.includes(type))) {
      return call.reply(listConfigResources.failed(request, ErrorCode.UNSUPPORTED_VERSION, null));
    }
    const asked = resourceTypes.length === 0 ? known : new Set(resourceTypes);
    call.reply({
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      configResources: [...asked].flatMap((resourceType) =>
        namesOf(resourceType, image).map((resourceName) => ({ resourceName, resourceType }))
      ),
    });
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode, configResources: [] }),
};

function namesOf(resourceType: number, image: ClusterImage): string[] {
  switch (resourceType) {
    case topic:
      return [...image.topics.keys()];
    case broker:
    case brokerLogger:
      return [...image.brokers.keys()].map(String);
    case group:
      return [...image.configured()].filter((resource) => resource.resourceType === group)
        .map(({ resourceName }) => resourceName);
    default:
      return [];
  }
}
