/**
 * ClientQuotaRecord: one quota of a user, a client id, or both was set or removed (KIP-546).
 *
 * @module
 */

import { array, bool, float64, type Infer, record, string, struct } from "../../schema.ts";

export const CLIENT_QUOTA_RECORD = record({
  type: 14,
  name: "ClientQuotaRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    entity: array(struct({
      entityType: string(),
      entityName: string({ nullableVersions: "0+" }),
    })),
    key: string(),
    value: float64(),
    remove: bool(),
  }),
});

export type ClientQuotaRecord = Infer<typeof CLIENT_QUOTA_RECORD>;
