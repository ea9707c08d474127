/**
 * Handing a request on to the controller: the answer leaves when this node has applied what the
 * controller committed, so that whoever created a topic can use it here at once.
 *
 * @module
 */

import type { ErrorCode } from "../../net/messages/errors.ts";
import type { Api } from "../../net/schema.ts";
import { type Committed, type Decide, decide } from "../controller/messages.ts";
import type { BrokerRequest, MetadataApplied } from "./broker_actor.ts";
import type { ApiHandler, Call } from "./sessions/call.ts";
import { decisionError } from "./quorum_questions.ts";

/** What becomes of a question to the controller: one of the two is called, once. */
export interface ControllerAnswer<Response> {
  answered(response: Response): void;
  /** The message, where there is one, is for people. */
  failed(error: ErrorCode, message: string | null): void;
}

/** Has the active controller decide a request; the answer comes when this node has applied it. */
export function askController<Request, Response>(
  call: Call<unknown, never>,
  api: Api<Request, Response>,
  request: Request,
  timeoutMs: number,
  { answered, failed }: ControllerAnswer<Response>,
): void {
  call.ask<Decide, Committed<Response>>(
    call.broker.controller,
    timeoutMs,
    (replyTo) => decide(api, request, replyTo),
    (result) => {
      if (result.kind !== "reply") {
        const message = result.kind === "timed-out" ? noAnswer(timeoutMs) : null;
        return failed(decisionError(result), message);
      }
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

function noAnswer(timeoutMs: number): string {
  return `No controller answered within ${timeoutMs} ms: is a majority of the voters running?`;
}

/**
 * Hands a call on as it is: what the controller answers is the answer, in the words of the call's
 * version.
 */
export function decidedByController<Request, Response>(
  call: Call<Request, Response>,
  handler: ApiHandler<Request, Response>,
  timeoutMs: number,
  inVersion: (response: Response, version: number) => Response = (response) => response,
): void {
  const { request, version } = call;
  const reply = (response: Response) => call.reply(inVersion(response, version));
  askController(call, handler.api, request, timeoutMs, {
    answered: reply,
    failed: (error, message) => reply(handler.failed(request, error, message)),
  });
}
