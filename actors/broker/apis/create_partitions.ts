/**
 * CreatePartitions: decided by the controller, answered when the partitions can be used here.
 *
 * @module
 */

import {
  CREATE_PARTITIONS,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
} from "../../../net/messages/create_partitions.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const createPartitions: ApiHandler<CreatePartitionsRequest, CreatePartitionsResponse> = {
  api: CREATE_PARTITIONS,
  access: (request) => request.topics.map(({ name }) => topicAccess("alter", name)),
  elements: { of: ["topics"], results: "results" },
  handle: (call) => decidedByController(call, createPartitions, call.request.timeoutMs),
  failed: (request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    results: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })),
  }),
};
