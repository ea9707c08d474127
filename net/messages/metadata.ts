/**
 * Metadata: brokers, topics, partitions and their leaders.
 *
 * A null list of topics asks for all, an empty one for none; in version 0, which has no null, the
 * empty list asks for all. Versions: 4 adds automatic creation; 7 the leader epoch (KIP-320); 8 the
 * authorized operations (KIP-430), of which those of the cluster left in 11 (KIP-700); 9 is
 * flexible; 10 adds topic ids (KIP-516), and 12 lets a topic be asked for by its id.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, string, struct, uuid } from "../schema.ts";

export const METADATA = api({
  key: 3,
  name: "Metadata",
  versions: "0-12",
  flexibleVersions: "9+",
  request: struct({
    topics: array(
      struct({
        topicId: uuid({ versions: "10+", ignorable: true }),
        name: string({ nullableVersions: "10+" }),
      }),
      { nullableVersions: "1+" },
    ),
    allowAutoTopicCreation: bool({ versions: "4+", default: true }),
    includeClusterAuthorizedOperations: bool({ versions: "8-10" }),
    includeTopicAuthorizedOperations: bool({ versions: "8+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "3+", ignorable: true }),
    brokers: array(struct({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ versions: "1+", nullableVersions: "1+", default: null, ignorable: true }),
    })),
    clusterId: string({ versions: "2+", nullableVersions: "2+", default: null, ignorable: true }),
    controllerId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array(struct({
      errorCode: int16(),
      name: string({ nullableVersions: "12+" }),
      topicId: uuid({ versions: "10+", ignorable: true }),
      isInternal: bool({ versions: "1+", ignorable: true }),
      partitions: array(struct({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ versions: "7+", default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { versions: "5+", ignorable: true }),
      })),
      topicAuthorizedOperations: int32({ versions: "8+", default: -2147483648 }),
    })),
    clusterAuthorizedOperations: int32({ versions: "8-10", default: -2147483648 }),
  }),
});

export type MetadataRequest = Infer<typeof METADATA.request>;
export type MetadataResponse = Infer<typeof METADATA.response>;
export type MetadataRequestTopic = NonNullable<MetadataRequest["topics"]>[number];
export type MetadataResponseBroker = MetadataResponse["brokers"][number];
export type MetadataResponseTopic = MetadataResponse["topics"][number];
export type MetadataResponsePartition = MetadataResponseTopic["partitions"][number];
