/**
 * ListConfigResources: the names of what has configs.
 *
 * Version 0 is ListClientMetricsResources, of which there are none here; 1 tells the other types,
 * too, and all of them where none is asked for (KIP-1142).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";
import { CONFIG_RESOURCE } from "./config_resources.ts";

export const LIST_CONFIG_RESOURCES = api({
  key: 74,
  name: "ListConfigResources",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    resourceTypes: array(int8(), { versions: "1+" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: array(struct({
      resourceName: string(),
      resourceType: int8({
        versions: "1+",
        ignorable: true,
        default: CONFIG_RESOURCE.clientMetrics,
      }),
    })),
  }),
});

export type ListConfigResourcesRequest = Infer<typeof LIST_CONFIG_RESOURCES.request>;
export type ListConfigResourcesResponse = Infer<typeof LIST_CONFIG_RESOURCES.response>;
