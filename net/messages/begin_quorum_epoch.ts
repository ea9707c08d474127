/**
 * BeginQuorumEpoch: a new leader of the metadata quorum tells the voters of its epoch (KIP-595).
 *
 * Version 1 is flexible and adds the voters' directory ids and the leader's endpoints (KIP-853).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct, uint16, uuid } from "../schema.ts";

export const BEGIN_QUORUM_EPOCH = api({
  key: 53,
  name: "BeginQuorumEpoch",
  versions: "0-1",
  flexibleVersions: "1+",
  request: struct({
    clusterId: string({ nullableVersions: "0+", default: null }),
    voterId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        voterDirectoryId: uuid({ versions: "1+", ignorable: true }),
        leaderId: int32(),
        leaderEpoch: int32(),
      })),
    })),
    leaderEndpoints: array(
      struct({
        name: string({ versions: "1+" }),
        host: string({ versions: "1+" }),
        port: uint16({ versions: "1+" }),
      }),
      { versions: "1+", ignorable: true },
    ),
  }),
  response: struct({
    errorCode: int16(),
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        errorCode: int16(),
        leaderId: int32(),
        leaderEpoch: int32(),
      })),
    })),
    nodeEndpoints: array(
      struct({
        nodeId: int32({ versions: "1+" }),
        host: string({ versions: "1+" }),
        port: uint16({ versions: "1+" }),
      }),
      { versions: "1+", tag: 0, taggedVersions: "1+" },
    ),
  }),
});

export type BeginQuorumEpochRequest = Infer<typeof BEGIN_QUORUM_EPOCH.request>;
export type BeginQuorumEpochResponse = Infer<typeof BEGIN_QUORUM_EPOCH.response>;
export type TopicData = BeginQuorumEpochRequest["topics"][number];
export type PartitionData = TopicData["partitions"][number];
export type LeaderEndpoint = BeginQuorumEpochRequest["leaderEndpoints"][number];
export type ResponseTopicData = BeginQuorumEpochResponse["topics"][number];
export type ResponsePartitionData = ResponseTopicData["partitions"][number];
export type NodeEndpoint = BeginQuorumEpochResponse["nodeEndpoints"][number];
