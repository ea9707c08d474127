/**
 * Reassignments: which brokers hold a partition, changed while it is in use (KIP-455).
 *
 * While one goes on the partition has the replicas of both sides; it completes with the change of
 * the ISR that brings all targets in sync (partition_change.ts).
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
  ReassignablePartitionResponse,
} from "../../net/messages/alter_partition_reassignments.ts";
import type {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from "../../net/messages/list_partition_reassignments.ts";
import type { TopicImage } from "./cluster_image.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import { electionTerms, partitionChange } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { isReassigning, type PartitionImage } from "./partition_image.ts";
import { checkPlacement } from "./placement.ts";

/** AlterPartitionReassignments: each partition by itself. */
export function alterReassignments(
  context: DecisionContext,
  request: AlterPartitionReassignmentsRequest,
): Decision<AlterPartitionReassignmentsResponse> {
  const records: MetadataRecord[] = [];
  const done = new Set<string>();
  const responses = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) =>
      orRefuse<ReassignablePartitionResponse>(() => {
        const topic = findPartition(context, name, partitionIndex);
        const key = `${name} ${partitionIndex}`;
        if (done.has(key)) {
          throw new Refusal(ErrorCode.INVALID_REQUEST, "The partition is named twice");
        }
        done.add(key);
        records.push(
          ...(replicas === null
            ? cancel(context, topic, partitionIndex)
            : reassign(context, topic, partitionIndex, replicas)),
        );
        return { partitionIndex, errorCode: ErrorCode.NONE, errorMessage: null };
      }, ({ code, message }) => ({ partitionIndex, errorCode: code, errorMessage: message }))
    ),
  }));
  return {
    records,
    response: {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      responses,
    },
  };
}

function findPartition({ image }: DecisionContext, name: string, partition: number): TopicImage {
  const topic = image.topicByName(name);
  if (topic?.partitions[partition] !== undefined) return topic;
  throw new Refusal(
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    `There is no partition ${partition} of topic ${name}`,
  );
}

/**
 * Moves a partition to these replicas. Where one reassignment follows on another, whoever only the
 * first has added is being removed and added at once: it goes whether the second completes or is
 * cancelled.
 */
function reassign(
  context: DecisionContext,
  topic: TopicImage,
  partitionIndex: number,
  targets: readonly NodeId[],
): MetadataRecord[] {
  checkPlacement(context.image, targets);
  const before = topic.partitions[partitionIndex] as PartitionImage;
  const original = originalReplicas(before);
  const removing = before.replicas.filter((id) => !targets.includes(id)).toSorted((a, b) => a - b);
  const replicas = [...targets, ...removing];
  const adding = replicas.filter((id) => !original.includes(id)).toSorted((a, b) => a - b);
  const target = { replicas, adding, removing };
  return partitionChange(topic, partitionIndex, target, electionTerms(context, topic.name));
}

/** Those that the partition had before any reassignment. */
function originalReplicas({ replicas, adding }: PartitionImage): NodeId[] {
  return replicas.filter((id) => !adding.includes(id));
}

/** Goes back to the replicas that there were before; those that were being added go. */
function cancel(
  context: DecisionContext,
  topic: TopicImage,
  partitionIndex: number,
): MetadataRecord[] {
  const before = topic.partitions[partitionIndex] as PartitionImage;
  if (!isReassigning(before)) {
    throw new Refusal(
      ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
      `No reassignment of partition ${partitionIndex} of ${topic.name} is in progress`,
    );
  }
  const replicas = originalReplicas(before);
  const isr = before.isr.filter((id) => replicas.includes(id));
  const terms = electionTerms(context, topic.name);
  if (terms.election !== "unclean") checkKept(before, replicas, terms.minInsyncReplicas);
  return partitionChange(topic, partitionIndex, { replicas, isr, adding: [], removing: [] }, terms);
}

/**
 * What is committed must stay where `min.insync.replicas` promises it to be: nobody can be dropped
 * whose copy is one of those that count.
 */
function checkKept(
  { isr, elr }: PartitionImage,
  replicas: readonly NodeId[],
  minInsyncReplicas: number,
): void {
  const holders = [...isr, ...elr];
  const kept = holders.filter((id) => replicas.includes(id)).length;
  const needed = Math.min(Math.max(minInsyncReplicas, 1), replicas.length, holders.length);
  if (kept >= needed) return;
  throw new Refusal(
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    `The replicas ${replicas.join(",")} hold what is committed ${kept} times, not ${needed}`,
  );
}

/** ListPartitionReassignments: those under way, of the partitions named or of all. */
export function listReassignments(
  { image }: DecisionContext,
  { topics }: ListPartitionReassignmentsRequest,
): Decision<ListPartitionReassignmentsResponse> {
  const named = topics?.flatMap(({ name, partitionIndexes }) => {
    const topic = image.topicByName(name);
    return topic === undefined ? [] : [{ topic, indexes: partitionIndexes }];
  }) ?? [...image.topics.values()].map((topic) => ({ topic, indexes: topic.partitions.keys() }));
  return {
    records: [],
    response: {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topics: named.map(({ topic, indexes }) => ({
        name: topic.name,
        partitions: [...indexes].flatMap((partitionIndex) => {
          const partition = topic.partitions[partitionIndex];
          if (partition === undefined || !isReassigning(partition)) return [];
          const { replicas, adding, removing } = partition;
          return [{ partitionIndex, replicas, addingReplicas: adding, removingReplicas: removing }];
        }),
      })).filter(({ partitions }) => partitions.length > 0),
    },
  };
}
