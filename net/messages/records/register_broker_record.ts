/**
 * RegisterBrokerRecord: a broker's registration under its epoch: incarnation, listeners, features.
 *
 * Version 1 adds the controlled shutdown (KIP-841), 2 the ZooKeeper migration, which is always
 * false here, 3 the log directories (KIP-858).
 *
 * @module
 */

import {
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  record,
  string,
  struct,
  uint16,
  uuid,
} from "../../schema.ts";

export const REGISTER_BROKER_RECORD = record({
  type: 0,
  name: "RegisterBrokerRecord",
  versions: "0-3",
  flexibleVersions: "0+",
  fields: struct({
    brokerId: int32(),
    isMigratingZkBroker: bool({ versions: "2+" }),
    incarnationId: uuid(),
    brokerEpoch: int64(),
    endPoints: array(struct({
      name: string(),
      host: string(),
      port: uint16(),
      securityProtocol: int16(),
    })),
    features: array(struct({
      name: string(),
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    })),
    rack: string({ nullableVersions: "0+" }),
    fenced: bool({ default: true }),
    inControlledShutdown: bool({ versions: "1+" }),
    logDirs: array(uuid(), { versions: "3+", tag: 0, taggedVersions: "3+" }),
  }),
});

export type RegisterBrokerRecord = Infer<typeof REGISTER_BROKER_RECORD>;
export type BrokerEndpoint = RegisterBrokerRecord["endPoints"][number];
export type BrokerFeature = RegisterBrokerRecord["features"][number];
