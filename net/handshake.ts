/**
 * The first exchange on a native connection: who are you, and which versions have we in common.
 *
 * It is a message like any other, under a key that Kafka's protocol will not reach, and the only
 * one accepted before it has succeeded, in a small frame. It does for native connections what
 * ApiVersions and SASL do for Kafka's: later requests use the highest version both sides know.
 *
 * @module
 */

import {
  type Api,
  api,
  array,
  bytes,
  type Infer,
  int16,
  int32,
  int8,
  string,
  struct,
} from "./schema.ts";

/** The version of frames, envelopes and this exchange. A server refuses any other. */
export const NATIVE_PROTOCOL_VERSION = 1;

/** The longest frame before the handshake has succeeded. */
export const HANDSHAKE_FRAME_BYTES_MAX = 16 * 1024;

/** What the peer may do: a client reaches the API table, a node also the actors of its fellows. */
export const PeerRole = { CLIENT: 0, NODE: 1 } as const;
export type PeerRole = (typeof PeerRole)[keyof typeof PeerRole];

export const NATIVE_HANDSHAKE = api({
  key: 10000,
  name: "NativeHandshake",
  versions: "0",
  flexibleVersions: "none",
  request: struct({
    protocolVersion: int32(),
    softwareName: string(),
    softwareVersion: string(),
    role: int8(),
    clusterId: string({ nullableVersions: "0+", default: null }),
    nodeId: int32({ default: -1 }),
    secret: bytes({ nullableVersions: "0+", default: null }),
    clientId: string(),
  }),
  response: struct({
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    apiKeys: array(struct({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    })),
    clusterId: string(),
    nodeId: int32({ default: -1 }),
    softwareName: string(),
    softwareVersion: string(),
    maxFrameBytes: int32(),
  }),
});

export type NativeHandshakeRequest = Infer<typeof NATIVE_HANDSHAKE.request>;
export type NativeHandshakeResponse = Infer<typeof NATIVE_HANDSHAKE.response>;
export type ServedVersions = NativeHandshakeResponse["apiKeys"][number];

/** The versions of each API, as a handshake response lists them. */
export function servedVersions(apis: Iterable<Api>): ServedVersions[] {
  return Array.from(apis, ({ key, versions }) => ({
    apiKey: key,
    minVersion: versions.min,
    maxVersion: versions.max,
  }));
}

/** The highest version, by key, of every API that both sides know a version of. */
export function commonVersions(
  apis: Iterable<Api>,
  served: Iterable<ServedVersions>,
): ReadonlyMap<number, number> {
  const theirs = new Map(Array.from(served, (range) => [range.apiKey, range]));
  const common = new Map<number, number>();
  for (const { key, versions } of apis) {
    const range = theirs.get(key);
    if (range === undefined) continue;
    const highest = Math.min(versions.max, range.maxVersion);
    if (highest >= versions.min && highest >= range.minVersion) common.set(key, highest);
  }
  return common;
}
