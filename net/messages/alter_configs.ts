/**
 * AlterConfigs: replaces all configs of a resource; what is not named returns to its default.
 *
 * Superseded by IncrementalAlterConfigs, but older clients have nothing else. Version 2 is
 * flexible.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const ALTER_CONFIGS = api({
  key: 33,
  name: "AlterConfigs",
  versions: "0-2",
  flexibleVersions: "2+",
  request: struct({
    resources: array(struct({
      resourceType: int8(),
      resourceName: string(),
      configs: array(struct({
        name: string(),
        value: string({ nullableVersions: "0+" }),
      })),
    })),
    validateOnly: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    responses: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      resourceType: int8(),
      resourceName: string(),
    })),
  }),
});

export type AlterConfigsRequest = Infer<typeof ALTER_CONFIGS.request>;
export type AlterConfigsResponse = Infer<typeof ALTER_CONFIGS.response>;
export type AlterConfigsResource = AlterConfigsRequest["resources"][number];
export type AlterableConfig = AlterConfigsResource["configs"][number];
export type AlterConfigsResourceResponse = AlterConfigsResponse["responses"][number];
