/**
 * What a heartbeat of a member of a consumer group comes to (KIP-848): records, and a response. Any
 * change of a group is made of the steps here: members come, change their subscription, are brought
 * nearer to the target, and go.
 *
 * Plain: it reads a group and the metadata, and changes neither.
 *
 * Invariants: the group's epoch rises by one with each change of what is subscribed or there, and
 * with each member that goes; a target assignment is made for each epoch before anybody is brought
 * to it.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import type { Uuid } from "../../../storage/bytes/ids.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import {
  type Assignment,
  assignmentOf,
  isSubset,
  listedOf,
  NO_PARTITIONS,
  sameAssignment,
} from "./assignment.ts";
import type { ConsumerGroup, SubscribedTopic } from "./consumer_group.ts";
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
import { type AssignedMember, SERVER_ASSIGNORS, targetIn } from "./server_assignors.ts";
import { TopicPattern } from "./topic_pattern.ts";

/** What a decision goes by. */
export interface HeartbeatTerms {
  readonly image: Pick<ClusterImage, "topics" | "topicByName">;
  readonly assignors: readonly string[];
  readonly heartbeatIntervalMs: number;
  readonly now: number;
}

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
  terms: HeartbeatTerms,
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

// The group: subscriptions, epoch, target.

/** Members of a group as they are going to be. */
interface GroupChange {
  readonly group: ConsumerGroup;
  /** The one that comes or has changed; undefined where one only goes. */
  readonly member: ConsumerMember | undefined;
  /** The one that goes. */
  readonly replaced: string | undefined;
  readonly terms: HeartbeatTerms;
}

function membersOf({ group, member, replaced }: GroupChange): ConsumerMember[] {
  const members = new Map(group.members);
  if (replaced !== undefined) members.delete(replaced);
  if (member !== undefined) members.set(member.memberId, member);
  return [...members.values()];
}

/** Brings subscription, epoch and target up to date where something has changed. */
function bringUpToDate(
  change: GroupChange & { readonly member: ConsumerMember },
  isChanged: boolean,
  records: ConsumerGroupRecord[],
): { targetEpoch: number; target: Assignment } {
  const { group, member, replaced } = change;
  const { groupId } = group;
  let { epoch } = group;
  let { topics } = group;
  let patterns: ReadonlyMap<string, readonly string[]> | undefined;
  if (isChanged || group.needsRefresh) {
    patterns = resolvePatterns(change, records);
    topics = subscribedTopics(change, patterns);
    const isSame = sameSubscribedTopics(topics, group.topics);
    if (!isSame) records.push(topicsRecord(groupId, topics));
    if (isChanged || !isSame) {
      epoch++;
      records.push({ kind: "ConsumerGroupMetadata", key: { groupId }, value: { epoch } });
    }
  }
  if (epoch > group.targetEpoch) {
    patterns ??= resolvePatterns(change, []);
    const targets = assign(change, topics, patterns);
    for (const { memberId } of membersOf(change)) {
      const target = targetIn(targets, memberId);
      const known = memberId === member.memberId && replaced !== undefined
        ? group.target.get(replaced)
        : group.target.get(memberId);
      if (known !== undefined && sameAssignment(known, target)) continue;
      records.push(targetAssignmentRecord(groupId, memberId, target));
    }
    records.push({
      kind: "ConsumerGroupTargetAssignmentMetadata",
      key: { groupId },
      value: { assignmentEpoch: epoch },
    });
    return { targetEpoch: epoch, target: targetIn(targets, member.memberId) };
  }
  const target = group.targetOf(replaced ?? member.memberId);
  return { targetEpoch: group.targetEpoch, target };
}

/** The topics that each pattern in use stands for, which is written where it is new. */
function resolvePatterns(
  change: GroupChange,
  records: ConsumerGroupRecord[],
): ReadonlyMap<string, readonly string[]> {
  const { group, terms } = change;
  const { groupId } = group;
  const used = new Set(membersOf(change).map(({ subscribedTopicRegex }) => subscribedTopicRegex));
  used.delete("");
  const resolved = new Map<string, readonly string[]>();
  for (const pattern of used) {
    const compiled = new TopicPattern(pattern);
    const topics = [...terms.image.topics.keys()].filter((name) => compiled.matches(name)).sort();
    resolved.set(pattern, topics);
    const known = group.patterns.get(pattern)?.topics;
    if (known?.length === topics.length && known.every((name, i) => name === topics[i])) continue;
    records.push({
      kind: "ConsumerGroupRegularExpression",
      key: { groupId, regularExpression: pattern },
      value: { topics, version: 0, timestamp: terms.now },
    });
  }
  for (const pattern of group.patterns.keys()) {
    if (used.has(pattern)) continue;
    const key = { groupId, regularExpression: pattern };
    records.push({ kind: "ConsumerGroupRegularExpression", key, value: null });
  }
  return resolved;
}

function topicsWanted(
  member: ConsumerMember,
  patterns: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  return new Set([
    ...member.subscribedTopicNames,
    ...patterns.get(member.subscribedTopicRegex) ?? [],
  ]);
}

/** What members want and is there. */
function subscribedTopics(
  change: GroupChange,
  patterns: ReadonlyMap<string, readonly string[]>,
): Map<string, SubscribedTopic> {
  const { image } = change.terms;
  const topics = new Map<string, SubscribedTopic>();
  for (const member of membersOf(change)) {
    for (const topicName of topicsWanted(member, patterns)) {
      const topic = image.topicByName(topicName);
      if (topic === undefined || topic.partitions.length === 0) continue;
      const numPartitions = topic.partitions.length;
      topics.set(topicName, { topicId: topic.id, topicName, numPartitions });
    }
  }
  return topics;
}

function sameSubscribedTopics(
  a: ReadonlyMap<string, SubscribedTopic>,
  b: ReadonlyMap<string, SubscribedTopic>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, { topicId, numPartitions }] of a) {
    const other = b.get(name);
    if (other?.topicId !== topicId || other.numPartitions !== numPartitions) return false;
  }
  return true;
}

function topicsRecord(
  groupId: string,
  topics: ReadonlyMap<string, SubscribedTopic>,
): ConsumerGroupRecord {
  const sorted = [...topics.values()].sort((a, b) => a.topicName < b.topicName ? -1 : 1);
  return {
    kind: "ConsumerGroupPartitionMetadata",
    key: { groupId },
    value: { topics: sorted.map((topic) => ({ ...topic, partitionMetadata: [] })) },
  };
}

function assign(
  change: GroupChange,
  topics: ReadonlyMap<string, SubscribedTopic>,
  patterns: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, Assignment> {
  const { group, member, replaced } = change;
  const partitionCounts = new Map<Uuid, number>();
  for (const { topicId, numPartitions } of topics.values()) {
    partitionCounts.set(topicId, numPartitions);
  }
  const members = membersOf(change).map((one): AssignedMember => {
    const topicIds = new Set<Uuid>();
    for (const name of topicsWanted(one, patterns)) {
      const topic = topics.get(name);
      if (topic !== undefined) topicIds.add(topic.topicId);
    }
    const before = one === member && replaced !== undefined ? replaced : one.memberId;
    const { memberId, instanceId } = one;
    return { memberId, instanceId, topicIds, previous: group.targetOf(before) };
  });
  const assignor = SERVER_ASSIGNORS.get(assignorOf(membersOf(change), change.terms));
  return assignor?.(members, partitionCounts) ?? new Map();
}

/** The assignor that most members ask for, or the first that is configured. */
export function assignorOf(
  members: Iterable<ConsumerMember>,
  { assignors }: Pick<HeartbeatTerms, "assignors">,
): string {
  const votes = new Map<string, number>();
  for (const { serverAssignor } of members) {
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1);
  }
  let elected = assignors[0] ?? "uniform";
  for (const [name, count] of votes) if (count > (votes.get(elected) ?? 0)) elected = name;
  return elected;
}

// A member that goes.

/** Takes a member out: what it held is free, and the others are to be given a new target. */
export function decideRemoval(
  group: ConsumerGroup,
  member: ConsumerMember,
  terms: HeartbeatTerms,
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
