/**
 * What a member of a classic group asks its coordinator, how long it waits for that, and what it
 * reads in the answers.
 *
 * @module
 */

import type { Epoch } from "../../../../storage/bytes/ids.ts";
import { HEARTBEAT } from "../../../../net/messages/heartbeat.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { JOIN_GROUP, type JoinGroupResponse } from "../../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../../net/messages/leave_group.ts";
import { SYNC_GROUP, type SyncGroupResponse } from "../../../../net/messages/sync_group.ts";
import type { Api } from "../../../../net/schema.ts";
import { make } from "../../../../net/schema/make.ts";
import type { AssignedPlace, MemberSubscription } from "../assignors/assignor.ts";
import { type ClientError, errorForCode } from "../../errors.ts";
import { decodeAssignment, decodeSubscription } from "./consumer_protocol.ts";
import type { GroupMetadata, MembershipSettings } from "./membership.ts";

/** A request and what it is about. */
export interface Question<Request, Response> {
  readonly api: Api<Request, Response>;
  readonly request: Request;
  readonly timeoutMs: number;
}

/** What came of a question. */
export type Answer<Response> = Response | ClientError;

/** The answer's error code; 0 for none. */
export function codeOf(answer: Answer<{ readonly errorCode: number }>): number {
  return answer instanceof Error ? answer.code : answer.errorCode;
}

const PROTOCOL_TYPE = "consumer";
/** A join is answered when all have joined: so much later than they must have at the latest. */
const JOIN_MARGIN_MS = 5_000;

function joinTimeoutMs({ requestTimeoutMs, maxPollIntervalMs }: MembershipSettings): number {
  return Math.max(requestTimeoutMs, maxPollIntervalMs + JOIN_MARGIN_MS);
}

export function joinQuestion(
  settings: MembershipSettings,
  memberId: string,
  protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[],
) {
  const { groupId, groupInstanceId, sessionTimeoutMs, maxPollIntervalMs } = settings;
  const request = make(JOIN_GROUP.request, {
    groupId,
    groupInstanceId,
    sessionTimeoutMs,
    rebalanceTimeoutMs: maxPollIntervalMs,
    memberId,
    protocolType: PROTOCOL_TYPE,
    protocols,
  });
  return { api: JOIN_GROUP, request, timeoutMs: joinTimeoutMs(settings) };
}

export function syncQuestion(
  settings: MembershipSettings,
  member: GroupMetadata,
  protocolName: string,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
) {
  const request = make(SYNC_GROUP.request, {
    ...member,
    protocolType: PROTOCOL_TYPE,
    protocolName,
    assignments,
  });
  return { api: SYNC_GROUP, request, timeoutMs: joinTimeoutMs(settings) };
}

export function heartbeatQuestion(settings: MembershipSettings, member: GroupMetadata) {
  const { requestTimeoutMs, sessionTimeoutMs } = settings;
  const request = make(HEARTBEAT.request, member);
  return { api: HEARTBEAT, request, timeoutMs: Math.min(requestTimeoutMs, sessionTimeoutMs) };
}

export function leaveQuestion(
  settings: MembershipSettings,
  { generationId: _, ...member }: GroupMetadata & { readonly generationId: Epoch },
  reason: string,
) {
  const { groupId, ...identity } = member;
  const request = make(LEAVE_GROUP.request, { groupId, members: [{ ...identity, reason }] });
  return { api: LEAVE_GROUP, request, timeoutMs: settings.requestTimeoutMs };
}

/** Who is in the group, as the leader is told it; an error where that cannot be read. */
export function membersOf(
  { members }: JoinGroupResponse,
  groupId: string,
): MemberSubscription[] | ClientError {
  try {
    return members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId,
      ...decodeSubscription(metadata),
    }));
  } catch (error) {
    return unreadable(`Cannot lead group ${groupId}`, error);
  }
}

/** What the member is to have; an error where that cannot be read. */
export function assignmentOf(
  { assignment }: SyncGroupResponse,
  groupId: string,
): AssignedPlace[] | ClientError {
  try {
    return decodeAssignment(assignment);
  } catch (error) {
    return unreadable(`Cannot read the assignment in group ${groupId}`, error);
  }
}

function unreadable(action: string, error: unknown): ClientError {
  const detail = error instanceof Error ? error.message : String(error);
  return errorForCode(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, action, detail);
}
