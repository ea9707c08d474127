/**
 * DescribeConfigs: the configs of topics and of this broker.
 *
 * A topic's come from its own settings, then the broker's; a broker of the empty name stands for
 * what is set live for all brokers. Keys that are not known are left out, as Kafka does.
 *
 * @module
 */

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
  describeTopicConfigs,
} from "../../config/described_config.ts";
import { CONFIG_RESOURCE } from "../../controller/cluster_image.ts";
import { brokerTextsOf } from "../broker_texts.ts";
import type { ApiHandler } from "../sessions/call.ts";
import type { BrokerServices } from "../services.ts";
import { absence } from "./metadata.ts";

export const describeConfigs: ApiHandler<DescribeConfigsRequest, DescribeConfigsResponse> = {
  api: DESCRIBE_CONFIGS,
  access: ({ resources }) =>
    resources.map(({ resourceType, resourceName }) => ({
      operation: "describe-configs",
      resourceType: resourceType === CONFIG_RESOURCE.topic ? "topic" : "cluster",
      resourceName,
    })),
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
  const asked = configurationKeys === null ? undefined : new Set(configurationKeys);
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    resourceType,
    resourceName,
    configs: found.filter(({ name }) => asked?.has(name) ?? true).map((config) => ({
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
