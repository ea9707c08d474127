/**
 * What administrators ask of groups: DescribeGroups, ListGroups, DeleteGroups, OffsetDelete.
 *
 * @module
 */

import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import {
  type DeletableGroupResult,
  DELETE_GROUPS,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
} from "../../../net/messages/delete_groups.ts";
import {
  DESCRIBE_GROUPS,
  type DescribedGroup,
  type DescribeGroupsRequest,
  type DescribeGroupsResponse,
} from "../../../net/messages/describe_groups.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  LIST_GROUPS,
  type ListedGroup,
  type ListGroupsRequest,
  type ListGroupsResponse,
} from "../../../net/messages/list_groups.ts";
import {
  OFFSET_DELETE,
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
} from "../../../net/messages/offset_delete.ts";
import { OFFSETS_TOPIC } from "../../coordinator/internal_topics.ts";
import { clusterAccess, groupAccess, topicAccess } from "../sessions/access.ts";
import { withGroupOperations } from "../sessions/authorized_operations.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askCoordinator, askGroup } from "../coordinator_questions.ts";
import { Gather } from "../gather.ts";

/** DescribeGroups tells of groups that are not there by an error. */
const TELLS_OF_GROUPS = 6;

export const describeGroups: ApiHandler<DescribeGroupsRequest, DescribeGroupsResponse> = {
  api: DESCRIBE_GROUPS,
  access: ({ groups }) => groups.map((groupId) => groupAccess("describe", groupId)),
  elements: { of: ["groups"], results: "groups" },
  handle(call) {
    const { request, version, broker } = call;
    const gather = new Gather<DescribedGroup>(
      request.groups.length,
      (groups) => call.reply({ throttleTimeMs: 0, groups }),
    );
    const told = (group: DescribedGroup): DescribedGroup =>
      version < TELLS_OF_GROUPS
        ? {
          ...group,
          errorMessage: null,
          errorCode: group.errorCode === ErrorCode.GROUP_ID_NOT_FOUND ? 0 : group.errorCode,
        }
        : group;
    const withOperations = (group: DescribedGroup) =>
      request.includeAuthorizedOperations ? withGroupOperations(call, group) : group;
    request.groups.forEach((groupId, slot) => {
      askGroup<DescribedGroup>(
        call,
        groupId,
        broker.config.requestTimeoutMs,
        (replyTo) => ({ kind: "describe-group", groupId, replyTo }),
        {
          answered: (group) => gather.fill(slot, withOperations(told(group))),
          failed: (error) => gather.fill(slot, undescribed(groupId, error)),
        },
      );
    });
  },
  failed: ({ groups }, errorCode) => ({
    throttleTimeMs: 0,
    groups: groups.map((groupId) => undescribed(groupId, errorCode)),
  }),
};

function undescribed(groupId: string, errorCode: number): DescribedGroup {
  return {
    errorCode,
    errorMessage: null,
    groupId,
    groupState: "",
    protocolType: "",
    protocolData: "",
    members: [],
    authorizedOperations: OPERATIONS_NOT_ASKED,
  };
}

/** Those whose coordinators are on this broker. */
export const listGroups: ApiHandler<ListGroupsRequest, ListGroupsResponse> = {
  api: LIST_GROUPS,
  access: () => [],
  handle(call) {
    const { request, broker } = call;
    const found = broker.coordinators.all(OFFSETS_TOPIC);
    const isSeen = ({ groupId }: ListedGroup) =>
      call.allows(clusterAccess("describe")) || call.allows(groupAccess("describe", groupId));
    const gather = new Gather<readonly ListedGroup[] | ErrorCode>(found.length, (answers) => {
      const groups = answers.filter((answer) => typeof answer !== "number");
      const errorCode = answers.find((answer) => typeof answer === "number") ?? ErrorCode.NONE;
      call.reply({ throttleTimeMs: 0, errorCode, groups: groups.flat().filter(isSeen) });
    });
    found.forEach((coordinator, slot) => {
      askCoordinator<ListGroupsResponse["groups"]>(
        call,
        coordinator,
        broker.config.requestTimeoutMs,
        (replyTo) => ({ kind: "list-groups", request, replyTo }),
        {
          answered: (groups) => gather.fill(slot, groups),
          // One that has just moved is another broker's to list.
          failed: (error) => gather.fill(slot, error === ErrorCode.NOT_COORDINATOR ? [] : error),
        },
      );
    });
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode, groups: [] }),
};

export const deleteGroups: ApiHandler<DeleteGroupsRequest, DeleteGroupsResponse> = {
  api: DELETE_GROUPS,
  access: ({ groupsNames }) => groupsNames.map((groupId) => groupAccess("delete", groupId)),
  elements: { of: ["groupsNames"], results: "results" },
  handle(call) {
    const { request, broker } = call;
    const groupIds = [...new Set(request.groupsNames)];
    const gather = new Gather<DeletableGroupResult>(
      groupIds.length,
      (results) => call.reply({ throttleTimeMs: 0, results }),
    );
    groupIds.forEach((groupId, slot) => {
      const done = (errorCode: number) => gather.fill(slot, { groupId, errorCode });
      if (groupId === "") return done(ErrorCode.INVALID_GROUP_ID);
      askGroup<{ readonly errorCode: ErrorCode }>(
        call,
        groupId,
        broker.config.requestTimeoutMs,
        (replyTo) => ({ kind: "delete-group", groupId, replyTo }),
        { answered: ({ errorCode }) => done(errorCode), failed: done },
      );
    });
  },
  failed: ({ groupsNames }, errorCode) => ({
    throttleTimeMs: 0,
    results: groupsNames.map((groupId) => ({ groupId, errorCode })),
  }),
};

export const offsetDelete: ApiHandler<OffsetDeleteRequest, OffsetDeleteResponse> = {
  api: OFFSET_DELETE,
  access: ({ groupId }) => [groupAccess("delete", groupId)],
  handle(call) {
    const whole = call.request;
    const isAllowed = (name: string) => call.allows(topicAccess("read", name));
    const topics = whole.topics.filter(({ name }) => isAllowed(name));
    const refused = whole.topics.filter(({ name }) => !isAllowed(name)).map((topic) => ({
      name: topic.name,
      partitions: topic.partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
      })),
    }));
    const request = { ...whole, topics };
    askGroup<OffsetDeleteResponse>(
      call,
      request.groupId,
      call.broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "offset-delete", request, replyTo }),
      {
        answered: (response) =>
          call.reply(
            response.errorCode === ErrorCode.NONE
              ? { ...response, topics: [...response.topics, ...refused] }
              : response,
          ),
        failed: (error) => call.reply(offsetDelete.failed(request, error, null)),
      },
    );
  },
  failed: (_request, errorCode) => ({ errorCode, throttleTimeMs: 0, topics: [] }),
};
