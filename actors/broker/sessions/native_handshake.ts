/**
 * What a node answers to the first message on a native connection.
 *
 * @module
 */

import {
  NATIVE_PROTOCOL_VERSION,
  type NativeHandshakeRequest,
  type NativeHandshakeResponse,
  PeerRole,
  servedVersions,
} from "../../../net/handshake.ts";
import { ErrorCode, errorMessage } from "../../../net/messages/errors.ts";
import { NONE } from "../../../storage/bytes/ids.ts";
import type { BrokerServices } from "../services.ts";

/** What this software calls itself. */
const SOFTWARE_NAME = "strom";
export const SOFTWARE_VERSION = "0.1.0";

/** Accepts a client or a fellow node, or says why not. */
export function answerHandshake(
  request: NativeHandshakeRequest,
  services: BrokerServices,
): NativeHandshakeResponse {
  const { protocolVersion } = request;
  if (protocolVersion !== NATIVE_PROTOCOL_VERSION) {
    return refusal(
      services,
      ErrorCode.UNSUPPORTED_VERSION,
      `native protocol ${protocolVersion} is not supported: this is ${NATIVE_PROTOCOL_VERSION}`,
    );
  }
  if (!knowsSecret(request, services)) {
    // Who is not let in learns nothing more: neither how near it was, nor whom it has asked.
    const reason = "the secret is missing or wrong";
    const refused = refusal(services, ErrorCode.SASL_AUTHENTICATION_FAILED, reason);
    return { ...refused, clusterId: "", nodeId: NONE };
  }
  const role = roleOf(request);
  if (role === undefined) {
    const reason = `role ${request.role} of node ${request.nodeId} is not accepted`;
    return refusal(services, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, reason);
  }
  const { clusterId } = request;
  // A node that knows of no cluster belongs to none, and must ask as a client which this one is.
  if (clusterId !== services.clusterId && (clusterId !== null || role === PeerRole.NODE)) {
    const reason = `the peer looks for cluster ${clusterId}: this is ${services.clusterId}`;
    return refusal(services, ErrorCode.INCONSISTENT_CLUSTER_ID, reason);
  }
  return {
    ...identity(services),
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    apiKeys: servedVersions(services.apis.of(role)),
  };
}

/** What the peer says it is; undefined where that is nothing. */
export function roleOf({ role, nodeId }: NativeHandshakeRequest): PeerRole | undefined {
  if (role === PeerRole.CLIENT) return PeerRole.CLIENT;
  return role === PeerRole.NODE && nodeId >= 0 ? PeerRole.NODE : undefined;
}

/** Whether no secret is asked for, or the peer shows it. */
function knowsSecret({ secret }: NativeHandshakeRequest, { config }: BrokerServices): boolean {
  const { nativeSharedSecret } = config;
  if (nativeSharedSecret === "") return true;
  return isEqualInConstantTime(
    secret ?? new Uint8Array(),
    new TextEncoder().encode(nativeSharedSecret),
  );
}

/** The time it takes depends on the length of what was shown, and on nothing of the secret. */
function isEqualInConstantTime(shown: Uint8Array, secret: Uint8Array): boolean {
  let difference = shown.length ^ secret.length;
  for (let i = 0; i < shown.length; i++) {
    difference |= (shown[i] as number) ^ (secret[i % secret.length] as number);
  }
  return difference === 0;
}

function refusal(
  services: BrokerServices,
  errorCode: ErrorCode,
  reason: string,
): NativeHandshakeResponse {
  const message = `${errorMessage(errorCode)}: ${reason}`;
  return { ...identity(services), errorCode, errorMessage: message, apiKeys: [] };
}

function identity({ clusterId, nodeId, config }: BrokerServices) {
  return {
    clusterId,
    nodeId,
    softwareName: SOFTWARE_NAME,
    softwareVersion: SOFTWARE_VERSION,
    maxFrameBytes: config.socketRequestMaxBytes,
  };
}
