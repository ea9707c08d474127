/**
 * The replication protocol of one replica of one partition, without log, clock or message: what it
 * is told, and what follows from it.
 *
 * Owns the role, the epochs, the in-sync replicas and the high watermark. The log's own offsets
 * come in; what is visible, what may be acknowledged and which requests are refused comes out.
 *
 * Invariants: leader epoch and partition epoch never fall; within a leader epoch the high watermark
 * never falls, and it never passes the log end offset; nothing is below it that this replica could
 * lose in a power cut where `flush.before.ack` is set.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionAssignment, RequiredAcks } from "./messages.ts";

export type Role = "none" | "leader" | "follower";

/** What the replica goes by besides the controller's word. */
export interface ReplicaSettings {
  /** `min.insync.replicas` */
  readonly minInsyncReplicas: number;
  /** `flush.before.ack`: count only what is durable as held. */
  readonly flushBeforeAck: boolean;
}

export class Replica {
  readonly #nodeId: NodeId;
  #settings: ReplicaSettings;
  #role: Role = "none";
  #assignment: PartitionAssignment = {
    leader: -1,
    leaderEpoch: -1,
    partitionEpoch: -1,
    replicas: [],
    isr: [],
  };
  #logEndOffset: Offset = 0;
  #flushedEndOffset: Offset = 0;
  #highWatermark: Offset = 0;

  constructor(nodeId: NodeId, settings: ReplicaSettings) {
    this.#nodeId = nodeId;
    this.#settings = settings;
  }

  get role(): Role {
    return this.#role;
  }

  get leaderEpoch(): Epoch {
    return this.#assignment.leaderEpoch;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** No transactions are open here yet, so what is committed is decided. */
  get lastStableOffset(): Offset {
    return this.#highWatermark;
  }

  /** Whether a flush would let the high watermark advance. */
  get awaitsFlush(): boolean {
    return this.#settings.flushBeforeAck && this.#flushedEndOffset < this.#logEndOffset;
  }

  /** Goes by other settings from now on. Returns whether the high watermark advanced. */
  configure(settings: ReplicaSettings): boolean {
    this.#settings = settings;
    return this.#maybeAdvanceHighWatermark();
  }

  /** The log has been opened: how far it reaches, and the high watermark noted last time. */
  opened(logEndOffset: Offset, flushedEndOffset: Offset, highWatermark: Offset): void {
    this.#logEndOffset = logEndOffset;
    this.#flushedEndOffset = flushedEndOffset;
    this.#highWatermark = Math.min(highWatermark, logEndOffset);
  }

  /**
   * Takes the controller's word, unless it is older than what is known. Returns true when a leader
   * epoch begins here, which the log must note even if no record follows.
   */
  assign(assignment: PartitionAssignment): boolean {
    if (assignment.partitionEpoch < this.#assignment.partitionEpoch) return false;
    const newEpoch = assignment.leaderEpoch > this.#assignment.leaderEpoch;
    this.#assignment = assignment;
    if (assignment.leader === this.#nodeId) {
      this.#role = "leader";
      this.#maybeAdvanceHighWatermark();
      return newEpoch;
    }
    this.#role = assignment.replicas.includes(this.#nodeId) ? "follower" : "none";
    return false;
  }

  /** The error that refuses an append, or NONE. */
  checkAppend(acks: RequiredAcks): ErrorCode {
    if (this.#role !== "leader") return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (acks === "all" && this.#assignment.isr.length < this.#settings.minInsyncReplicas) {
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    }
    return ErrorCode.NONE;
  }

  /** The error that refuses a reader who knows of this leader epoch (-1: of none), or NONE. */
  checkLeader(currentLeaderEpoch: Epoch): ErrorCode {
    if (currentLeaderEpoch >= 0) {
      if (currentLeaderEpoch < this.leaderEpoch) return ErrorCode.FENCED_LEADER_EPOCH;
      if (currentLeaderEpoch > this.leaderEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH;
    }
    return this.#role === "leader" ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }

  /** The log has grown to this end. Returns whether the high watermark advanced. */
  appended(logEndOffset: Offset): boolean {
    this.#logEndOffset = logEndOffset;
    return this.#maybeAdvanceHighWatermark();
  }

  /** Everything before this end is durable. Returns whether the high watermark advanced. */
  flushed(endOffset: Offset): boolean {
    this.#flushedEndOffset = Math.max(this.#flushedEndOffset, endOffset);
    return this.#maybeAdvanceHighWatermark();
  }

  /** The smallest end among the in-sync replicas, this one's own being the durable one if asked. */
  #maybeAdvanceHighWatermark(): boolean {
    if (this.#role !== "leader") return false;
    const { isr, replicas } = this.#assignment;
    const required = Math.min(this.#settings.minInsyncReplicas, replicas.length);
    if (isr.length < required) return false;
    const others = isr.some((id) => id !== this.#nodeId);
    if (others) return false;
    const held = this.#settings.flushBeforeAck ? this.#flushedEndOffset : this.#logEndOffset;
    if (held <= this.#highWatermark) return false;
    this.#highWatermark = held;
    return true;
  }
}
