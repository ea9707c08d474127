/**
 * ConsumerGroupCurrentMemberAssignmentValue: epoch, state and partitions of a member (KIP-848).
 *
 * @module
 */

import { array, type Infer, int32, int8, struct, table, uuid } from "../../schema.ts";

const TOPIC_PARTITIONS = struct({
  topicId: uuid(),
  partitions: array(int32()),
});

export const CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE = table({
  name: "ConsumerGroupCurrentMemberAssignmentValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(TOPIC_PARTITIONS),
    partitionsPendingRevocation: array(TOPIC_PARTITIONS),
  }),
});

export type ConsumerGroupCurrentMemberAssignmentValue = Infer<
  typeof CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE
>;
export type TopicPartitions =
  ConsumerGroupCurrentMemberAssignmentValue["assignedPartitions"][number];
