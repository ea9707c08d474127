/**
 * What a consumer group as a whole goes by (KIP-848): which topics its members want and are there,
 * its epoch, and the target assignment of that epoch.
 *
 * Plain: it reads a group and the metadata, and gives the records that bring them together.
 *
 * Invariants: the group's epoch rises by one with each change of what is subscribed or there, and
 * with each member that goes; a target assignment is made for each epoch before anybody is brought
 * to it.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import { type Assignment, sameAssignment } from "./assignment.ts";
import type { ConsumerGroup, SubscribedTopic } from "./consumer_group.ts";
import { type ConsumerMember, targetAssignmentRecord } from "./consumer_member.ts";
import type { ConsumerGroupRecord } from "./records.ts";
import { type AssignedMember, SERVER_ASSIGNORS, targetIn } from "./server_assignors.ts";
import { TopicPattern } from "./topic_pattern.ts";

/** What a decision goes by. */
export interface GroupTerms {
  readonly image: Pick<ClusterImage, "topics" | "topicByName">;
  readonly assignors: readonly string[];
  readonly heartbeatIntervalMs: number;
  readonly now: number;
}

/** Members of a group as they are going to be. */
export interface GroupChange {
  readonly group: ConsumerGroup;
  /** The one that comes or has changed; undefined where one only goes. */
  readonly member: ConsumerMember | undefined;
  /** The one that goes. */
  readonly replaced: string | undefined;
  readonly terms: GroupTerms;
}

function membersOf({ group, member, replaced }: GroupChange): ConsumerMember[] {
  const members = new Map(group.members);
  if (replaced !== undefined) members.delete(replaced);
  if (member !== undefined) members.set(member.memberId, member);
  return [...members.values()];
}

/** Brings subscription, epoch and target up to date where something has changed. */
export function bringUpToDate(
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
export function resolvePatterns(
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
export function subscribedTopics(
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

export function sameSubscribedTopics(
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

export function topicsRecord(
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
  { assignors }: Pick<GroupTerms, "assignors">,
): string {
  const votes = new Map<string, number>();
  for (const { serverAssignor } of members) {
    if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1);
  }
  let elected = assignors[0] ?? "uniform";
  for (const [name, count] of votes) if (count > (votes.get(elected) ?? 0)) elected = name;
  return elected;
}
