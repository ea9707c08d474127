/**
 * Handing a request on to the controller of this node, whether or not it leads.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import {
  type Committed,
  type ControllerRequest,
  decide,
  quorumRequest,
  type QuorumResponse,
} from "../controller/messages.ts";
import type { AskFailure } from "../runtime/actor.ts";
import { clusterAccess } from "./sessions/access.ts";
import type { ApiHandler, Call } from "./sessions/call.ts";

/** What every request of a fellow node is to the authorizer. */
export const CLUSTER_ACTION = [clusterAccess("cluster-action")];

interface WithEndpoints {
  readonly nodeEndpoints: readonly unknown[];
}

export interface QuorumAnswerOptions {
  /** The first version whose response tells where nodes are. */
  readonly endpointsSince: number;
  /**
   * The call just waits meanwhile, for so much longer than this node's parts wait for each other.
   */
  readonly waitMs?: number;
}

/** Has the quorum protocol answer. */
export function answeredByQuorum<Request, Response extends WithEndpoints>(
  call: Call<Request, Response>,
  handler: ApiHandler<Request, Response>,
  { endpointsSince, waitMs = 0 }: QuorumAnswerOptions,
): void {
  const { request, version, broker } = call;
  if (waitMs > 0) call.setWaiting(true);
  call.ask<ControllerRequest, QuorumResponse<Response>>(
    broker.quorum,
    waitMs + broker.config.requestTimeoutMs,
    (replyTo) => quorumRequest(handler.api, version, request, replyTo),
    (result) => {
      if (result.kind !== "reply") {
        return call.reply(handler.failed(request, errorOf(result), null));
      }
      const { response } = result.reply;
      call.reply(version >= endpointsSince ? response : { ...response, nodeEndpoints: [] });
    },
  );
}

/** Has this node's controller decide, if it leads. */
export function decidedHere<Request, Response>(
  call: Call<Request, Response>,
  handler: ApiHandler<Request, Response>,
): void {
  const { request, broker } = call;
  call.ask<ControllerRequest, Committed<Response>>(
    broker.quorum,
    broker.config.requestTimeoutMs,
    (replyTo) => decide(handler.api, request, replyTo),
    (result) => {
      if (result.kind !== "reply") {
        return call.reply(handler.failed(request, decisionError(result), null));
      }
      const { response, error, errorMessage } = result.reply;
      call.reply(response ?? handler.failed(request, error, errorMessage));
    },
  );
}

/** Why there is no decision: NOT_CONTROLLER only where surely nothing was done. */
export function decisionError({ kind }: AskFailure): ErrorCode {
  return kind === "refused" ? ErrorCode.NOT_CONTROLLER : ErrorCode.REQUEST_TIMED_OUT;
}

function errorOf({ kind }: AskFailure): ErrorCode {
  return kind === "timed-out" ? ErrorCode.REQUEST_TIMED_OUT : ErrorCode.BROKER_NOT_AVAILABLE;
}
