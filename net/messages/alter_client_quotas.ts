/**
 * AlterClientQuotas: sets and removes quotas (KIP-546).
 *
 * @module
 */

import { api, array, bool, float64, type Infer, int16, int32, string, struct } from "../schema.ts";

export const ALTER_CLIENT_QUOTAS = api({
  key: 49,
  name: "AlterClientQuotas",
  versions: "0-1",
  flexibleVersions: "1+",
  request: struct({
    entries: array(struct({
      entity: array(struct({
        entityType: string(),
        entityName: string({ nullableVersions: "0+" }),
      })),
      ops: array(struct({
        key: string(),
        value: float64(),
        remove: bool(),
      })),
    })),
    validateOnly: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    entries: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      entity: array(struct({
        entityType: string(),
        entityName: string({ nullableVersions: "0+" }),
      })),
    })),
  }),
});

export type AlterClientQuotasRequest = Infer<typeof ALTER_CLIENT_QUOTAS.request>;
export type AlterClientQuotasResponse = Infer<typeof ALTER_CLIENT_QUOTAS.response>;
export type EntryData = AlterClientQuotasRequest["entries"][number];
export type EntityData = EntryData["entity"][number];
export type OpData = EntryData["ops"][number];
export type ResponseEntryData = AlterClientQuotasResponse["entries"][number];
export type ResponseEntityData = ResponseEntryData["entity"][number];
