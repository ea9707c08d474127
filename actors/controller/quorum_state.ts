/**
 * The role of this node in the metadata quorum: the only place that changes it.
 *
 * | from        | to          | when                                                             |
 * | ----------- | ----------- | ---------------------------------------------------------------- |
 * | any         | unattached  | a higher epoch whose leader is not known                         |
 * | any         | follower    | a higher epoch with its leader                                   |
 * | unattached  | follower    | the leader of its epoch becomes known; also from prospective and |
 * |             |             | candidate                                                        |
 * | unattached  | prospective | its election timeout; a follower's fetch timeout; a candidate's  |
 * |             |             | election timeout                                                 |
 * | prospective | candidate   | a majority would vote for it                                     |
 * | prospective | follower    | it would lose, or time is up, and it knows the epoch's leader    |
 * | prospective | unattached  | the same, and it does not                                        |
 * | candidate   | leader      | a majority has voted for it                                      |
 * | leader      | resigned    | it hears from no majority, or it closes                          |
 * | resigned    | unattached  | its election timeout: in the next epoch                          |
 * | any but     | candidate   | it is the only voter                                             |
 * | leader      |             |                                                                  |
 *
 * `persisted` must be durable before anything that depends on it: a vote, a request in the epoch, a
 * record of it.
 *
 * Invariants: the epoch never falls; a vote, once cast in an epoch, stays; an epoch has one leader,
 * so that a second one is a bug of which the node dies; a node that led before it stopped leads
 * again only in a later epoch.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import type { ReplicaKey } from "./voters.ts";

export type QuorumRole =
  | "unattached"
  | "prospective"
  | "candidate"
  | "leader"
  | "follower"
  | "resigned";

/** What survives a restart. */
export interface PersistedQuorumState {
  readonly leaderId: NodeId;
  readonly leaderEpoch: Epoch;
  readonly votedId: NodeId;
  readonly votedDirectoryId: Uuid;
}

/** What a node begins as: by the rules never as leader, nor as what is not persisted. */
export interface QuorumBoot {
  readonly role: QuorumRole;
  readonly epoch: Epoch;
  readonly leaderId: NodeId;
  readonly voted: ReplicaKey | undefined;
}

type From = readonly QuorumRole[];

const NOT_LEADER: From = ["unattached", "prospective", "candidate", "follower", "resigned"];

export class QuorumState {
  readonly #self: ReplicaKey;
  #role: QuorumRole;
  #epoch: Epoch;
  #leaderId: NodeId;
  #voted: ReplicaKey | undefined;
  #changes = 0;

  constructor(self: ReplicaKey, boot: QuorumBoot) {
    this.#self = self;
    this.#role = boot.role;
    this.#epoch = boot.epoch;
    this.#leaderId = boot.leaderId;
    this.#voted = boot.voted;
  }

  get role(): QuorumRole {
    return this.#role;
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Who leads the epoch, or led it; -1 where that is not known. */
  get leaderId(): NodeId {
    return this.#leaderId;
  }

  /** For whom it voted in the epoch. */
  get voted(): ReplicaKey | undefined {
    return this.#voted;
  }

  /** How often what is to survive a restart has changed. */
  get changes(): number {
    return this.#changes;
  }

  get persisted(): PersistedQuorumState {
    return {
      leaderId: this.#leaderId,
      leaderEpoch: this.#epoch,
      votedId: this.#voted?.id ?? NONE,
      votedDirectoryId: this.#voted?.directoryId ?? ZERO_UUID,
    };
  }

  /** Knows no leader: of a higher epoch, or of its own where an election came to nothing. */
  becomeUnattached(epoch: Epoch): void {
    if (epoch > this.#epoch) {
      this.#enterEpoch(epoch, NONE);
    } else {
      this.#require("unattached", ["prospective"]);
      this.#requireEpoch("unattached", epoch);
      if (this.#leaderId !== NONE) throw this.#illegal("unattached", "it knows the leader");
    }
    this.#role = "unattached";
  }

  /** Follows the leader of a higher epoch, or of its own. */
  becomeFollower(epoch: Epoch, leaderId: NodeId): void {
    if (leaderId === this.#self.id || leaderId < 0) {
      throw this.#illegal("follower", `node ${leaderId} is nobody to follow`);
    }
    if (epoch > this.#epoch) {
      this.#enterEpoch(epoch, leaderId);
    } else {
      this.#requireEpoch("follower", epoch);
      if (this.#leaderId !== NONE && this.#leaderId !== leaderId) {
        throw this.#illegal(
          "follower",
          `node ${leaderId} says that it leads epoch ${epoch}, which node ${this.#leaderId} leads`,
        );
      }
      this.#require("follower", ["unattached", "prospective", "candidate"]);
      if (this.#leaderId !== leaderId) this.#changes++;
      this.#leaderId = leaderId;
    }
    this.#role = "follower";
  }

  /** Asks whether a majority would vote for it; nothing that is durable changes (KIP-996). */
  becomeProspective(): void {
    this.#require("prospective", ["unattached", "follower", "candidate"]);
    this.#role = "prospective";
  }

  /** Stands for election in a new epoch, with its own vote. */
  becomeCandidate(isOnlyVoter: boolean): void {
    this.#require("candidate", isOnlyVoter ? NOT_LEADER : ["prospective"]);
    this.#enterEpoch(this.#epoch + 1, NONE);
    this.#voted = this.#self;
    this.#role = "candidate";
  }

  /** Leads the epoch it was elected in. */
  becomeLeader(): void {
    this.#require("leader", ["candidate"]);
    this.#leaderId = this.#self.id;
    this.#changes++;
    this.#role = "leader";
  }

  /** Leads no more, in the epoch that nobody else will lead. */
  becomeResigned(): void {
    this.#require("resigned", ["leader"]);
    this.#role = "resigned";
  }

  /** Votes in its epoch: once. */
  vote(candidate: ReplicaKey): void {
    this.#require("voter", ["unattached", "prospective"]);
    if (this.#voted !== undefined) throw this.#illegal("voter", "it has voted in this epoch");
    this.#voted = candidate;
    this.#changes++;
  }

  #enterEpoch(epoch: Epoch, leaderId: NodeId): void {
    this.#epoch = epoch;
    this.#leaderId = leaderId;
    this.#voted = undefined;
    this.#changes++;
  }

  #require(to: string, from: From): void {
    if (!from.includes(this.#role)) throw this.#illegal(to, `that begins at ${from.join(", ")}`);
  }

  #requireEpoch(to: string, epoch: Epoch): void {
    if (epoch !== this.#epoch) throw this.#illegal(to, `epoch ${epoch} has passed`);
  }

  #illegal(to: string, reason: string): Error {
    return new Error(
      `Cannot become ${to} from ${this.#role} in epoch ${this.#epoch}: ${reason}`,
    );
  }
}
