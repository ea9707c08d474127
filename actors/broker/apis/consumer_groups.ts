/**
 * The consumer protocol of groups (KIP-848): ConsumerGroupHeartbeat, ConsumerGroupDescribe.
 *
 * @module
 */

import {
  CONSUMER_GROUP_DESCRIBE,
  type ConsumerGroupDescribeRequest,
  type ConsumerGroupDescribeResponse,
  type DescribedGroup,
} from "../../../net/messages/consumer_group_describe.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { failedHeartbeat } from "../../coordinator/group/consumer_heartbeat.ts";
import { undescribed } from "../../coordinator/group/describe_consumer_group.ts";
import { groupAccess, topicAccess } from "../sessions/access.ts";
import { withGroupOperations } from "../sessions/authorized_operations.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askGroup, groupClientOf } from "../coordinator_questions.ts";
import { Gather } from "../gather.ts";

export const consumerGroupHeartbeat: ApiHandler<
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse
> = {
  api: CONSUMER_GROUP_HEARTBEAT,
  access: ({ groupId, subscribedTopicNames }) => [
    groupAccess("read", groupId),
    ...(subscribedTopicNames ?? []).map((name) => topicAccess("describe", name)),
  ],
  handle(call) {
    const { request, broker } = call;
    const client = groupClientOf(call);
    askGroup<ConsumerGroupHeartbeatResponse>(
      call,
      request.groupId,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "consumer-group-heartbeat", request, client, replyTo }),
      {
        answered: (response) => call.reply(response),
        failed: (error) => call.reply(failedHeartbeat(error, null)),
      },
    );
  },
  failed: (_request, errorCode, message) => failedHeartbeat(errorCode as ErrorCode, message),
};

export const consumerGroupDescribe: ApiHandler<
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse
> = {
  api: CONSUMER_GROUP_DESCRIBE,
  access: ({ groupIds }) => groupIds.map((groupId) => groupAccess("describe", groupId)),
  elements: { of: ["groupIds"], results: "groups" },
  handle(call) {
    const { request, broker } = call;
    const gather = new Gather<DescribedGroup>(
      request.groupIds.length,
      (groups) => call.reply({ throttleTimeMs: 0, groups }),
    );
    const withOperations = (group: DescribedGroup) =>
      request.includeAuthorizedOperations ? withGroupOperations(call, group) : group;
    request.groupIds.forEach((groupId, slot) => {
      if (groupId === "") return gather.fill(slot, undescribed("", ErrorCode.INVALID_GROUP_ID));
      askGroup<DescribedGroup>(
        call,
        groupId,
        broker.config.requestTimeoutMs,
        (replyTo) => ({ kind: "describe-consumer-group", groupId, replyTo }),
        {
          answered: (group) => gather.fill(slot, withOperations(group)),
          failed: (error) => gather.fill(slot, undescribed(groupId, error)),
        },
      );
    });
  },
  failed: ({ groupIds }, errorCode) => ({
    throttleTimeMs: 0,
    groups: groupIds.map((groupId) => undescribed(groupId, errorCode)),
  }),
};
