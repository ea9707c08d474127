/**
 * DescribeConfigs: the configs of topics and brokers, and where each value comes from.
 *
 * A null list of keys asks for all. Version 1 adds the source and its synonyms (KIP-226), 3 the
 * type and the documentation (KIP-569); 4 is flexible.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const DESCRIBE_CONFIGS = api({
  key: 32,
  name: "DescribeConfigs",
  versions: "1-4",
  flexibleVersions: "4+",
  request: struct({
    resources: array(struct({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullableVersions: "0+" }),
    })),
    includeSynonyms: bool({ versions: "1+" }),
    includeDocumentation: bool({ versions: "3+" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    results: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      resourceType: int8(),
      resourceName: string(),
      configs: array(struct({
        name: string(),
        value: string({ nullableVersions: "0+" }),
        readOnly: bool(),
        isDefault: bool({ versions: "0" }),
        configSource: int8({ versions: "1+", default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          struct({
            name: string({ versions: "1+" }),
            value: string({ versions: "1+", nullableVersions: "0+" }),
            source: int8({ versions: "1+" }),
          }),
          { versions: "1+", ignorable: true },
        ),
        configType: int8({ versions: "3+", ignorable: true }),
        documentation: string({ versions: "3+", nullableVersions: "0+", ignorable: true }),
      })),
    })),
  }),
});

export type DescribeConfigsRequest = Infer<typeof DESCRIBE_CONFIGS.request>;
export type DescribeConfigsResponse = Infer<typeof DESCRIBE_CONFIGS.response>;
export type DescribeConfigsResource = DescribeConfigsRequest["resources"][number];
export type DescribeConfigsResult = DescribeConfigsResponse["results"][number];
export type DescribeConfigsResourceResult = DescribeConfigsResult["configs"][number];
export type DescribeConfigsSynonym = DescribeConfigsResourceResult["synonyms"][number];
