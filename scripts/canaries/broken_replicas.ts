/**
 * The replication protocol with one of its rules broken, one class for each: what tests and
 * simulations must notice. Names are those of the mutations (m) and classic bugs (B) that they are.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { FollowerProgress } from "../../actors/partition/follower_progress.ts";
import type {
  AnswerEffect,
  FetchVerdict,
  FollowerFetch,
} from "../../actors/partition/leader_state.ts";
import { type FollowersReset, Replica } from "../../actors/partition/replica.ts";
import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";

function isEpochError(verdict: FetchVerdict): boolean {
  return verdict.kind === "refused" &&
    (verdict.error === ErrorCode.FENCED_LEADER_EPOCH ||
      verdict.error === ErrorCode.UNKNOWN_LEADER_EPOCH);
}

/** Looks again at fetches that were refused for their epoch, as a leader of any epoch. */
abstract class Unfenced extends Replica {
  override fetchedBy(fetch: FollowerFetch, now: number): FetchVerdict {
    const verdict = super.fetchedBy(fetch, now);
    if (this.role !== "leader" || !isEpochError(verdict)) return verdict;
    return this.unfenced(fetch, now) ?? verdict;
  }

  protected abstract unfenced(fetch: FollowerFetch, now: number): FetchVerdict | undefined;
}

/** m1: where to truncate is told to followers of any epoch. */
export class TruncationFromAnyEpoch extends Unfenced {
  protected unfenced({ lastFetchedEpoch, fetchOffset }: FollowerFetch): FetchVerdict | undefined {
    return this.divergence(lastFetchedEpoch, fetchOffset);
  }
}

/** m2: a fetch is served whatever leader epoch it is made in. */
export class FetchFromAnyEpoch extends Replica {
  protected override checkFetch({ replicaId }: FollowerFetch): ErrorCode {
    if (this.role !== "leader") return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    return this.followers.has(replicaId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_LEADER_EPOCH;
  }
}

/** m3: the high watermark counts followers of any epoch. */
export class MarkFromAnyEpoch extends Unfenced {
  protected unfenced(fetch: FollowerFetch, now: number): undefined {
    this.noteFetch(fetch, now);
    this.maybeAdvanceHighWatermark(now);
  }
}

/** m4, B4: lets in who has not reached the start of the leader's epoch (KIP-497). */
export class JoinBeforeEpoch extends Replica {
  protected override hasReachedLeaderEpoch(): boolean {
    return true;
  }
}

/** m5: lets in who has not reached the high watermark. */
export class JoinBelowMark extends Replica {
  protected override hasReachedHighWatermark(): boolean {
    return true;
  }
}

/** m6: lets in followers of any epoch. */
export class JoinFromAnyEpoch extends Unfenced {
  protected unfenced(fetch: FollowerFetch, now: number): undefined {
    const follower = this.followers.get(fetch.replicaId);
    if (follower === undefined) return;
    const before = follower.logEndOffset;
    this.noteFetch(fetch, now);
    this.maybeChangeIsr(fetch.replicaId);
    follower.logEndOffset = before;
  }
}

/** m8, B1: a new follower cuts its log at its high watermark (before KIP-101). */
export class TruncateToMark extends Replica {
  protected override truncationOnFollow(): Offset {
    return this.highWatermark;
  }
}

/** m9, B2: where to truncate is told without the epoch that it is the end of (before KIP-279). */
export class TruncateWithoutEpoch extends Replica {
  protected override divergence(lastFetchedEpoch: Epoch, offset: Offset): FetchVerdict | undefined {
    const end = this.log.endOffsetFor(lastFetchedEpoch);
    if (end === undefined || end.offset >= offset) return undefined;
    return { kind: "diverging", epoch: lastFetchedEpoch, endOffset: end.offset };
  }

  override truncationPoint(_epoch: Epoch, endOffset: Offset): Offset {
    return Math.min(endOffset, this.log.logEndOffset);
  }
}

/** The protocol before KIP-101: truncation to the high watermark, and no epochs in fetches. */
export class OldProtocol extends TruncateToMark {
  protected override checkFetch({ replicaId }: FollowerFetch): ErrorCode {
    if (this.role !== "leader") return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    return this.followers.has(replicaId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_LEADER_EPOCH;
  }

  protected override divergence(): undefined {}
}

/** B5: the mark rests on the committed ISR while another may have been committed (KIP-497). */
export class MarkOverCommittedIsr extends Replica {
  protected override isrForHighWatermark(): readonly NodeId[] {
    return this.isr;
  }
}

/**
 * B6: lets in a follower whose broker has lost its records since, or is fenced (KIP-903). By itself
 * that loses nothing: the controller looks too, and is the last to.
 */
export class JoinAnyBroker extends Replica {
  protected override isEligible(): boolean {
    return true;
  }
}

/** B8: takes a proposal back that may have been applied. */
export class RollBackUnknown extends Replica {
  protected override effectOf(error: ErrorCode): AnswerEffect {
    return super.effectOf(error) === "resend" ? "resend" : "roll back";
  }

  protected override mustWithdraw(): boolean {
    return false;
  }
}

/** B8: an answer counts although metadata that are newer have come. */
export class TakeStaleAnswers extends Replica {
  override isPending(): boolean {
    return true;
  }

  protected override isStaleAnswer(): boolean {
    return false;
  }
}

/** B9: what was known of followers outlives the leader epoch. */
export class KeepFollowers extends Replica {
  #kept = new Map<NodeId, FollowerProgress>();

  protected override followersOnAssign(
    _reset: FollowersReset,
    known: ReadonlyMap<NodeId, FollowerProgress>,
    now: number,
  ): Map<NodeId, FollowerProgress> {
    for (const [id, follower] of known) this.#kept.set(id, follower);
    return super.followersOnAssign("none", this.#kept, now);
  }

  override fetchedBy(fetch: FollowerFetch, now: number): FetchVerdict {
    const verdict = super.fetchedBy(fetch, now);
    for (const [id, follower] of this.followers) this.#kept.set(id, follower);
    return verdict;
  }
}

/** B9: what was known of a follower outlives its leaving the ISR by the controller's word. */
export class KeepWhoLeft extends Replica {
  protected override followersOnAssign(
    reset: FollowersReset,
    known: ReadonlyMap<NodeId, FollowerProgress>,
    now: number,
  ): Map<NodeId, FollowerProgress> {
    return super.followersOnAssign(reset === "all" ? "all" : "none", known, now);
  }
}

/** B10: an epoch that has no record yet is not noted in the log. */
export class ForgetEmptyEpochs extends Replica {
  protected override notesEpochStart(): boolean {
    return false;
  }
}

/** B11: an answer is taken in although the log was cut, or the role has changed, since. */
export class TakeLateAnswers extends Replica {
  override acceptsFetched(): boolean {
    return true;
  }
}

/** B12: the end is told before the leader knows how far the one before it had come. */
export class TellEarlyEnd extends Replica {
  override checkLatestOffset(): ErrorCode {
    return ErrorCode.NONE;
  }
}

/** B12: a leader's mark falls with whoever is behind. */
export class FallingMark extends Replica {
  protected override maybeAdvanceHighWatermark(now: number): boolean {
    if (this.role !== "leader" || this.isFrozen()) return false;
    const before = this.mark;
    this.mark = Math.max(0, this.highWatermarkCandidate(now));
    return this.mark > before;
  }
}
