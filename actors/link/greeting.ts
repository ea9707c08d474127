/**
 * The first exchange as the connecting side sees it: what it says of itself, and whether the node
 * that answers is the one it looks for.
 *
 * @module
 */

import {
  NATIVE_PROTOCOL_VERSION,
  type NativeHandshakeRequest,
  type NativeHandshakeResponse,
  PeerRole,
} from "../../net/handshake.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import { type ClientError, refusalError } from "./errors.ts";
import type { LinkSettings } from "./link_settings.ts";

/** Of this software, as it says of itself. */
const SOFTWARE_VERSION = "0.1.0";

/** What a client says of itself; Kafka refuses ApiVersions that do not say it (KIP-511). */
export const CLIENT_SOFTWARE = {
  clientSoftwareName: "strom-client",
  clientSoftwareVersion: SOFTWARE_VERSION,
} as const;

/** Who connects, and to whom. */
export interface Introduction {
  /** A client when absent. */
  readonly role?: PeerRole;
  /** The connecting node's own id. */
  readonly nodeId?: NodeId;
  /** The cluster that the other must belong to; any when absent. */
  readonly clusterId?: string;
  /** The node that must be found at the address; any when absent. */
  readonly expectedNodeId?: NodeId;
}

/** What is said to the node. */
export function greetingOf(
  { clientId, secret }: LinkSettings,
  { role = PeerRole.CLIENT, nodeId = NONE, clusterId }: Introduction,
): NativeHandshakeRequest {
  return {
    protocolVersion: NATIVE_PROTOCOL_VERSION,
    softwareName: role === PeerRole.NODE ? "strom" : CLIENT_SOFTWARE.clientSoftwareName,
    softwareVersion: SOFTWARE_VERSION,
    role,
    clusterId: clusterId ?? null,
    nodeId,
    secret: secret === undefined ? null : new TextEncoder().encode(secret),
    clientId,
  };
}

/** Why the connection cannot be used, if so: the node refused it, or is another. */
export function refusalOf(
  { errorCode, errorMessage, clusterId, nodeId }: NativeHandshakeResponse,
  expected: Introduction,
  action: string,
): ClientError | undefined {
  if (errorCode !== ErrorCode.NONE) return refusalError(errorCode, action, errorMessage);
  if (expected.clusterId !== undefined && expected.clusterId !== clusterId) {
    const detail = `The node is of cluster ${clusterId}, not of ${expected.clusterId}`;
    return refusalError(ErrorCode.INCONSISTENT_CLUSTER_ID, action, detail);
  }
  if (expected.expectedNodeId !== undefined && expected.expectedNodeId !== nodeId) {
    const detail = `There is node ${nodeId}, not node ${expected.expectedNodeId}`;
    return refusalError(ErrorCode.BROKER_NOT_AVAILABLE, action, detail);
  }
  return undefined;
}
