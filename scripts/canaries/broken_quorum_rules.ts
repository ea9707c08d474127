/**
 * The quorum's rules, each broken on purpose: whoever checks a quorum must catch every one.
 */

import type { Epoch, Offset, OffsetAndEpoch } from "../../storage/bytes/ids.ts";
import type { QuorumLog } from "../../actors/controller/quorum_log.ts";
import {
  type FetchVerdict,
  QuorumRules,
  type VoteFacts,
} from "../../actors/controller/quorum_rules.ts";
import type { PersistedQuorumState, QuorumBoot } from "../../actors/controller/quorum_state.ts";
import type { ReplicaKey } from "../../actors/controller/voters.ts";

export const BROKEN_RULES: Readonly<Record<string, typeof QuorumRules>> = {
  /** B21: vote and epoch leave the node before they are durable. */
  "vote before fsync": class extends QuorumRules {
    override persistsDurably(): boolean {
      return false;
    }
  },
  /** B21: a leader counts what it has not synced. */
  "leader counts unsynced records": class extends QuorumRules {
    override ownEndOffset(log: QuorumLog): Offset {
      return log.endOffset;
    }
  },
  /** B21: a follower tells the leader of what it has not synced. */
  "follower acknowledges unsynced records": class extends QuorumRules {
    override mayFetch(): boolean {
      return true;
    }
  },
  /** B22: a node that led takes up the same epoch again. */
  "leads again in the same epoch": class extends QuorumRules {
    override boot(
      self: ReplicaKey,
      persisted: PersistedQuorumState | undefined,
      lastLogEpoch: Epoch,
    ): QuorumBoot {
      const boot = super.boot(self, persisted, lastLogEpoch);
      return boot.role === "resigned" ? { ...boot, role: "leader" } : boot;
    }
  },
  /** A majority has it, so it is committed, whatever epoch it is of (Raft, figure 8). */
  "commits records of earlier epochs by counting": class extends QuorumRules {
    override highWatermark(ends: readonly Offset[], _start: Offset, current: Offset): Offset {
      return super.highWatermark(ends, -1, current);
    }
  },
  "votes for a log that lacks records": class extends QuorumRules {
    override logOk(): boolean {
      return true;
    }
  },
  "compares logs by length alone": class extends QuorumRules {
    override logOk(candidate: OffsetAndEpoch, own: OffsetAndEpoch): boolean {
      return candidate.offset >= own.offset;
    }
  },
  "votes twice in an epoch": class extends QuorumRules {
    override grantsVote(facts: VoteFacts): boolean {
      return facts.voted === undefined ? super.grantsVote(facts) : facts.logOk;
    }
  },
  "counts half for a majority": class extends QuorumRules {
    override highWatermark(ends: readonly Offset[], start: Offset, current: Offset): Offset {
      const sorted = [...ends].sort((a, b) => b - a);
      const candidate = sorted[Math.max(0, Math.floor(sorted.length / 2) - 1)] ?? -1;
      return candidate > start && candidate > current ? candidate : current;
    }
  },
  "takes any position for valid": class extends QuorumRules {
    override validateFetch(log: QuorumLog, offset: Offset, epoch: Epoch): FetchVerdict {
      const verdict = super.validateFetch(log, offset, epoch);
      return verdict.kind === "diverging" && offset <= log.endOffset ? { kind: "valid" } : verdict;
    }
  },
  "cuts at the leader's offset alone": class extends QuorumRules {
    override truncationOffset(log: QuorumLog, diverging: OffsetAndEpoch): Offset {
      return Math.min(log.endOffset, diverging.offset);
    }
  },
  "changes voters while a change is under way": class extends QuorumRules {
    override mayChangeVoters(): boolean {
      return true;
    }
  },
};
