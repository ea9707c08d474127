/**
 * ConsumerGroupHeartbeat: a member of a group of the consumer protocol says that it is alive, what
 * it subscribes to and owns, and is told what it is assigned (KIP-848).
 *
 * Version 1 adds subscription by regular expression and lets the member choose its id.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, string, struct, uuid } from "../schema.ts";

const TOPIC_PARTITIONS = struct({
  topicId: uuid(),
  partitions: array(int32()),
});

export const CONSUMER_GROUP_HEARTBEAT = api({
  key: 68,
  name: "ConsumerGroupHeartbeat",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullableVersions: "0+", default: null }),
    rackId: string({ nullableVersions: "0+", default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullableVersions: "0+", default: null }),
    subscribedTopicRegex: string({ versions: "1+", nullableVersions: "1+", default: null }),
    serverAssignor: string({ nullableVersions: "0+", default: null }),
    topicPartitions: array(
      struct({
        topicId: uuid(),
        partitions: array(int32()),
      }),
      { nullableVersions: "0+", default: null },
    ),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    memberId: string({ nullableVersions: "0+", default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct({
      topicPartitions: array(TOPIC_PARTITIONS),
    }, { nullableVersions: "0+", default: null }),
  }),
});

export type ConsumerGroupHeartbeatRequest = Infer<typeof CONSUMER_GROUP_HEARTBEAT.request>;
export type ConsumerGroupHeartbeatResponse = Infer<typeof CONSUMER_GROUP_HEARTBEAT.response>;
export type TopicPartitions = NonNullable<ConsumerGroupHeartbeatRequest["topicPartitions"]>[number];
export type Assignment = NonNullable<ConsumerGroupHeartbeatResponse["assignment"]>;
