/**
 * DeleteTopics: decided by the controller, by name or, from version 6, by name or id.
 *
 * @module
 */

import { type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import {
  DELETE_TOPICS,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
} from "../../../net/messages/delete_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { isInternalTopic } from "../../coordinator/internal_topics.ts";
import { maybeTopicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askController } from "../controller_questions.ts";

export const deleteTopics: ApiHandler<DeleteTopicsRequest, DeleteTopicsResponse> = {
  api: DELETE_TOPICS,
  access: (request, image) =>
    states(request).map(({ name, topicId }) =>
      maybeTopicAccess("delete", name ?? image.topicById(topicId)?.name)
    ),
  elements: { of: ["topics", "topicNames"], results: "responses" },
  handle(call) {
    const { request, broker } = call;
    const isInternal = ({ name, topicId }: { name: string | null; topicId: Uuid }) =>
      isInternalTopic(name ?? broker.image.topicById(topicId)?.name ?? null);
    if (!states(request).some(isInternal)) {
      // The way to the controller has a version of its own, which may lack the older field.
      const named = { ...request, topics: states(request), topicNames: [] };
      const reply = (response: DeleteTopicsResponse) => call.reply(response);
      return askController(call, DELETE_TOPICS, named, request.timeoutMs, {
        answered: reply,
        failed: (error, message) => reply(deleteTopics.failed(request, error, message)),
      });
    }
    const reason = "Topics of coordinators are not to be deleted";
    call.reply(deleteTopics.failed(request, ErrorCode.INVALID_TOPIC_EXCEPTION, reason));
  },
  failed: (request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    responses: states(request).map((state) => ({ ...state, errorCode, errorMessage })),
  }),
};

function states(request: DeleteTopicsRequest): DeleteTopicsRequest["topics"] {
  return [...request.topics, ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))];
}
