/**
 * What can be configured for one log: Kafka's topic configurations, in camel case, with Kafka's
 * defaults.
 *
 * Owns names, defaults and bounds. It does not own text forms (`retention.ms=…`) nor where values
 * come from. A duration or count that is unlimited is `UNLIMITED`; -1 means unlimited only where
 * Kafka says so (`retentionMs`, `retentionBytes`).
 *
 * @module
 */

/** As good as Kafka's Long.MAX_VALUE: never reached. */
export const UNLIMITED: number = Number.MAX_SAFE_INTEGER;

/**
 * How a log is kept. Every field has the meaning of the topic configuration that it is named after.
 */
export interface LogConfig {
  /** `segment.bytes`: a segment is rolled before it would grow past this many bytes. */
  readonly segmentBytes: number;
  /** `segment.ms`: a segment is rolled when its first record is this old. */
  readonly segmentMs: number;
  /** `segment.jitter.ms`: up to this much is taken off `segmentMs`, a part drawn per log. */
  readonly segmentJitterMs: number;
  /** `segment.index.bytes`: the largest an index file may become; then the segment is rolled. */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes`: bytes of log between two index entries. */
  readonly indexIntervalBytes: number;
  /** `retention.ms`: records older than this may go; -1 keeps them. */
  readonly retentionMs: number;
  /** `retention.bytes`: what is more than this many bytes may go; -1 keeps it. */
  readonly retentionBytes: number;
  /** `flush.messages`: a flush is due after this many records. */
  readonly flushMessages: number;
  /** `flush.ms`: a flush is due when a record has waited this long. */
  readonly flushMs: number;
  /** `max.message.bytes`: the largest batch a producer may append. */
  readonly maxMessageBytes: number;
  /** `message.timestamp.type` */
  readonly messageTimestampType: "CreateTime" | "LogAppendTime";
  /** `message.timestamp.before.max.ms`: how far a CreateTime may lie behind the broker's clock. */
  readonly messageTimestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`: how far a CreateTime may lie ahead of the broker's clock. */
  readonly messageTimestampAfterMaxMs: number;
  /** `file.delete.delay.ms`: how long a removed segment's file stays, renamed to `.deleted`. */
  readonly fileDeleteDelayMs: number;
  /** `cleanup.policy`, of which both may be set. A log that was ever compacted may have gaps. */
  readonly cleanupDelete: boolean;
  readonly cleanupCompact: boolean;
  /** `min.cleanable.dirty.ratio` */
  readonly minCleanableDirtyRatio: number;
  /** `min.compaction.lag.ms` */
  readonly minCompactionLagMs: number;
  /** `max.compaction.lag.ms` */
  readonly maxCompactionLagMs: number;
  /** `delete.retention.ms`: how long compaction keeps a tombstone. */
  readonly deleteRetentionMs: number;
  /** `producer.id.expiration.ms`, which Kafka sets for the broker: idle producers are forgotten. */
  readonly producerIdExpirationMs: number;
}

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/** Kafka 4's defaults. */
export const DEFAULT_LOG_CONFIG: LogConfig = Object.freeze({
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * DAY_MS,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  retentionMs: 7 * DAY_MS,
  retentionBytes: -1,
  flushMessages: UNLIMITED,
  flushMs: UNLIMITED,
  maxMessageBytes: 1024 * 1024 + 12,
  messageTimestampType: "CreateTime",
  messageTimestampBeforeMaxMs: UNLIMITED,
  messageTimestampAfterMaxMs: HOUR_MS,
  fileDeleteDelayMs: 60 * 1000,
  cleanupDelete: true,
  cleanupCompact: false,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: UNLIMITED,
  deleteRetentionMs: DAY_MS,
  producerIdExpirationMs: DAY_MS,
});

/** A config with some values set and Kafka's defaults for the rest. */
export function logConfig(overrides: Partial<LogConfig> = {}): LogConfig {
  const config: LogConfig = { ...DEFAULT_LOG_CONFIG, ...overrides };
  // A file's positions are int32 in the index.
  checkRange("segment.bytes", config.segmentBytes, 14, 0x7fffffff);
  checkRange("segment.index.bytes", config.segmentIndexBytes, 24, 0x7fffffff);
  checkRange("index.interval.bytes", config.indexIntervalBytes, 0, 0x7fffffff);
  checkRange("max.message.bytes", config.maxMessageBytes, 0, 0x7fffffff);
  checkRange("segment.ms", config.segmentMs, 1, UNLIMITED);
  checkRange("segment.jitter.ms", config.segmentJitterMs, 0, UNLIMITED);
  checkRange("retention.ms", config.retentionMs, -1, UNLIMITED);
  checkRange("retention.bytes", config.retentionBytes, -1, UNLIMITED);
  checkRange("flush.messages", config.flushMessages, 1, UNLIMITED);
  checkRange("flush.ms", config.flushMs, 0, UNLIMITED);
  return config;
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`Cannot set ${name} to ${value}: it must be from ${min} to ${max}`);
}
