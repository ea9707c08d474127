/**
 * DescribeCluster: the brokers, the controller and the cluster's id (KIP-700).
 *
 * Version 1 adds the type of endpoint asked for: 1 brokers, 2 controllers (KIP-919); 2 adds
 * the brokers that are fenced (KIP-1073).
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const DESCRIBE_CLUSTER = api({
  key: 60,
  name: "DescribeCluster",
  versions: "0-2",
  flexibleVersions: "0+",
  request: struct({
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ versions: "1+", default: 1 }),
    includeFencedBrokers: bool({ versions: "2+" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    endpointType: int8({ versions: "1+", default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array(struct({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullableVersions: "0+", default: null }),
      isFenced: bool({ versions: "2+" }),
    })),
    clusterAuthorizedOperations: int32({ default: -2147483648 }),
  }),
});

export type DescribeClusterRequest = Infer<typeof DESCRIBE_CLUSTER.request>;
export type DescribeClusterResponse = Infer<typeof DESCRIBE_CLUSTER.response>;
export type DescribeClusterBroker = DescribeClusterResponse["brokers"][number];
