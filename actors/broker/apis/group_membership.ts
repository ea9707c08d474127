/**
 * The classic protocol of groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. The group's
 * coordinator answers; a JoinGroup waits for the other members, a SyncGroup for the leader's.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  HEARTBEAT,
  type HeartbeatRequest,
  type HeartbeatResponse,
} from "../../../net/messages/heartbeat.ts";
import {
  JOIN_GROUP,
  type JoinGroupRequest,
  type JoinGroupResponse,
} from "../../../net/messages/join_group.ts";
import {
  LEAVE_GROUP,
  type LeaveGroupRequest,
  type LeaveGroupResponse,
} from "../../../net/messages/leave_group.ts";
import {
  SYNC_GROUP,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from "../../../net/messages/sync_group.ts";
import { failedJoin, failedSync } from "../../coordinator/group/classic_member.ts";
import { groupAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { AS_LONG_AS_IT_TAKES, askGroup, groupClientOf } from "../coordinator_questions.ts";

/** JoinGroup may say that there is no protocol. */
const HAS_NO_PROTOCOL = 7;
/** SyncGroup says what the group is to go by (KIP-559). */
const SYNCS_BY_PROTOCOL = 5;
/** LeaveGroup names members (KIP-345). */
const LEAVES_IN_BATCHES = 3;

export const joinGroup: ApiHandler<JoinGroupRequest, JoinGroupResponse> = {
  api: JOIN_GROUP,
  access: ({ groupId }) => [groupAccess("read", groupId)],
  handle(call) {
    const { request, version } = call;
    const reply = (response: JoinGroupResponse) =>
      call.reply(
        version >= HAS_NO_PROTOCOL
          ? response
          : { ...response, protocolName: response.protocolName ?? "" },
      );
    const failed = (error: ErrorCode) => reply(failedJoin(error, request.memberId));
    if (request.groupId === "") return failed(ErrorCode.INVALID_GROUP_ID);
    const client = groupClientOf(call);
    call.setWaiting(true);
    askGroup<JoinGroupResponse>(
      call,
      request.groupId,
      AS_LONG_AS_IT_TAKES,
      (replyTo) => ({ kind: "join-group", request, client, replyTo }),
      { answered: reply, failed },
    );
  },
  failed: ({ memberId }, errorCode) => ({
    ...failedJoin(errorCode as ErrorCode, memberId),
    protocolName: "",
  }),
};

export const syncGroup: ApiHandler<SyncGroupRequest, SyncGroupResponse> = {
  api: SYNC_GROUP,
  access: ({ groupId }) => [groupAccess("read", groupId)],
  handle(call) {
    const { request } = call;
    const failed = (error: ErrorCode) => call.reply(failedSync(error));
    if (request.groupId === "") return failed(ErrorCode.INVALID_GROUP_ID);
    const { protocolType, protocolName } = request;
    if (call.version >= SYNCS_BY_PROTOCOL && (protocolType === null || protocolName === null)) {
      return failed(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    call.setWaiting(true);
    askGroup<SyncGroupResponse>(
      call,
      request.groupId,
      AS_LONG_AS_IT_TAKES,
      (replyTo) => ({ kind: "sync-group", request, replyTo }),
      { answered: (response) => call.reply(response), failed },
    );
  },
  failed: (_request, errorCode) => failedSync(errorCode as ErrorCode),
};

export const heartbeat: ApiHandler<HeartbeatRequest, HeartbeatResponse> = {
  api: HEARTBEAT,
  access: ({ groupId }) => [groupAccess("read", groupId)],
  handle(call) {
    const { request, broker } = call;
    // While the group is loaded nothing is known against the member: it may go on.
    const failed = (error: ErrorCode) => {
      const told = error === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS ? ErrorCode.NONE : error;
      call.reply(heartbeat.failed(request, told, null));
    };
    if (request.groupId === "") return failed(ErrorCode.INVALID_GROUP_ID);
    askGroup<HeartbeatResponse>(
      call,
      request.groupId,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "heartbeat", request, replyTo }),
      { answered: (response) => call.reply(response), failed },
    );
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode }),
};

export const leaveGroup: ApiHandler<LeaveGroupRequest, LeaveGroupResponse> = {
  api: LEAVE_GROUP,
  access: ({ groupId }) => [groupAccess("read", groupId)],
  handle(call) {
    const { version, broker } = call;
    const isBatch = version >= LEAVES_IN_BATCHES;
    const { memberId } = call.request;
    const members = isBatch
      ? call.request.members
      : [{ memberId, groupInstanceId: null, reason: null }];
    const request = { ...call.request, members };
    const failed = (error: ErrorCode) => call.reply(leaveGroup.failed(request, error, null));
    if (request.groupId === "") return failed(ErrorCode.INVALID_GROUP_ID);
    askGroup<LeaveGroupResponse>(
      call,
      request.groupId,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "leave-group", request, replyTo }),
      {
        answered: (response) => {
          if (isBatch) return call.reply(response);
          const errorCode = response.members[0]?.errorCode ?? response.errorCode;
          call.reply({ throttleTimeMs: 0, errorCode, members: [] });
        },
        failed,
      },
    );
  },
  failed: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode, members: [] }),
};
