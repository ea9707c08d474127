/**
 * What each replica is held to when it changes: P1, P11, P12, P14 and P23, and what becomes
 * committed by its word.
 *
 * @module
 */

import type { Offset } from "../../../storage/bytes/ids.ts";
import type { LogChange } from "./log_track.ts";
import { eligibleOf, type MembershipRules } from "./membership_rules.ts";
import { describeBatch } from "./shadow_log.ts";
import { isLossy, type PartitionTrack, type ReplicaTrack } from "./tracks.ts";
import type { Vacuity } from "./vacuity.ts";
import type { Verdicts } from "./verdicts.ts";

export interface ReplicaRulesOptions {
  readonly verdicts: Verdicts;
  readonly vacuity: Vacuity;
  readonly membership: MembershipRules;
  /** Whether all who produce to the partition ask for acks=all: then P23 holds for each append. */
  readonly acksAll: (topic: string) => boolean;
  /** Told of batches when they become committed. */
  readonly committed: (partition: PartitionTrack, fromOffset: Offset) => void;
}

export class ReplicaRules {
  readonly #options: ReplicaRulesOptions;

  constructor(options: ReplicaRulesOptions) {
    this.#options = options;
  }

  /** Looks at a replica after an event of its node. */
  look(track: ReplicaTrack): void {
    const { view, seen, partition } = track;
    if (view === undefined || partition.isDeleted) return;
    const { state } = view;
    const change = track.log.look();
    const isNews = state.partitionEpoch !== seen.partitionEpoch ||
      state.leaderEpoch !== seen.leaderEpoch || state.role !== seen.role;
    const isrChanged = isNews || state.isr !== seen.isr || state.maximalIsr !== seen.maximalIsr ||
      state.isProposalPending !== seen.isProposalPending;
    const { highWatermark } = state;
    const hwChanged = highWatermark !== seen.highWatermark;
    if (change === undefined && !isrChanged && !hwChanged) return;
    if (isNews) this.#checkNews(track);
    if (change !== undefined) this.#logChanged(track, change);
    if (hwChanged || isNews || change?.reopened) this.#checkHighWatermark(track, isNews);
    this.#note(track);
    if (!view.log.isOpen) return;
    if (state.partitionEpoch >= (partition.returned.get(track.node.id) ?? 0)) track.log.stays();
    this.#checkOffsets(track);
    this.#leads(track, change);
    if (change !== undefined && change.removed.length > 0) this.#lost(track);
  }

  /** As `look`, when its actor ends. */
  lookAtLog(track: ReplicaTrack): void {
    if (track.view === undefined || track.partition.isDeleted) return;
    const change = track.log.look();
    if (change === undefined) return;
    this.#logChanged(track, change);
    if (change.removed.length > 0) this.#lost(track);
  }

  /**
   * P14: what a node believes of a partition the controller has committed, and it never goes back.
   */
  #checkNews({ view, seen, partition, node }: ReplicaTrack): void {
    const { verdicts, vacuity } = this.#options;
    const { leaderEpoch, partitionEpoch, isr, role } = view!.state;
    const where = `${partition.name} at ${node.id}`;
    const rises = leaderEpoch >= seen.leaderEpoch && partitionEpoch >= seen.partitionEpoch;
    verdicts.hold("P14 partition-epoch", rises, () => {
      return `${where}: from leader epoch ${seen.leaderEpoch} and partition epoch ` +
        `${seen.partitionEpoch} to ${leaderEpoch} and ${partitionEpoch}`;
    });
    if (partitionEpoch < 0) return;
    const truth = partition.history[partitionEpoch];
    const agrees = truth !== undefined && truth.leaderEpoch === leaderEpoch &&
      (role !== "leader" || truth.leader === node.id && isr.join() === truth.isr.join());
    verdicts.hold("P14 partition-epoch", agrees, () => {
      return `${where}: at partition epoch ${partitionEpoch} it is ${role} in leader epoch ` +
        `${leaderEpoch} with ISR [${isr}]; committed is ` +
        (truth === undefined
          ? "no such epoch"
          : `leader ${truth.leader} in ${truth.leaderEpoch}, ISR [${truth.isr}]`);
    });
    if (role === "leader") partition.identities.leads(node.id, leaderEpoch);
    if (seen.role === "leader" && leaderEpoch > seen.leaderEpoch) vacuity.count("leaders replaced");
  }

  #logChanged(track: ReplicaTrack, change: LogChange): void {
    const { partition, node, log, view } = track;
    const { verdicts, vacuity } = this.#options;
    const { batches } = log.shadow;
    for (let i = batches.length - change.appended.length; i < batches.length; i++) {
      partition.identities.seen(`${node.id}`, batches[i]!, batches[i - 1]);
    }
    if (change.appended.length > 0 && view!.state.role === "leader" && !change.reopened) {
      this.#checkMinIsr(track);
    }
    if (change.removed.length === 0) return;
    if (change.reopened) {
      if (batches.length === 0) this.#setAside(track);
      return vacuity.count("torn tails cut");
    }
    vacuity.count("truncations");
    const epochs = new Set(change.removed.map(({ epoch }) => epoch));
    if (epochs.size > 1) vacuity.count("divergences over several epochs");
    const cutTo = change.removed[0]!.baseOffset;
    const own = track.seen.highWatermark;
    if (partition.uncleanEpoch !== undefined || partition.givenUpFrom <= cutTo) return;
    verdicts.hold("P12 truncation", cutTo >= own, () => {
      return `${log.name}: cut at ${cutTo}, below its own HW ${own}`;
    });
    const { truth, committed } = partition;
    const isMember = truth !== undefined && !isLossy(node) &&
      (truth.isr.includes(node.id) || eligibleOf(truth).includes(node.id));
    const gone = committed.at(cutTo);
    if (!isMember) return;
    verdicts.hold("P12 truncation", gone === undefined, () => {
      return `${log.name}: of ISR [${truth.isr}] or ELR, cut ${describeBatch(gone)}, committed`;
    });
  }

  /** Whoever knows of no ISR without this replica yet counts on nothing that it holds. */
  #setAside({ partition, node }: ReplicaTrack): void {
    const { truth, rotten, returned } = partition;
    if (truth === undefined || !rotten.has(node.id) || truth.isr.includes(node.id)) return;
    returned.set(node.id, truth.partitionEpoch);
  }

  #checkMinIsr({ view, log }: ReplicaTrack): void {
    const { state, topic } = view!;
    if (!this.#options.acksAll(topic) || log.shadow.last?.isControl) return;
    const { isr, minInsyncReplicas } = state;
    this.#options.verdicts.hold("P23 min-isr", isr.length >= minInsyncReplicas, () => {
      return `${log.name}: appended ${describeBatch(log.shadow.last)} with ISR [${isr}], and ` +
        `${minInsyncReplicas} are to be in sync`;
    });
  }

  /** P11 */
  #checkHighWatermark({ view, seen, log }: ReplicaTrack, isNews: boolean): void {
    const { verdicts } = this.#options;
    const { role, highWatermark, leaderEpoch } = view!.state;
    if (role !== "leader") return;
    if (isNews && (seen.role !== "leader" || seen.leaderEpoch !== leaderEpoch)) return;
    verdicts.hold("P11 high-watermark", highWatermark >= seen.highWatermark, () => {
      return `${log.name}: leader in epoch ${leaderEpoch}, its HW falls from ` +
        `${seen.highWatermark} to ${highWatermark}`;
    });
  }

  #checkOffsets({ view, log }: ReplicaTrack): void {
    const { verdicts } = this.#options;
    const { highWatermark, lastStableOffset } = view!.state;
    const { logStartOffset, logEndOffset } = view!.log;
    const ordered = 0 <= logStartOffset && logStartOffset <= logEndOffset &&
      lastStableOffset <= highWatermark;
    verdicts.hold("P1 type-ok", ordered, () => {
      return `${log.name}: log start ${logStartOffset}, LSO ${lastStableOffset}, HW ` +
        `${highWatermark}, LEO ${logEndOffset}`;
    });
    verdicts.hold("P11 high-watermark", highWatermark <= logEndOffset, () => {
      return `${log.name}: HW ${highWatermark} is past the log end ${logEndOffset}`;
    });
  }

  /** What a leader's high watermark covers is committed from now on. */
  #leads(track: ReplicaTrack, change: LogChange | undefined): void {
    const { view, partition, log } = track;
    const { verdicts, membership, committed } = this.#options;
    const { role, highWatermark, leaderEpoch } = view!.state;
    if (role !== "leader") return;
    if (!this.#mayCommit(track)) return;
    const before = partition.committed.endOffset;
    const added = partition.committed.extend(log.shadow, highWatermark);
    if (typeof added === "string") {
      verdicts.hold("P6 leader-completeness", partition.truth!.leaderEpoch > leaderEpoch, () => {
        return `${log.name}: leader in epoch ${leaderEpoch}: ${added}`;
      });
    } else if (added.length > 0) {
      for (const batch of added) partition.sequences.committed(batch);
      committed(partition, before);
      membership.checkHolders(partition);
    }
    membership.checkWeakIsr(track);
    membership.checkLatestLeader(track);
    if (change?.reopened) membership.checkHolders(partition);
  }

  /** An unclean election is over for the checkers when its leader shows what it holds. */
  #mayCommit({ view, partition, log }: ReplicaTrack): boolean {
    const { uncleanEpoch } = partition;
    if (partition.truth === undefined) return false;
    // A leader that was paused meanwhile brings back nothing of what was given up.
    if (view!.state.leaderEpoch < partition.lastUncleanEpoch) return false;
    if (uncleanEpoch === undefined) return true;
    const removed = partition.committed.cutTo(log.shadow);
    partition.uncleanEpoch = undefined;
    partition.sequences.forget();
    const from = removed[0]?.baseOffset ?? partition.committed.endOffset;
    partition.givenUpFrom = Math.min(partition.givenUpFrom, from);
    return true;
  }

  /** Something went from this log: whoever counts on it must still be right. */
  #lost(track: ReplicaTrack): void {
    const { membership } = this.#options;
    const { partition } = track;
    membership.checkSomewhere(partition);
    membership.checkHolders(partition);
    for (const other of partition.replicas.values()) membership.checkWeakIsr(other);
  }

  #note({ view, seen }: ReplicaTrack): void {
    const { state } = view!;
    seen.role = state.role;
    seen.leaderEpoch = state.leaderEpoch;
    seen.partitionEpoch = state.partitionEpoch;
    seen.isr = state.isr;
    seen.maximalIsr = state.maximalIsr;
    seen.isProposalPending = state.isProposalPending;
    seen.highWatermark = state.highWatermark;
  }
}
