/**
 * BrokerHeartbeat: a broker says that it is alive, how far it has come, and whether it wants to
 * stop (KIP-631).
 *
 * Version 1 adds the log directories that are offline (KIP-858).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int64, struct, uuid } from "../schema.ts";

export const BROKER_HEARTBEAT = api({
  key: 63,
  name: "BrokerHeartbeat",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    currentMetadataOffset: int64(),
    wantFence: bool(),
    wantShutDown: bool(),
    offlineLogDirs: array(uuid(), { versions: "1+", tag: 0, taggedVersions: "1+" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    isCaughtUp: bool(),
    isFenced: bool({ default: true }),
    shouldShutDown: bool(),
  }),
});

export type BrokerHeartbeatRequest = Infer<typeof BROKER_HEARTBEAT.request>;
export type BrokerHeartbeatResponse = Infer<typeof BROKER_HEARTBEAT.response>;
