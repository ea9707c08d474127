/**
 * What the admin client asks about groups: which there are, who is in them, what is committed.
 *
 * @module
 */

import type { Epoch } from "../../../storage/bytes/ids.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../../../net/messages/consumer_group_describe.ts";
import { DELETE_GROUPS } from "../../../net/messages/delete_groups.ts";
import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { LIST_GROUPS } from "../../../net/messages/list_groups.ts";
import { OFFSET_COMMIT } from "../../../net/messages/offset_commit.ts";
import { OFFSET_DELETE } from "../../../net/messages/offset_delete.ts";
import { OFFSET_FETCH } from "../../../net/messages/offset_fetch.ts";
import type { Api } from "../../../net/schema.ts";
import { make } from "../../../net/schema/make.ts";
import { type AdminCalls, check, type ItemResult } from "./admin_calls.ts";
import { ClientError, errorForCode } from "../errors.ts";
import {
  committedOf,
  type CommittedOffset,
  fetchRequest,
  type OffsetToCommit,
} from "../consumer/group_offsets.ts";
import { decodeAssignment, decodeSubscription } from "../consumer/membership/consumer_protocol.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** A group as lists have it. */
export interface GroupListing {
  /** Its id. */
  readonly groupId: string;
  /** `"classic"` or `"consumer"`; empty where the coordinator does not say. */
  readonly type: string;
  /** As `Stable`, `Empty`, `PreparingRebalance`. */
  readonly state: string;
  /** `"consumer"` for groups of consumers; empty where it has only committed offsets. */
  readonly protocolType: string;
}

/** A member of a group. */
export interface GroupMemberDescription {
  /** The coordinator's name for it, or its own. */
  readonly memberId: string;
  /** `group.instance.id`, of static members. */
  readonly groupInstanceId: string | null;
  /** What the client calls itself. */
  readonly clientId: string;
  /** Where it is. */
  readonly host: string;
  /** `client.rack`, where it has said one. */
  readonly rackId: string | null;
  /** Of the member; -1 in classic groups. */
  readonly memberEpoch: Epoch;
  /** What it subscribes to, where that is known. */
  readonly topics: readonly string[];
  /** What it has. */
  readonly assignment: readonly TopicPartition[];
  /** What it is to have; null in classic groups. */
  readonly targetAssignment: readonly TopicPartition[] | null;
}

/** A group and who is in it. */
export interface GroupDescription {
  /** Its id. */
  readonly groupId: string;
  /** Which protocol its members speak. */
  readonly type: "classic" | "consumer";
  /** As `Stable`, `Empty`, `PreparingRebalance`. */
  readonly state: string;
  /** `"consumer"` for groups of consumers. */
  readonly protocolType: string;
  /** How its partitions are divided; empty while they are not. */
  readonly assignor: string;
  /** Of the group; -1 in classic groups. */
  readonly groupEpoch: Epoch;
  /** Those who are in it. */
  readonly members: readonly GroupMemberDescription[];
}

export async function listGroups(calls: AdminCalls): Promise<GroupListing[]> {
  const request = make(LIST_GROUPS.request, {});
  const answers = await calls.everyBroker(LIST_GROUPS, request, "Cannot list groups");
  const listed = answers.flatMap(({ response }) => response.groups);
  // One that has just moved may be told of twice.
  const byId = new Map(listed.map((group) => [group.groupId, group]));
  return [...byId.values()].map(({ groupId, groupType, groupState, protocolType }) => ({
    groupId,
    type: groupType.toLowerCase(),
    state: groupState,
    protocolType,
  })).sort((a, b) => a.groupId < b.groupId ? -1 : 1);
}

export function describeGroups(
  calls: AdminCalls,
  groupIds: readonly string[],
): Promise<GroupDescription[]> {
  return Promise.all(groupIds.map(async (groupId) => {
    try {
      return await describeConsumerGroup(calls, groupId);
    } catch (error) {
      const code = error instanceof ClientError ? error.code : ErrorCode.UNKNOWN_SERVER_ERROR;
      const isOther = code === ErrorCode.GROUP_ID_NOT_FOUND ||
        code === ErrorCode.UNSUPPORTED_VERSION;
      if (!isOther) throw error;
      return await describeClassicGroup(calls, groupId);
    }
  }));
}

/** What the coordinator says of one group. @throws {ClientError} where it refuses */
async function described<Request, Group extends ItemResult>(
  calls: AdminCalls,
  groupId: string,
  api: Api<Request, { readonly groups: readonly Group[] }>,
  request: Request,
): Promise<Group> {
  const { groups: [group] } = await calls.coordinator(
    "group",
    groupId,
    api,
    request,
    ({ groups }) => groups[0] ?? UNANSWERED,
  );
  check(group ?? UNANSWERED, cannotDescribe(groupId));
  return group!;
}

function cannotDescribe(groupId: string): string {
  return `Cannot describe group ${groupId}`;
}

async function describeConsumerGroup(
  calls: AdminCalls,
  groupId: string,
): Promise<GroupDescription> {
  const request = make(CONSUMER_GROUP_DESCRIBE.request, { groupIds: [groupId] });
  const { groupState, assignorName, groupEpoch, members } = await described(
    calls,
    groupId,
    CONSUMER_GROUP_DESCRIBE,
    request,
  );
  return {
    groupId,
    type: "consumer",
    state: groupState,
    protocolType: "consumer",
    assignor: assignorName,
    groupEpoch,
    members: members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      host: member.clientHost,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      topics: member.subscribedTopicNames,
      assignment: placesOf(member.assignment.topicPartitions),
      targetAssignment: placesOf(member.targetAssignment.topicPartitions),
    })),
  };
}

function placesOf(
  topics: readonly { readonly topicName: string; readonly partitions: readonly number[] }[],
): TopicPartition[] {
  return topics.flatMap(({ topicName: topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition }))
  );
}

async function describeClassicGroup(
  calls: AdminCalls,
  groupId: string,
): Promise<GroupDescription> {
  const request = make(DESCRIBE_GROUPS.request, { groups: [groupId] });
  const { groupState, protocolType, protocolData, members } = await described(
    calls,
    groupId,
    DESCRIBE_GROUPS,
    request,
  );
  if (groupState === "Dead") {
    throw errorForCode(ErrorCode.GROUP_ID_NOT_FOUND, cannotDescribe(groupId));
  }
  const isOfConsumers = protocolType === "consumer";
  return {
    groupId,
    type: "classic",
    state: groupState,
    protocolType,
    assignor: protocolData,
    groupEpoch: -1,
    members: members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      host: member.clientHost,
      memberEpoch: -1,
      targetAssignment: null,
      assignment: isOfConsumers ? decodeAssignment(member.memberAssignment) : [],
      ...subscriptionOf(isOfConsumers, member.memberMetadata),
    })),
  };
}

/** Members have none to show while the group rebalances. */
function subscriptionOf(isOfConsumers: boolean, metadata: Uint8Array) {
  if (!isOfConsumers || metadata.length === 0) return { topics: [], rackId: null };
  const { topics, rackId } = decodeSubscription(metadata);
  return { topics, rackId };
}

/** What is taken for the result of a group that a response leaves out. */
const UNANSWERED: ItemResult = { errorCode: ErrorCode.UNKNOWN_SERVER_ERROR };

export async function listConsumerGroupOffsets(
  calls: AdminCalls,
  groupId: string,
  partitions: readonly TopicPartition[] | undefined,
): Promise<CommittedOffset[]> {
  const wanted = partitions ?? null;
  const response = await calls.coordinator(
    "group",
    groupId,
    OFFSET_FETCH,
    fetchRequest(groupId, wanted),
    (response) => {
      const answer = committedOf(response, wanted);
      return { errorCode: answer instanceof ClientError ? answer.code : ErrorCode.NONE };
    },
  );
  const answer = committedOf(response, wanted);
  if (answer instanceof ClientError) throw answer;
  return answer;
}

export async function alterConsumerGroupOffsets(
  calls: AdminCalls,
  groupId: string,
  offsets: readonly OffsetToCommit[],
): Promise<void> {
  const byTopic = Map.groupBy(offsets, ({ topic }) => topic);
  const request = make(OFFSET_COMMIT.request, {
    groupId,
    topics: Array.from(byTopic, ([name, offsets]) => ({
      name,
      partitions: offsets.map(({ partition, offset, leaderEpoch, metadata }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata ?? "",
      })),
    })),
  });
  const { topics } = await calls.coordinator(
    "group",
    groupId,
    OFFSET_COMMIT,
    request,
    ({ topics }) => firstRefusal(topics),
  );
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      const action = `Cannot alter the offset of group ${groupId} in ${name}-${partitionIndex}`;
      check({ errorCode, errorMessage: refusalText(errorCode) }, action);
    }
  }
}

/** What the coordinator says of somebody who is no member is not what the user needs to know. */
function refusalText(errorCode: number): string | null {
  const isBusy = errorCode === ErrorCode.UNKNOWN_MEMBER_ID ||
    errorCode === ErrorCode.ILLEGAL_GENERATION || errorCode === ErrorCode.STALE_MEMBER_EPOCH;
  return isBusy ? "The group has members" : null;
}

function firstRefusal(
  topics: readonly { readonly partitions: readonly ItemResult[] }[],
): ItemResult {
  const results = topics.flatMap(({ partitions }) => partitions);
  return results.find(({ errorCode }) => errorCode !== ErrorCode.NONE) ??
    { errorCode: ErrorCode.NONE };
}

export async function deleteGroups(
  calls: AdminCalls,
  groupIds: readonly string[],
): Promise<void> {
  const results = await Promise.all(groupIds.map(async (groupId) => {
    const { results } = await calls.coordinator(
      "group",
      groupId,
      DELETE_GROUPS,
      make(DELETE_GROUPS.request, { groupsNames: [groupId] }),
      ({ results }) => results[0] ?? UNANSWERED,
    );
    return { groupId, result: results[0] ?? UNANSWERED };
  }));
  for (const { groupId, result } of results) check(result, `Cannot delete group ${groupId}`);
}

export async function deleteConsumerGroupOffsets(
  calls: AdminCalls,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<void> {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
  const request = make(OFFSET_DELETE.request, {
    groupId,
    topics: Array.from(byTopic, ([name, partitions]) => ({
      name,
      partitions: partitions.map(({ partition }) => ({ partitionIndex: partition })),
    })),
  });
  const response = await calls.coordinator(
    "group",
    groupId,
    OFFSET_DELETE,
    request,
    (response) => response.errorCode === ErrorCode.NONE ? firstRefusal(response.topics) : response,
  );
  check(response, `Cannot delete offsets of group ${groupId}`);
  for (const { name, partitions } of response.topics) {
    for (const { partitionIndex, ...result } of partitions) {
      check(result, `Cannot delete the offset of group ${groupId} in ${name}-${partitionIndex}`);
    }
  }
}
