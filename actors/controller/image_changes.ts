/**
 * What changed in an image, for those that act on it: by one record, or from one image to another.
 *
 * @module
 */

import type { NodeId, Uuid } from "../../storage/bytes/ids.ts";
import type { BrokerImage, ClusterImage, TopicImage } from "./cluster_image.ts";
import { sameList, samePartition } from "./partition_image.ts";

/** What configs belong to. */
export interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** What one record changed. What it is now is in the image; what is gone from there was removed. */
export type ImageChange =
  | { readonly kind: "broker"; readonly id: NodeId }
  | { readonly kind: "topic-created"; readonly topic: TopicImage }
  | { readonly kind: "topic-removed"; readonly topic: TopicImage }
  | { readonly kind: "partition"; readonly topicId: Uuid; readonly partition: number }
  | { readonly kind: "config"; readonly resourceType: number; readonly resourceName: string }
  | { readonly kind: "feature"; readonly name: string }
  | { readonly kind: "client-quota" }
  | { readonly kind: "producer-ids" }
  | { readonly kind: "nothing" };

/**
 * What makes `after` of `before`, as if it had been replayed: features and configs first, so that
 * whoever acts on topics finds them. For snapshots only: it looks at everything.
 */
export function differences(before: ClusterImage, after: ClusterImage): ImageChange[] {
  return [
    ...changedFeatures(before, after),
    ...changedBrokers(before, after),
    ...removedTopics(before, after),
    ...changedConfigs(before, after),
    ...changedTopics(before, after),
    ...(before.clientQuotas.equals(after.clientQuotas) ? [] : [{ kind: "client-quota" } as const]),
    ...(before.nextProducerId === after.nextProducerId ? [] : [{ kind: "producer-ids" } as const]),
  ];
}

function* changedFeatures(before: ClusterImage, after: ClusterImage): Generator<ImageChange> {
  for (const name of new Set([...before.features.keys(), ...after.features.keys()])) {
    if (before.features.get(name) !== after.features.get(name)) yield { kind: "feature", name };
  }
}

function* changedBrokers(before: ClusterImage, after: ClusterImage): Generator<ImageChange> {
  for (const id of new Set([...before.brokers.keys(), ...after.brokers.keys()])) {
    const was = before.brokers.get(id);
    const is = after.brokers.get(id);
    if (was === undefined || is === undefined || !sameBroker(was, is)) yield { kind: "broker", id };
  }
}

/** The epoch tells registrations apart; within one only these can change. */
function sameBroker(a: BrokerImage, b: BrokerImage): boolean {
  return a.epoch === b.epoch && a.incarnationId === b.incarnationId && a.fenced === b.fenced &&
    a.inControlledShutdown === b.inControlledShutdown && a.rack === b.rack &&
    sameList(a.logDirs, b.logDirs) && sameValues(a.endPoints, b.endPoints) &&
    sameValues(a.features, b.features);
}

function sameValues<T extends object>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => {
    const other = b[index] as T;
    return (Object.keys(item) as (keyof T)[]).every((key) => item[key] === other[key]);
  });
}

function* removedTopics(before: ClusterImage, after: ClusterImage): Generator<ImageChange> {
  for (const topic of before.topics.values()) {
    if (after.topicById(topic.id) === undefined) yield { kind: "topic-removed", topic };
  }
}

function* changedConfigs(before: ClusterImage, after: ClusterImage): Generator<ImageChange> {
  const resources = new Map<string, ConfigResource>();
  for (const { resourceType, resourceName } of [...before.configured(), ...after.configured()]) {
    resources.set(`${resourceType}:${resourceName}`, { resourceType, resourceName });
  }
  for (const { resourceType, resourceName } of resources.values()) {
    const was = before.configs(resourceType, resourceName);
    const is = after.configs(resourceType, resourceName);
    const same = was.size === is.size &&
      [...is].every(([name, value]) => was.get(name) === value);
    if (!same) yield { kind: "config", resourceType, resourceName };
  }
}

function* changedTopics(before: ClusterImage, after: ClusterImage): Generator<ImageChange> {
  for (const topic of after.topics.values()) {
    const was = before.topicById(topic.id);
    if (was === undefined) yield { kind: "topic-created", topic };
    for (const [index, partition] of topic.partitions.entries()) {
      const partitionBefore = was?.partitions[index];
      if (partitionBefore !== undefined && samePartition(partitionBefore, partition)) continue;
      yield { kind: "partition", topicId: topic.id, partition: index };
    }
  }
}
