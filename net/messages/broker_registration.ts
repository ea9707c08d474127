/**
 * BrokerRegistration: a broker that has started asks the controller for its epoch (KIP-631).
 *
 * Versions: 1 adds the ZooKeeper migration, 2 the log directories (KIP-858), 3 the epoch of the
 * broker before a clean shutdown (KIP-966), 4 features whose smallest version is 0.
 *
 * @module
 */

import {
  api,
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

export const BROKER_REGISTRATION = api({
  key: 62,
  name: "BrokerRegistration",
  versions: "0-4",
  flexibleVersions: "0+",
  request: struct({
    brokerId: int32(),
    clusterId: string(),
    incarnationId: uuid(),
    listeners: array(struct({
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
    isMigratingZkBroker: bool({ versions: "1+" }),
    logDirs: array(uuid(), { versions: "2+", ignorable: true }),
    previousBrokerEpoch: int64({ versions: "3+", default: -1, ignorable: true }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    brokerEpoch: int64({ default: -1 }),
  }),
});

export type BrokerRegistrationRequest = Infer<typeof BROKER_REGISTRATION.request>;
export type BrokerRegistrationResponse = Infer<typeof BROKER_REGISTRATION.response>;
export type Listener = BrokerRegistrationRequest["listeners"][number];
export type Feature = BrokerRegistrationRequest["features"][number];
