/**
 * BrokerRegistrationChangeRecord: a registered broker was fenced (1) or unfenced (-1), or began a
 * controlled shutdown (1); 0 is no change.
 *
 * Version 1 adds the controlled shutdown (KIP-841), 2 the log directories (KIP-858).
 *
 * @module
 */

import { array, type Infer, int32, int64, int8, record, struct, uuid } from "../../schema.ts";

export const BROKER_REGISTRATION_CHANGE_RECORD = record({
  type: 17,
  name: "BrokerRegistrationChangeRecord",
  versions: "0-2",
  flexibleVersions: "0+",
  fields: struct({
    brokerId: int32(),
    brokerEpoch: int64(),
    fenced: int8({ tag: 0, taggedVersions: "0+" }),
    inControlledShutdown: int8({ versions: "1+", tag: 1, taggedVersions: "1+" }),
    logDirs: array(uuid(), { versions: "2+", tag: 2, taggedVersions: "2+" }),
  }),
});

export type BrokerRegistrationChangeRecord = Infer<typeof BROKER_REGISTRATION_CHANGE_RECORD>;
