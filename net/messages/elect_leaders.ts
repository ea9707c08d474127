/**
 * ElectLeaders: has partitions led by their preferred replica, or by any that lives (KIP-183,
 * KIP-460).
 *
 * Version 1 adds the type of election: 0 preferred, 1 unclean; 2 is flexible.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int8, string, struct } from "../schema.ts";

export const ELECT_LEADERS = api({
  key: 43,
  name: "ElectLeaders",
  versions: "0-2",
  flexibleVersions: "2+",
  request: struct({
    electionType: int8({ versions: "1+" }),
    topicPartitions: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullableVersions: "0+" },
    ),
    timeoutMs: int32({ default: 60000 }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16({ versions: "1+" }),
    replicaElectionResults: array(struct({
      topic: string(),
      partitionResult: array(struct({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      })),
    })),
  }),
});

export type ElectLeadersRequest = Infer<typeof ELECT_LEADERS.request>;
export type ElectLeadersResponse = Infer<typeof ELECT_LEADERS.response>;
export type TopicPartitions = NonNullable<ElectLeadersRequest["topicPartitions"]>[number];
export type ReplicaElectionResult = ElectLeadersResponse["replicaElectionResults"][number];
export type PartitionResult = ReplicaElectionResult["partitionResult"][number];
