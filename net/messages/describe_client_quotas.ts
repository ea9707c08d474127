/**
 * DescribeClientQuotas: the quotas that are set for users, client ids and addresses (KIP-546).
 *
 * @module
 */

import {
  api,
  array,
  bool,
  float64,
  type Infer,
  int16,
  int32,
  int8,
  string,
  struct,
} from "../schema.ts";

export const DESCRIBE_CLIENT_QUOTAS = api({
  key: 48,
  name: "DescribeClientQuotas",
  versions: "0-1",
  flexibleVersions: "1+",
  request: struct({
    components: array(struct({
      entityType: string(),
      matchType: int8(),
      match: string({ nullableVersions: "0+" }),
    })),
    strict: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    entries: array(
      struct({
        entity: array(struct({
          entityType: string(),
          entityName: string({ nullableVersions: "0+" }),
        })),
        values: array(struct({
          key: string(),
          value: float64(),
        })),
      }),
      { nullableVersions: "0+" },
    ),
  }),
});

export type DescribeClientQuotasRequest = Infer<typeof DESCRIBE_CLIENT_QUOTAS.request>;
export type DescribeClientQuotasResponse = Infer<typeof DESCRIBE_CLIENT_QUOTAS.response>;
export type ComponentData = DescribeClientQuotasRequest["components"][number];
export type EntryData = NonNullable<DescribeClientQuotasResponse["entries"]>[number];
export type EntityData = EntryData["entity"][number];
export type ValueData = EntryData["values"][number];
