/**
 * Asking the coordinator of a group, where it is on this broker.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { CoordinatorRequest } from "../coordinator/coordinator_actor.ts";
import type { Answer, GroupRequest } from "../coordinator/group/requests.ts";
import { OFFSETS_TOPIC } from "../coordinator/internal_topics.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Call } from "./sessions/call.ts";

/** What becomes of a question to a coordinator: one of the two is called, once. */
export interface CoordinatorAnswer<Response> {
  answered(response: Response): void;
  /** To be tried again, there or elsewhere; or the request makes no sense. */
  failed(error: ErrorCode): void;
}

type Question<Response> = (replyTo: Ref<Answer<Response>>) => GroupRequest;

/** How long a request that is not answered at once may wait for others. */
export const AS_LONG_AS_IT_TAKES = Infinity;

/** Asks the coordinator of a group. */
export function askGroup<Response>(
  call: Call<unknown, never>,
  groupId: string,
  timeoutMs: number,
  question: Question<Response>,
  answer: CoordinatorAnswer<Response>,
): void {
  const { coordinators } = call.broker;
  askCoordinator(call, coordinators.find(OFFSETS_TOPIC, groupId), timeoutMs, question, answer);
}

/** Asks a coordinator that was looked for. */
export function askCoordinator<Response>(
  call: Call<unknown, never>,
  found: Ref<CoordinatorRequest<GroupRequest>> | ErrorCode,
  timeoutMs: number,
  question: Question<Response>,
  { answered, failed }: CoordinatorAnswer<Response>,
): void {
  if (typeof found === "number") return failed(found);
  call.ask<CoordinatorRequest<GroupRequest>, Answer<Response>>(
    found,
    timeoutMs,
    (replyTo) => ({ kind: "coordinate", request: question(replyTo) }),
    (result) => {
      if (result.kind !== "reply") return failed(unansweredError(result));
      const { reply } = result;
      if (reply.kind === "refused") failed(reply.error);
      else answered(reply.response);
    },
  );
}

/** The error for a question without an answer: to be asked again. */
function unansweredError({ kind }: Exclude<AskResult<unknown>, { kind: "reply" }>): ErrorCode {
  return kind === "terminated" ? ErrorCode.NOT_COORDINATOR : ErrorCode.COORDINATOR_NOT_AVAILABLE;
}

/** Who asks, in the words that are kept with a member. */
export function groupClientOf({ clientId, peer, version }: Call<unknown, never>) {
  return { clientId, clientHost: `/${peer.host ?? ""}`, version };
}
