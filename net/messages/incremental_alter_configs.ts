/**
 * IncrementalAlterConfigs: changes single configs of a resource (KIP-339).
 *
 * Operations: 0 set, 1 delete, 2 append to a list, 3 subtract from it. Version 1 is flexible.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const INCREMENTAL_ALTER_CONFIGS = api({
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: "0-1",
  flexibleVersions: "1+",
  request: struct({
    resources: array(struct({
      resourceType: int8(),
      resourceName: string(),
      configs: array(struct({
        name: string(),
        configOperation: int8(),
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

export type IncrementalAlterConfigsRequest = Infer<typeof INCREMENTAL_ALTER_CONFIGS.request>;
export type IncrementalAlterConfigsResponse = Infer<typeof INCREMENTAL_ALTER_CONFIGS.response>;
export type AlterConfigsResource = IncrementalAlterConfigsRequest["resources"][number];
export type AlterableConfig = AlterConfigsResource["configs"][number];
export type AlterConfigsResourceResponse = IncrementalAlterConfigsResponse["responses"][number];
