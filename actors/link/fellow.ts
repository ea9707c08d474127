/**
 * What a node says of itself when it connects to a fellow of its cluster.
 *
 * @module
 */

import { PeerRole } from "../../net/handshake.ts";
import { APIS, NODE_APIS } from "../../net/messages/table.ts";
import { limitApis, type VersionLimits } from "../../net/messages/version_limits.ts";
import type { Api } from "../../net/schema.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { LinkSettings } from "./link_settings.ts";

export interface FellowOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** For the logs of the other. */
  readonly purpose: string;
  /** `native.shared.secret`; empty where nodes ask each other for none. */
  readonly secret: string;
  /** How long the connection may take, and the answer to its greeting. */
  readonly requestTimeoutMs: number;
  /** The first wait before a lost connection is made again, and the longest. */
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
}

/** The part of a connection's options that makes it one between nodes. */
export interface Fellow {
  readonly role: PeerRole;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly apis: readonly Api[];
  readonly settings: LinkSettings;
}

const ALL_APIS: readonly Api[] = [...APIS, ...NODE_APIS];

/** As a node of the cluster. */
export function asFellow(options: FellowOptions): Fellow {
  const { nodeId, clusterId, purpose, secret, requestTimeoutMs, versionLimits } = options;
  return {
    role: PeerRole.NODE,
    nodeId,
    clusterId,
    apis: limitApis(ALL_APIS, versionLimits),
    settings: {
      clientId: `node-${nodeId}-${purpose}`,
      secret: secret === "" ? undefined : secret,
      requestTimeoutMs,
      socketConnectionSetupTimeoutMs: requestTimeoutMs,
      reconnectBackoff: { initialMs: options.retryBackoffMs, maxMs: options.retryBackoffMaxMs },
    },
  };
}
