/**
 * What the admin client is told and tells.
 *
 * @module
 */

import type { NodeId, Offset, Timestamp, Uuid } from "../../storage/bytes/ids.ts";
import type { DescribeConfigsResourceResult } from "../../net/messages/describe_configs.ts";
import type { MetadataResponseTopic } from "../../net/messages/metadata.ts";
import { type BrokerNode, type PartitionInfo, partitionInfo } from "./metadata.ts";
import { EARLIEST, LATEST, MAX_TIMESTAMP } from "./offset_lookup.ts";

/** A topic to create; what is left out is the broker's default. */
export interface NewTopic {
  readonly name: string;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  /** The replicas of each partition, in place of the two numbers. */
  readonly assignments?: readonly (readonly NodeId[])[];
  /** By Kafka's names, as `retention.ms`. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** A topic's new number of partitions, and the replicas of the new ones. */
export interface NewPartitions {
  readonly name: string;
  readonly count: number;
  readonly assignments?: readonly (readonly NodeId[])[];
}

/** What configs belong to: a topic, a broker by its id, or all brokers by the name "". */
export interface ConfigResource {
  readonly type: "topic" | "broker";
  readonly name: string;
  /** Just these, of all that there are. */
  readonly keys?: readonly string[];
}

/** Changes to the configs of one resource. */
export interface AlterConfigs extends ConfigResource {
  readonly set?: Readonly<Record<string, string>>;
  /** Back to the default. */
  readonly delete?: readonly string[];
  /** Adds to, or takes from, a config that is a list. */
  readonly append?: Readonly<Record<string, string>>;
  readonly subtract?: Readonly<Record<string, string>>;
}

/** A config as a broker tells it. */
export type ConfigEntry = DescribeConfigsResourceResult;

/** The configs of one resource. */
export interface DescribedConfigs {
  readonly type: ConfigResource["type"];
  readonly name: string;
  readonly configs: readonly ConfigEntry[];
}

/** A partition whose records before an offset are to go; -1 stands for all there are. */
export interface RecordsToDelete {
  readonly topic: string;
  readonly partition: number;
  readonly beforeOffset: Offset;
}

/** An offset to be told of. */
export interface OffsetSpec {
  readonly topic: string;
  readonly partition: number;
  readonly at: "earliest" | "latest" | "max-timestamp" | { readonly timestamp: Timestamp };
}

/** A topic as the cluster knows it. */
export interface TopicDescription {
  readonly name: string;
  readonly topicId: Uuid;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionInfo[];
}

/** The cluster as a broker knows it. */
export interface ClusterDescription {
  readonly clusterId: string;
  readonly controllerId: NodeId;
  readonly brokers: readonly BrokerNode[];
}

/** A time asked for, in the form that brokers are asked. */
export function timestampOf(at: OffsetSpec["at"]): Timestamp {
  if (at === "earliest") return EARLIEST;
  if (at === "latest") return LATEST;
  return at === "max-timestamp" ? MAX_TIMESTAMP : at.timestamp;
}

/** The numbers of Kafka's kinds of resource. */
export const RESOURCE_TYPE = { topic: 2, broker: 4 } as const;

/** The numbers of Kafka's ways to change a config. */
export const CONFIG_OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** Configs by name as a list. */
export function configsOf(configs: Readonly<Record<string, string>>, configOperation = 0) {
  return Object.entries(configs).map(([name, value]) => ({ name, value, configOperation }));
}

/** The broker's topic in the client's words. */
export function topicDescription(topic: MetadataResponseTopic): TopicDescription {
  return {
    name: topic.name ?? "",
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions
      .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
      .map(partitionInfo),
  };
}
