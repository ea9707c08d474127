/**
 * What DescribeConfigs says of configs: each value with where it comes from, and the other places
 * that could have set it, in the order in which they count (KIP-226).
 *
 * @module
 */

import { CONFIG_SOURCE } from "../../net/messages/config_resources.ts";
import type {
  DescribeConfigsResourceResult,
  DescribeConfigsSynonym,
} from "../../net/messages/describe_configs.ts";
import {
  type BrokerConfig,
  brokerConfigDefinition,
  brokerConfigGroup,
  brokerConfigs,
} from "./broker_config.ts";
import { consumerGroupConfigs } from "./consumer_group_config.ts";
import type { ConfigDefinition, ConfigType } from "./definition.ts";
import { topicConfigs, topicConfigText } from "./topic_config.ts";

/** Kafka's numbers for the types of configs. */
const CONFIG_TYPE: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
  password: 9,
};

/** The texts of a broker's configs, by where they were set. */
export interface BrokerTexts {
  /** As it was started. */
  readonly config: BrokerConfig;
  /** Set live, for all brokers. */
  readonly clusterWide: ReadonlyMap<string, string>;
  /** Set live, for this one. */
  readonly ofBroker: ReadonlyMap<string, string>;
}

/** All configs of a topic that sets `overrides` itself. */
export function describeTopicConfigs(
  overrides: ReadonlyMap<string, string>,
  broker: BrokerTexts,
): DescribeConfigsResourceResult[] {
  return topicConfigs().map((definition) => {
    const { name } = definition;
    const ofBroker = placesOf(definition.synonyms.map((synonym) => synonym.name), broker);
    const text = overrides.get(name);
    const synonyms = text === undefined
      ? ofBroker
      : [{ name, value: text, source: CONFIG_SOURCE.topic }, ...ofBroker];
    const first = synonyms[0];
    const synonym = definition.synonyms.find((other) => other.name === first?.name);
    const value = first === undefined || first.value === null
      ? definition.defaultText
      : first.source === CONFIG_SOURCE.topic || synonym === undefined
      ? first.value
      : topicConfigText(synonym, first.value);
    return described(definition, value, first?.source, synonyms, false);
  });
}

/** All configs of a group that sets `overrides` itself. */
export function describeGroupConfigs(
  overrides: ReadonlyMap<string, string>,
  broker: BrokerTexts,
): DescribeConfigsResourceResult[] {
  return consumerGroupConfigs().map((definition) => {
    const { name, synonym } = definition;
    const ofBroker = placesOf([synonym], broker);
    const text = overrides.get(name);
    const places = text === undefined
      ? ofBroker
      : [{ name, value: text, source: CONFIG_SOURCE.group }, ...ofBroker];
    return described(definition, places[0]!.value, places[0]!.source, places, false);
  });
}

/** All configs of a broker that runs. */
export function describeBrokerConfigs(broker: BrokerTexts): DescribeConfigsResourceResult[] {
  return brokerConfigs().map((definition) => {
    const { name, dynamic } = definition;
    const synonyms = placesOf(brokerConfigGroup(name), broker);
    const own = synonyms.find((synonym) => synonym.name === name);
    return described(
      definition,
      own?.value ?? null,
      own?.source,
      synonyms,
      dynamic === "read-only",
    );
  });
}

/** What is set live for all brokers, and no more. */
export function describeClusterWideConfigs(
  clusterWide: ReadonlyMap<string, string>,
): DescribeConfigsResourceResult[] {
  return [...clusterWide].flatMap(([name, value]) => {
    const definition = brokerConfigDefinition(name);
    if (definition === undefined) return [];
    const source = CONFIG_SOURCE.dynamicDefaultBroker;
    return [described(definition, value, source, [{ name, value, source }], false)];
  });
}

/** Where broker configs of these names are set, the place that counts first. */
function placesOf(
  names: readonly string[],
  { config, clusterWide, ofBroker }: BrokerTexts,
): DescribeConfigsSynonym[] {
  const properties = new Map(Object.entries(config.properties));
  const defaults = new Map(names.flatMap((name) => {
    const text = brokerConfigDefinition(name)?.defaultText ?? null;
    return text === null ? [] : [[name, text] as const];
  }));
  const places = [
    [CONFIG_SOURCE.dynamicBroker, ofBroker],
    [CONFIG_SOURCE.dynamicDefaultBroker, clusterWide],
    [CONFIG_SOURCE.staticBroker, properties],
    [CONFIG_SOURCE.default, defaults],
  ] as const;
  return places.flatMap(([source, texts]) =>
    names.flatMap((name) => {
      const value = texts.get(name);
      return value === undefined ? [] : [{ name, value, source }];
    })
  );
}

function described(
  definition: ConfigDefinition,
  value: string | null,
  source: number | undefined,
  synonyms: readonly DescribeConfigsSynonym[],
  readOnly: boolean,
): DescribeConfigsResourceResult {
  const { name, isSensitive, type, documentation } = definition;
  return {
    name,
    value: isSensitive ? null : value,
    readOnly,
    // Version 0's word for the source, which no version that is served has.
    isDefault: false,
    configSource: source ?? CONFIG_SOURCE.default,
    isSensitive,
    synonyms: isSensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
    configType: CONFIG_TYPE[type],
    documentation,
  };
}
