/**
 * What one partition is configured with: the topic's configs and the broker's, typed.
 *
 * @module
 */

import type { LogConfig } from "../../storage/log_config.ts";
import type { ProducedRecordRules, StoredCompression } from "../../storage/produced_records.ts";
import type { BrokerConfig } from "./broker_config.ts";
import { type TopicConfig, withTopicConfigs } from "./topic_config.ts";

export interface PartitionConfig {
  /** How its log is kept. */
  readonly log: LogConfig;
  /** `min.insync.replicas`: replicas in sync that an append with acks=all needs. */
  readonly minInsyncReplicas: number;
  /** `flush.before.ack`: nothing is acknowledged or visible before it is durable. */
  readonly flushBeforeAck: boolean;
  /** `decompressed.batch.max.bytes`, which is the broker's. */
  readonly decompressedBatchMaxBytes: number;
  /** What is asked of records that producers send, and how they are stored. */
  readonly produced: ProducedRecordRules;
  /** Replicas whose replication is throttled, as `partition:broker` or `*` (KIP-73). */
  readonly leaderThrottledReplicas: readonly string[];
  readonly followerThrottledReplicas: readonly string[];
}

/** The config of a topic's partitions, of which the topic sets some itself. */
export function partitionConfig(
  overrides: ReadonlyMap<string, string>,
  broker: BrokerConfig,
): PartitionConfig {
  const topic = withTopicConfigs(broker.topicDefaults, overrides);
  return {
    log: {
      segmentBytes: topic.segmentBytes,
      segmentMs: topic.segmentMs,
      segmentJitterMs: topic.segmentJitterMs,
      segmentIndexBytes: topic.segmentIndexBytes,
      indexIntervalBytes: topic.indexIntervalBytes,
      retentionMs: topic.retentionMs,
      retentionBytes: Math.max(topic.retentionBytes, -1),
      flushMessages: topic.flushMessages,
      flushMs: topic.flushMs,
      maxMessageBytes: topic.maxMessageBytes,
      messageTimestampType: topic.messageTimestampType,
      messageTimestampBeforeMaxMs: topic.messageTimestampBeforeMaxMs,
      messageTimestampAfterMaxMs: topic.messageTimestampAfterMaxMs,
      fileDeleteDelayMs: topic.fileDeleteDelayMs,
      cleanupDelete: topic.cleanupPolicy.includes("delete"),
      cleanupCompact: topic.cleanupPolicy.includes("compact"),
      minCleanableDirtyRatio: topic.minCleanableDirtyRatio,
      minCompactionLagMs: topic.minCompactionLagMs,
      maxCompactionLagMs: topic.maxCompactionLagMs,
      deleteRetentionMs: topic.deleteRetentionMs,
      producerIdExpirationMs: broker.producerIdExpirationMs,
    },
    minInsyncReplicas: topic.minInsyncReplicas,
    flushBeforeAck: topic.flushBeforeAck,
    decompressedBatchMaxBytes: broker.decompressedBatchMaxBytes,
    produced: {
      compression: storedCompression(topic),
      keysRequired: topic.cleanupPolicy.includes("compact"),
      timestampType: topic.messageTimestampType,
      timestampBeforeMaxMs: topic.messageTimestampBeforeMaxMs,
      timestampAfterMaxMs: topic.messageTimestampAfterMaxMs,
      decompressedBytesMax: broker.decompressedBatchMaxBytes,
    },
    leaderThrottledReplicas: topic.leaderReplicationThrottledReplicas,
    followerThrottledReplicas: topic.followerReplicationThrottledReplicas,
  };
}

function storedCompression(
  { compressionType, compressionGzipLevel, compressionZstdLevel }: TopicConfig,
): StoredCompression {
  switch (compressionType) {
    case "uncompressed":
      return { type: "none", level: undefined };
    case "gzip":
      // Any number from -1 up but 0, which would compress nothing.
      return { type: "gzip", level: compressionGzipLevel === 0 ? 1 : compressionGzipLevel };
    case "zstd":
      return { type: "zstd", level: compressionZstdLevel };
    default:
      return { type: compressionType, level: undefined };
  }
}
