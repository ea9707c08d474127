/**
 * What a heartbeat of a member of a consumer group comes to (KIP-848): records, and a response.
 * Members come, change their subscription, are brought nearer to the target, and go.
 *
 * Plain: it reads a group and the metadata, and changes neither. What the group as a whole goes by
 * is in target_assignment.ts.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import {
  type Assignment,
  assignmentOf,
  isSubset,
  listedOf,
  NO_PARTITIONS,
  sameAssignment,
} from "./assignment.ts";
import type { ConsumerGroup } from "./consumer_group.ts";
import {
  type ConsumerMember,
  currentAssignmentRecord,
  isReconciled,
  LEAVE_FOR_A_WHILE_EPOCH,
  memberMetadataRecord,
  newMember,
  removalRecords,
  sameSubscription,
  sameTopics,
  targetAssignmentRecord,
} from "./consumer_member.ts";
import { reconcile } from "./reconciliation.ts";
import type { ConsumerGroupRecord } from "./records.ts";
import type { GroupClient } from "./requests.ts";
import {
  bringUpToDate,
  type GroupTerms,
  resolvePatterns,
  sameSubscribedTopics,
  subscribedTopics,
  topicsRecord,
} from "./target_assignment.ts";

/** Why a heartbeat is refused. */
export class HeartbeatRefused {
  readonly error: ErrorCode;
  readonly message: string;

  constructor(error: ErrorCode, message: string) {
    this.error = error;
    this.message = message;
  }
}

export interface HeartbeatDecision {
  readonly records: readonly ConsumerGroupRecord[];
  readonly response: ConsumerGroupHeartbeatResponse;
  /** The member as it is then. */
  readonly member: ConsumerMember;
  /** Whether it has come nearer to its target. */
  readonly isMoved: boolean;
}

/** The response that brings an error. */
export function failedHeartbeat(
  errorCode: ErrorCode,
  errorMessage: string | null,
): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}

// A member that comes, or goes on.

/** Decides on a heartbeat of a member that stays or comes. The group is new where it is empty. */
export function decideHeartbeat(
  group: ConsumerGroup,
  memberId: string,
  request: ConsumerGroupHeartbeatRequest,
  client: GroupClient,
  terms: GroupTerms,
): HeartbeatDecision | HeartbeatRefused {
  const { groupId } = group;
  const { topicPartitions } = request;
  const owned = topicPartitions === null ? undefined : assignmentOf(topicPartitions);
  const found = findMember(group, memberId, request, owned);
  if (found instanceof HeartbeatRefused) return found;
  const { member, replaced } = found;
  const records: ConsumerGroupRecord[] = replaced === undefined
    ? []
    : replacementRecords(group, replaced, member);
  const subscribed = subscribe(member, request, client);
  if (!sameSubscription(member, subscribed)) {
    records.push(memberMetadataRecord(groupId, subscribed));
  }
  const change = { group, member: subscribed, replaced: replaced?.memberId, terms };
  const isNew = replaced === undefined && !group.members.has(memberId);
  const isChanged = isNew || !sameTopics(member, subscribed);
  const { targetEpoch, target } = bringUpToDate(change, isChanged, records);
  const step = isReconciled(subscribed, targetEpoch) ? subscribed : reconcile(subscribed, {
    targetEpoch,
    target,
    owned,
    isHeld: (topicId, partition) => {
      const holder = group.holderOf(topicId, partition);
      return holder !== undefined && holder !== replaced?.memberId;
    },
  });
  if (step !== subscribed) records.push(currentAssignmentRecord(groupId, step));
  const isFull = request.memberEpoch === 0 ||
    request.rebalanceTimeoutMs !== -1 && owned !== undefined &&
      (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null);
  const isToldAssignment = isFull || !sameAssignment(member.assigned, step.assigned);
  return {
    records,
    member: step,
    isMoved: step !== subscribed,
    response: {
      ...failedHeartbeat(ErrorCode.NONE, null),
      memberId,
      memberEpoch: step.memberEpoch,
      heartbeatIntervalMs: terms.heartbeatIntervalMs,
      assignment: isToldAssignment ? { topicPartitions: listedOf(step.assigned) } : null,
    },
  };
}

interface FoundMember {
  readonly member: ConsumerMember;
  /** The static member whose place it takes. */
  readonly replaced?: ConsumerMember;
}

function findMember(
  group: ConsumerGroup,
  memberId: string,
  { memberEpoch, instanceId }: ConsumerGroupHeartbeatRequest,
  owned: Assignment | undefined,
): FoundMember | HeartbeatRefused {
  const isJoining = memberEpoch === 0;
  if (instanceId !== null) {
    const holder = group.staticMember(instanceId);
    if (isJoining) {
      if (holder === undefined) {
        return { member: group.members.get(memberId) ?? newMember(memberId) };
      }
      if (holder.memberId === memberId) return checkEpoch(holder, memberEpoch, owned);
      if (holder.memberEpoch !== LEAVE_FOR_A_WHILE_EPOCH) {
        return new HeartbeatRefused(
          ErrorCode.UNRELEASED_INSTANCE_ID,
          `Instance ${instanceId} is member ${holder.memberId}`,
        );
      }
      const member = { ...holder, memberId, memberEpoch: 0, previousMemberEpoch: 0 };
      return { member, replaced: holder };
    }
    if (holder === undefined) {
      return new HeartbeatRefused(
        ErrorCode.UNKNOWN_MEMBER_ID,
        `Instance ${instanceId} is not a member`,
      );
    }
    if (holder.memberId !== memberId) {
      return new HeartbeatRefused(
        ErrorCode.FENCED_INSTANCE_ID,
        `Instance ${instanceId} is member ${holder.memberId} now`,
      );
    }
    return checkEpoch(holder, memberEpoch, owned);
  }
  const member = group.members.get(memberId);
  if (member !== undefined) return checkEpoch(member, memberEpoch, owned);
  if (isJoining) return { member: newMember(memberId) };
  return new HeartbeatRefused(ErrorCode.UNKNOWN_MEMBER_ID, `${memberId} is not a member`);
}

/** A member may have missed the response that told it of its epoch; otherwise epochs agree. */
function checkEpoch(
  member: ConsumerMember,
  memberEpoch: number,
  owned: Assignment | undefined,
): FoundMember | HeartbeatRefused {
  // Whoever joins anew has given up everything.
  if (memberEpoch === 0 || memberEpoch === member.memberEpoch) return { member };
  const missedOne = memberEpoch === member.previousMemberEpoch &&
    owned !== undefined && isSubset(owned, member.assigned);
  if (missedOne) return { member };
  return new HeartbeatRefused(
    ErrorCode.FENCED_MEMBER_EPOCH,
    `Member ${member.memberId} is in epoch ${member.memberEpoch}, not ${memberEpoch}: it must ` +
      `give up its partitions and join again`,
  );
}

function replacementRecords(
  group: ConsumerGroup,
  old: ConsumerMember,
  member: ConsumerMember,
): ConsumerGroupRecord[] {
  const { groupId } = group;
  return [
    ...removalRecords(groupId, old.memberId),
    memberMetadataRecord(groupId, member),
    targetAssignmentRecord(groupId, member.memberId, group.targetOf(old.memberId)),
    currentAssignmentRecord(groupId, member),
  ];
}

/** The member with what it says of itself; null is as before. */
function subscribe(
  member: ConsumerMember,
  request: ConsumerGroupHeartbeatRequest,
  { clientId, clientHost }: GroupClient,
): ConsumerMember {
  const { subscribedTopicNames, subscribedTopicRegex, rebalanceTimeoutMs } = request;
  return {
    ...member,
    clientId,
    clientHost,
    instanceId: request.instanceId ?? member.instanceId,
    rackId: request.rackId ?? member.rackId,
    serverAssignor: request.serverAssignor ?? member.serverAssignor,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : rebalanceTimeoutMs,
    subscribedTopicNames: subscribedTopicNames === null
      ? member.subscribedTopicNames
      : [...new Set(subscribedTopicNames)].sort(),
    subscribedTopicRegex: subscribedTopicRegex ?? member.subscribedTopicRegex,
  };
}

// A member that goes.

/** Takes a member out: what it held is free, and the others are to be given a new target. */
export function decideRemoval(
  group: ConsumerGroup,
  member: ConsumerMember,
  terms: GroupTerms,
): ConsumerGroupRecord[] {
  const { groupId } = group;
  const records = removalRecords(groupId, member.memberId);
  const change = { group, member: undefined, replaced: member.memberId, terms };
  const topics = subscribedTopics(change, resolvePatterns(change, records));
  if (!sameSubscribedTopics(topics, group.topics)) records.push(topicsRecord(groupId, topics));
  const epoch = group.epoch + 1;
  records.push({ kind: "ConsumerGroupMetadata", key: { groupId }, value: { epoch } });
  return records;
}

/** A static member leaves for a while: nobody else is given what it has. */
export function decideLeaveForAWhile(
  group: ConsumerGroup,
  member: ConsumerMember,
): ConsumerGroupRecord {
  return currentAssignmentRecord(group.groupId, {
    ...member,
    memberEpoch: LEAVE_FOR_A_WHILE_EPOCH,
    pendingRevocation: NO_PARTITIONS,
  });
}
