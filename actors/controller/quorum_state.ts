/**
 * The role of this node in the metadata quorum: the only place that changes it.
 *
 * | from       | to        | when                                                |
 * | ---------- | --------- | --------------------------------------------------- |
 * | unattached | candidate | it boots as the only voter, or an election begins   |
 * | candidate  | leader    | its own vote, being durable, is a majority          |
 *
 * What a role change makes known to others must be durable first: `becomeCandidate` returns the
 * state to persist, and `becomeLeader` may only follow when it is.
 *
 * Invariants: the epoch never falls; a vote, once cast in an epoch, stays; a node that led before
 * it stopped leads again only in a later epoch.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Uuid } from "../../storage/bytes/ids.ts";

export type QuorumRole = "unattached" | "candidate" | "leader";

/** What survives a restart. */
export interface PersistedQuorumState {
  readonly leaderId: NodeId;
  readonly leaderEpoch: Epoch;
  readonly votedId: NodeId;
  readonly votedDirectoryId: Uuid;
}

export class QuorumState {
  readonly #nodeId: NodeId;
  readonly #directoryId: Uuid;
  #role: QuorumRole = "unattached";
  #epoch: Epoch;

  /**
   * A voter that boots. The last epoch of its log counts too: it may be ahead of what was persisted
   * where the file was lost.
   */
  constructor(
    nodeId: NodeId,
    directoryId: Uuid,
    persisted: PersistedQuorumState | undefined,
    lastLogEpoch: Epoch,
  ) {
    this.#nodeId = nodeId;
    this.#directoryId = directoryId;
    this.#epoch = Math.max(persisted?.leaderEpoch ?? 0, lastLogEpoch, 0);
  }

  get role(): QuorumRole {
    return this.#role;
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Stands for election in a new epoch, with its own vote. Returns what must be durable first. */
  becomeCandidate(): PersistedQuorumState {
    this.#require("unattached");
    this.#role = "candidate";
    this.#epoch++;
    return {
      leaderId: NONE,
      leaderEpoch: this.#epoch,
      votedId: this.#nodeId,
      votedDirectoryId: this.#directoryId,
    };
  }

  /** Leads the epoch it was elected in. */
  becomeLeader(): void {
    this.#require("candidate");
    this.#role = "leader";
  }

  #require(role: QuorumRole): void {
    if (this.#role !== role) {
      throw new Error(`Cannot leave role ${this.#role}: the transition begins at ${role}`);
    }
  }
}
