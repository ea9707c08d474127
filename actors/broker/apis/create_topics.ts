/**
 * CreateTopics: decided by the controller, answered when the topics can be used here.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import {
  type CreatableTopicResult,
  CREATE_TOPICS,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
} from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { describeTopicConfigs } from "../../config/described_config.ts";
import { brokerTextsOf } from "../broker_texts.ts";
import { decidedByController } from "../controller_questions.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";

export const createTopics: ApiHandler<CreateTopicsRequest, CreateTopicsResponse> = {
  api: CREATE_TOPICS,
  access: (request) => request.topics.map(({ name }) => topicAccess("create", name)),
  elements: { of: ["topics"], results: "topics" },
  handle: (call) =>
    decidedByController(call, createTopics, call.request.timeoutMs, (response) => ({
      ...response,
      topics: response.topics.map((topic) => withConfigs(call, topic)),
    })),
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

/** All configs that hold for a topic, for those who may know them (KIP-525). */
function withConfigs(
  call: Call<CreateTopicsRequest, never>,
  topic: CreatableTopicResult,
): CreatableTopicResult {
  const { name, errorCode } = topic;
  if (errorCode !== ErrorCode.NONE) return { ...topic, configs: [] };
  if (!call.allows(topicAccess("describe-configs", name))) {
    const topicConfigErrorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return {
      ...topic,
      topicConfigErrorCode,
      numPartitions: -1,
      replicationFactor: -1,
      configs: [],
    };
  }
  const asked = call.request.topics.find((topic) => topic.name === name)?.configs ?? [];
  const overrides = new Map(
    asked.flatMap(({ name, value }) => value === null ? [] : [[name, value]]),
  );
  const configs = describeTopicConfigs(overrides, brokerTextsOf(call.broker))
    .map(({ name, value, readOnly, configSource, isSensitive }) => ({
      name,
      value,
      readOnly,
      configSource,
      isSensitive,
    }));
  return { ...topic, configs };
}
