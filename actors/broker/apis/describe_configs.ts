/**
 * DescribeConfigs: the configs of topics, of groups and of this broker.
 *
 * A topic's or group's come from its own settings, then the broker's; a broker of the empty name
 * stands for what is set live for all brokers. Without keys it tells all; keys that are not known
 * are left out, as Kafka does.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  DESCRIBE_CONFIGS,
  type DescribeConfigsRequest,
  type DescribeConfigsResource,
  type DescribeConfigsResourceResult,
  type DescribeConfigsResponse,
  type DescribeConfigsResult,
} from "../../../net/messages/describe_configs.ts";
import {
  describeBrokerConfigs,
  describeClusterWideConfigs,
  describeGroupConfigs,
  describeTopicConfigs,
} from "../../config/described_config.ts";
import { brokerTextsOf } from "../broker_texts.ts";
import { configAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import type { BrokerServices } from "../services.ts";
import { absence } from "./metadata.ts";

const NAMELESS_GROUP = "The group's name is empty";

export const describeConfigs: ApiHandler<DescribeConfigsRequest, DescribeConfigsResponse> = {
  api: DESCRIBE_CONFIGS,
  access: ({ resources }) =>
    resources.map((resource) => configAccess("describe-configs", resource)),
  elements: { of: ["resources"], results: "results" },
  handle(call) {
    const { request, broker } = call;
    call.reply({
      throttleTimeMs: 0,
      results: request.resources.map((resource) => describeResource(resource, request, broker)),
    });
  },
  failed: ({ resources }, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    results: resources.map((resource) => refused(resource, errorCode, errorMessage)),
  }),
};

function describeResource(
  resource: DescribeConfigsResource,
  { includeSynonyms, includeDocumentation }: DescribeConfigsRequest,
  broker: BrokerServices,
): DescribeConfigsResult {
  const { resourceType, resourceName, configurationKeys } = resource;
  const found = configsOf(resource, broker);
  if ("errorCode" in found) return found;
  const asked = new Set(configurationKeys);
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    resourceType,
    resourceName,
    configs: found.filter(({ name }) => asked.size === 0 || asked.has(name)).map((config) => ({
      ...config,
      synonyms: includeSynonyms ? config.synonyms : [],
      documentation: includeDocumentation ? config.documentation : null,
    })),
  };
}

function configsOf(
  resource: DescribeConfigsResource,
  broker: BrokerServices,
): readonly DescribeConfigsResourceResult[] | DescribeConfigsResult {
  const { image, nodeId } = broker;
  const { resourceType, resourceName } = resource;
  const texts = brokerTextsOf(broker);
  switch (resourceType) {
    case CONFIG_RESOURCE.topic:
      if (image.topicByName(resourceName) === undefined) {
        return refused(
          resource,
          absence(resourceName),
          `There is no topic ${resourceName}`,
        );
      }
      return describeTopicConfigs(image.configs(resourceType, resourceName), texts);
    case CONFIG_RESOURCE.broker:
      if (resourceName === "") return describeClusterWideConfigs(texts.clusterWide);
      if (resourceName === String(nodeId)) return describeBrokerConfigs(texts);
      return refused(
        resource,
        ErrorCode.INVALID_REQUEST,
        `This is broker ${nodeId}: ask broker ${resourceName} itself for its configs`,
      );
    case CONFIG_RESOURCE.group:
      if (resourceName === "") return refused(resource, ErrorCode.INVALID_REQUEST, NAMELESS_GROUP);
      return describeGroupConfigs(image.configs(resourceType, resourceName), texts);
    default:
      return refused(
        resource,
        ErrorCode.INVALID_REQUEST,
        `Resource type ${resourceType} has no configs`,
      );
  }
}

function refused(
  { resourceType, resourceName }: DescribeConfigsResource,
  errorCode: number,
  errorMessage: string | null,
): DescribeConfigsResult {
  return { errorCode, errorMessage, resourceType, resourceName, configs: [] };
}
