/**
 * Which partitions of which topics: sets that are never changed, and what is done with them.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";

/** Partitions by topic id; no topic has none. Never changed: a change makes another. */
export type Assignment = ReadonlyMap<Uuid, ReadonlySet<number>>;

export const NO_PARTITIONS: Assignment = new Map();

const NONE_OF_TOPIC: ReadonlySet<number> = new Set();

/** Partitions as messages and records list them. */
export interface ListedPartitions {
  readonly topicId: Uuid;
  readonly partitions: readonly number[];
}

export function assignmentOf(listed: readonly ListedPartitions[]): Assignment {
  const assignment = new Map<Uuid, Set<number>>();
  for (const { topicId, partitions } of listed) {
    if (partitions.length === 0) continue;
    const known = assignment.get(topicId);
    if (known === undefined) assignment.set(topicId, new Set(partitions));
    else for (const partition of partitions) known.add(partition);
  }
  return assignment;
}

/** By topic and partition in rising order, so that equal assignments are equal lists. */
export function listedOf(assignment: Assignment): ListedPartitions[] {
  return [...assignment]
    .map(([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions].sort((a, b) => a - b),
    }))
    .sort((a, b) => a.topicId < b.topicId ? -1 : 1);
}

/** Those of a topic. */
export function partitionsOf(assignment: Assignment, topicId: Uuid): ReadonlySet<number> {
  return assignment.get(topicId) ?? NONE_OF_TOPIC;
}

export function hasPartition(assignment: Assignment, topicId: Uuid, partition: number): boolean {
  return assignment.get(topicId)?.has(partition) === true;
}

/** Those for which `keeps` is true. */
export function filtered(
  assignment: Assignment,
  keeps: (topicId: Uuid, partition: number) => boolean,
): Assignment {
  const kept = new Map<Uuid, Set<number>>();
  for (const [topicId, partitions] of assignment) {
    const some = new Set<number>();
    for (const partition of partitions) if (keeps(topicId, partition)) some.add(partition);
    if (some.size > 0) kept.set(topicId, some);
  }
  return kept;
}

/** Those of both. */
export function intersection(a: Assignment, b: Assignment): Assignment {
  return filtered(a, (topicId, partition) => hasPartition(b, topicId, partition));
}

/** Those of the one that are not of the other. */
export function difference(a: Assignment, b: Assignment): Assignment {
  return filtered(a, (topicId, partition) => !hasPartition(b, topicId, partition));
}

/** Those of either. */
export function union(a: Assignment, b: Assignment): Assignment {
  const all = new Map(a);
  for (const [topicId, partitions] of b) {
    all.set(topicId, new Set([...partitionsOf(a, topicId), ...partitions]));
  }
  return all;
}

export function sameAssignment(a: Assignment, b: Assignment): boolean {
  return a === b || sizeOf(a) === sizeOf(b) && isSubset(a, b);
}

/** Whether all of the one are of the other. */
export function isSubset(a: Assignment, b: Assignment): boolean {
  for (const [topicId, partitions] of a) {
    for (const partition of partitions) if (!hasPartition(b, topicId, partition)) return false;
  }
  return true;
}

export function overlaps(a: Assignment, b: Assignment): boolean {
  for (const [topicId, partitions] of a) {
    for (const partition of partitions) if (hasPartition(b, topicId, partition)) return true;
  }
  return false;
}

export function sizeOf(assignment: Assignment): number {
  let size = 0;
  for (const partitions of assignment.values()) size += partitions.size;
  return size;
}
