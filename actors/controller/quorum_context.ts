/**
 * What the parts of the quorum's state machine share, and what they ask of the shell around it.
 *
 * The machine is synchronous and knows neither clock nor disk nor network: time comes in with each
 * call, and what is to be done goes out through `QuorumPorts`, in the order in which it must
 * happen.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import type { LogFields, LogLevel } from "../runtime/environment.ts";
import type { QuorumPeer } from "./messages.ts";
import type { QuorumLog, SnapshotId } from "./quorum_log.ts";
import type { QuorumRules } from "./quorum_rules.ts";
import type { PersistedQuorumState, QuorumState } from "./quorum_state.ts";
import type { ReplicaKey, VoterHistory, VoterSet } from "./voters.ts";

/** `controller.quorum.*`, in milliseconds and bytes. */
export interface QuorumTimeouts {
  readonly electionMs: number;
  readonly fetchMs: number;
  readonly backoffMaxMs: number;
  readonly requestMs: number;
  readonly retryMs: number;
  /** How long a leader holds a fetch that finds nothing. */
  readonly fetchWaitMs: number;
  readonly fetchBytes: number;
}

export interface QuorumOptions {
  readonly clusterId: string;
  readonly self: ReplicaKey;
  /** Where others reach this node, if it knows. */
  readonly address: SocketAddress | undefined;
  /** Whether the node can be a voter at all: it has the role of a controller. */
  readonly isController: boolean;
  /** Who votes where no record says so. */
  readonly voters: VoterSet;
  /** Asked for the leader where nobody else is known. */
  readonly bootstrapServers: readonly SocketAddress[];
  readonly timeouts: QuorumTimeouts;
  readonly log: QuorumLog;
  readonly persisted: PersistedQuorumState | undefined;
  readonly rules: QuorumRules;
  readonly ports: QuorumPorts;
  /** A whole number from 0 up to, not including, `below`. */
  random(below: number): number;
}

/** What the shell does for the machine. */
export interface QuorumPorts {
  /** Writes it down; durable on return, unless `durable` is false. */
  persist(state: PersistedQuorumState, durable: boolean): void;
  /** `done` is called later, once; undefined where there is no response. */
  send<Request, Response>(
    to: QuorumPeer,
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (now: number, response: Response | undefined) => void,
  ): void;
  /** Has the log made durable; `flushed` is called when it is. */
  flush(): void;
  /** Everything below is committed, and will stay. */
  committed(highWatermark: Offset): void;
  /** The log now ends here: what was at or behind it never counted. */
  truncated(endOffset: Offset): void;
  /** The log begins anew behind a snapshot, which is committed. */
  snapshotLoaded(id: SnapshotId): void;
  /** Role, epoch or leader are others. */
  roleChanged(): void;
  /** For people. */
  note(level: LogLevel, event: string, fields: LogFields): void;
}

/** What a node does in one role, as long as it is in it. */
export interface Role {
  /** When `tick` has something to do; Infinity if never. */
  readonly deadline: number;
  /** The node is in this role now. */
  begin(): void;
  /** Time has passed, or the log has been flushed. */
  tick(): void;
  /** It is in another. */
  end(): void;
}

/** What the roles have of the machine. */
export interface QuorumContext {
  readonly options: QuorumOptions;
  readonly state: QuorumState;
  readonly history: VoterHistory;
  /** Who votes now. */
  readonly voters: VoterSet;
  /** Whether this node may stand for election. */
  readonly mayStand: boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: number;
  /** Up to where everything is committed; -1 while that is not known. */
  readonly highWatermark: Offset;

  /** How a node is reached, if that is known. */
  peer(id: NodeId): QuorumPeer | undefined;
  /** Nodes that may know the leader. */
  anybody(): QuorumPeer[];
  /** Epoch and vote are written down first. */
  send<Request, Response>(
    to: QuorumPeer,
    api: Api<Request, Response>,
    request: Request,
    done: (response: Response | undefined) => void,
  ): void;
  /** Writes epoch and vote down, if they are not: before anything that depends on them. */
  persist(): void;
  /**
   * Takes in what a message says of the leader; what is older than what is known is passed over.
   * True where that ends the role.
   */
  learn(epoch: Epoch, leaderId: NodeId, addresses: readonly QuorumPeer[]): boolean;
  advanceHighWatermark(offset: Offset): void;

  becomeUnattached(epoch: Epoch): void;
  becomeFollower(epoch: Epoch, leaderId: NodeId): void;
  becomeProspective(): void;
  becomeCandidate(): void;
  becomeLeader(granting: readonly NodeId[]): void;
  becomeResigned(): void;
}

/** How long until an election is asked for: different on each node, so that one comes first. */
export function electionTimeout({ timeouts, random }: QuorumOptions): number {
  return timeouts.electionMs + random(timeouts.electionMs);
}

/** Doubles with each try, up to the longest; drawn, so that two do not go in step. */
export function electionBackoff({ timeouts, random }: QuorumOptions, tries: number): number {
  const longest = Math.min(timeouts.backoffMaxMs, timeouts.retryMs * 2 ** Math.min(tries, 20));
  return 1 + random(Math.max(1, longest));
}
