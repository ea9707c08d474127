/**
 * DeleteTopics: decided by the controller, by name or, from version 6, by name or id.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import {
  DELETE_TOPICS,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
} from "../../../net/messages/delete_topics.ts";
import { maybeTopicAccess } from "../access.ts";
import type { ApiHandler } from "../call.ts";
import { decidedByController } from "../controller_questions.ts";

export const deleteTopics: ApiHandler<DeleteTopicsRequest, DeleteTopicsResponse> = {
  api: DELETE_TOPICS,
  access: (request, image) =>
    states(request).map(({ name, topicId }) =>
      maybeTopicAccess("delete", name ?? image.topicById(topicId)?.name)
    ),
  elements: { of: ["topics", "topicNames"], results: "responses" },
  handle: (call) => decidedByController(call, deleteTopics, call.request.timeoutMs),
  failed: (request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    responses: states(request).map((state) => ({ ...state, errorCode, errorMessage })),
  }),
};

function states(request: DeleteTopicsRequest): DeleteTopicsRequest["topics"] {
  return [...request.topics, ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))];
}
