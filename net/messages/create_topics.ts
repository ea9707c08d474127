/**
 * CreateTopics: creates topics, with replicas chosen by the controller or given by hand.
 *
 * -1 partitions or replicas stand for the broker's default, in every version. Versions: 5 is
 * flexible and returns the topic's shape and configs (KIP-525); 6 may return
 * THROTTLING_QUOTA_EXCEEDED (KIP-599); 7 returns the topic id (KIP-516).
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
  int8,
  string,
  struct,
  uuid,
} from "../schema.ts";

export const CREATE_TOPICS = api({
  key: 19,
  name: "CreateTopics",
  versions: "2-7",
  flexibleVersions: "5+",
  request: struct({
    topics: array(struct({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array(struct({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      })),
      configs: array(struct({
        name: string(),
        value: string({ nullableVersions: "0+" }),
      })),
    })),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ versions: "1+" }),
  }),
  response: struct({
    throttleTimeMs: int32({ versions: "2+", ignorable: true }),
    topics: array(struct({
      name: string(),
      topicId: uuid({ versions: "7+", ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ versions: "1+", nullableVersions: "0+", ignorable: true }),
      topicConfigErrorCode: int16({
        versions: "5+",
        tag: 0,
        taggedVersions: "5+",
        ignorable: true,
      }),
      numPartitions: int32({ versions: "5+", default: -1, ignorable: true }),
      replicationFactor: int16({ versions: "5+", default: -1, ignorable: true }),
      configs: array(
        struct({
          name: string({ versions: "5+" }),
          value: string({ versions: "5+", nullableVersions: "5+" }),
          readOnly: bool({ versions: "5+" }),
          configSource: int8({ versions: "5+", default: -1, ignorable: true }),
          isSensitive: bool({ versions: "5+" }),
        }),
        { versions: "5+", nullableVersions: "5+", ignorable: true },
      ),
    })),
  }),
});

export type CreateTopicsRequest = Infer<typeof CREATE_TOPICS.request>;
export type CreateTopicsResponse = Infer<typeof CREATE_TOPICS.response>;
export type CreatableTopic = CreateTopicsRequest["topics"][number];
export type CreatableReplicaAssignment = CreatableTopic["assignments"][number];
export type CreatableTopicConfig = CreatableTopic["configs"][number];
export type CreatableTopicResult = CreateTopicsResponse["topics"][number];
export type CreatableTopicConfigs = NonNullable<CreatableTopicResult["configs"]>[number];
