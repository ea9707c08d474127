/**
 * ConsumerGroupDescribe: members, epochs and assignments of groups of the consumer protocol
 * (KIP-848).
 *
 * Version 1 adds the type of member (KIP-1099).
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

const TOPIC_PARTITIONS = struct({
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
});

const ASSIGNMENT = struct({
  topicPartitions: array(TOPIC_PARTITIONS),
});

export const CONSUMER_GROUP_DESCRIBE = api({
  key: 69,
  name: "ConsumerGroupDescribe",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    groups: array(struct({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+", default: null }),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array(struct({
        memberId: string(),
        instanceId: string({ nullableVersions: "0+", default: null }),
        rackId: string({ nullableVersions: "0+", default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: string({ nullableVersions: "0+", default: null }),
        assignment: ASSIGNMENT,
        targetAssignment: ASSIGNMENT,
        memberType: int8({ versions: "1+", default: -1, ignorable: true }),
      })),
      authorizedOperations: int32({ default: -2147483648 }),
    })),
  }),
});

export type ConsumerGroupDescribeRequest = Infer<typeof CONSUMER_GROUP_DESCRIBE.request>;
export type ConsumerGroupDescribeResponse = Infer<typeof CONSUMER_GROUP_DESCRIBE.response>;
export type TopicPartitions = Assignment["topicPartitions"][number];
export type DescribedGroup = ConsumerGroupDescribeResponse["groups"][number];
export type Member = DescribedGroup["members"][number];
export type Assignment = Member["assignment"];
