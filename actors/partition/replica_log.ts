/**
 * What the replication protocol sees of a log.
 *
 * @module
 */

import type { Epoch, Offset, OffsetAndEpoch } from "../../storage/bytes/ids.ts";
import { NONE } from "../../storage/bytes/ids.ts";

/** A log as it is now; `Log` is one. */
export interface ReplicaLog {
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** All batches before it are durable. */
  readonly flushedOffset: Offset;
  /** Where the largest epoch up to `epoch` ends, with that epoch (KIP-101, KIP-279). */
  endOffsetFor(epoch: Epoch): OffsetAndEpoch | undefined;
  /** The leader epoch of the record at `offset`, or -1. */
  epochForOffset(offset: Offset): Epoch;
  /**
   * The end of what is decided, at most the high watermark; absent where there are no transactions.
   * @throws {DiskError} @throws {CorruptLogError}
   */
  lastStableOffset?(highWatermark: Offset): Offset;
}

/** Stands for a log that is not open. */
export const NO_LOG: ReplicaLog = {
  logStartOffset: 0,
  logEndOffset: 0,
  flushedOffset: 0,
  endOffsetFor: () => undefined,
  epochForOffset: () => NONE,
};
