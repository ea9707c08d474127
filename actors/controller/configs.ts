/**
 * The controller's decisions on configs: those of topics, of groups, and of brokers where they may
 * change while they run.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AlterConfigsRequest,
  AlterConfigsResourceResponse,
  AlterConfigsResponse,
} from "../../net/messages/alter_configs.ts";
import type {
  AlterConfigsResource,
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from "../../net/messages/incremental_alter_configs.ts";
import { checkDynamicBrokerConfig } from "../config/broker_config.ts";
import { checkConsumerGroupConfigs } from "../config/consumer_group_config.ts";
import { splitList } from "../config/definition.ts";
import { checkTopicConfig, defaultTopicConfig, isListConfig } from "../config/topic_config.ts";
import type { ClusterImage, TopicImage } from "./cluster_image.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import { electionTerms, partitionChange } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { eachOnce, namedTwice, refuseTwice } from "./named_twice.ts";
import { hasLeader } from "./partition_image.ts";
import { MIN_INSYNC_REPLICAS, UNCLEAN_ELECTION } from "./topic_settings.ts";

/** What IncrementalAlterConfigs can do to a config. */
const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** IncrementalAlterConfigs: changes the configs named and leaves the others (KIP-339). */
export function incrementalAlterConfigs(
  context: DecisionContext,
  request: IncrementalAlterConfigsRequest,
): Decision<IncrementalAlterConfigsResponse> {
  const { image, defaults } = context;
  return alterEach(context, request, (resource) => {
    checkResource(image, resource);
    const present = image.configs(resource.resourceType, resource.resourceName);
    return resource.configs.map((config) => {
      const before = present.get(config.name) ??
        defaultTopicConfig(config.name, defaults.properties);
      const value = changedValue(before, config);
      return configRecord(resource, config.name, value);
    });
  });
}

/** AlterConfigs: what is not named goes back to its default. */
export function alterConfigs(
  context: DecisionContext,
  request: AlterConfigsRequest,
): Decision<AlterConfigsResponse> {
  const { image } = context;
  return alterEach(context, request, (resource) => {
    checkResource(image, resource);
    const named = new Set(resource.configs.map(({ name }) => name));
    const present = image.configs(resource.resourceType, resource.resourceName);
    const bare = resource.configs.find(({ value }) => value === null);
    if (bare !== undefined) throw noValue(bare.name);
    return [
      ...[...present.keys()].filter((name) => !named.has(name))
        .map((name) => configRecord(resource, name, null)),
      ...resource.configs.map(({ name, value }) => configRecord(resource, name, value)),
    ];
  });
}

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string }[];
}

function alterEach<R extends Resource>(
  context: DecisionContext,
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  alter: (resource: R) => ConfigChange[],
): Decision<AlterConfigsResponse> {
  const records: MetadataRecord[] = [];
  const keyOf = ({ resourceType, resourceName }: Resource) => `${resourceType} ${resourceName}`;
  const twice = namedTwice(request.resources.map(keyOf));
  const responses = eachOnce(request.resources, keyOf).map((resource) => {
    const { resourceType, resourceName } = resource;
    return orRefuse<AlterConfigsResourceResponse>(() => {
      refuseTwice(twice, keyOf(resource), `Resource ${resourceName}`);
      const altered = alter(resource);
      if (resourceType === CONFIG_RESOURCE.group) checkGroup(context, resourceName, altered);
      records.push(...altered);
      return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName };
    }, ({ code, message }) => ({
      errorCode: code,
      errorMessage: message,
      resourceType,
      resourceName,
    }));
  });
  return {
    records: request.validateOnly ? [] : [...records, ...consequences(context, records)],
    response: { throttleTimeMs: 0, responses },
  };
}

/**
 * What new configs make of partitions: fewer replicas that must be in sync leave nobody eligible
 * beside them, in the very batch that lets the high watermark move; and where unclean elections
 * become allowed, partitions without a leader get one.
 */
function consequences(
  context: DecisionContext,
  records: readonly MetadataRecord[],
): MetadataRecord[] {
  const { image } = context;
  const changed = records.flatMap((record) =>
    record.kind === "ConfigRecord" && AFFECTS_PARTITIONS.has(record.value.name)
      ? [record.value]
      : []
  );
  if (changed.length === 0) return [];
  const ofAll = changed.some(({ resourceType }) => resourceType === CONFIG_RESOURCE.broker);
  const named = new Set(changed.map(({ resourceName }) => resourceName));
  const undo: (() => void)[] = [];
  try {
    for (const record of records) image.replay(record, undo);
    return [...image.topics.values()]
      .filter(({ name }) => ofAll || named.has(name))
      .flatMap((topic) => adjust(context, topic));
  } finally {
    for (const step of undo.toReversed()) step();
  }
}

/** The configs that change who may lead. */
const AFFECTS_PARTITIONS: ReadonlySet<string> = new Set([MIN_INSYNC_REPLICAS, UNCLEAN_ELECTION]);

function adjust(context: DecisionContext, topic: TopicImage): MetadataRecord[] {
  const terms = electionTerms(context, topic.name);
  return topic.partitions.flatMap((partition, partitionId) =>
    hasLeader(partition) && partition.elr.length === 0
      ? []
      : partitionChange(topic, partitionId, {}, terms)
  );
}

/** The new value of a config that is `before`, or null where it goes back to its default. */
function changedValue(
  before: string | undefined,
  { name, configOperation, value }: AlterConfigsResource["configs"][number],
): string | null {
  switch (configOperation) {
    case OPERATION.set:
      if (value === null) throw noValue(name);
      return value;
    case OPERATION.delete:
      return null;
    case OPERATION.append:
    case OPERATION.subtract: {
      if (!isListConfig(name)) {
        throw new Refusal(ErrorCode.INVALID_CONFIG, `Config ${name} is no list`);
      }
      const named = splitList(value ?? "");
      const kept = splitList(before ?? "").filter((item) => !named.includes(item));
      return (configOperation === OPERATION.append ? [...kept, ...named] : kept).join(",");
    }
    default:
      throw new Refusal(
        ErrorCode.INVALID_REQUEST,
        `Operation ${configOperation} on config ${name} is unknown`,
      );
  }
}

function noValue(name: string): Refusal {
  return new Refusal(ErrorCode.INVALID_REQUEST, `Config ${name} has no value`);
}

function checkResource(image: ClusterImage, resource: Resource): void {
  const { resourceType, resourceName, configs } = resource;
  const names = new Set<string>();
  for (const { name } of configs) {
    if (names.has(name)) {
      throw new Refusal(ErrorCode.INVALID_REQUEST, `Config ${name} is named twice`);
    }
    names.add(name);
  }
  if (resourceType === CONFIG_RESOURCE.topic) {
    if (image.topicByName(resourceName) !== undefined) return;
    throw new Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic ${resourceName}`);
  }
  if (resourceType === CONFIG_RESOURCE.group) {
    if (resourceName !== "") return;
    throw new Refusal(ErrorCode.INVALID_REQUEST, "The group's name is empty");
  }
  if (resourceType !== CONFIG_RESOURCE.broker) {
    throw new Refusal(ErrorCode.INVALID_REQUEST, `Resource type ${resourceType} has no configs`);
  }
  if (resourceName === "" || image.brokers.has(Number(resourceName))) return;
  throw new Refusal(ErrorCode.INVALID_REQUEST, `There is no broker ${resourceName}`);
}

/** @throws {Refusal} where the group cannot have what it would have then */
function checkGroup(
  { image, defaults }: DecisionContext,
  group: string,
  altered: readonly ConfigChange[],
): void {
  const configs = new Map(image.configs(CONFIG_RESOURCE.group, group));
  for (const { value: { name, value } } of altered) {
    if (value === null) configs.delete(name);
    else configs.set(name, value);
  }
  const problem = checkConsumerGroupConfigs(configs, defaults);
  if (problem !== undefined) throw new Refusal(ErrorCode.INVALID_CONFIG, problem);
}

/** Why the value cannot be, whatever others there are; undefined where it can. */
function checkValue(resourceType: number, name: string, value: string): string | undefined {
  switch (resourceType) {
    case CONFIG_RESOURCE.topic:
      return checkTopicConfig(name, value);
    case CONFIG_RESOURCE.broker:
      return checkDynamicBrokerConfig(name, value);
    default:
      return undefined;
  }
}

type ConfigChange = Extract<MetadataRecord, { readonly kind: "ConfigRecord" }>;

function configRecord(
  { resourceType, resourceName }: Omit<Resource, "configs">,
  name: string,
  value: string | null,
): ConfigChange {
  if (value !== null) {
    if (name === MIN_INSYNC_REPLICAS && resourceType === CONFIG_RESOURCE.broker && resourceName) {
      // A leader that went by a number of its own would acknowledge what the controller holds open.
      throw new Refusal(ErrorCode.INVALID_CONFIG, `${name} is set for all brokers, not for one`);
    }
    const problem = checkValue(resourceType, name, value);
    if (problem !== undefined) throw new Refusal(ErrorCode.INVALID_CONFIG, problem);
  }
  return { kind: "ConfigRecord", value: { resourceType, resourceName, name, value } };
}

/**
 * The text that `min.insync.replicas` was started with, made the word for all brokers: nodes that
 * are started anew with another one, while eligible leader replicas rest on it, must not go by
 * theirs. Nothing where it is not set, or was set live.
 */
export function fixedMinInsyncReplicas({ image, defaults }: DecisionContext): MetadataRecord[] {
  const value = defaults.properties[MIN_INSYNC_REPLICAS];
  const resource = { resourceType: CONFIG_RESOURCE.broker, resourceName: "" };
  const isSet = image.configs(resource.resourceType, "").has(MIN_INSYNC_REPLICAS);
  if (value === undefined || Number(value) <= 1 || isSet) return [];
  return [{ kind: "ConfigRecord", value: { ...resource, name: MIN_INSYNC_REPLICAS, value } }];
}
