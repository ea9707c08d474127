/**
 * DescribeCluster: the brokers, the controller, the cluster's id.
 *
 * @module
 */

import {
  DESCRIBE_CLUSTER,
  type DescribeClusterRequest,
  type DescribeClusterResponse,
} from "../../../net/messages/describe_cluster.ts";
import type { ApiHandler } from "../call.ts";
import { endPointOf } from "../services.ts";

/** Kafka's number for "no operations were asked for". */
const NO_OPERATIONS = -2147483648;

export const describeCluster: ApiHandler<DescribeClusterRequest, DescribeClusterResponse> = {
  api: DESCRIBE_CLUSTER,
  access: () => [{ operation: "describe", resourceType: "cluster", resourceName: "kafka-cluster" }],
  handle(call) {
    const { broker, listener, request } = call;
    const brokers = [...broker.image.brokers.values()]
      .filter(({ fenced }) => request.includeFencedBrokers || !fenced)
      .sort((a, b) => a.id - b.id);
    call.reply({
      ...describeCluster.failed({} as DescribeClusterRequest, 0, null),
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      brokers: brokers.flatMap(({ id, rack, fenced }) => {
        const endPoint = endPointOf(broker.image, id, listener);
        return endPoint === undefined
          ? []
          : [{ brokerId: id, host: endPoint.host, port: endPoint.port, rack, isFenced: fenced }];
      }),
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
    clusterAuthorizedOperations: NO_OPERATIONS,
  }),
};
