/**
 * What must hold of replicas after every step: the invariants of the TLA+ specification, and some
 * of outcomes. None knows of any bug.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../../storage/bytes/ids.ts";

/**
 * - WeakIsr: what is below the mark of one that believes it leads is on each of its own ISR
 * - StrongIsr: the same of the controller's ISR
 * - LOSS: the true leader lacks what was below some leader's mark
 * - MATCH: two logs differ below both of their marks
 */
export type Invariant = "WeakIsr" | "StrongIsr" | "LOSS" | "MATCH";

/**
 * What must hold of one replica from step to step:
 * - P11: the mark of a leader falls within its leader epoch
 * - P12: a log is cut below its own mark
 * - P14: a leader epoch or a partition epoch falls
 */
export type StepInvariant = "P11" | "P12" | "P14";

export interface ReplicaView {
  readonly id: NodeId;
  readonly role: string;
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  readonly isr: readonly NodeId[];
  readonly highWatermark: Offset;
  /** The epoch of each record: with its offset it says which one it is. */
  readonly records: readonly Epoch[];
}

export interface ControllerView {
  readonly leader: NodeId;
  readonly leaderEpoch: Epoch;
  readonly isr: readonly NodeId[];
}

/** The committed records, and those that have become so. */
export function nowCommitted(
  nodes: readonly ReplicaView[],
  before: readonly Epoch[],
): readonly Epoch[] {
  let committed = before;
  for (const { role, highWatermark, records } of nodes) {
    if (role !== "leader" || highWatermark <= committed.length) continue;
    committed = [...committed, ...records.slice(committed.length, highWatermark)];
  }
  return committed;
}

/** The first invariant that is broken, if one is. */
export function brokenInvariant(
  nodes: readonly ReplicaView[],
  controller: ControllerView,
  committed: readonly Epoch[],
): Invariant | undefined {
  let isMatching = true;
  for (const one of nodes) {
    for (const other of nodes) {
      if (one.id >= other.id) continue;
      const common = Math.min(one.highWatermark, other.highWatermark);
      if (!isPrefix(one.records, other.records, common)) isMatching = false;
    }
    if (one.role !== "leader") continue;
    for (const id of one.isr) {
      if (!isPrefix(one.records, nodes[id]!.records, one.highWatermark)) return "WeakIsr";
    }
    for (const id of controller.isr) {
      if (!isPrefix(one.records, nodes[id]!.records, one.highWatermark)) return "StrongIsr";
    }
    const isTrue = one.id === controller.leader && one.leaderEpoch === controller.leaderEpoch;
    if (isTrue && !isPrefix(committed, one.records, committed.length)) return "LOSS";
  }
  return isMatching ? undefined : "MATCH";
}

/** The first invariant that a step of a replica breaks, if one is. */
export function brokenStep(before: ReplicaView, now: ReplicaView): StepInvariant | undefined {
  if (now.leaderEpoch < before.leaderEpoch || now.partitionEpoch < before.partitionEpoch) {
    return "P14";
  }
  if (!isPrefix(before.records, now.records, before.highWatermark)) return "P12";
  const leadsOn = before.role === "leader" && now.role === "leader" &&
    before.leaderEpoch === now.leaderEpoch;
  return leadsOn && now.highWatermark < before.highWatermark ? "P11" : undefined;
}

function isPrefix(of: readonly Epoch[], in_: readonly Epoch[], length: number): boolean {
  if (in_.length < length) return false;
  for (let offset = 0; offset < length; offset++) if (of[offset] !== in_[offset]) return false;
  return true;
}
