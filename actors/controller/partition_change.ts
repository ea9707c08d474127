/**
 * How a partition changes: who is in sync, who may lead later, who leads now. Every change of a
 * partition is made here, as one record.
 *
 * Owns the order of the steps; the rules are `ControllerRules`. Does not own why a change is
 * wanted.
 *
 * Invariants: a leader is in the ISR; ISR and eligible leader replicas (ELR) are disjoint parts of
 * the replicas; as many in sync as `min.insync.replicas` demands leave nobody eligible
 * (KIP-966).
 *
 * @module
 */

import { type NodeId, NONE, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import type { PartitionChangeRecord } from "../../net/messages/records/partition_change_record.ts";
import type { ControllerRules } from "./controller_rules.ts";
import {
  isReassigning,
  LEADER_RECOVERY_STATE,
  NO_LEADER_CHANGE,
  NO_STATE_CHANGE,
  noChange,
  type PartitionImage,
  sameList,
} from "./partition_image.ts";

/**
 * Who may be elected: `online` keeps a leader that may lead, `preferred` wants the first replica,
 * `unclean` takes one that may lack records where there is no other.
 */
export type Election = "online" | "preferred" | "unclean";

/** What an election goes by. */
export interface ElectionTerms {
  readonly rules: ControllerRules;
  readonly election: Election;
  /** `min.insync.replicas` of the topic. */
  readonly minInsyncReplicas: number;
  /** Whether there are eligible leader replicas; without them an ISR is never empty. */
  readonly elrEnabled: boolean;
  /** Whether a broker may lead, as it will be once the decision is written. */
  isActive(broker: NodeId): boolean;
  /** Of what started anew and may have lost records: the broker that does, or -1. */
  readonly restartedUncleanly: NodeId;
}

/** What is wanted of a partition; what is not named stays. */
export interface PartitionTarget {
  readonly isr?: readonly NodeId[];
  readonly replicas?: readonly NodeId[];
  readonly adding?: readonly NodeId[];
  readonly removing?: readonly NodeId[];
  readonly leaderRecoveryState?: number;
}

/** The record that brings a partition to what is wanted; undefined where it is so already. */
export function changePartition(
  topicId: Uuid,
  partitionId: number,
  before: PartitionImage,
  target: PartitionTarget,
  terms: ElectionTerms,
): PartitionChangeRecord | undefined {
  const wanted = completeReassignment({ ...before, ...target }, terms.rules);
  const standing = elect(before, wanted, terms);
  const after = { ...wanted, ...standing };
  const movesReplicas = !before.replicas.every((id) => after.replicas.includes(id));
  const changed = (list: "isr" | "replicas" | "adding" | "removing" | "elr" | "lastKnownElr") =>
    sameList(before[list], after[list]) ? null : after[list];
  const record: PartitionChangeRecord = {
    ...noChange(topicId, partitionId),
    isr: changed("isr"),
    // A replica that is taken away must not go on in the leader epoch it was in.
    leader: after.leader !== before.leader || movesReplicas ? after.leader : NO_LEADER_CHANGE,
    replicas: changed("replicas"),
    addingReplicas: changed("adding"),
    removingReplicas: changed("removing"),
    leaderRecoveryState: after.leaderRecoveryState === before.leaderRecoveryState
      ? NO_STATE_CHANGE
      : after.leaderRecoveryState,
    directories: directoriesOf(before, after.replicas),
    eligibleLeaderReplicas: changed("elr"),
    lastKnownElr: changed("lastKnownElr"),
  };
  return changesNothing(record) ? undefined : record;
}

/** Ends a reassignment whose targets are all in sync: those to be removed go. */
function completeReassignment(wanted: PartitionImage, rules: ControllerRules): PartitionImage {
  if (!isReassigning(wanted)) return wanted;
  const replicas = wanted.replicas.filter((id) => !wanted.removing.includes(id));
  if (!rules.isReassigned(replicas, wanted.isr)) return wanted;
  const isr = wanted.isr.filter((id) => replicas.includes(id));
  return { ...wanted, replicas, isr, adding: [], removing: [] };
}

type Standing = Pick<
  PartitionImage,
  "leader" | "isr" | "elr" | "lastKnownElr" | "leaderRecoveryState"
>;

/** Who leads, and who may later, where the replicas and those in sync are as wanted. */
function elect(before: PartitionImage, wanted: PartitionImage, terms: ElectionTerms): Standing {
  const { rules, elrEnabled } = terms;
  const { replicas } = wanted;
  const minInsyncReplicas = Math.min(terms.minInsyncReplicas, replicas.length);
  const elr = eligible(before, wanted, minInsyncReplicas, terms);
  const { leader, isClean } = electLeader(before, { ...wanted, elr }, terms);
  const leaves = wanted.isr.length === 0 && !elrEnabled;
  const isr = leader !== NONE && (!isClean || wanted.isr.length === 0)
    ? [leader]
    : leaves
    ? before.isr.filter((id) => replicas.includes(id))
    : wanted.isr;
  // Where nothing but one replica was ever to be had there is nothing to recover from.
  const recovers = !isClean && replicas.length > 1;
  return {
    leader,
    isr,
    elr: !isClean || rules.clearsElr(isr.length, minInsyncReplicas)
      ? []
      : elr.filter((id) => !isr.includes(id)),
    lastKnownElr: leader === NONE && elrEnabled ? lastKnown(before, replicas) : [],
    leaderRecoveryState: recovers ? LEADER_RECOVERY_STATE.recovering : wanted.leaderRecoveryState,
  };
}

/** Those out of sync that still have all that is committed, in the order of replicas. */
function eligible(
  before: PartitionImage,
  { isr, replicas }: PartitionImage,
  minInsyncReplicas: number,
  { rules, elrEnabled, restartedUncleanly }: ElectionTerms,
): NodeId[] {
  if (!elrEnabled || rules.clearsElr(isr.length, minInsyncReplicas)) return [];
  return replicas.filter((id) =>
    !isr.includes(id) && (before.isr.includes(id) || before.elr.includes(id)) &&
    rules.staysEligible(id, restartedUncleanly)
  );
}

function electLeader(
  before: PartitionImage,
  { replicas, isr, elr }: PartitionImage,
  { rules, election, elrEnabled, isActive }: ElectionTerms,
): { leader: NodeId; isClean: boolean } {
  const mayLead = (id: NodeId) => rules.isElectable(id, isr, elr) && isActive(id);
  const preferred = replicas[0] ?? NONE;
  const elected = election === "preferred" && mayLead(preferred)
    ? preferred
    : mayLead(before.leader)
    ? before.leader
    : replicas.find(mayLead);
  if (elected !== undefined) return { leader: elected, isClean: true };
  const [last = NONE] = before.lastKnownElr;
  if (
    elrEnabled && rules.mayElectLastKnown(isr, elr, before.lastKnownElr) &&
    replicas.includes(last) && isActive(last)
  ) {
    return { leader: last, isClean: false };
  }
  const any = election === "unclean" ? anyOf(before, replicas.filter(isActive)) : undefined;
  return any === undefined ? { leader: NONE, isClean: true } : { leader: any, isClean: false };
}

/** The first, or where those that were elected so have failed another each time. */
function anyOf(before: PartitionImage, active: readonly NodeId[]): NodeId | undefined {
  const { isr, lastKnownElr, leaderRecoveryState, leaderEpoch } = before;
  const hasFailed = isr.length === 0 && lastKnownElr.length === 0 &&
    leaderRecoveryState === LEADER_RECOVERY_STATE.recovering;
  // Each attempt takes two epochs: to lead, and to lead no more.
  return active[hasFailed ? Math.floor(leaderEpoch / 2) % active.length : 0];
}

/** Who led last, where nobody does any more. */
function lastKnown(before: PartitionImage, replicas: readonly NodeId[]): readonly NodeId[] {
  const last = before.leader !== NONE
    ? [before.leader]
    : before.lastKnownElr.length > 0
    ? before.lastKnownElr
    // In a log that was without ELR until now, the only one in sync did.
    : before.isr.slice(0, 1);
  return last.every((id) => replicas.includes(id)) ? last : [];
}

/** Null where the replicas stay. */
function directoriesOf(before: PartitionImage, replicas: readonly NodeId[]): Uuid[] | null {
  if (sameList(before.replicas, replicas)) return null;
  return replicas.map((id) => before.directories[before.replicas.indexOf(id)] ?? ZERO_UUID);
}

function changesNothing(record: PartitionChangeRecord): boolean {
  return record.isr === null && record.leader === NO_LEADER_CHANGE && record.replicas === null &&
    record.addingReplicas === null && record.removingReplicas === null &&
    record.leaderRecoveryState === NO_STATE_CHANGE && record.eligibleLeaderReplicas === null &&
    record.lastKnownElr === null;
}
