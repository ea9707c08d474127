/**
 * Retention: which of the oldest segments may go, by age, by size and by the log start offset.
 *
 * Owns the choice. It does not own the removal, nor when to look.
 *
 * Invariants: a segment goes whole, and only when every record of it is below the high watermark;
 * what is compacted only is not touched by age or size.
 *
 * @module
 */

import type { Offset, Timestamp } from "./bytes/ids.ts";
import type { LogState } from "./log_state.ts";
import type { Segment } from "./segment.ts";

/**
 * How many of the oldest segments may go. When that is all of them, the last one is to be rolled
 * before.
 *
 * @throws {DiskError} when a segment cannot be looked at
 */
export function countExpired(state: LogState, highWatermark: Offset, now: Timestamp): number {
  const { segments, config } = state;
  let excess = config.cleanupDelete && config.retentionBytes >= 0
    ? sizeInBytes(segments) - config.retentionBytes
    : -1;
  const endOf = (index: number) => segments[index + 1]?.baseOffset ?? state.logEndOffset;
  let count = 0;
  for (; count < segments.length; count++) {
    const segment = segments[count]!;
    const end = endOf(count);
    if (end > highWatermark) break;
    if (count === segments.length - 1 && segment.size === 0) break;
    const tooMuch = excess >= 0 && excess - segment.size >= 0;
    if (tooMuch) excess -= segment.size;
    const isBeforeStart = end <= state.logStartOffset;
    if (!tooMuch && !isBeforeStart && !(config.cleanupDelete && isOld(state, segment, now))) break;
  }
  return count;
}

/** Bytes of all segments together. @throws {DiskError} */
export function sizeInBytes(segments: readonly Segment[]): number {
  let total = 0;
  for (const segment of segments) total += segment.size;
  return total;
}

function isOld(state: LogState, segment: Segment, now: Timestamp): boolean {
  const { retentionMs } = state.config;
  if (retentionMs < 0) return false;
  // Records without a time count from when this process first saw their segment.
  const time = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.createdAt;
  return now - time > retentionMs;
}
