/**
 * The deliberate rules of the metadata quorum, each in a method of its own: plain facts in, a
 * decision out. A test breaks one at a time by a subclass, and must see that caught.
 *
 * @module
 */

import {
  type Epoch,
  type NodeId,
  NONE,
  type Offset,
  type OffsetAndEpoch,
  ZERO_UUID,
} from "../../storage/bytes/ids.ts";
import type { QuorumLog, SnapshotId } from "./quorum_log.ts";
import type { PersistedQuorumState, QuorumBoot, QuorumRole } from "./quorum_state.ts";
import { type ReplicaKey, sameReplica } from "./voters.ts";

/** What a node knows when it is asked for its vote. */
export interface VoteFacts {
  readonly role: QuorumRole;
  readonly leaderId: NodeId;
  readonly voted: ReplicaKey | undefined;
  /** Whether the leader has answered a fetch since this node follows it. */
  readonly hasFetched: boolean;
  readonly candidate: ReplicaKey;
  /** Whether the candidate's log has all that this node's has. */
  readonly logOk: boolean;
}

/** What a leader says to a position that a follower fetches from. */
export type FetchVerdict =
  | { readonly kind: "valid" }
  | { readonly kind: "diverging"; readonly end: OffsetAndEpoch }
  | { readonly kind: "snapshot"; readonly id: SnapshotId };

const VALID: FetchVerdict = { kind: "valid" };

/** Roles that would rather have a leader. */
const LEADERLESS: readonly QuorumRole[] = ["unattached", "prospective", "candidate", "resigned"];

export class QuorumRules {
  /** What a node begins as: it never goes on to lead (its unflushed records may be gone). */
  boot(
    self: ReplicaKey,
    persisted: PersistedQuorumState | undefined,
    lastLogEpoch: Epoch,
  ): QuorumBoot {
    const epoch = Math.max(persisted?.leaderEpoch ?? 0, lastLogEpoch, 0);
    if (persisted === undefined || persisted.leaderEpoch < lastLogEpoch) {
      return { role: "unattached", epoch, leaderId: NONE, voted: undefined };
    }
    const { leaderId, votedId, votedDirectoryId } = persisted;
    const voted = votedId === NONE ? undefined : { id: votedId, directoryId: votedDirectoryId };
    if (leaderId === self.id) return { role: "resigned", epoch, leaderId, voted };
    if (leaderId !== NONE) return { role: "follower", epoch, leaderId, voted };
    const isOwn = voted !== undefined && voted.directoryId !== ZERO_UUID &&
      sameReplica(voted, self);
    return { role: isOwn ? "candidate" : "unattached", epoch, leaderId, voted };
  }

  /** Whether epoch and vote are durable before anything that depends on them leaves the node. */
  persistsDurably(): boolean {
    return true;
  }

  /** Whether a log that ends so has all that one has that ends so. */
  logOk(candidate: OffsetAndEpoch, own: OffsetAndEpoch): boolean {
    if (candidate.epoch !== own.epoch) return candidate.epoch > own.epoch;
    return candidate.offset >= own.offset;
  }

  /** Whether to say that it would vote for a candidate (KIP-996); binds nobody. */
  grantsPreVote({ role, hasFetched, logOk }: VoteFacts): boolean {
    return logOk && (LEADERLESS.includes(role) || (role === "follower" && !hasFetched));
  }

  /** Whether to vote for a candidate of its own epoch: once, and only while it has no leader. */
  grantsVote({ role, leaderId, voted, candidate, logOk }: VoteFacts): boolean {
    if (role !== "unattached" && role !== "prospective") return false;
    if (voted !== undefined) {
      return voted.id === candidate.id && voted.directoryId === candidate.directoryId;
    }
    return leaderId === NONE && logOk;
  }

  /** Up to where the leader's own log counts: a record that a power cut may take does not. */
  ownEndOffset(log: QuorumLog): Offset {
    return log.flushedOffset;
  }

  /** Whether a follower may fetch: the offset that it fetches from says that all before is kept. */
  mayFetch(log: QuorumLog): boolean {
    return log.flushedOffset >= log.endOffset;
  }

  /**
   * The high watermark of a leader: what a majority has, once that includes a record of this epoch.
   * Records of earlier epochs that a majority has may yet be lost to a leader that lacks them.
   */
  highWatermark(voterEnds: readonly Offset[], epochStart: Offset, current: Offset): Offset {
    const sorted = [...voterEnds].sort((a, b) => b - a);
    const candidate = sorted[Math.floor(sorted.length / 2)] ?? NONE;
    return candidate > epochStart && candidate > current ? candidate : current;
  }

  /** Whether a leader's log goes on from where a follower's ends. */
  validateFetch(log: QuorumLog, fetchOffset: Offset, lastFetchedEpoch: Epoch): FetchVerdict {
    const { startOffset, snapshotId: snapshot } = log;
    if (fetchOffset === 0 && startOffset === 0 && snapshot === undefined) return VALID;
    if (
      snapshot !== undefined &&
      (fetchOffset === 0 || fetchOffset < startOffset ||
        (fetchOffset === startOffset && lastFetchedEpoch !== snapshot.epoch) ||
        lastFetchedEpoch < snapshot.epoch)
    ) return { kind: "snapshot", id: snapshot };
    const end = log.endOffsetFor(lastFetchedEpoch);
    if (end.epoch !== lastFetchedEpoch || end.offset < fetchOffset) {
      return { kind: "diverging", end };
    }
    return VALID;
  }

  /** Where a follower cuts its log, told that the leader's epoch ends there. */
  truncationOffset(log: QuorumLog, diverging: OffsetAndEpoch): Offset {
    const own = log.endOffsetFor(diverging.epoch);
    return own.epoch === diverging.epoch ? Math.min(own.offset, diverging.offset) : own.offset;
  }

  /** Whether who votes may change now: one change at a time, and by a leader that has committed. */
  mayChangeVoters(highWatermark: Offset, epochStart: Offset, votersOffset: Offset): boolean {
    return highWatermark > epochStart && votersOffset < highWatermark;
  }
}
