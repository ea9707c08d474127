/**
 * The configs of topics: Kafka's names and defaults, each with the broker configs that set its
 * default for the topics that do not set it themselves.
 *
 * Owns the table and the way from texts to values. Does not own what a config does. Keys that
 * nothing here would honour yet (tiered storage, preallocation) are not known.
 *
 * @module
 */

import { DEFAULT_LOG_CONFIG as LOG, UNLIMITED } from "../../storage/log_config.ts";
import {
  boolean,
  checkConfig,
  type ConfigDefinition,
  type ConfigValues,
  double,
  int,
  list,
  long,
  parseConfig,
  string,
  unknownConfig,
} from "./definition.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A broker config that sets a topic config's default. */
export interface BrokerSynonym {
  readonly name: string;
  /** How many of the topic config's units are one of the broker config's: hours, milliseconds. */
  readonly factor: number;
}

/** A topic config; of its synonyms the first that is set counts. */
export interface TopicConfigDefinition<Value = unknown> extends ConfigDefinition<Value> {
  readonly synonyms: readonly BrokerSynonym[];
}

/** Kafka says `uncompressed` where its producers say `none`: either will do. */
const COMPRESSION_TYPES = [
  "producer",
  "uncompressed",
  "none",
  "gzip",
  "snappy",
  "lz4",
  "zstd",
] as const;

const TIMESTAMP_TYPES = ["CreateTime", "LogAppendTime"] as const;

/** `*`, or each item `partition:broker`. */
const THROTTLED = { itemPattern: /^(\*|\d+:\d+)$/, itemForm: "* or partition:broker" };

const TOPIC_CONFIGS = {
  cleanupPolicy: topic(
    list("cleanup.policy", "delete", "What becomes of old records: delete, compact, or both", {
      allowed: ["compact", "delete"],
    }),
    "log.cleanup.policy",
  ),
  compressionType: topic(
    string<(typeof COMPRESSION_TYPES)[number]>(
      "compression.type",
      "producer",
      "How batches are stored: compressed so, uncompressed, or as producers sent them",
      { allowed: COMPRESSION_TYPES },
    ),
    "compression.type",
  ),
  compressionGzipLevel: topic(
    int("compression.gzip.level", -1, "How hard gzip tries, 1 to 9; -1 is its default", {
      min: -1,
      max: 9,
    }),
    "compression.gzip.level",
  ),
  compressionZstdLevel: topic(
    int("compression.zstd.level", 3, "How hard zstd tries", { min: -131_072, max: 22 }),
    "compression.zstd.level",
  ),
  deleteRetentionMs: topic(
    long("delete.retention.ms", LOG.deleteRetentionMs, "How long compaction keeps a tombstone", {
      min: 0,
    }),
    "log.cleaner.delete.retention.ms",
  ),
  fileDeleteDelayMs: topic(
    long("file.delete.delay.ms", LOG.fileDeleteDelayMs, "How long a removed segment's files stay", {
      min: 0,
    }),
    "log.segment.delete.delay.ms",
  ),
  followerReplicationThrottledReplicas: topic(
    list(
      "follower.replication.throttled.replicas",
      "",
      "Which replicas fetch no faster than follower.replication.throttled.rate",
      THROTTLED,
    ),
  ),
  flushBeforeAck: topic(
    boolean(
      "flush.before.ack",
      false,
      "Whether records are flushed to the disk before they are acknowledged or read (Strom's own)",
    ),
    "flush.before.ack",
  ),
  flushMessages: topic(
    long("flush.messages", LOG.flushMessages, "Records that may be appended between two flushes", {
      min: 1,
    }),
    "log.flush.interval.messages",
  ),
  flushMs: topic(
    long("flush.ms", LOG.flushMs, "How long a record may wait for a flush", { min: 0 }),
    "log.flush.interval.ms",
    "log.flush.scheduler.interval.ms",
  ),
  indexIntervalBytes: topic(
    int("index.interval.bytes", LOG.indexIntervalBytes, "Bytes of log between two index entries", {
      min: 0,
    }),
    "log.index.interval.bytes",
  ),
  leaderReplicationThrottledReplicas: topic(
    list(
      "leader.replication.throttled.replicas",
      "",
      "To which replicas leaders send no faster than leader.replication.throttled.rate",
      THROTTLED,
    ),
  ),
  maxCompactionLagMs: topic(
    long("max.compaction.lag.ms", UNLIMITED, "How long a record may stay uncompacted", { min: 1 }),
    "log.cleaner.max.compaction.lag.ms",
  ),
  maxMessageBytes: topic(
    int("max.message.bytes", LOG.maxMessageBytes, "The largest batch that a producer may append", {
      min: 0,
    }),
    "message.max.bytes",
  ),
  messageTimestampAfterMaxMs: topic(
    long(
      "message.timestamp.after.max.ms",
      LOG.messageTimestampAfterMaxMs,
      "How far ahead of the broker's clock a record's own time may be",
      { min: 0 },
    ),
    "log.message.timestamp.after.max.ms",
  ),
  messageTimestampBeforeMaxMs: topic(
    long(
      "message.timestamp.before.max.ms",
      LOG.messageTimestampBeforeMaxMs,
      "How far behind the broker's clock a record's own time may be",
      { min: 0 },
    ),
    "log.message.timestamp.before.max.ms",
  ),
  messageTimestampType: topic(
    string<(typeof TIMESTAMP_TYPES)[number]>(
      "message.timestamp.type",
      LOG.messageTimestampType,
      "Whether a record's time is the producer's or that of its append",
      { allowed: TIMESTAMP_TYPES },
    ),
    "log.message.timestamp.type",
  ),
  minCleanableDirtyRatio: topic(
    double(
      "min.cleanable.dirty.ratio",
      LOG.minCleanableDirtyRatio,
      "The part of a log that must be uncompacted before compaction runs",
      { min: 0, max: 1 },
    ),
    "log.cleaner.min.cleanable.ratio",
  ),
  minCompactionLagMs: topic(
    long("min.compaction.lag.ms", LOG.minCompactionLagMs, "How long a record stays uncompacted", {
      min: 0,
    }),
    "log.cleaner.min.compaction.lag.ms",
  ),
  minInsyncReplicas: topic(
    int("min.insync.replicas", 1, "Replicas in sync that an append with acks=all needs", {
      min: 1,
    }),
    "min.insync.replicas",
  ),
  retentionBytes: topic(
    long("retention.bytes", LOG.retentionBytes, "Bytes of a partition that stay; -1 keeps all"),
    "log.retention.bytes",
  ),
  retentionMs: topic(
    long("retention.ms", LOG.retentionMs, "How long records stay; -1 keeps them for ever", {
      min: -1,
    }),
    "log.retention.ms",
    { name: "log.retention.minutes", factor: MINUTE_MS },
    { name: "log.retention.hours", factor: HOUR_MS },
  ),
  segmentBytes: topic(
    int("segment.bytes", LOG.segmentBytes, "A segment is rolled before it grows past this", {
      min: 14,
    }),
    "log.segment.bytes",
  ),
  segmentIndexBytes: topic(
    int("segment.index.bytes", LOG.segmentIndexBytes, "The largest that an index file may become", {
      min: 24,
    }),
    "log.index.size.max.bytes",
  ),
  segmentJitterMs: topic(
    long(
      "segment.jitter.ms",
      LOG.segmentJitterMs,
      "Up to this much is taken off segment.ms, so that not all segments roll at once",
      { min: 0 },
    ),
    "log.roll.jitter.ms",
    { name: "log.roll.jitter.hours", factor: HOUR_MS },
  ),
  segmentMs: topic(
    long("segment.ms", LOG.segmentMs, "A segment is rolled when its first record is this old", {
      min: 1,
    }),
    "log.roll.ms",
    { name: "log.roll.hours", factor: HOUR_MS },
  ),
  uncleanLeaderElectionEnable: topic(
    boolean(
      "unclean.leader.election.enable",
      false,
      "Whether a replica out of sync may lead when no other is left, at the price of records",
    ),
    "unclean.leader.election.enable",
  ),
};

/** The typed configs of a topic. */
export type TopicConfig = ConfigValues<typeof TOPIC_CONFIGS>;

const FIELDS = Object.entries(TOPIC_CONFIGS) as [keyof TopicConfig, TopicConfigDefinition][];

const BY_NAME: ReadonlyMap<string, readonly [keyof TopicConfig, TopicConfigDefinition]> = new Map(
  FIELDS.map((entry) => [entry[1].name, entry]),
);

function topic<Value>(
  definition: ConfigDefinition<Value>,
  ...synonyms: (string | BrokerSynonym)[]
): TopicConfigDefinition<Value> {
  return {
    ...definition,
    dynamic: "cluster-wide",
    synonyms: synonyms.map((synonym) =>
      typeof synonym === "string" ? { name: synonym, factor: 1 } : synonym
    ),
  };
}

/** All topic configs, by name. */
export function topicConfigs(): TopicConfigDefinition[] {
  return FIELDS.map(([, definition]) => definition);
}

/**
 * The broker configs that set defaults of topic configs, each with the others that set the same
 * one. The last of them holds Kafka's default, and the first may be changed live.
 */
export function brokerSynonyms(): { definition: ConfigDefinition; group: readonly string[] }[] {
  return FIELDS.flatMap(([, topicConfig]) => {
    const { synonyms, name, documentation, ...shape } = topicConfig;
    const group = synonyms.map((synonym) => synonym.name);
    return synonyms.map((synonym, index) => ({
      group,
      definition: {
        ...shape,
        name: synonym.name,
        type: synonym.factor === 1 ? shape.type : "int" as const,
        ...(synonym.factor === 1 ? {} : { max: 0x7fffffff }),
        documentation: synonym.name === name
          ? documentation
          : `${documentation}: the default of ${name}`,
        defaultText: index < synonyms.length - 1 || shape.defaultText === null
          ? null
          : synonym.factor === 1
          ? shape.defaultText
          : String(Number(shape.defaultText) / synonym.factor),
        dynamic: index === 0 ? "cluster-wide" as const : "read-only" as const,
      },
    }));
  });
}

/** The text of a topic config for a broker config's text: hours become milliseconds. */
export function topicConfigText({ factor }: BrokerSynonym, text: string): string {
  if (factor === 1) return text;
  const value = Number(text);
  return String(value < 0 ? -1 : value * factor);
}

/** The topic configs as a broker's own configs set them. */
export function topicDefaults(broker: Readonly<Record<string, string>>): TopicConfig {
  const values: Partial<Record<keyof TopicConfig, unknown>> = {};
  for (const [field, definition] of FIELDS) {
    values[field] = parseConfig(definition, defaultTextOf(definition, broker));
  }
  return values as TopicConfig;
}

/**
 * The configs of a topic that sets some of them itself. One that is unknown (of a later version) is
 * passed over.
 * @throws {ConfigError} when a text is malformed
 */
export function withTopicConfigs(
  defaults: TopicConfig,
  overrides: ReadonlyMap<string, string>,
): TopicConfig {
  if (overrides.size === 0) return defaults;
  const values: Record<keyof TopicConfig, unknown> = { ...defaults };
  for (const [name, text] of overrides) {
    const entry = BY_NAME.get(name);
    if (entry !== undefined) values[entry[0]] = parseConfig(entry[1], text);
  }
  return values as TopicConfig;
}

/** Why a topic cannot have that config; undefined when it can. */
export function checkTopicConfig(name: string, value: string): string | undefined {
  const entry = BY_NAME.get(name);
  if (entry === undefined) return unknownConfig(name, BY_NAME.keys());
  return checkConfig(entry[1], value);
}

/** Whether a topic config is a list, to which items can be added. */
export function isListConfig(name: string): boolean {
  return BY_NAME.get(name)?.[1].type === "list";
}

/** The text that a topic config has where the topic does not set it. */
export function defaultTopicConfig(
  name: string,
  broker: Readonly<Record<string, string>>,
): string | undefined {
  const definition = BY_NAME.get(name)?.[1];
  return definition && defaultTextOf(definition, broker);
}

function defaultTextOf(
  { synonyms, defaultText }: TopicConfigDefinition,
  broker: Readonly<Record<string, string>>,
): string {
  const synonym = synonyms.find(({ name }) => broker[name] !== undefined);
  return synonym === undefined
    ? defaultText ?? ""
    : topicConfigText(synonym, broker[synonym.name] ?? "");
}
