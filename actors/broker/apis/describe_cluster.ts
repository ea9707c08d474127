/**
 * DescribeCluster: the brokers, the controller, the cluster's id.
 *
 * @module
 */

import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import {
  DESCRIBE_CLUSTER,
  type DescribeClusterRequest,
  type DescribeClusterResponse,
} from "../../../net/messages/describe_cluster.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { clusterAccess } from "../sessions/access.ts";
import { clusterOperations } from "../sessions/authorized_operations.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { controllerOf, knownBrokers, reachableBrokers } from "../reachable_brokers.ts";

/** The types of endpoint that are asked for (KIP-919). */
const BROKERS = 1;
const CONTROLLERS = 2;

export const describeCluster: ApiHandler<DescribeClusterRequest, DescribeClusterResponse> = {
  api: DESCRIBE_CLUSTER,
  access: () => [clusterAccess("describe")],
  handle(call) {
    const { broker, listener, request } = call;
    if (request.endpointType !== BROKERS) {
      const isKnown = request.endpointType === CONTROLLERS;
      return call.reply(describeCluster.failed(
        request,
        isKnown ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        `Cannot describe endpoints of type ${request.endpointType}: this listener is for brokers`,
      ));
    }
    const { image, nodeId, clusterId } = broker;
    const live = reachableBrokers(image, listener);
    const brokers = request.includeFencedBrokers ? knownBrokers(image, listener) : live;
    call.reply({
      ...describeCluster.failed(request, ErrorCode.NONE, null),
      clusterId,
      controllerId: controllerOf(live, nodeId),
      brokers: brokers.map(({ id, host, port, rack, fenced }) => ({
        brokerId: id,
        host,
        port,
        rack,
        isFenced: fenced,
      })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations(call)
        : OPERATIONS_NOT_ASKED,
    });
  },
  failed: (_request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    endpointType: 1,
    clusterId: "",
    controllerId: -1,
    brokers: [],
    clusterAuthorizedOperations: OPERATIONS_NOT_ASKED,
  }),
};
