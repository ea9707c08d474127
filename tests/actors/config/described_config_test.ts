import { assertEquals } from "@std/assert";
import { brokerConfigs, parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import {
  type BrokerTexts,
  describeBrokerConfigs,
  describeClusterWideConfigs,
  describeTopicConfigs,
} from "../../../actors/config/described_config.ts";
import { topicConfigs } from "../../../actors/config/topic_config.ts";
import type { DescribeConfigsResourceResult } from "../../../net/messages/describe_configs.ts";

const NOTHING = new Map<string, string>();
const TOPIC = 1, DYNAMIC_BROKER = 2, DYNAMIC_DEFAULT_BROKER = 3, STATIC_BROKER = 4, DEFAULT = 5;

function broker(
  properties: Record<string, string> = {},
  clusterWide: Record<string, string> = {},
  ofBroker: Record<string, string> = {},
): BrokerTexts {
  return {
    config: parseBrokerConfig(properties),
    clusterWide: new Map(Object.entries(clusterWide)),
    ofBroker: new Map(Object.entries(ofBroker)),
  };
}

function find(
  configs: readonly DescribeConfigsResourceResult[],
  name: string,
): DescribeConfigsResourceResult {
  const config = configs.find((config) => config.name === name);
  if (config === undefined) throw new Error(`Cannot find ${name}`);
  return config;
}

Deno.test("described config: a topic has all topic configs, a broker all broker configs", () => {
  const names = (configs: readonly { readonly name: string }[]) => configs.map(({ name }) => name);
  assertEquals(names(describeTopicConfigs(NOTHING, broker())), names(topicConfigs()));
  assertEquals(names(describeBrokerConfigs(broker())), names(brokerConfigs()));
});

Deno.test("described config: a default in hours is told in the topic's milliseconds", () => {
  const config = find(describeTopicConfigs(NOTHING, broker()), "retention.ms");
  assertEquals(config.value, "604800000");
  assertEquals(config.configSource, DEFAULT);
  assertEquals(config.synonyms, [{ name: "log.retention.hours", value: "168", source: DEFAULT }]);
});

Deno.test("described config: every place that sets a value is told, the one that counts first", () => {
  const texts = broker(
    { "log.retention.ms": "4", "log.retention.minutes": "5" },
    { "log.retention.ms": "3" },
    { "log.retention.ms": "2" },
  );
  const config = find(
    describeTopicConfigs(new Map([["retention.ms", "1"]]), texts),
    "retention.ms",
  );
  assertEquals(config.value, "1");
  assertEquals(config.configSource, TOPIC);
  assertEquals(config.readOnly, false);
  assertEquals(config.synonyms.map(({ value, source }) => [value, source]), [
    ["1", TOPIC],
    ["2", DYNAMIC_BROKER],
    ["3", DYNAMIC_DEFAULT_BROKER],
    ["4", STATIC_BROKER],
    ["5", STATIC_BROKER],
    ["168", DEFAULT],
  ]);
});

Deno.test("described config: a topic takes what its broker sets", () => {
  const configs = describeTopicConfigs(NOTHING, broker({ "log.retention.minutes": "2" }));
  const { value, configSource } = find(configs, "retention.ms");
  assertEquals([value, configSource], ["120000", STATIC_BROKER]);
});

Deno.test("described config: a broker's own key is told as it was set, in its own unit", () => {
  const configs = describeBrokerConfigs(broker({ "log.retention.minutes": "2", "node.id": "7" }));
  const of = (name: string) => {
    const { value, configSource, readOnly } = find(configs, name);
    return [value, configSource, readOnly];
  };
  assertEquals(of("log.retention.ms"), [null, DEFAULT, false]);
  assertEquals(of("log.retention.minutes"), ["2", STATIC_BROKER, true]);
  assertEquals(of("log.retention.hours"), ["168", DEFAULT, true]);
  assertEquals(of("node.id"), ["7", STATIC_BROKER, true]);
});

Deno.test("described config: types are Kafka's numbers", () => {
  const configs = describeTopicConfigs(NOTHING, broker());
  const type = (name: string) => find(configs, name).configType;
  assertEquals(
    ["flush.before.ack", "compression.type", "segment.bytes", "retention.ms"].map(type),
    [1, 2, 3, 5],
  );
  assertEquals(["min.cleanable.dirty.ratio", "cleanup.policy"].map(type), [6, 7]);
});

Deno.test("described config: what is set for all brokers is told by itself", () => {
  const configs = describeClusterWideConfigs(new Map([["max.connections", "3"], ["gone", "x"]]));
  assertEquals(configs.map(({ name, value, configSource }) => [name, value, configSource]), [
    ["max.connections", "3", DYNAMIC_DEFAULT_BROKER],
  ]);
});
