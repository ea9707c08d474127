/**
 * What the metadata log says when it is folded: brokers, topics, partitions, configs, features.
 *
 * Owns nothing but the fold. `replay` is its only mutator, the same for the controller (which
 * replays when it appends, and keeps how to undo that until the record is committed) and for
 * brokers (which replay what is committed). Readers see the image of their own event loop.
 *
 * Invariants: a partition's epoch rises by one with each change, its leader epoch with each change
 * that names a leader; a topic stands under its name and its id, or under neither.
 *
 * @module
 */

import type { NodeId, Offset, ProducerId, Uuid } from "../../storage/bytes/ids.ts";
import type { BrokerRegistrationChangeRecord } from "../../net/messages/records/broker_registration_change_record.ts";
import type { FeatureLevelRecord } from "../../net/messages/records/feature_level_record.ts";
import type { PartitionChangeRecord } from "../../net/messages/records/partition_change_record.ts";
import type { PartitionRecord } from "../../net/messages/records/partition_record.ts";
import type { TopicRecord } from "../../net/messages/records/topic_record.ts";
import type { UnregisterBrokerRecord } from "../../net/messages/records/unregister_broker_record.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { ClientQuotas } from "./client_quotas.ts";
import { type ConfigResource, differences, type ImageChange } from "./image_changes.ts";
import { recordsOf } from "./image_records.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { changedPartition, type PartitionImage, partitionOf } from "./partition_image.ts";

export type { ImageChange } from "./image_changes.ts";
export type { PartitionImage } from "./partition_image.ts";

export interface BrokerImage {
  readonly id: NodeId;
  /** The offset of its registration record: rises with each registration. */
  readonly epoch: Offset;
  readonly incarnationId: Uuid;
  readonly endPoints: readonly RegisteredEndPoint[];
  readonly rack: string | null;
  readonly fenced: boolean;
  readonly inControlledShutdown: boolean;
  readonly logDirs: readonly Uuid[];
  /** The levels of features that it knows. */
  readonly features: readonly BrokerFeature[];
}

export interface BrokerFeature {
  readonly name: string;
  readonly minSupportedVersion: number;
  readonly maxSupportedVersion: number;
}

export interface BrokerEndPoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface RegisteredEndPoint extends BrokerEndPoint {
  /** 0 is plaintext. */
  readonly securityProtocol: number;
}

export interface TopicImage {
  readonly id: Uuid;
  readonly name: string;
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionImage[];
}

type Undo = () => void;

interface MutableTopic {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: PartitionImage[];
}

interface ConfiguredResource extends ConfigResource {
  readonly configs: Map<string, string>;
}

const NO_CONFIGS: ReadonlyMap<string, string> = new Map();

/** The cluster as of some offset of the metadata log. */
export class ClusterImage {
  #brokers = new Map<NodeId, BrokerImage>();
  #topicsById = new Map<Uuid, MutableTopic>();
  #topicsByName = new Map<string, MutableTopic>();
  #configs = new Map<string, ConfiguredResource>();
  #features = new Map<string, number>();
  #clientQuotas = new ClientQuotas();
  #nextProducerId: ProducerId = 0;
  #partitionCount = 0;

  get brokers(): ReadonlyMap<NodeId, BrokerImage> {
    return this.#brokers;
  }

  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topicsByName;
  }

  get features(): ReadonlyMap<string, number> {
    return this.#features;
  }

  /** The quotas that are set for clients. */
  get clientQuotas(): ClientQuotas {
    return this.#clientQuotas;
  }

  get partitionCount(): number {
    return this.#partitionCount;
  }

  get nextProducerId(): ProducerId {
    return this.#nextProducerId;
  }

  topicById(id: Uuid): TopicImage | undefined {
    return this.#topicsById.get(id);
  }

  topicByName(name: string): TopicImage | undefined {
    return this.#topicsByName.get(name);
  }

  /** The configs set on a resource; those not set are not there. */
  configs(resourceType: number, resourceName: string): ReadonlyMap<string, string> {
    return this.#configs.get(configKey(resourceType, resourceName))?.configs ?? NO_CONFIGS;
  }

  /** The resources that have configs set. */
  configured(): Iterable<ConfigResource> {
    return this.#configs.values();
  }

  /** The records of a snapshot: replayed to an empty image they make this one. */
  records(): Iterable<MetadataRecord> {
    return recordsOf(this);
  }

  /**
   * Makes this image what the records of a snapshot say, whatever it was before. Returns what is
   * different now. Nothing that was replayed before can be undone any more.
   */
  load(records: Iterable<MetadataRecord>): ImageChange[] {
    const loaded = new ClusterImage();
    for (const record of records) loaded.replay(record);
    const changes = differences(this, loaded);
    this.#brokers = loaded.#brokers;
    this.#topicsById = loaded.#topicsById;
    this.#topicsByName = loaded.#topicsByName;
    this.#configs = loaded.#configs;
    this.#features = loaded.#features;
    this.#clientQuotas = loaded.#clientQuotas;
    this.#nextProducerId = loaded.#nextProducerId;
    this.#partitionCount = loaded.#partitionCount;
    return changes;
  }

  /**
   * Applies one record. `undo`, where given, gets what takes it back; undone in reverse order.
   * @throws {Error} when the record contradicts the image: the log is not the one it was folded
   * from.
   */
  replay(record: MetadataRecord, undo?: Undo[]): ImageChange {
    switch (record.kind) {
      case "RegisterBrokerRecord": {
        const { brokerId: id, brokerEpoch: epoch, isMigratingZkBroker: _, ...registration } =
          record.value;
        return this.#setBroker({ id, epoch, ...registration }, undo);
      }
      case "UnregisterBrokerRecord":
        return this.#removeBroker(record.value, undo);
      case "BrokerRegistrationChangeRecord":
        return this.#changeBroker(record.value, undo);
      case "TopicRecord":
        return this.#createTopic(record.value, undo);
      case "RemoveTopicRecord":
        return this.#removeTopic(record.value.topicId, undo);
      case "PartitionRecord":
        return this.#addPartition(record.value, undo);
      case "PartitionChangeRecord":
        return this.#changePartition(record.value, undo);
      case "ConfigRecord": {
        const { resourceType, resourceName, name, value } = record.value;
        this.#setConfig({ resourceType, resourceName }, name, value, undo);
        return { kind: "config", resourceType, resourceName };
      }
      case "ClientQuotaRecord":
        this.#clientQuotas.replay(record.value, undo);
        return { kind: "client-quota" };
      case "FeatureLevelRecord":
        return this.#setFeature(record.value, undo);
      case "ProducerIdsRecord": {
        const before = this.#nextProducerId;
        this.#nextProducerId = record.value.nextProducerId;
        undo?.push(() => this.#nextProducerId = before);
        return { kind: "producer-ids" };
      }
      case "NoOpRecord":
        return { kind: "nothing" };
    }
  }

  #changeBroker(change: BrokerRegistrationChangeRecord, undo: Undo[] | undefined): ImageChange {
    const broker = this.#brokers.get(change.brokerId);
    if (broker === undefined || broker.epoch !== change.brokerEpoch) {
      throw new Error(`Cannot change broker ${change.brokerId}: it has no such registration`);
    }
    const fenced = change.fenced === 0 ? broker.fenced : change.fenced > 0;
    return this.#setBroker({
      ...broker,
      fenced,
      inControlledShutdown: broker.inControlledShutdown || change.inControlledShutdown > 0,
      logDirs: change.logDirs.length > 0 ? change.logDirs : broker.logDirs,
    }, undo);
  }

  #removeBroker(
    { brokerId: id, brokerEpoch }: UnregisterBrokerRecord,
    undo: Undo[] | undefined,
  ): ImageChange {
    const broker = this.#brokers.get(id);
    if (broker === undefined || broker.epoch !== brokerEpoch) {
      throw new Error(`Cannot remove broker ${id}: it has no such registration`);
    }
    this.#brokers.delete(id);
    undo?.push(() => this.#brokers.set(id, broker));
    return { kind: "broker", id };
  }

  #createTopic({ name, topicId }: TopicRecord, undo: Undo[] | undefined): ImageChange {
    if (this.#topicsByName.has(name)) throw new Error(`Cannot create topic ${name}: it exists`);
    const topic = { id: topicId, name, partitions: [] };
    this.#addTopic(topic);
    undo?.push(() => this.#dropTopic(topic));
    return { kind: "topic-created", topic };
  }

  #removeTopic(id: Uuid, undo: Undo[] | undefined): ImageChange {
    const topic = this.#topic(id);
    this.#dropTopic(topic);
    undo?.push(() => this.#addTopic(topic));
    const key = configKey(CONFIG_RESOURCE.topic, topic.name);
    const configs = this.#configs.get(key);
    if (configs !== undefined) {
      this.#configs.delete(key);
      undo?.push(() => this.#configs.set(key, configs));
    }
    return { kind: "topic-removed", topic };
  }

  #addPartition(value: PartitionRecord, undo: Undo[] | undefined): ImageChange {
    const topic = this.#topic(value.topicId);
    if (value.partitionId !== topic.partitions.length) {
      throw new Error(`Cannot add partition ${value.partitionId} to ${topic.name}: a gap`);
    }
    topic.partitions.push(partitionOf(value));
    this.#partitionCount++;
    undo?.push(() => {
      topic.partitions.pop();
      this.#partitionCount--;
    });
    return { kind: "partition", topicId: topic.id, partition: value.partitionId };
  }

  #setFeature({ name, featureLevel }: FeatureLevelRecord, undo: Undo[] | undefined): ImageChange {
    const before = this.#features.get(name);
    const set = (level: number) => {
      if (level === 0) this.#features.delete(name);
      else this.#features.set(name, level);
    };
    set(featureLevel);
    undo?.push(() => set(before ?? 0));
    return { kind: "feature", name };
  }

  #setBroker(broker: BrokerImage, undo: Undo[] | undefined): ImageChange {
    const before = this.#brokers.get(broker.id);
    this.#brokers.set(broker.id, broker);
    undo?.push(() => {
      if (before === undefined) this.#brokers.delete(broker.id);
      else this.#brokers.set(broker.id, before);
    });
    return { kind: "broker", id: broker.id };
  }

  #topic(id: Uuid): MutableTopic {
    const topic = this.#topicsById.get(id);
    if (topic === undefined) throw new Error(`Cannot find topic ${id} in the metadata`);
    return topic;
  }

  #addTopic(topic: MutableTopic): void {
    this.#topicsById.set(topic.id, topic);
    this.#topicsByName.set(topic.name, topic);
    this.#partitionCount += topic.partitions.length;
  }

  #dropTopic(topic: MutableTopic): void {
    this.#topicsById.delete(topic.id);
    this.#topicsByName.delete(topic.name);
    this.#partitionCount -= topic.partitions.length;
  }

  #changePartition(change: PartitionChangeRecord, undo: Undo[] | undefined): ImageChange {
    const { partitions, id, name } = this.#topic(change.topicId);
    const before = partitions[change.partitionId];
    if (before === undefined) {
      throw new Error(`Cannot change partition ${change.partitionId} of ${name}: there is none`);
    }
    partitions[change.partitionId] = changedPartition(before, change);
    undo?.push(() => partitions[change.partitionId] = before);
    return { kind: "partition", topicId: id, partition: change.partitionId };
  }

  #setConfig(
    resource: ConfigResource,
    name: string,
    value: string | null,
    undo: Undo[] | undefined,
  ): void {
    const key = configKey(resource.resourceType, resource.resourceName);
    const configured = this.#configs.get(key) ?? { ...resource, configs: new Map() };
    const { configs } = configured;
    const before = configs.get(name);
    const set = (text: string | null | undefined) => {
      if (text === null || text === undefined) configs.delete(name);
      else configs.set(name, text);
      if (configs.size === 0) this.#configs.delete(key);
      else this.#configs.set(key, configured);
    };
    set(value);
    undo?.push(() => set(before));
  }
}

function configKey(resourceType: number, resourceName: string): string {
  return `${resourceType}:${resourceName}`;
}
