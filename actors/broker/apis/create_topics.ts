/**
 * CreateTopics: decided by the controller, answered when the topics can be used here.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import {
  CREATE_TOPICS,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
} from "../../../net/messages/create_topics.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const createTopics: ApiHandler<CreateTopicsRequest, CreateTopicsResponse> = {
  api: CREATE_TOPICS,
  access: (request) => request.topics.map(({ name }) => topicAccess("create", name)),
  elements: { of: ["topics"], results: "topics" },
  handle: (call) => decidedByController(call, createTopics, call.request.timeoutMs),
  failed: (request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name }) => ({
      name,
      topicId: ZERO_UUID,
      errorCode,
      errorMessage,
      topicConfigErrorCode: 0,
      numPartitions: -1,
      replicationFactor: -1,
      configs: null,
    })),
  }),
};
