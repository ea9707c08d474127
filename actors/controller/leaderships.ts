/**
 * What becomes of partitions when a broker goes, comes back, or starts anew without what it had.
 *
 * Each partition gets one record, so that nobody sees it between two states.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import type { TopicImage } from "./cluster_image.ts";
import type { DecisionContext } from "./decision.ts";
import { isElrEnabled } from "./features.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import {
  changePartition,
  type Election,
  type ElectionTerms,
  type PartitionTarget,
} from "./partition_change.ts";
import { hasLeader, type PartitionImage } from "./partition_image.ts";
import { topicSettings } from "./topic_settings.ts";

/** Of an election what is not in the image: how a broker's standing is about to change. */
export interface Circumstances {
  /** It is no more to lead, nor to be in sync. */
  readonly leaving?: NodeId;
  /** It may lead again. */
  readonly returning?: NodeId;
  /** It may have lost records that it had not flushed. */
  readonly restartedUncleanly?: NodeId;
  /** Which election; `online`, or `unclean` where the topic's configs allow it. */
  readonly election?: Election;
}

/** The terms of elections in a topic, by its configs. */
export function electionTerms(
  context: DecisionContext,
  topic: string,
  { leaving, returning, restartedUncleanly = NONE, election }: Circumstances = {},
): ElectionTerms {
  const { image, rules } = context;
  const { minInsyncReplicas, uncleanElectionEnabled } = topicSettings(context, topic);
  return {
    rules,
    election: election ?? (uncleanElectionEnabled ? "unclean" : "online"),
    minInsyncReplicas,
    elrEnabled: isElrEnabled(image),
    isActive: (id) =>
      id !== leaving && id !== restartedUncleanly &&
      (id === returning || rules.isActive(image.brokers.get(id))),
    restartedUncleanly,
  };
}

/** The change of one partition, as a list of one record or none. */
export function partitionChange(
  topic: TopicImage,
  partitionId: number,
  target: PartitionTarget,
  terms: ElectionTerms,
): MetadataRecord[] {
  const before = topic.partitions[partitionId] as PartitionImage;
  const value = changePartition(topic.id, partitionId, before, target, terms);
  return value === undefined ? [] : [{ kind: "PartitionChangeRecord", value }];
}

/** Takes a broker out of all ISRs; what it led is led by others, where any may. */
export function leaveIsrs(context: DecisionContext, leaving: NodeId): MetadataRecord[] {
  return changeWhere(
    context,
    { leaving },
    ({ isr, leader }) => leader === leaving || isr.includes(leaving),
    ({ isr }) => ({ isr: without(isr, leaving) }),
  );
}

/**
 * Takes a broker that may have lost records out of all ISRs and of all who are eligible. Where it
 * led, the leader epoch rises, so that an offset and its epoch never name two records.
 */
export function loseEligibility(
  context: DecisionContext,
  restartedUncleanly: NodeId,
): MetadataRecord[] {
  return changeWhere(
    context,
    { restartedUncleanly },
    ({ isr, elr, leader }) =>
      leader === restartedUncleanly || isr.includes(restartedUncleanly) ||
      elr.includes(restartedUncleanly),
    ({ isr }) => ({ isr: without(isr, restartedUncleanly) }),
  );
}

/** Elects leaders where there are none and a broker that is back may be one. */
export function electReturning(context: DecisionContext, returning: NodeId): MetadataRecord[] {
  return changeWhere(
    context,
    { returning },
    (partition) => !hasLeader(partition) && partition.replicas.includes(returning),
    () => ({}),
  );
}

/** Whether a broker leads any partition. */
export function leadsAny({ image }: DecisionContext, brokerId: NodeId): boolean {
  for (const topic of image.topics.values()) {
    if (topic.partitions.some(({ leader }) => leader === brokerId)) return true;
  }
  return false;
}

function changeWhere(
  context: DecisionContext,
  circumstances: Circumstances,
  concerns: (partition: PartitionImage) => boolean,
  target: (partition: PartitionImage) => PartitionTarget,
): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const topic of context.image.topics.values()) {
    let terms: ElectionTerms | undefined;
    for (const [partitionId, partition] of topic.partitions.entries()) {
      if (!concerns(partition)) continue;
      terms ??= electionTerms(context, topic.name, circumstances);
      records.push(...partitionChange(topic, partitionId, target(partition), terms));
    }
  }
  return records;
}

function without(ids: readonly NodeId[], id: NodeId): NodeId[] {
  return ids.filter((member) => member !== id);
}
