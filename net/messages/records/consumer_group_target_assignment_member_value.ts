/**
 * ConsumerGroupTargetAssignmentMemberValue: a member's target assignment (KIP-848).
 *
 * @module
 */

import { array, type Infer, int32, struct, table, uuid } from "../../schema.ts";

export const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE = table({
  name: "ConsumerGroupTargetAssignmentMemberValue",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    topicPartitions: array(struct({
      topicId: uuid(),
      partitions: array(int32()),
    })),
  }),
});

export type ConsumerGroupTargetAssignmentMemberValue = Infer<
  typeof CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE
>;
export type TopicPartition = ConsumerGroupTargetAssignmentMemberValue["topicPartitions"][number];
