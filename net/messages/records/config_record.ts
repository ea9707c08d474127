/**
 * ConfigRecord: one config of a resource was set, or, with a null value, deleted.
 *
 * @module
 */

import { type Infer, int8, record, string, struct } from "../../schema.ts";

export const CONFIG_RECORD = record({
  type: 4,
  name: "ConfigRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    resourceType: int8(),
    resourceName: string(),
    name: string(),
    value: string({ nullableVersions: "0+" }),
  }),
});

export type ConfigRecord = Infer<typeof CONFIG_RECORD>;
