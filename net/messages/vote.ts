/**
 * Vote: a candidate of the metadata quorum asks for a vote.
 *
 * Version 1 adds the voters' directory ids (KIP-853), 2 the pre-vote (KIP-996).
 *
 * @module
 */

import {
  api,
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

export const VOTE = api({
  key: 52,
  name: "Vote",
  versions: "0-2",
  flexibleVersions: "0+",
  request: struct({
    clusterId: string({ nullableVersions: "0+", default: null }),
    voterId: int32({ versions: "1+", default: -1, ignorable: true }),
    topics: array(struct({
      topicName: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        candidateEpoch: int32(),
        candidateId: int32(),
        candidateDirectoryId: uuid({ versions: "1+", ignorable: true }),
        voterDirectoryId: uuid({ versions: "1+", ignorable: true }),
        lastOffsetEpoch: int32(),
        lastOffset: int64(),
        preVote: bool({ versions: "2+" }),
      })),
    })),
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
        voteGranted: bool(),
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

export type VoteRequest = Infer<typeof VOTE.request>;
export type VoteResponse = Infer<typeof VOTE.response>;
export type TopicData = VoteRequest["topics"][number];
export type PartitionData = TopicData["partitions"][number];
export type ResponseTopicData = VoteResponse["topics"][number];
export type ResponsePartitionData = ResponseTopicData["partitions"][number];
export type NodeEndpoint = VoteResponse["nodeEndpoints"][number];
