/**
 * A consumer group (KIP-848) in the words of ConsumerGroupDescribe.
 *
 * @module
 */

import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  Assignment as DescribedAssignment,
  DescribedGroup,
} from "../../../net/messages/consumer_group_describe.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import type { CoordinatorContext } from "../machine.ts";
import type { Assignment } from "./assignment.ts";
import { listedOf } from "./assignment.ts";
import type { ConsumerGroup } from "./consumer_group.ts";
import { assignorOf } from "./target_assignment.ts";

/** The type of a member that speaks this protocol. */
const CONSUMER_MEMBER = 1;

/** The description of a group, or that there is none of this protocol. */
export function describeConsumerGroup(
  groupId: string,
  group: ConsumerGroup | undefined,
  { config, image }: Pick<CoordinatorContext<never>, "config" | "image">,
): DescribedGroup {
  if (group === undefined) return undescribed(groupId, ErrorCode.GROUP_ID_NOT_FOUND);
  const assignors = config.groupConsumerAssignors;
  return {
    ...undescribed(groupId, ErrorCode.NONE),
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.targetEpoch,
    assignorName: assignorOf(group.members.values(), { assignors }),
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribedTopicNames,
      subscribedTopicRegex: member.subscribedTopicRegex,
      assignment: described(member.assigned, image),
      targetAssignment: described(group.targetOf(member.memberId), image),
      memberType: CONSUMER_MEMBER,
    })),
  };
}

/** Topics that are gone have no name to be told by. */
function described(
  assignment: Assignment,
  image: Pick<ClusterImage, "topicById">,
): DescribedAssignment {
  const topicPartitions = listedOf(assignment).flatMap(({ topicId, partitions }) => {
    const topicName = image.topicById(topicId)?.name;
    return topicName === undefined ? [] : [{ topicId, topicName, partitions }];
  });
  return { topicPartitions };
}

/** A description that is only an error. */
export function undescribed(groupId: string, errorCode: number): DescribedGroup {
  return {
    errorCode,
    errorMessage: errorCode === ErrorCode.GROUP_ID_NOT_FOUND
      ? `Group ${groupId} is no consumer group`
      : null,
    groupId,
    groupState: "",
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: "",
    members: [],
    authorizedOperations: OPERATIONS_NOT_ASKED,
  };
}
