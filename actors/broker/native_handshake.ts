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
} from "../../net/handshake.ts";
import { ErrorCode, errorMessage } from "../../net/messages/errors.ts";
import { servedApis } from "./apis/table.ts";
import type { BrokerServices } from "./services.ts";

/** What this software calls itself. */
export const SOFTWARE_NAME = "strom";
export const SOFTWARE_VERSION = "0.1.0";

/** Accepts a client, or says why not. */
export function answerHandshake(
  request: NativeHandshakeRequest,
  services: BrokerServices,
): NativeHandshakeResponse {
  const { protocolVersion, role, clusterId } = request;
  if (protocolVersion !== NATIVE_PROTOCOL_VERSION) {
    return refusal(
      services,
      ErrorCode.UNSUPPORTED_VERSION,
      `native protocol ${protocolVersion} is not supported: this is ${NATIVE_PROTOCOL_VERSION}`,
    );
  }
  if (role !== PeerRole.CLIENT) {
    const reason = `role ${role} is not accepted: only clients may connect here`;
    return refusal(services, ErrorCode.CLUSTER_AUTHORIZATION_FAILED, reason);
  }
  if (clusterId !== null && clusterId !== services.clusterId) {
    const reason = `the peer looks for cluster ${clusterId}: this is ${services.clusterId}`;
    return refusal(services, ErrorCode.INCONSISTENT_CLUSTER_ID, reason);
  }
  return {
    ...identity(services),
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    apiKeys: servedVersions(servedApis().map(({ api }) => api)),
  };
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
