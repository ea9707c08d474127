/**
 * P3 to P8: who must hold what is committed, and who counts for the high watermark.
 *
 * Suspended, as the guarantees say: of a node that may have lost data, until the controller and the
 * leader know of its return; of a partition between an unclean election and its leader's showing
 * what it holds; and of what that gave up, for those who led before: whoever was in sync with them
 * follows the new leader, whatever they still believe.
 *
 * @module
 */

import type { NodeId, Offset } from "../../../storage/bytes/ids.ts";
import type { PartitionImage } from "../../controller/cluster_image.ts";
import { describeBatch, isSame } from "./shadow_log.ts";
import { isLossy, type PartitionTrack, type ReplicaTrack, type Tracks } from "./tracks.ts";
import type { StateRule, Verdicts } from "./verdicts.ts";

/** The eligible leader replicas (KIP-966). */
export function eligibleOf(image: PartitionImage): readonly NodeId[] {
  return image.elr;
}

export class MembershipRules {
  readonly #tracks: Tracks;
  readonly #verdicts: Verdicts;

  constructor(tracks: Tracks, verdicts: Verdicts) {
    this.#tracks = tracks;
    this.#verdicts = verdicts;
  }

  /** P3 of one that believes to lead. */
  checkWeakIsr(leader: ReplicaTrack): void {
    const { partition, view, log } = leader;
    if (view === undefined || view.state.role !== "leader" || !view.log.isOpen) return;
    const { isr, highWatermark, partitionEpoch } = view.state;
    const below = Math.min(highWatermark, keptBelow(leader));
    const mine = log.shadow.lastBelow(below);
    if (mine === undefined) return;
    for (const member of isr) {
      if (member === leader.node.id) continue;
      const held = partition.replicas.get(member);
      if (this.#isExempt(member)) continue;
      if (partitionEpoch < (partition.returned.get(member) ?? 0)) continue;
      const theirs = held?.log.shadow.lastBelow(below);
      const later = held !== undefined && held.log.shadow.startOffset >= mine.nextOffset;
      const holds = held !== undefined && held.log.heldOffset >= mine.nextOffset &&
        (later || isSame(mine, theirs));
      this.#verdicts.hold("P3 weak-isr", holds, () => {
        return `${partition.name}: ${leader.node.id} leads epoch ${view.state.leaderEpoch} with ` +
          `HW ${highWatermark}, holding ${describeBatch(mine)}; ${member} of its ISR [${isr}] ` +
          `holds ${describeBatch(theirs)} up to ${held?.log.heldOffset ?? 0}`;
      });
    }
  }

  /** P4, P5 and P7: the members of ISR and ELR hold what is committed, and somebody does. */
  checkHolders(partition: PartitionTrack): void {
    const { truth } = partition;
    if (truth === undefined || partition.isDeleted || partition.uncleanEpoch !== undefined) return;
    if (partition.committed.last === undefined) return;
    for (const member of truth.isr) this.#checkHolder("P4 strong-isr", partition, member);
    for (const member of eligibleOf(truth)) {
      this.#checkHolder("P5 candidate-completeness", partition, member);
    }
  }

  /** P7: for when a node has lost or cut something. */
  checkSomewhere(partition: PartitionTrack): void {
    const { committed, uncleanEpoch, isDeleted } = partition;
    if (committed.last === undefined || isDeleted || uncleanEpoch !== undefined) return;
    const holders = [...partition.replicas.values()].filter(({ log }) =>
      log.heldOffset >= committed.endOffset &&
      committed.contradiction(log.shadow, committed.endOffset) === undefined
    );
    this.#verdicts.hold("P7 committed-somewhere", holders.length > 0, () => {
      return `${partition.name}: nobody holds ${describeBatch(committed.last)}`;
    });
  }

  /** P6 and P8 of one that leads by the latest committed word. */
  checkLatestLeader(leader: ReplicaTrack): void {
    const { partition, view } = leader;
    const { truth } = partition;
    if (view === undefined || truth === undefined || partition.isDeleted || !view.log.isOpen) {
      return;
    }
    const { state } = view;
    if (state.role !== "leader" || state.leaderEpoch !== truth.leaderEpoch) return;
    if (truth.leader !== leader.node.id) return;
    this.#checkLeaderHolds(leader, partition);
    if (state.isr.length < state.minInsyncReplicas) return;
    const missing = [...truth.isr, ...eligibleOf(truth)]
      .filter((member) => !state.maximalIsr.includes(member));
    this.#verdicts.hold("P8 maximal-isr", missing.length === 0, () => {
      return `${partition.name}: ${missing} of the controller's ISR [${truth.isr}] or ELR ` +
        `[${eligibleOf(truth)}] is not in the maximal ISR [${state.maximalIsr}] of its leader`;
    });
    if (state.isProposalPending) return;
    const equal = state.isr.length === state.maximalIsr.length &&
      state.isr.every((member) => state.maximalIsr.includes(member));
    this.#verdicts.hold("P8 maximal-isr", equal, () => {
      return `${partition.name}: nothing is proposed, the ISR is [${state.isr}] and the maximal ` +
        `ISR [${state.maximalIsr}]`;
    });
  }

  #checkLeaderHolds(leader: ReplicaTrack, partition: PartitionTrack): void {
    const { committed } = partition;
    if (partition.uncleanEpoch !== undefined || this.#isExempt(leader.node.id)) return;
    const why = committed.contradiction(leader.log.shadow, committed.endOffset);
    this.#verdicts.hold("P6 leader-completeness", why === undefined, () => {
      return `${partition.name}: ${leader.node.id} leads epoch ${partition.truth?.leaderEpoch}: ` +
        why;
    });
  }

  #checkHolder(rule: StateRule, partition: PartitionTrack, member: NodeId): void {
    if (this.#isExempt(member)) return;
    const { committed, truth } = partition;
    const log = partition.replicas.get(member)?.log;
    const end = committed.last!.nextOffset;
    const why = log === undefined ? "it has no log" : committed.contradiction(log.shadow, end) ??
      (log.heldOffset < end ? `only what is below ${log.heldOffset} is durable` : undefined);
    this.#verdicts.hold(rule, why === undefined, () => {
      return `${partition.name}: ${member} of ISR [${truth?.isr}] or ELR ` +
        `[${truth === undefined ? "" : eligibleOf(truth)}] at partition epoch ` +
        `${truth?.partitionEpoch}: ${why}`;
    });
  }

  #isExempt(member: NodeId): boolean {
    return isLossy(this.#tracks.node(member));
  }
}

/** Up to where others still owe it to a leader to hold what it holds. */
function keptBelow({ partition, view }: ReplicaTrack): Offset {
  const { lastUncleanEpoch, uncleanEpoch, givenUpFrom } = partition;
  if (view!.state.leaderEpoch >= lastUncleanEpoch) return Infinity;
  return uncleanEpoch === undefined ? givenUpFrom : 0;
}
