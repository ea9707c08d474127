/**
 * Whether a log is worth compacting, and up to where it may be (KIP-58, KIP-354).
 *
 * Owns the bounds: whole segments that are sealed and flushed, all of whose records are decided and
 * older than `min.compaction.lag.ms`. It does not own when to look.
 *
 * @module
 */

import type { Offset, Timestamp } from "./bytes/ids.ts";
import { UNLIMITED } from "./log_config.ts";
import type { LogState } from "./log_state.ts";

/** What compaction would find. */
export interface CompactionNeed {
  /** The first offset that was not compacted yet. */
  readonly firstDirtyOffset: Offset;
  /** Nothing from here on may be compacted now. */
  readonly firstUncleanableOffset: Offset;
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  /** `dirtyBytes` in both, from 0 to 1. */
  readonly dirtyRatio: number;
  /** For how long a record waits beyond `max.compaction.lag.ms`; 0 where none does. */
  readonly overdueMs: number;
  /** Whether it is due, by its ratio or its age. */
  readonly isDue: boolean;
}

/**
 * @param firstDirty what was noted after the last run; one that is not in the log counts as its
 *   start
 * @throws {DiskError}
 */
export function compactionNeed(
  state: LogState,
  firstDirty: Offset,
  lastStableOffset: Offset,
  now: Timestamp,
): CompactionNeed {
  const { segments, logStartOffset, logEndOffset, config } = state;
  const first = Math.max(segments[0]!.baseOffset, logStartOffset);
  const from = firstDirty < first || firstDirty > logEndOffset ? first : firstDirty;
  const bound = Math.min(lastStableOffset, state.flushedOffset);
  let uncleanable = from;
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let oldest = Infinity;
  for (let index = 0; index < segments.length - 1; index++) {
    const segment = segments[index]!;
    const end = segments[index + 1]!.baseOffset;
    if (end <= from) {
      cleanBytes += segment.size;
      continue;
    }
    if (end > bound || isTooYoung(state, segment.maxTimestamp, now)) break;
    uncleanable = end;
    dirtyBytes += segment.size;
    const { firstTimestamp = -1 } = segment;
    if (firstTimestamp > 0) oldest = Math.min(oldest, firstTimestamp);
  }
  const total = cleanBytes + dirtyBytes;
  const dirtyRatio = total === 0 ? 0 : dirtyBytes / total;
  const overdueMs = Math.max(0, now - config.maxCompactionLagMs - oldest);
  const isDue = dirtyBytes > 0 && (dirtyRatio > config.minCleanableDirtyRatio || overdueMs > 0);
  return {
    firstDirtyOffset: from,
    firstUncleanableOffset: uncleanable,
    cleanBytes,
    dirtyBytes,
    dirtyRatio,
    overdueMs,
    isDue,
  };
}

/** Whether the last segment has to be sealed for its records to be compacted in time. */
export function isRollOverdue(state: LogState, now: Timestamp): boolean {
  const { config, segments } = state;
  if (!config.cleanupCompact || config.maxCompactionLagMs >= UNLIMITED) return false;
  const { firstTimestamp = -1, size } = segments[segments.length - 1]!;
  return size > 0 && firstTimestamp > 0 && now - firstTimestamp > config.maxCompactionLagMs;
}

function isTooYoung({ config }: LogState, timestamp: Timestamp, now: Timestamp): boolean {
  return config.minCompactionLagMs > 0 && timestamp > now - config.minCompactionLagMs;
}
