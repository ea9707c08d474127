/**
 * The leader's side of the replication protocol of one partition, without clock, disk or message
 * (KIP-101, 279, 320, 497, 841, 903, 966; the actions of the TLA+ specification Kip320).
 *
 * Owns what a replica knows of the partition, of the in-sync replicas, of its followers, and the
 * high watermark. How it comes to lead or follow stands in replica.ts.
 *
 * Invariants: within a leader epoch the high watermark of a leader never falls, and it never passes
 * the log end offset; nothing is below it that this replica could lose in a power cut where
 * `flush.before.ack` is set; at most one change of the in-sync replicas is under way.
 *
 * Each deliberate rule is a method of its own that a subclass can replace.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Offset } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { closestFollower } from "./closest_replica.ts";
import type { FollowerProgress } from "./follower_progress.ts";
import { type IsrProposal, IsrState } from "./isr_state.ts";
import type { BrokerStandings, FollowerState, IsrAnswer, RequiredAcks } from "./messages.ts";
import type { ReplicaState } from "./observer.ts";
import { NO_LOG, type ReplicaLog } from "./replica_log.ts";

export type Role = "none" | "leader" | "follower";

/** What the replica goes by besides the controller's word. */
export interface ReplicaSettings {
  /** `min.insync.replicas` */
  readonly minInsyncReplicas: number;
  /** `flush.before.ack`: count only what is durable as held. */
  readonly flushBeforeAck: boolean;
}

/** A fetch of a follower. */
export interface FollowerFetch extends FollowerState {
  readonly currentLeaderEpoch: Epoch;
  readonly fetchOffset: Offset;
}

/** What a follower's fetch is answered with; records follow where it is served. */
export type FetchVerdict =
  | { readonly kind: "served" }
  | { readonly kind: "refused"; readonly error: ErrorCode }
  | { readonly kind: "diverging"; readonly epoch: Epoch; readonly endOffset: Offset };

/** What an answer of the controller to a proposal means. */
export type AnswerEffect =
  /** The proposal was not applied. */
  | "roll back"
  /** It may have been applied: the metadata will tell. */
  | "stay pending"
  /** It is to be sent again as it is. */
  | "resend";

/** `replica.lag.time.max.ms` */
export const REPLICA_LAG_TIME_MAX_MS = 30_000;

/** Of PartitionRecord.LeaderRecoveryState. */
export const RECOVERED = 0;
export const RECOVERING = 1;

const SERVED: FetchVerdict = { kind: "served" };

/** The controller's word, as far as it is known here. */
interface Known {
  role: Role;
  leader: NodeId;
  leaderEpoch: Epoch;
  partitionEpoch: number;
  replicas: readonly NodeId[];
  recoveryState: number;
  leaderEpochStartOffset: Offset;
}

export abstract class LeaderState implements ReplicaState {
  readonly nodeId: NodeId;
  protected readonly lagTimeMaxMs: number;
  protected settings: ReplicaSettings;
  protected log: ReplicaLog = NO_LOG;
  protected brokers: BrokerStandings = new Map();
  protected readonly known: Known = {
    role: "none",
    leader: NONE,
    leaderEpoch: NONE,
    partitionEpoch: NONE,
    replicas: [],
    recoveryState: RECOVERED,
    leaderEpochStartOffset: NONE,
  };
  /** The high watermark. */
  protected mark: Offset = 0;
  /** The followers of this leader, by node id. */
  protected progress = new Map<NodeId, FollowerProgress>();
  protected readonly isrState = new IsrState();
  /** Where the log ended before the last append. */
  protected lastEnd: Offset = 0;
  /** Whom the controller would not let in, as far as it is known. */
  #refused: readonly NodeId[] = [];

  constructor(
    nodeId: NodeId,
    settings: ReplicaSettings,
    replicaLagTimeMaxMs = REPLICA_LAG_TIME_MAX_MS,
  ) {
    this.nodeId = nodeId;
    this.settings = settings;
    this.lagTimeMaxMs = replicaLagTimeMaxMs;
  }

  get role(): Role {
    return this.known.role;
  }

  get leader(): NodeId {
    return this.known.leader;
  }

  get leaderEpoch(): Epoch {
    return this.known.leaderEpoch;
  }

  get partitionEpoch(): number {
    return this.known.partitionEpoch;
  }

  get replicas(): readonly NodeId[] {
    return this.known.replicas;
  }

  get isr(): readonly NodeId[] {
    return this.isrState.committed;
  }

  get maximalIsr(): readonly NodeId[] {
    return this.isrState.maximal;
  }

  get isProposalPending(): boolean {
    return this.isrState.pending !== undefined;
  }

  get highWatermark(): Offset {
    return this.mark;
  }

  /** The end of what is committed and decided. @throws {DiskError} @throws {CorruptLogError} */
  get lastStableOffset(): Offset {
    return this.log.lastStableOffset?.(this.mark) ?? this.mark;
  }

  get leaderEpochStartOffset(): Offset {
    return this.known.leaderEpochStartOffset;
  }

  get minInsyncReplicas(): number {
    return this.settings.minInsyncReplicas;
  }

  get followers(): ReadonlyMap<NodeId, FollowerProgress> {
    return this.progress;
  }

  /** Whether a flush would let the high watermark advance, or a follower fetch on. */
  get awaitsFlush(): boolean {
    return this.settings.flushBeforeAck && this.log.flushedOffset < this.log.logEndOffset;
  }

  /** The log has grown. Returns whether the high watermark advanced. */
  appended(now: number): boolean {
    if (this.progress.size > 0) this.noteCaughtUp(now);
    return this.maybeAdvanceHighWatermark(now);
  }

  /** Whoever has everything is not heard of before there is more: it had, until now. */
  protected noteCaughtUp(now: number): void {
    for (const follower of this.progress.values()) {
      if (follower.logEndOffset === this.lastEnd) follower.lastCaughtUp = now;
    }
    this.lastEnd = this.log.logEndOffset;
  }

  /** More of the log is durable. Returns whether the high watermark advanced. */
  flushed(now: number): boolean {
    return this.maybeAdvanceHighWatermark(now);
  }

  /** The error that refuses an append, or NONE. */
  checkAppend(acks: RequiredAcks): ErrorCode {
    if (this.known.role !== "leader") return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (acks === "all" && this.isr.length < this.settings.minInsyncReplicas) {
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    }
    return ErrorCode.NONE;
  }

  /** What an append with acks=all that the high watermark has passed is answered with. */
  checkAcknowledge(): ErrorCode {
    return this.isr.length < this.settings.minInsyncReplicas
      ? ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
      : ErrorCode.NONE;
  }

  /** The error that refuses a reader who knows of this leader epoch (-1: of none), or NONE. */
  checkLeader(currentLeaderEpoch: Epoch): ErrorCode {
    if (currentLeaderEpoch >= 0) {
      if (currentLeaderEpoch < this.known.leaderEpoch) return ErrorCode.FENCED_LEADER_EPOCH;
      if (currentLeaderEpoch > this.known.leaderEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH;
    }
    return this.known.role === "leader" ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  /**
   * As `checkLeader`, for a consumer that may read from followers, too: those show what their
   * leader has told them to be committed (KIP-392).
   */
  checkReader(currentLeaderEpoch: Epoch, fetchOffset: Offset): ErrorCode {
    const error = this.checkLeader(currentLeaderEpoch);
    const follows = this.known.role === "follower" && this.known.leader >= 0;
    if (error !== ErrorCode.NOT_LEADER_OR_FOLLOWER || !follows) return error;
    // The consumer has seen more than this replica knows to be committed: it will hear of it.
    const isAhead = fetchOffset > this.mark && fetchOffset <= this.log.logEndOffset;
    return isAhead ? ErrorCode.OFFSET_NOT_AVAILABLE : ErrorCode.NONE;
  }

  /** From whom a consumer in a rack should read instead; undefined where it is this replica. */
  preferredReadReplica(rack: string, fetchOffset: Offset): NodeId | undefined {
    if (this.known.role !== "leader") return undefined;
    const { nodeId, followers, brokers } = this;
    return closestFollower({ nodeId, followers, brokers }, rack, fetchOffset);
  }

  /**
   * The error that withholds the end of what is visible, or NONE: a new leader may not know yet how
   * far the one before had come, and what clients saw must not go back.
   */
  checkLatestOffset(): ErrorCode {
    return this.mark < this.known.leaderEpochStartOffset
      ? ErrorCode.OFFSET_NOT_AVAILABLE
      : ErrorCode.NONE;
  }

  /** A follower fetches: notes how far it is, and what follows for ISR and high watermark. */
  fetchedBy(fetch: FollowerFetch, now: number): FetchVerdict {
    const error = this.checkFetch(fetch);
    if (error !== ErrorCode.NONE) return { kind: "refused", error };
    const { fetchOffset, lastFetchedEpoch } = fetch;
    if (fetchOffset < this.log.logStartOffset) {
      return { kind: "refused", error: ErrorCode.OFFSET_OUT_OF_RANGE };
    }
    const diverging = this.divergence(lastFetchedEpoch, fetchOffset);
    if (diverging !== undefined) return diverging;
    if (fetchOffset > this.log.logEndOffset) {
      return { kind: "refused", error: ErrorCode.OFFSET_OUT_OF_RANGE };
    }
    this.noteFetch(fetch, now);
    this.maybeChangeIsr(fetch.replicaId);
    this.maybeAdvanceHighWatermark(now);
    return SERVED;
  }

  /** Knows other brokers from now on. */
  brokersChanged(brokers: BrokerStandings, now: number): void {
    this.brokers = brokers;
    this.maybeExpandIsr(true, now);
  }

  /** Time to see who lags behind. */
  checkLag(now: number): void {
    if (this.known.role !== "leader") return;
    this.maybeProposeRecovered();
    this.maybeExpandIsr(true, now);
    if (this.isProposalPending) return;
    const kept = this.isr.filter((id) => id === this.nodeId || !this.hasFallenBehind(id, now));
    if (kept.length < this.isr.length) this.propose(kept);
  }

  /** A proposal that has not been sent yet. */
  takeProposal(): IsrProposal | undefined {
    return this.isrState.takeUnsent();
  }

  /** Whether this proposal still waits for its outcome. */
  isPending(proposal: IsrProposal): boolean {
    return this.isrState.pending === proposal;
  }

  /**
   * The controller has answered a proposal. Returns whether it is to be sent again, later; the high
   * watermark may have advanced.
   */
  isrAnswered(proposal: IsrProposal, answer: IsrAnswer, now: number): boolean {
    if (!this.isPending(proposal)) return false;
    if (answer.error !== ErrorCode.NONE) {
      const effect = this.effectOf(answer.error);
      if (effect !== "roll back") return effect === "resend";
      // What takes another back goes on until the controller has heard it, or says something new.
      if (this.isrState.isWithdrawing) return true;
      this.#rollBack(proposal, now);
      return false;
    }
    if (this.isStaleAnswer(answer)) return false;
    this.known.partitionEpoch = answer.partitionEpoch;
    this.known.recoveryState = answer.leaderRecoveryState;
    this.isrState.commit(answer.isr);
    // First the mark: whoever has just left may still have reached the one before.
    this.maybeAdvanceHighWatermark(now);
    this.maybeExpandIsr(false, now);
    return false;
  }

  #rollBack({ newIsr }: IsrProposal, now: number): void {
    this.#refused = newIsr.map(({ brokerId }) => brokerId);
    if (this.mustWithdraw()) return this.isrState.withdraw(this.#withdrawal());
    this.isrState.rollBack();
    this.maybeAdvanceHighWatermark(now);
    this.maybeExpandIsr(false, now);
  }

  // The rules.

  /** The error that refuses a follower's fetch whatever its log, or NONE. */
  protected checkFetch(fetch: FollowerFetch): ErrorCode {
    const error = this.checkLeader(fetch.currentLeaderEpoch);
    if (error !== ErrorCode.NONE) return error;
    if (!this.progress.has(fetch.replicaId)) return ErrorCode.UNKNOWN_LEADER_EPOCH;
    return this.isOfAnEarlierLife(fetch) ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE;
  }

  /**
   * Whether the broker has registered anew since: what its former process sent, and was under way
   * for long, says nothing of the log that it has now (KIP-903).
   */
  protected isOfAnEarlierLife({ replicaId, brokerEpoch }: FollowerFetch): boolean {
    return brokerEpoch !== NONE && brokerEpoch < (this.brokers.get(replicaId)?.brokerEpoch ?? NONE);
  }

  /** Where a log that ends so leaves this one, if it does. One without a record cannot. */
  protected divergence(lastFetchedEpoch: Epoch, fetchOffset: Offset): FetchVerdict | undefined {
    if (lastFetchedEpoch < 0) return undefined;
    const end = this.log.endOffsetFor(lastFetchedEpoch);
    if (end === undefined) return { kind: "refused", error: ErrorCode.OFFSET_OUT_OF_RANGE };
    if (end.epoch >= lastFetchedEpoch && end.offset >= fetchOffset) return undefined;
    return { kind: "diverging", epoch: end.epoch, endOffset: end.offset };
  }

  protected noteFetch(fetch: FollowerFetch, now: number): void {
    const { replicaId, fetchOffset, brokerEpoch, logStartOffset, askedAt = Infinity } = fetch;
    const follower = this.progress.get(replicaId);
    if (follower === undefined || follower.isOld(askedAt)) return;
    follower.logStartOffset = logStartOffset;
    follower.fetched(
      fetchOffset,
      brokerEpoch,
      this.log.logEndOffset,
      now,
      askedAt,
    );
  }

  /** A follower has fetched: lets it in, or out. */
  protected maybeChangeIsr(id: NodeId): void {
    if (this.isProposalPending) return;
    if (!this.isr.includes(id)) {
      if (this.mayJoin(id)) this.propose([...this.isr, id]);
    } else if (this.hasLostRecords(id)) {
      this.propose(this.isr.filter((member) => member !== id));
    }
  }

  /** Whether a follower may be proposed as in sync. */
  protected mayJoin(id: NodeId): boolean {
    const follower = this.progress.get(id);
    return follower !== undefined && this.hasFetchedInThisEpoch(follower) &&
      this.hasReachedHighWatermark(follower) && this.hasReachedLeaderEpoch(follower) &&
      this.isEligible(id, follower);
  }

  /**
   * Looks for one that may join: who has caught up is not heard of again while nothing happens.
   * One that was refused is tried again only where something has changed.
   */
  protected maybeExpandIsr(withRefused: boolean, now: number): void {
    if (withRefused) this.#refused = [];
    if (this.known.role !== "leader" || this.isProposalPending) return;
    for (const id of this.progress.keys()) {
      if (this.isr.includes(id) || this.#refused.includes(id)) continue;
      if (this.mayJoin(id) && !this.hasFallenBehind(id, now)) {
        return this.propose([...this.isr, id]);
      }
    }
  }

  protected hasFetchedInThisEpoch(follower: FollowerProgress): boolean {
    return follower.logEndOffset !== NONE;
  }

  protected hasReachedHighWatermark(follower: FollowerProgress): boolean {
    return follower.logEndOffset >= this.mark;
  }

  protected hasReachedLeaderEpoch(follower: FollowerProgress): boolean {
    return follower.logEndOffset >= this.known.leaderEpochStartOffset;
  }

  /** Whether its broker is up, and the one that fetched (KIP-841, KIP-903). */
  protected isEligible(id: NodeId, follower: FollowerProgress): boolean {
    const broker = this.brokers.get(id);
    if (broker === undefined) return true;
    if (broker.fenced || broker.shuttingDown) return false;
    return follower.brokerEpoch === NONE || follower.brokerEpoch === broker.brokerEpoch;
  }

  /** Whether another replica in sync is up, as far as the controller has told. */
  get hasSuccessor(): boolean {
    return this.isr.some((id) => {
      const follower = this.progress.get(id);
      return follower !== undefined && this.isEligible(id, follower);
    });
  }

  protected hasFallenBehind(id: NodeId, now: number): boolean {
    const follower = this.progress.get(id);
    return follower === undefined ||
      !follower.isCaughtUp(this.log.logEndOffset, now, this.lagTimeMaxMs);
  }

  /** Whether a member of the in-sync replicas lacks what all of them held: it lost it since. */
  protected hasLostRecords(id: NodeId): boolean {
    const follower = this.progress.get(id);
    return follower !== undefined && follower.logEndOffset < this.mark;
  }

  /** The replicas that hold what is committed: all that the controller may take for in sync. */
  protected isrForHighWatermark(): readonly NodeId[] {
    return this.isrState.maximal;
  }

  /** Whether the mark stands still: with so few in sync it says nothing (KIP-966). */
  protected isFrozen(): boolean {
    const required = Math.min(this.settings.minInsyncReplicas, this.known.replicas.length);
    return this.isr.length < required;
  }

  /** Whether the mark waits for one that is about to join. */
  protected waitsForJoiner(id: NodeId, follower: FollowerProgress, now: number): boolean {
    return follower.logEndOffset !== NONE && this.isEligible(id, follower) &&
      follower.isCaughtUp(this.log.logEndOffset, now, this.lagTimeMaxMs);
  }

  /** The end of what this replica holds for good. */
  protected get heldEndOffset(): Offset {
    return this.settings.flushBeforeAck ? this.log.flushedOffset : this.log.logEndOffset;
  }

  /** Where the mark may be: the smallest end of those who hold what is committed. */
  protected highWatermarkCandidate(now: number): Offset {
    const members = this.isrForHighWatermark();
    let smallest = this.heldEndOffset;
    for (const id of members) {
      if (id === this.nodeId) continue;
      smallest = Math.min(smallest, this.progress.get(id)?.logEndOffset ?? NONE);
    }
    if (this.progress.size >= members.length) {
      for (const [id, follower] of this.progress) {
        if (members.includes(id) || !this.waitsForJoiner(id, follower, now)) continue;
        smallest = Math.min(smallest, follower.logEndOffset);
      }
    }
    return smallest;
  }

  protected maybeAdvanceHighWatermark(now: number): boolean {
    if (this.known.role !== "leader" || this.isFrozen()) return false;
    const candidate = this.highWatermarkCandidate(now);
    if (candidate <= this.mark) return false;
    this.mark = candidate;
    return true;
  }

  /** What an error of AlterPartition says of the proposal (KIP-497). */
  protected effectOf(error: ErrorCode): AnswerEffect {
    switch (error) {
      case ErrorCode.INELIGIBLE_REPLICA:
      case ErrorCode.OPERATION_NOT_ATTEMPTED:
        return "roll back";
      case ErrorCode.FENCED_LEADER_EPOCH:
      case ErrorCode.INVALID_UPDATE_VERSION:
      case ErrorCode.INVALID_REQUEST:
      case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
      case ErrorCode.UNKNOWN_TOPIC_ID:
      case ErrorCode.NEW_LEADER_ELECTED:
        return "stay pending";
      default:
        return "resend";
    }
  }

  /**
   * Whether what was refused must be taken back, too: what got no answer was sent again, and of its
   * copies the controller may yet accept one, until the partition epoch is another. Who was to join
   * counts as long.
   */
  protected mustWithdraw(): boolean {
    return this.maximalIsr.length > this.isr.length;
  }

  /** Whether an answer is of another leader epoch, or older than the metadata. */
  protected isStaleAnswer({ leaderEpoch, partitionEpoch }: IsrAnswer): boolean {
    return leaderEpoch !== this.known.leaderEpoch || partitionEpoch < this.known.partitionEpoch;
  }

  /** After an unclean election its leader says that it has recovered. */
  protected maybeProposeRecovered(): void {
    if (this.known.recoveryState === RECOVERING && !this.isProposalPending) this.propose(this.isr);
  }

  protected propose(isr: readonly NodeId[]): void {
    const newIsr = isr.map((brokerId) => ({
      brokerId,
      brokerEpoch: this.#brokerEpochOf(brokerId),
    }));
    const { leaderEpoch, partitionEpoch } = this;
    this.isrState.propose({ newIsr, leaderEpoch, partitionEpoch, leaderRecoveryState: RECOVERED });
  }

  /** The in-sync replicas as they are, whatever has become of their brokers since they fetched. */
  #withdrawal(): IsrProposal {
    const newIsr = this.isr.map((brokerId) => ({ brokerId, brokerEpoch: NONE }));
    const { leaderEpoch, partitionEpoch } = this;
    return { newIsr, leaderEpoch, partitionEpoch, leaderRecoveryState: RECOVERED };
  }

  /** Of the broker that fetched, which need not be the one that is registered now. */
  #brokerEpochOf(id: NodeId): Offset {
    const fetched = this.progress.get(id)?.brokerEpoch ?? NONE;
    return fetched === NONE ? this.brokers.get(id)?.brokerEpoch ?? NONE : fetched;
  }
}
