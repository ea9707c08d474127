/**
 * Handing a request on to the controller: the answer leaves when this node has applied what the
 * controller committed, so that whoever created a topic can use it here at once.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { Committed, ControllerRequest } from "../controller/controller_actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { BrokerRequest, MetadataApplied } from "./broker_actor.ts";
import type { Call } from "./call.ts";

/** Asks the controller; `answered` gets its response, or the error that stands for none. */
export function askController<Response>(
  call: Call<unknown, never>,
  timeoutMs: number,
  question: (replyTo: Ref<Committed<Response>>) => ControllerRequest,
  answered: (response: Response | ErrorCode) => void,
): void {
  call.ask<ControllerRequest, Committed<Response>>(
    call.broker.controller,
    timeoutMs,
    question,
    (result) => {
      if (result.kind !== "reply") return answered(unanswered(result.kind));
      const { response, error, endOffset } = result.reply;
      if (response === undefined) return answered(error);
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
