/**
 * UnregisterBroker: forgets a broker that will not come back (KIP-631).
 *
 * @module
 */

import { api, type Infer, int16, int32, string, struct } from "../schema.ts";

export const UNREGISTER_BROKER = api({
  key: 64,
  name: "UnregisterBroker",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    brokerId: int32(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
  }),
});

export type UnregisterBrokerRequest = Infer<typeof UNREGISTER_BROKER.request>;
export type UnregisterBrokerResponse = Infer<typeof UNREGISTER_BROKER.response>;
