/**
 * A partition as the metadata describe it, and what one record makes of it.
 *
 * Invariants: the partition epoch rises by one with each change, the leader epoch with each change
 * that names a leader.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import type { PartitionChangeRecord } from "../../net/messages/records/partition_change_record.ts";
import type { PartitionRecord } from "../../net/messages/records/partition_record.ts";

/** Whether a leader that was elected uncleanly has yet to say that it is in order. */
export const LEADER_RECOVERY_STATE = { recovered: 0, recovering: 1 } as const;

/** What a change record's leader is where it changes none. */
export const NO_LEADER_CHANGE = -2;

/** What a change record's recovery state is where it changes none. */
export const NO_STATE_CHANGE = -1;

export interface PartitionImage {
  /** The preferred leader first; during a reassignment also those that are to go. */
  readonly replicas: readonly NodeId[];
  readonly isr: readonly NodeId[];
  /** -1 when there is none. */
  readonly leader: NodeId;
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  /** Out of sync, but with all that is committed: may lead once the ISR is empty (KIP-966). */
  readonly elr: readonly NodeId[];
  /** Who led last, where nobody does and the ISR is empty. */
  readonly lastKnownElr: readonly NodeId[];
  /** Of `replicas`: those that a reassignment adds. */
  readonly adding: readonly NodeId[];
  /** Of `replicas`: those that a reassignment removes. */
  readonly removing: readonly NodeId[];
  /** One of `LEADER_RECOVERY_STATE`. */
  readonly leaderRecoveryState: number;
  /** The log directory of each replica, in their order; the zero id where it is not assigned. */
  readonly directories: readonly Uuid[];
}

/** What a PartitionRecord says. */
export function partitionOf(record: PartitionRecord): PartitionImage {
  const { replicas, isr, leader, leaderEpoch, partitionEpoch, leaderRecoveryState } = record;
  return {
    replicas,
    isr,
    leader,
    leaderEpoch,
    partitionEpoch,
    elr: record.eligibleLeaderReplicas ?? [],
    lastKnownElr: record.lastKnownElr ?? [],
    adding: record.addingReplicas,
    removing: record.removingReplicas,
    leaderRecoveryState,
    directories: directoriesOf(replicas, record.directories),
  };
}

/** What a PartitionChangeRecord makes of a partition. */
export function changedPartition(
  before: PartitionImage,
  change: PartitionChangeRecord,
): PartitionImage {
  const leads = change.leader !== NO_LEADER_CHANGE;
  const replicas = change.replicas ?? before.replicas;
  return {
    replicas,
    isr: change.isr ?? before.isr,
    leader: leads ? change.leader : before.leader,
    leaderEpoch: leads ? before.leaderEpoch + 1 : before.leaderEpoch,
    partitionEpoch: before.partitionEpoch + 1,
    elr: change.eligibleLeaderReplicas ?? before.elr,
    lastKnownElr: change.lastKnownElr ?? before.lastKnownElr,
    adding: change.addingReplicas ?? before.adding,
    removing: change.removingReplicas ?? before.removing,
    leaderRecoveryState: change.leaderRecoveryState === NO_STATE_CHANGE
      ? before.leaderRecoveryState
      : change.leaderRecoveryState,
    directories: change.directories ??
      (change.replicas === null ? before.directories : movedDirectories(before, replicas)),
  };
}

/** The record that says all of a partition; without what it does not need, its version can be 1. */
export function partitionRecordOf(
  topicId: Uuid,
  partitionId: number,
  partition: PartitionImage,
): PartitionRecord {
  const { adding, removing, elr, lastKnownElr, ...same } = partition;
  return {
    ...same,
    topicId,
    partitionId,
    addingReplicas: adding,
    removingReplicas: removing,
    eligibleLeaderReplicas: elr.length > 0 ? elr : null,
    lastKnownElr: lastKnownElr.length > 0 ? lastKnownElr : null,
  };
}

/** A change that changes nothing but the partition epoch: to be spread. */
export function noChange(topicId: Uuid, partitionId: number): PartitionChangeRecord {
  return {
    partitionId,
    topicId,
    isr: null,
    leader: NO_LEADER_CHANGE,
    replicas: null,
    removingReplicas: null,
    addingReplicas: null,
    leaderRecoveryState: NO_STATE_CHANGE,
    directories: null,
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  };
}

/** Whether a partition's replicas are being changed. */
export function isReassigning({ adding, removing }: PartitionImage): boolean {
  return adding.length > 0 || removing.length > 0;
}

/** Whether two descriptions of a partition say the same. */
export function samePartition(a: PartitionImage, b: PartitionImage): boolean {
  return a.partitionEpoch === b.partitionEpoch && a.leaderEpoch === b.leaderEpoch &&
    a.leader === b.leader && a.leaderRecoveryState === b.leaderRecoveryState &&
    sameList(a.replicas, b.replicas) && sameList(a.isr, b.isr) && sameList(a.elr, b.elr) &&
    sameList(a.lastKnownElr, b.lastKnownElr) && sameList(a.adding, b.adding) &&
    sameList(a.removing, b.removing) && sameList(a.directories, b.directories);
}

/** Whether two lists hold the same in the same order. */
export function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** Records before version 1 have no directories. */
function directoriesOf(replicas: readonly NodeId[], directories: readonly Uuid[]): readonly Uuid[] {
  return directories.length === replicas.length ? directories : replicas.map(() => ZERO_UUID);
}

function movedDirectories(before: PartitionImage, replicas: readonly NodeId[]): readonly Uuid[] {
  return replicas.map((id) => before.directories[before.replicas.indexOf(id)] ?? ZERO_UUID);
}

/** Whether somebody leads. */
export function hasLeader({ leader }: PartitionImage): boolean {
  return leader !== NONE;
}
