/** What clients are told where no coordinator answers: what they know how to go on after. */

import { assertEquals } from "@std/assert";
import { heartbeat } from "../../../../actors/broker/apis/group_membership.ts";
import { offsetFetch } from "../../../../actors/broker/apis/offset_fetch.ts";
import type { ApiHandler, Call } from "../../../../actors/broker/sessions/call.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { type Draft, make } from "../../../../net/schema/make.ts";

/** The response to a request while coordinators cannot be asked, for the reason given. */
function ask<Request, Response>(
  handler: ApiHandler<Request, Response>,
  draft: Draft<Request>,
  error: ErrorCode,
): Response {
  const { api } = handler;
  let response: Response | undefined;
  const call = {
    request: make(api.request, draft),
    version: api.versions.max,
    broker: { coordinators: { find: () => error }, config: {} },
    allows: () => true,
    reply: (answer: Response) => response = answer,
  };
  // What is not here is not used.
  handler.handle(call as unknown as Call<Request, Response>);
  if (response === undefined) throw new Error("There is no response");
  return response;
}

Deno.test("heartbeat: while the group is loaded its members go on", () => {
  const beat = (error: ErrorCode) =>
    ask(heartbeat, { groupId: "g", memberId: "m", generationId: 1 }, error).errorCode;
  assertEquals(beat(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS), ErrorCode.NONE);
  assertEquals(beat(ErrorCode.NOT_COORDINATOR), ErrorCode.NOT_COORDINATOR);
});

Deno.test("offset fetch: what old consumers give up at is told as what they try again", () => {
  const fetch = (error: ErrorCode) =>
    ask(offsetFetch, { groups: [{ groupId: "g", topics: null }] }, error).groups[0]!.errorCode;
  assertEquals(fetch(ErrorCode.COORDINATOR_NOT_AVAILABLE), ErrorCode.NOT_COORDINATOR);
  assertEquals(
    fetch(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  );
});
