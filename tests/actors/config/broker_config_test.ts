import { assertEquals, assertThrows } from "@std/assert";
import {
  brokerConfigs,
  checkDynamicBrokerConfig,
  parseBrokerConfig,
  withDynamicConfigs,
} from "../../../actors/config/broker_config.ts";
import { ConfigError } from "../../../actors/config/definition.ts";
import {
  checkTopicConfig,
  isListConfig,
  topicConfigs,
} from "../../../actors/config/topic_config.ts";
import { partitionConfig } from "../../../actors/config/partition_config.ts";
import { DECOMPRESSED_BATCH_BYTES_MAX } from "../../../storage/compression.ts";
import { DEFAULT_LOG_CONFIG, logConfig, UNLIMITED } from "../../../storage/log_config.ts";

const HOUR_MS = 60 * 60 * 1000;
const NOTHING = new Map<string, string>();

Deno.test("broker config: what is not named has Kafka's default", () => {
  const config = parseBrokerConfig({});
  assertEquals(config.nodeId, 1);
  assertEquals(config.numPartitions, 1);
  assertEquals(config.replicationFactor, 1);
  assertEquals(config.autoCreateTopicsEnable, true);
  assertEquals(config.deleteTopicEnable, true);
  assertEquals(config.requestTimeoutMs, 30_000);
  assertEquals(config.fetchMaxBytes, 57_671_680);
  assertEquals(config.socketRequestMaxBytes, 104_857_600);
  assertEquals(config.connectionsMaxIdleMs, 600_000);
  assertEquals(config.logRetentionCheckIntervalMs, 300_000);
  assertEquals(config.logFlushOffsetCheckpointIntervalMs, 60_000);
});

Deno.test("broker config: every default is a value that its own definition allows", () => {
  for (const { name, defaultText } of brokerConfigs()) {
    if (defaultText !== null) parseBrokerConfig({ [name]: defaultText });
  }
});

Deno.test("broker config: all that is unknown or malformed is named at once", () => {
  const error = assertThrows(
    () =>
      parseBrokerConfig({
        "num.partitons": "3",
        "zookeeper.connect": "localhost",
        "log.segment.bytes": "1k",
        "log.roll.hours": "0",
        "num.partitions": "3",
      }),
    ConfigError,
  );
  assertEquals(error.problems, [
    "num.partitons is no known config (did you mean num.partitions?)",
    "zookeeper.connect is no known config",
    "log.segment.bytes=1k is no whole number",
    "log.roll.hours=0 is less than 1",
  ]);
});

Deno.test("broker config: each topic config has a broker config that sets its default", () => {
  const known = new Set(brokerConfigs().map(({ name }) => name));
  for (const { name, synonyms } of topicConfigs()) {
    // Which replicas are throttled is for each topic to say.
    assertEquals(synonyms.length > 0, !name.endsWith(".throttled.replicas"), name);
    for (const synonym of synonyms) assertEquals(known.has(synonym.name), true, synonym.name);
  }
});

Deno.test("broker config: only what Kafka changes live may be set while the broker runs", () => {
  const allowed = [
    ["log.retention.ms", "1000"],
    ["max.connections", "10"],
    ["message.max.bytes", "2000000"],
    ["producer.id.expiration.ms", "1000"],
    ["min.insync.replicas", "2"],
  ] as const;
  for (const [name, value] of allowed) {
    assertEquals(checkDynamicBrokerConfig(name, value), undefined);
  }
  for (const name of ["log.retention.hours", "node.id", "num.partitions", "fetch.max.bytes"]) {
    assertEquals(
      checkDynamicBrokerConfig(name, "2000"),
      `${name} cannot be changed while the broker runs`,
    );
  }
  assertEquals(
    checkDynamicBrokerConfig("max.connections", "x"),
    "max.connections=x is no whole number",
  );
  assertEquals(
    checkDynamicBrokerConfig("max.conections", "1"),
    "max.conections is no known config (did you mean max.connections?)",
  );
});

Deno.test("broker config: what is set live counts before what the broker was started with", () => {
  const started = parseBrokerConfig({ "max.connections": "5", "log.retention.hours": "2" });
  assertEquals(started.topicDefaults.retentionMs, 2 * HOUR_MS);
  const clusterWide = new Map([["max.connections", "6"], ["log.retention.ms", "1000"]]);
  const live = withDynamicConfigs(started, clusterWide, new Map([["max.connections", "7"]]));
  assertEquals(live.maxConnections, 7);
  assertEquals(live.topicDefaults.retentionMs, 1000);
  assertEquals(withDynamicConfigs(live, clusterWide, NOTHING).maxConnections, 6);
  assertEquals(withDynamicConfigs(live, NOTHING, NOTHING), started);
});

Deno.test("broker config: a live config of a later version is passed over", () => {
  const started = parseBrokerConfig({});
  assertEquals(withDynamicConfigs(started, new Map([["of.tomorrow", "x"]]), NOTHING), started);
});

Deno.test("topic config: unknown and malformed ones are refused", () => {
  assertEquals(checkTopicConfig("retention.ms", "-1"), undefined);
  assertEquals(checkTopicConfig("retention.ms", "-2"), "retention.ms=-2 is less than -1");
  assertEquals(
    checkTopicConfig("retention.mss", "1"),
    "retention.mss is no known config (did you mean retention.ms?)",
  );
  assertEquals(checkTopicConfig("cleanup.policy", "compact,delete"), undefined);
  assertEquals(checkTopicConfig("min.cleanable.dirty.ratio", "0.1"), undefined);
});

Deno.test("topic config: only a list can be added to", () => {
  assertEquals(isListConfig("cleanup.policy"), true);
  assertEquals(isListConfig("retention.ms"), false);
  assertEquals(isListConfig("no.such"), false);
});

Deno.test("topic config: the ranges are those that the log itself keeps", () => {
  for (const { name, min, max } of topicConfigs()) {
    const bounds = [min, max].filter((bound) => bound !== undefined);
    for (const bound of bounds) {
      const config = partitionConfig(new Map([[name, String(bound)]]), parseBrokerConfig({}));
      logConfig(config.log);
    }
  }
});

Deno.test("partition config: without overrides it is the log's own defaults", () => {
  const config = partitionConfig(NOTHING, parseBrokerConfig({}));
  assertEquals(config, {
    log: DEFAULT_LOG_CONFIG,
    minInsyncReplicas: 1,
    flushBeforeAck: false,
    decompressedBatchMaxBytes: DECOMPRESSED_BATCH_BYTES_MAX,
    produced: {
      compression: { type: "producer", level: undefined },
      keysRequired: false,
      timestampType: "CreateTime",
      timestampBeforeMaxMs: UNLIMITED,
      timestampAfterMaxMs: 3_600_000,
      decompressedBytesMax: DECOMPRESSED_BATCH_BYTES_MAX,
    },
    leaderThrottledReplicas: [],
    followerThrottledReplicas: [],
  });
});

Deno.test("topic config: throttled replicas are all, or partitions with brokers", () => {
  const check = (value: string) => checkTopicConfig("leader.replication.throttled.replicas", value);
  for (const value of ["", "*", "0:1", "0:1, 10:22"]) assertEquals(check(value), undefined);
  for (const value of ["0", "0:", "a:1", "0:1,b"]) {
    assertEquals(check(value)?.endsWith("which is not * or partition:broker"), true, value);
  }
});

Deno.test("partition config: the topic's word counts before the broker's", () => {
  const broker = parseBrokerConfig({
    "log.segment.bytes": "2048",
    "log.retention.ms": "5000",
    "flush.before.ack": "true",
    "log.cleanup.policy": "compact,delete",
  });
  const overrides = new Map([["segment.bytes", "4096"], ["of.tomorrow", "x"]]);
  const { log, flushBeforeAck } = partitionConfig(overrides, broker);
  assertEquals(log.segmentBytes, 4096);
  assertEquals(log.retentionMs, 5000);
  assertEquals([log.cleanupCompact, log.cleanupDelete], [true, true]);
  assertEquals(flushBeforeAck, true);
  assertEquals(
    partitionConfig(new Map([["flush.before.ack", "false"]]), broker).flushBeforeAck,
    false,
  );
});

const units = [
  [{ "log.retention.hours": "3" }, 3 * HOUR_MS],
  [{ "log.retention.minutes": "3", "log.retention.hours": "3" }, 180_000],
  [{ "log.retention.ms": "3", "log.retention.minutes": "3", "log.retention.hours": "3" }, 3],
  [{ "log.retention.hours": "-1" }, -1],
] as const;

for (const [properties, retentionMs] of units) {
  Deno.test(`partition config: ${Object.keys(properties).join(" and ")} give retention in ms`, () => {
    const { log } = partitionConfig(NOTHING, parseBrokerConfig(properties));
    assertEquals(log.retentionMs, retentionMs);
  });
}

Deno.test("partition config: the longest time is no overflow", () => {
  const broker = parseBrokerConfig({ "log.retention.hours": "2147483647" });
  const { log } = partitionConfig(new Map([["flush.ms", "9223372036854775807"]]), broker);
  assertEquals(log.retentionMs, 2147483647 * HOUR_MS);
  assertEquals(log.flushMs, UNLIMITED);
});

Deno.test("partition config: any negative retention.bytes keeps everything", () => {
  const { log } = partitionConfig(new Map([["retention.bytes", "-5"]]), parseBrokerConfig({}));
  assertEquals(log.retentionBytes, -1);
});
