/**
 * Hand-made metadata for the tests of the controller's decisions.
 */
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import { ControllerRules } from "../../../actors/controller/controller_rules.ts";
import type { Decision, DecisionContext } from "../../../actors/controller/decision.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { type NodeId, type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";

export function brokerRecord(
  brokerId: NodeId,
  brokerEpoch = 100,
  { fenced = false, rack = null }: {
    readonly fenced?: boolean;
    readonly rack?: string | null;
  } = {},
): MetadataRecord {
  return {
    kind: "RegisterBrokerRecord",
    value: {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId: ZERO_UUID,
      brokerEpoch,
      endPoints: [{ name: "NATIVE", host: "localhost", port: 9192, securityProtocol: 0 }],
      features: [],
      rack,
      fenced,
      inControlledShutdown: false,
      logDirs: [],
    },
  };
}

/** The finalized level of `metadata.version`; 23 and above have eligible leader replicas. */
export function metadataVersion(featureLevel = 23): MetadataRecord {
  return { kind: "FeatureLevelRecord", value: { name: "metadata.version", featureLevel } };
}

export function topicRecord(name: string, topicId: Uuid = idOf(name)): MetadataRecord {
  return { kind: "TopicRecord", value: { name, topicId } };
}

export function partitionRecord(
  topicId: Uuid,
  partitionId: number,
  replicas: readonly NodeId[],
): MetadataRecord {
  return {
    kind: "PartitionRecord",
    value: {
      partitionId,
      topicId,
      replicas,
      isr: replicas,
      removingReplicas: [],
      addingReplicas: [],
      leader: replicas[0] ?? -1,
      leaderRecoveryState: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: replicas.map(() => ZERO_UUID),
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  };
}

/** A change of leader; -2 leaves it. */
export function leaderRecord(topicId: Uuid, partitionId: number, leader: NodeId): MetadataRecord {
  return {
    kind: "PartitionChangeRecord",
    value: {
      partitionId,
      topicId,
      isr: null,
      leader,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  };
}

export function topicConfigRecord(
  resourceName: string,
  name: string,
  value: string | null,
): MetadataRecord {
  return {
    kind: "ConfigRecord",
    value: { resourceType: CONFIG_RESOURCE.topic, resourceName, name, value },
  };
}

/** A topic with partitions on broker 1. */
export function topicRecords(name: string, partitions: number): MetadataRecord[] {
  const topicId = idOf(name);
  return [
    topicRecord(name, topicId),
    ...Array.from({ length: partitions }, (_, index) => partitionRecord(topicId, index, [1])),
  ];
}

/** The id that `topicRecord` gives a topic. */
export function idOf(name: string): Uuid {
  return name.replaceAll(/[^a-z0-9]/gi, "-").padEnd(22, "A").slice(0, 22);
}

export function imageOf(...records: (MetadataRecord | readonly MetadataRecord[])[]): ClusterImage {
  const image = new ClusterImage();
  for (const record of records.flat()) image.replay(record);
  return image;
}

/** What decisions read: this image, chance from a seed, and a broker's configs. */
export function contextOf(
  image: ClusterImage,
  properties: Readonly<Record<string, string>> = {},
): DecisionContext {
  return {
    image,
    random: new SeededStream(1, 2, 3),
    defaults: parseBrokerConfig(properties),
    rules: new ControllerRules(),
  };
}

/** Writes a decision, as the controller does. */
export function commit<Response>(image: ClusterImage, decision: Decision<Response>): Response {
  for (const record of decision.records) image.replay(record);
  return decision.response;
}

/** All that an image says, in an order of its own. */
export function contents(image: ClusterImage): unknown {
  const topics = [...image.topics.values()].toSorted((a, b) => a.name < b.name ? -1 : 1);
  const configs = [...topics.map(({ name }) => name), "gone"].map((name) =>
    [...image.configs(CONFIG_RESOURCE.topic, name)].toSorted()
  );
  return structuredClone({
    brokers: [...image.brokers].toSorted(([a], [b]) => a - b),
    topics,
    byId: topics.map(({ id }) => image.topicById(id)?.name),
    configs: [...configs, [...image.configs(CONFIG_RESOURCE.broker, "")].toSorted()],
    configured: [...image.configured()].map(({ resourceType, resourceName }) =>
      `${resourceType} ${resourceName}`
    ).toSorted(),
    features: [...image.features].toSorted(),
    partitionCount: image.partitionCount,
    nextProducerId: image.nextProducerId,
  });
}
