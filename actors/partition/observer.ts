/**
 * How somebody outside looks on at replicas: by direct reference, never by messages.
 *
 * The simulated world's checkers are such; a node in the real world has none. Whoever looks must
 * change nothing and keep nothing that the replica owns. Registration is all that it costs.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { Log } from "../../storage/log.ts";
import type { TopicPartition } from "./messages.ts";

/** The protocol's state as it is now: what `Replica` has. */
export interface ReplicaState {
  readonly role: "none" | "leader" | "follower";
  readonly leaderEpoch: Epoch;
  readonly partitionEpoch: number;
  /** The leader that it believes in, or -1. */
  readonly leader: NodeId;
  readonly replicas: readonly NodeId[];
  /** As the controller committed it, as far as known here. */
  readonly isr: readonly NodeId[];
  /** The ISR, and whom a proposal under way adds: over these the high watermark is the smallest. */
  readonly maximalIsr: readonly NodeId[];
  /** Whether an AlterPartition is under way whose outcome is not known. */
  readonly isProposalPending: boolean;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  /** The log end offset when the leader epoch began here; of leaders only. */
  readonly leaderEpochStartOffset: Offset;
  /** `min.insync.replicas` as it applies now. */
  readonly minInsyncReplicas: number;
}

/** A replica, as long as its actor lives. */
export interface ObservedReplica extends TopicPartition {
  readonly nodeId: NodeId;
  readonly state: ReplicaState;
  /** Undefined while it is not open. */
  readonly log: Log | undefined;
}

/** Who looks on. */
export interface PartitionObserver {
  /** The actor of a replica began. */
  replicaStarted(replica: ObservedReplica): void;
  /** It ended, or its topic was deleted. */
  replicaEnded(replica: ObservedReplica): void;
}
