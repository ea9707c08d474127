/**
 * The metadata as this broker has applied them, and what follows from each change: which partitions
 * it holds, with which configs, and who waits to see a decision here.
 *
 * Owns the fold and how far it has come, the configs that were set live, and the waiting.
 * Partitions are in the hands of the replica manager.
 *
 * Invariants: only committed records, in order, once; before `activate` no partition is held: until
 * the broker has seen its own registration, what the metadata say it leads may be of a life before,
 * in whose epochs it must not lead again, as it may have lost what it had not flushed.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { type BrokerConfig, withDynamicConfigs } from "../config/broker_config.ts";
import { type PartitionConfig, partitionConfig } from "../config/partition_config.ts";
import { ClusterImage, type ImageChange, type TopicImage } from "../controller/cluster_image.ts";
import type { MetadataCommitted } from "../controller/messages.ts";
import type { BrokerStanding, BrokerStandings } from "../partition/messages.ts";
import type { Ref } from "../runtime/ref.ts";
import type { ReplicaManager } from "./replicas/replica_manager.ts";
import type { PartitionDirectory } from "./services.ts";

/** The node has applied the metadata log up to where it was asked for. */
export interface MetadataApplied {
  readonly kind: "metadata-applied";
}

export interface AppliedMetadataOptions {
  readonly nodeId: NodeId;
  /** What the node was started with. */
  readonly config: BrokerConfig;
  readonly partitions: PartitionDirectory;
}

export class AppliedMetadata {
  /** The cluster as applied; the same object for ever. */
  readonly image = new ClusterImage();
  readonly #options: AppliedMetadataOptions;
  #replicas: ReplicaManager | undefined;
  /** What the node was started with, and what was set live since. */
  #config: BrokerConfig;
  #endOffset: Offset = 0;
  #isActive = false;
  #waiting: { readonly endOffset: Offset; readonly replyTo: Ref<MetadataApplied> }[] = [];

  constructor(options: AppliedMetadataOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** The broker's configs as they stand now. */
  get config(): BrokerConfig {
    return this.#config;
  }

  /** Everything below is applied. */
  get endOffset(): Offset {
    return this.#endOffset;
  }

  /** Whether partitions are held. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Who holds the partitions. Told before the first `apply`. */
  set replicas(replicas: ReplicaManager) {
    this.#replicas = replicas;
  }

  /** Folds what was committed and acts on what it changed; gives the changes. */
  apply({ records, endOffset, isSnapshot }: MetadataCommitted): readonly ImageChange[] {
    if (endOffset <= this.#endOffset) return [];
    const changes = isSnapshot
      ? this.image.load(records)
      : records.map((record) => this.image.replay(record));
    this.#endOffset = endOffset;
    if (this.#isActive && changes.some(({ kind }) => kind === "broker")) this.#tellBrokers();
    for (const change of changes) this.#act(change);
    this.#answerWaiting();
    return changes;
  }

  /** Holds the partitions from now on: the metadata know this life of the broker. */
  activate(): void {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#tellBrokers();
    for (const topic of this.image.topics.values()) {
      topic.partitions.forEach((_, partition) => this.#partitionChanged(topic.id, partition));
    }
    this.#replicas?.removeStrays(this.image);
  }

  /** Tells whoever asks when everything below that offset is applied. */
  await(endOffset: Offset, replyTo: Ref<MetadataApplied>): void {
    this.#waiting.push({ endOffset, replyTo });
    this.#answerWaiting();
  }

  #answerWaiting(): void {
    const ready = this.#waiting.filter(({ endOffset }) => endOffset <= this.#endOffset);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ endOffset }) => endOffset > this.#endOffset);
    for (const { replyTo } of ready) replyTo.tell({ kind: "metadata-applied" });
  }

  #act(change: ImageChange): void {
    switch (change.kind) {
      case "partition":
        return this.#partitionChanged(change.topicId, change.partition);
      case "topic-removed":
        // Before there are partitions, too: their logs may be here.
        return this.#replicas?.dropTopic(change.topic);
      case "config":
        return this.#configChanged(change.resourceType, change.resourceName);
    }
  }

  #partitionChanged(topicId: Uuid, partition: number): void {
    if (!this.#isActive) return;
    const topic = this.image.topicById(topicId);
    const assignment = topic?.partitions[partition];
    // Gone again within the same batch.
    if (topic === undefined || assignment === undefined) return;
    const isHeld = this.#options.partitions.find(topicId, partition) !== undefined;
    if (!assignment.replicas.includes(this.#options.nodeId)) {
      if (isHeld) this.#replicas?.unassign(topic.name, partition);
    } else if (isHeld) {
      this.#replicas?.assign(topicId, partition, assignment);
    } else {
      const config = this.#configOf(topic);
      this.#replicas?.hold({ topicId, topic: topic.name, partition, assignment, config });
    }
  }

  #tellBrokers(): void {
    this.#replicas?.brokersChanged(standingsOf(this.image));
  }

  #configOf(topic: TopicImage): PartitionConfig {
    const overrides = this.image.configs(CONFIG_RESOURCE.topic, topic.name);
    return partitionConfig(overrides, this.#config);
  }

  #configChanged(resourceType: number, resourceName: string): void {
    if (resourceType === CONFIG_RESOURCE.broker) {
      const own = String(this.#options.nodeId);
      if (resourceName !== "" && resourceName !== own) return;
      this.#config = withDynamicConfigs(
        this.#options.config,
        this.image.configs(CONFIG_RESOURCE.broker, ""),
        this.image.configs(CONFIG_RESOURCE.broker, own),
      );
    }
    if (!this.#isActive || resourceType === CONFIG_RESOURCE.group) return;
    const topics = resourceType === CONFIG_RESOURCE.topic
      ? [this.image.topicByName(resourceName)]
      : [...this.image.topics.values()];
    for (const topic of topics) {
      if (topic !== undefined) this.#replicas?.configure(topic.id, this.#configOf(topic));
    }
  }
}

function standingsOf(image: ClusterImage): BrokerStandings {
  const standings = new Map<NodeId, BrokerStanding>();
  for (const { id, epoch, fenced, inControlledShutdown, rack } of image.brokers.values()) {
    standings.set(id, { brokerEpoch: epoch, fenced, shuttingDown: inControlledShutdown, rack });
  }
  return standings;
}
