/**
 * What the admin client is told and tells.
 *
 * @module
 */

import type { NodeId, Offset, Timestamp, Uuid } from "../../../storage/bytes/ids.ts";
import type { DescribeConfigsResourceResult } from "../../../net/messages/describe_configs.ts";
import type { MetadataResponseTopic } from "../../../net/messages/metadata.ts";
import { type BrokerNode, type PartitionInfo, partitionInfo } from "../metadata.ts";
import { EARLIEST, LATEST, MAX_TIMESTAMP } from "../offset_lookup.ts";

/** A topic to create; what is left out is the broker's default. */
export interface NewTopic {
  /** Letters, digits, dots, hyphens and underscores. */
  readonly name: string;
  /** `num.partitions` when absent. */
  readonly partitions?: number;
  /** `default.replication.factor` when absent. */
  readonly replicationFactor?: number;
  /** The replicas of each partition, in place of the two numbers. */
  readonly assignments?: readonly (readonly NodeId[])[];
  /** By Kafka's names, as `retention.ms`. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** A topic's new number of partitions, and the replicas of the new ones. */
export interface NewPartitions {
  /** The topic's. */
  readonly name: string;
  /** Of all partitions, those that are there included. */
  readonly count: number;
  /** The replicas of each new partition; the controller's choice when absent. */
  readonly assignments?: readonly (readonly NodeId[])[];
}

/** What configs belong to: a topic, a group, a broker by its id, or all brokers by the name "". */
export interface ConfigResource {
  /** What kind it is. */
  readonly type: "topic" | "broker" | "group";
  /** The topic's name, the group's, or the broker's id as text. */
  readonly name: string;
  /** Just these, of all that there are. */
  readonly keys?: readonly string[];
}

/** Changes to the configs of one resource. */
export interface AlterConfigs extends ConfigResource {
  /** New values, by names. */
  readonly set?: Readonly<Record<string, string>>;
  /** Back to the default. */
  readonly delete?: readonly string[];
  /** Adds to a config that is a list. */
  readonly append?: Readonly<Record<string, string>>;
  /** Takes from a config that is a list. */
  readonly subtract?: Readonly<Record<string, string>>;
}

/** A config as a broker tells it. */
export type ConfigEntry = DescribeConfigsResourceResult;

/** The configs of one resource. */
export interface DescribedConfigs {
  /** What kind it is. */
  readonly type: ConfigResource["type"];
  /** The topic's name, the group's, or the broker's id as text. */
  readonly name: string;
  /** Each with its value and where that comes from. */
  readonly configs: readonly ConfigEntry[];
}

/** A partition whose records before an offset are to go; -1 stands for all there are. */
export interface RecordsToDelete {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** The first offset that stays. */
  readonly beforeOffset: Offset;
}

/** An offset to be told of. */
export interface OffsetSpec {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Which of the partition's offsets. */
  readonly at: "earliest" | "latest" | "max-timestamp" | { readonly timestamp: Timestamp };
}

/** A topic as the cluster knows it. */
export interface TopicDescription {
  /** Its name. */
  readonly name: string;
  /** Tells it from others of that name, before and after. */
  readonly topicId: Uuid;
  /** Whether brokers keep it for themselves. */
  readonly isInternal: boolean;
  /** By their numbers. */
  readonly partitions: readonly PartitionInfo[];
}

/** A broker, and whether it may serve. */
export interface DescribedBroker extends BrokerNode {
  /** Whether the controller has not heard of it for too long, or not yet. */
  readonly isFenced: boolean;
}

/** The cluster as a broker knows it. */
export interface ClusterDescription {
  /** Drawn when the cluster began. */
  readonly clusterId: string;
  /** The node that decides. */
  readonly controllerId: NodeId;
  /** Those that are there now. */
  readonly brokers: readonly DescribedBroker[];
}

/** A time asked for, in the form that brokers are asked. */
export function timestampOf(at: OffsetSpec["at"]): Timestamp {
  if (at === "earliest") return EARLIEST;
  if (at === "latest") return LATEST;
  return at === "max-timestamp" ? MAX_TIMESTAMP : at.timestamp;
}

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
