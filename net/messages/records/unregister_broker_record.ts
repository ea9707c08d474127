/**
 * UnregisterBrokerRecord: a broker was forgotten.
 *
 * @module
 */

import { type Infer, int32, int64, record, struct } from "../../schema.ts";

export const UNREGISTER_BROKER_RECORD = record({
  type: 1,
  name: "UnregisterBrokerRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    brokerId: int32(),
    brokerEpoch: int64(),
  }),
});

export type UnregisterBrokerRecord = Infer<typeof UNREGISTER_BROKER_RECORD>;
