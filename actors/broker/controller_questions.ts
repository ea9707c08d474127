/**
 * Handing a request on to the controller: the answer leaves when this node has applied what the
 * controller committed, so that whoever created a topic can use it here at once.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { Committed, ControllerRequest } from "../controller/messages.ts";
import type { Ref } from "../runtime/ref.ts";
import type { BrokerRequest, MetadataApplied } from "./broker_actor.ts";
import type { Call } from "./call.ts";

/** What becomes of a question to the controller: one of the two is called, once. */
export interface ControllerAnswer<Response> {
  answered(response: Response): void;
  /** The message, where there is one, is for people. */
  failed(error: ErrorCode, message: string | null): void;
}

export function askController<Response>(
  call: Call<unknown, never>,
  timeoutMs: number,
  question: (replyTo: Ref<Committed<Response>>) => ControllerRequest,
  { answered, failed }: ControllerAnswer<Response>,
): void {
  call.ask<ControllerRequest, Committed<Response>>(
    call.broker.controller,
    timeoutMs,
    question,
    (result) => {
      if (result.kind !== "reply") return failed(unanswered(result.kind), null);
      const { response, error, errorMessage, endOffset } = result.reply;
      if (response === undefined) return failed(error, errorMessage);
      call.ask<BrokerRequest, MetadataApplied>(
        call.broker.broker,
        timeoutMs,
        (replyTo) => ({ kind: "await-metadata", endOffset, replyTo }),
        () => answered(response),
      );
    },
  );
}

function unanswered(kind: "timed-out" | "terminated" | "refused"): ErrorCode {
  return kind === "timed-out" ? ErrorCode.REQUEST_TIMED_OUT : ErrorCode.NOT_CONTROLLER;
}
