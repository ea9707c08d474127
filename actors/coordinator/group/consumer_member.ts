/**
 * A member of a consumer group (KIP-848) as its records say: never changed, a change makes another.
 *
 * @module
 */

import type { ConsumerGroupCurrentMemberAssignmentValue } from "../../../net/messages/records/consumer_group_current_member_assignment_value.ts";
import type { ConsumerGroupMemberMetadataValue } from "../../../net/messages/records/consumer_group_member_metadata_value.ts";
import { type Assignment, assignmentOf, listedOf, NO_PARTITIONS } from "./assignment.ts";
import type { ConsumerGroupRecord } from "./records.ts";

/** The epoch by which a member leaves. */
export const LEAVE_EPOCH = -1;
/** The epoch by which a static member leaves for a while. */
export const LEAVE_FOR_A_WHILE_EPOCH = -2;

/** How far a member has come on its way to the target assignment: Kafka's numbers. */
export const MEMBER_STATE = {
  /** It has what it should have. */
  stable: 0,
  /** It is to give up partitions first. */
  unrevoked: 1,
  /** It waits for partitions that others have yet to give up. */
  unreleased: 2,
} as const;

/** What a member says of itself. */
export interface MemberSubscription {
  /** Of a static member. */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Sorted. */
  readonly subscribedTopicNames: readonly string[];
  /** Empty for none. */
  readonly subscribedTopicRegex: string;
  readonly rebalanceTimeoutMs: number;
  /** Null for the group's default. */
  readonly serverAssignor: string | null;
}

export interface ConsumerMember extends MemberSubscription {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly previousMemberEpoch: number;
  /** One of `MEMBER_STATE`. */
  readonly state: number;
  readonly assigned: Assignment;
  /** What it was told to give up, and has not. */
  readonly pendingRevocation: Assignment;
}

/** A member of which nothing is known yet. */
export function newMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: "",
    clientHost: "",
    subscribedTopicNames: [],
    subscribedTopicRegex: "",
    rebalanceTimeoutMs: -1,
    serverAssignor: null,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    state: MEMBER_STATE.stable,
    assigned: NO_PARTITIONS,
    pendingRevocation: NO_PARTITIONS,
  };
}

/** Whether it has what it should have as of an epoch of the target assignment. */
export function isReconciled({ state, memberEpoch }: ConsumerMember, targetEpoch: number): boolean {
  return state === MEMBER_STATE.stable && memberEpoch === targetEpoch;
}

/** The member with what a record says of its subscription. */
export function withMetadata(
  member: ConsumerMember,
  value: ConsumerGroupMemberMetadataValue,
): ConsumerMember {
  const { classicMemberMetadata: _, ...said } = value;
  return { ...member, ...said, subscribedTopicRegex: value.subscribedTopicRegex ?? "" };
}

/** The member with what a record says of its assignment. */
export function withAssignment(
  member: ConsumerMember,
  value: ConsumerGroupCurrentMemberAssignmentValue,
): ConsumerMember {
  const { memberEpoch, previousMemberEpoch, state } = value;
  return {
    ...member,
    memberEpoch,
    previousMemberEpoch,
    state,
    assigned: assignmentOf(value.assignedPartitions),
    pendingRevocation: assignmentOf(value.partitionsPendingRevocation),
  };
}

/** Whether two members say the same of themselves. */
export function sameSubscription(a: MemberSubscription, b: MemberSubscription): boolean {
  return a.instanceId === b.instanceId && a.rackId === b.rackId && a.clientId === b.clientId &&
    a.clientHost === b.clientHost && a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.serverAssignor === b.serverAssignor && sameTopics(a, b);
}

/** Whether two members subscribe to the same. */
export function sameTopics(a: MemberSubscription, b: MemberSubscription): boolean {
  return a.subscribedTopicRegex === b.subscribedTopicRegex &&
    a.subscribedTopicNames.length === b.subscribedTopicNames.length &&
    a.subscribedTopicNames.every((name, index) => name === b.subscribedTopicNames[index]);
}

// Records.

export function memberMetadataRecord(groupId: string, member: ConsumerMember): ConsumerGroupRecord {
  const { subscribedTopicRegex } = member;
  return {
    kind: "ConsumerGroupMemberMetadata",
    key: { groupId, memberId: member.memberId },
    value: {
      instanceId: member.instanceId,
      rackId: member.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribedTopicNames,
      subscribedTopicRegex: subscribedTopicRegex === "" ? null : subscribedTopicRegex,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      serverAssignor: member.serverAssignor,
      classicMemberMetadata: null,
    },
  };
}

export function currentAssignmentRecord(
  groupId: string,
  member: ConsumerMember,
): ConsumerGroupRecord {
  return {
    kind: "ConsumerGroupCurrentMemberAssignment",
    key: { groupId, memberId: member.memberId },
    value: {
      memberEpoch: member.memberEpoch,
      previousMemberEpoch: member.previousMemberEpoch,
      state: member.state,
      assignedPartitions: listedOf(member.assigned),
      partitionsPendingRevocation: listedOf(member.pendingRevocation),
    },
  };
}

export function targetAssignmentRecord(
  groupId: string,
  memberId: string,
  target: Assignment,
): ConsumerGroupRecord {
  return {
    kind: "ConsumerGroupTargetAssignmentMember",
    key: { groupId, memberId },
    value: { topicPartitions: listedOf(target) },
  };
}

/** What takes a member out, in Kafka's order. */
export function removalRecords(groupId: string, memberId: string): ConsumerGroupRecord[] {
  const key = { groupId, memberId };
  return [
    { kind: "ConsumerGroupCurrentMemberAssignment", key, value: null },
    { kind: "ConsumerGroupTargetAssignmentMember", key, value: null },
    { kind: "ConsumerGroupMemberMetadata", key, value: null },
  ];
}
