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
import type { ApiHandler } from "../call.ts";
import { decide } from "../../controller/messages.ts";
import { askController } from "../controller_questions.ts";

export const createPartitions: ApiHandler<CreatePartitionsRequest, CreatePartitionsResponse> = {
  api: CREATE_PARTITIONS,
  access: (request) =>
    request.topics.map(({ name }) => ({
      operation: "alter",
      resourceType: "topic",
      resourceName: name,
    })),
  handle(call) {
    const { request } = call;
    askController<CreatePartitionsResponse>(
      call,
      request.timeoutMs,
      (replyTo) => decide(CREATE_PARTITIONS, request, replyTo),
      {
        answered: (response) => call.reply(response),
        failed: (error, message) => call.reply(createPartitions.failed(request, error, message)),
      },
    );
  },
  failed: (request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    results: request.topics.map(({ name }) => ({ name, errorCode, errorMessage })),
  }),
};
