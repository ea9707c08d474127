/**
 * The replication protocol of one replica of one partition, without clock, disk or message: what it
 * is told, and what follows from it. The leader's side of it stands in leader_state.ts.
 *
 * Owns how a replica comes to lead or to follow, what it may lead with, and what it does as a
 * follower. The log is only looked at; what is to be done to it comes out.
 *
 * Invariants: leader epoch and partition epoch never fall; a follower's log is cut only where its
 * leader in the same epoch says that it leaves its own, never at the high watermark.
 *
 * Each deliberate rule is a method of its own that a subclass can replace.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Offset } from "../../storage/bytes/ids.ts";
import { FollowerProgress } from "./follower_progress.ts";
import { LeaderState, RECOVERED, RECOVERING, type ReplicaSettings } from "./leader_state.ts";
import type { PartitionAssignment } from "./messages.ts";
import type { ReplicaLog } from "./replica_log.ts";

/** What comes of an assignment. */
export interface Assigned {
  /** False where it is older than what is known; then nothing has changed. */
  readonly accepted: boolean;
  /** Whether a leader epoch begins, whoever leads in it. */
  readonly newEpoch: boolean;
  /** Where the log must note that a leader epoch begins here, even if no record follows. */
  readonly epochStart: Offset | undefined;
  /** Where the log is to be cut at once. */
  readonly truncateTo: Offset | undefined;
}

/** Which followers a leader knows nothing of any more. */
export type FollowersReset = "all" | "out of sync" | "none";

const STALE: Assigned = {
  accepted: false,
  newEpoch: false,
  epochStart: undefined,
  truncateTo: undefined,
};

export class Replica extends LeaderState {
  /** It leads only in later epochs. */
  #failedInEpoch: Epoch = NONE;
  /** Whether it has lost records that others may count on, and has been seen out of sync since. */
  #incomplete: "no" | "in sync" | "out of sync" = "no";

  /** Whether it may lack records that it once held. */
  get isIncomplete(): boolean {
    return this.#incomplete !== "no";
  }

  /** Goes by other settings from now on. Returns whether the high watermark advanced. */
  configure(settings: ReplicaSettings, now: number): boolean {
    this.settings = settings;
    return this.maybeAdvanceHighWatermark(now);
  }

  /** It failed in this leader epoch, in another life of this node: it does not lead in it again. */
  failedIn(leaderEpoch: Epoch): void {
    this.#failedInEpoch = leaderEpoch;
  }

  /** It lost its records: it leads nobody until it has been out of sync and caught up. */
  lostRecords(): void {
    this.#incomplete = "in sync";
  }

  /** The log has been opened; with the high watermark noted last time. */
  opened(log: ReplicaLog, highWatermark: Offset): void {
    this.log = log;
    this.mark = highWatermark;
    this.#boundHighWatermark();
  }

  /** Takes the controller's word, unless it is older than what is known. */
  assign(assignment: PartitionAssignment, now: number): Assigned {
    const { leader, leaderEpoch, partitionEpoch, replicas, isr } = assignment;
    if (this.isStaleAssignment(assignment)) return STALE;
    const newEpoch = leaderEpoch > this.known.leaderEpoch;
    const changed = newEpoch || partitionEpoch > this.known.partitionEpoch;
    // Of several changes at once one may have taken a replica away, and another given it back.
    const unseen = partitionEpoch > this.known.partitionEpoch + 1;
    // Whoever was taken out may have failed, and have less than what it fetched before.
    const left = changed && this.isr.some((id) => !isr.includes(id));
    const reset = newEpoch ? "all" : unseen || left ? "out of sync" : "none";
    this.known.leader = leader;
    this.known.leaderEpoch = leaderEpoch;
    this.known.partitionEpoch = partitionEpoch;
    this.known.replicas = replicas;
    this.known.recoveryState = assignment.leaderRecoveryState ?? RECOVERED;
    // What was proposed is in these metadata, or was made on older ones and will be refused.
    if (changed) this.isrState.commit(isr);
    this.#noteCompleteness(assignment);
    if (leader === this.nodeId && this.mayLead(assignment)) {
      return this.#lead(newEpoch, reset, now);
    }
    this.known.role = replicas.includes(this.nodeId) && leader !== this.nodeId
      ? "follower"
      : "none";
    this.progress = new Map();
    this.known.leaderEpochStartOffset = NONE;
    const truncateTo = newEpoch && this.known.role === "follower"
      ? this.truncationOnFollow()
      : undefined;
    return { accepted: true, newEpoch, epochStart: undefined, truncateTo };
  }

  #lead(newEpoch: boolean, reset: FollowersReset, now: number): Assigned {
    this.known.role = "leader";
    this.lastEnd = this.log.logEndOffset;
    if (newEpoch) this.known.leaderEpochStartOffset = this.log.logEndOffset;
    this.progress = this.followersOnAssign(reset, this.progress, now);
    this.maybeProposeRecovered();
    this.maybeAdvanceHighWatermark(now);
    this.maybeExpandIsr(true, now);
    const epochStart = newEpoch && this.notesEpochStart()
      ? this.known.leaderEpochStartOffset
      : undefined;
    return { accepted: true, newEpoch, epochStart, truncateTo: undefined };
  }

  // The follower and its leader.

  /** Leader epoch of the last record in the log, or -1 where there is none. */
  get lastFetchedEpoch(): Epoch {
    const { logStartOffset, logEndOffset } = this.log;
    return logEndOffset > logStartOffset ? this.log.epochForOffset(logEndOffset - 1) : NONE;
  }

  /** Whether an answer to a fetch made so is for this replica as it is now. */
  acceptsFetched(leaderEpoch: Epoch, fetchOffset: Offset): boolean {
    return this.known.role === "follower" && leaderEpoch === this.known.leaderEpoch &&
      fetchOffset === this.log.logEndOffset;
  }

  /**
   * Where to cut the log that leaves the leader's after this epoch, which ends there in the
   * leader's log; undefined where that makes no sense.
   */
  truncationPoint(epoch: Epoch, endOffset: Offset): Offset | undefined {
    const own = this.log.endOffsetFor(epoch);
    if (own === undefined) return undefined;
    return own.epoch === epoch ? Math.min(own.offset, endOffset) : own.offset;
  }

  /**
   * Where to start anew, nothing of this log being left in the leader's; undefined where something
   * may be. Only for answers that `acceptsFetched` lets in.
   *
   * Never where the leader's log ends, whatever its epochs: Kafka's handler does that, and keeps a
   * log that has left the leader's (B19). Here a leader compares epochs before it looks at offsets,
   * so a log with records is told where it left; out of range is only what lies before the leader's
   * start, or an empty log that begins past its end.
   */
  startAnewPoint(leaderStart: Offset, leaderEnd: Offset): Offset | undefined {
    const { logStartOffset, logEndOffset } = this.log;
    const isEmpty = logStartOffset === logEndOffset;
    const isBehind = logEndOffset < leaderStart;
    const isPastTheEnd = logEndOffset > leaderEnd;
    return isBehind || (isEmpty && isPastTheEnd) ? leaderStart : undefined;
  }

  /** The log was cut, started anew, or its beginning raised. */
  logChanged(): void {
    this.#boundHighWatermark();
  }

  /** What was fetched is in the log; the leader told its high watermark. */
  followedTo(leaderHighWatermark: Offset): void {
    this.mark = leaderHighWatermark;
    this.#boundHighWatermark();
    const { logEndOffset } = this.log;
    // A record of this leader epoch comes after everything that was committed before it.
    const holdsAll = this.lastFetchedEpoch === this.known.leaderEpoch &&
      logEndOffset >= leaderHighWatermark;
    if (this.isIncomplete && holdsAll) this.#incomplete = "no";
  }

  // The rules.

  protected isStaleAssignment({ leaderEpoch, partitionEpoch }: PartitionAssignment): boolean {
    return partitionEpoch < this.known.partitionEpoch || leaderEpoch < this.known.leaderEpoch;
  }

  /** Whether it may lead where the controller says so. */
  protected mayLead({ leaderEpoch }: PartitionAssignment): boolean {
    return leaderEpoch > this.#failedInEpoch && !this.isIncomplete;
  }

  /** Whether the log notes the beginning of an epoch that may get no record. */
  protected notesEpochStart(): boolean {
    return true;
  }

  /** Where a new follower cuts its log before it has asked the leader: never. */
  protected truncationOnFollow(): Offset | undefined {
    return undefined;
  }

  /** What is known of followers after an assignment: in a new epoch nothing (KIP-320). */
  protected followersOnAssign(
    reset: FollowersReset,
    known: ReadonlyMap<NodeId, FollowerProgress>,
    now: number,
  ): Map<NodeId, FollowerProgress> {
    const followers = new Map<NodeId, FollowerProgress>();
    for (const id of this.known.replicas) {
      if (id === this.nodeId) continue;
      const isMember = this.isr.includes(id);
      const keep = reset === "none" || (reset === "out of sync" && isMember);
      const kept = keep ? known.get(id) : undefined;
      const caughtUp = isMember ? now : -Infinity;
      // A fetch that waits may be of one that has failed since.
      const since = reset === "out of sync" ? now : -Infinity;
      followers.set(id, kept ?? new FollowerProgress(caughtUp, since));
    }
    return followers;
  }

  #noteCompleteness({ leader, isr, leaderRecoveryState }: PartitionAssignment): void {
    if (!this.isIncomplete) return;
    const isMember = isr.includes(this.nodeId);
    // Only its leader lets it in again, and only once it has caught up. An unclean election is a
    // decision to go on with what it has.
    const wasChosen = leader === this.nodeId && leaderRecoveryState === RECOVERING;
    if (wasChosen || (isMember && this.#incomplete === "out of sync")) this.#incomplete = "no";
    else if (!isMember) this.#incomplete = "out of sync";
  }

  #boundHighWatermark(): void {
    const { logStartOffset, logEndOffset } = this.log;
    this.mark = Math.max(logStartOffset, Math.min(this.mark, logEndOffset));
  }
}
