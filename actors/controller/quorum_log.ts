/**
 * What the quorum needs of the metadata log: metadata_log.ts has it on a disk, tests in memory.
 *
 * @module
 */

import type { Epoch, NodeId, Offset, OffsetAndEpoch } from "../../storage/bytes/ids.ts";
import type { ReplicaKey, VotersAt, VoterSet } from "./voters.ts";

/** A snapshot of everything below an offset, the last record of which has that epoch. */
export interface SnapshotId {
  readonly endOffset: Offset;
  readonly epoch: Epoch;
}

/** The records that the quorum itself writes. */
export type QuorumRecord =
  | {
    readonly kind: "leader-change";
    readonly leaderId: NodeId;
    readonly voters: readonly ReplicaKey[];
    readonly granting: readonly ReplicaKey[];
  }
  | { readonly kind: "kraft-version"; readonly version: number }
  | { readonly kind: "voters"; readonly voters: VoterSet };

/** What came of taking in what the leader sent. */
export interface TakenIn {
  /** Why nothing was; a later attempt may succeed. */
  readonly problem: string | undefined;
  /** The sets of voters that were in it. */
  readonly voters: readonly VotersAt[];
}

/** A part of a snapshot. */
export interface SnapshotPart {
  /** Bytes of all of it. */
  readonly size: number;
  /** Own memory; empty at the end. */
  readonly bytes: Uint8Array;
}

/** All of it is synchronous but the flush, which is the shell's. Failures that last are thrown. */
export interface QuorumLog {
  readonly startOffset: Offset;
  readonly endOffset: Offset;
  /** Everything before it is durable. */
  readonly flushedOffset: Offset;
  /** Of the last record, in the log or in the snapshot before it; 0 where there is none. */
  readonly lastEpoch: Epoch;
  /** The newest snapshot. */
  readonly snapshotId: SnapshotId | undefined;

  /** The sets of voters in snapshot and log, oldest first. */
  voterSets(): VotersAt[];

  /** Where the largest epoch up to `epoch` ends (KIP-101, KIP-279). */
  endOffsetFor(epoch: Epoch): OffsetAndEpoch;

  /** Notes that a leader's epoch begins at the end. */
  assignEpoch(epoch: Epoch): void;

  /** Appends one batch as leader; why it could not, where a later attempt may succeed. */
  appendAsLeader(records: readonly QuorumRecord[], epoch: Epoch): string | undefined;

  /** Appends what the leader of `epoch` sent. */
  appendAsFollower(batches: Uint8Array, epoch: Epoch): TakenIn;

  /** Whole batches from an offset on, the first one whatever its size; memory of their own. */
  read(from: Offset, maxBytes: number): Uint8Array;

  /** Cuts the log at `offset`; returns where it ends. */
  truncateTo(offset: Offset): Offset;

  /** A part of a snapshot; undefined where there is no such snapshot. */
  readSnapshot(id: SnapshotId, position: number, maxBytes: number): SnapshotPart | undefined;

  /** Begins to take in a snapshot of the leader's; what was taken in of another is dropped. */
  beginSnapshot(id: SnapshotId): void;

  /** Why it could not be taken in, where a later attempt may succeed. */
  appendToSnapshot(position: number, bytes: Uint8Array): string | undefined;

  /**
   * The snapshot is whole: keeps it, durably, and begins the log anew behind it. Why it could not,
   * where a later attempt may succeed; the set of voters in it otherwise.
   */
  adoptSnapshot(): TakenIn;
}
