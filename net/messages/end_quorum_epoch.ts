/**
 * EndQuorumEpoch: a leader of the metadata quorum resigns, and names who should follow it
 * (KIP-595).
 *
 * Version 1 is flexible and adds the candidates' directory ids and the leader's endpoints
 * (KIP-853).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct, uint16, uuid } from "../schema.ts";

export const END_QUORUM_EPOCH = api({
  key: 54,
  name: "EndQuorumEpoch",
  versions: "0-1",
  flexibleVersions: "1+",
  request: struct({
    clusterId: string({ nullableVersions: "0+", default: null }),
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32(),
        preferredSuccessors: array(int32(), { versions: "0", ignorable: true }),
        preferredCandidates: array(
          struct({
            candidateId: int32({ versions: "1+" }),
            candidateDirectoryId: uuid({ versions: "1+" }),
          }),
          { versions: "1+", ignorable: true },
        ),
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

export type EndQuorumEpochRequest = Infer<typeof END_QUORUM_EPOCH.request>;
export type EndQuorumEpochResponse = Infer<typeof END_QUORUM_EPOCH.response>;
export type TopicData = EndQuorumEpochRequest["topics"][number];
export type PartitionData = TopicData["partitions"][number];
export type ReplicaInfo = PartitionData["preferredCandidates"][number];
export type LeaderEndpoint = EndQuorumEpochRequest["leaderEndpoints"][number];
export type ResponseTopicData = EndQuorumEpochResponse["topics"][number];
export type ResponsePartitionData = ResponseTopicData["partitions"][number];
export type NodeEndpoint = EndQuorumEpochResponse["nodeEndpoints"][number];
