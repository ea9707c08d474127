/**
 * Taking records away: from the end, where a follower has diverged from its leader; all of them,
 * where it has fallen behind what the leader still has; and from the start, by raising the log
 * start offset or removing whole segments.
 *
 * Owns the order of steps, so that a crash or a failure in between leaves a log, if not the one
 * that was wanted. It does not own which records may go.
 *
 * @module
 */

import type { Offset, Timestamp } from "./bytes/ids.ts";
import type { LogState } from "./log_state.ts";
import { Segment } from "./segment.ts";

/**
 * Cuts the log so that it ends at `offset`, or where the batch begins that holds it. Below the
 * first segment nothing is left, and the log goes on at `offset`. Returns the new log end offset.
 *
 * A flush should follow, before the next append, which otherwise waits for a sync.
 *
 * @throws {DiskError} @throws {CorruptLogError} after which the log ends somewhere at or after it
 */
export function truncateTo(state: LogState, offset: Offset, now: Timestamp): Offset {
  if (offset >= state.logEndOffset) return state.logEndOffset;
  if (offset < state.segments[0]!.baseOffset) {
    truncateFullyAndStartAt(state, offset, now);
    return offset;
  }
  const { indexIntervalBytes } = state.config;
  const holder = state.segments[state.segmentIndex(offset)]!;
  state.lowerRecoveryPoint(holder.endBefore(offset, indexIntervalBytes));
  state.truncations++;
  try {
    removeSegmentsAbove(state, offset, now);
    const last = state.segments[state.segments.length - 1]!;
    state.logEndOffset = last.truncateTo(offset, indexIntervalBytes).nextOffset;
    state.activeChanged(true);
  } finally {
    followEnd(state);
  }
  return state.logEndOffset;
}

/**
 * Removes everything; the log goes on at `offset`. The change is durable on return.
 *
 * @throws {DiskError} after which the log holds a part of what it held
 */
export function truncateFullyAndStartAt(state: LogState, offset: Offset, now: Timestamp): void {
  state.lowerRecoveryPoint(Math.min(offset, state.segments[0]!.baseOffset));
  state.truncations++;
  // First, since a scan finds out what epochs records have, but not that records are gone.
  state.saveNoEpochs();
  try {
    removeSegmentsAbove(state, offset, now);
    const last = state.segments[state.segments.length - 1]!;
    let fresh = last;
    if (last.baseOffset !== offset) {
      fresh = new Segment(state.resources, state.folder, offset, now);
      fresh.create();
      state.addActive(fresh);
    } else {
      last.create();
      state.activeChanged(true);
    }
    state.logEndOffset = offset;
    removeFirstSegments(state, state.segments.indexOf(fresh), now);
  } finally {
    followEnd(state);
  }
  state.logStartOffset = offset;
  state.epochs.clear();
  state.epochChangesSaved = state.epochChanges;
  state.snapshots.truncateFromStart(offset + 1);
  state.resetProducers();
  state.active.syncLog();
  state.syncNames();
  state.flushedOffset = offset;
  state.raiseRecoveryPoint(offset);
}

/** Raises the log start offset; what is before it is not read any more. */
export function raiseLogStartOffset(state: LogState, offset: Offset): void {
  if (offset <= state.logStartOffset) return;
  state.logStartOffset = offset;
  if (state.epochs.truncateFromStart(offset)) state.epochChanges++;
}

/**
 * Removes the first `count` segments, oldest first: their files are renamed now and removed after
 * `file.delete.delay.ms`. The log start offset follows. The last segment stays.
 *
 * @throws {DiskError} after which fewer are removed
 */
export function removeFirstSegments(state: LogState, count: number, now: Timestamp): void {
  const { segments } = state;
  try {
    for (let left = count; left > 0 && segments.length > 1; left--) {
      doom(state, segments[0]!, now);
      segments.shift();
    }
  } finally {
    const start = segments[0]!.baseOffset;
    raiseLogStartOffset(state, start);
    state.snapshots.truncateFromStart(start);
    state.namesChanged = true;
  }
}

/** Removes files whose time has come. @throws {DiskError} and tries again the next time */
export function removeDoomedFiles(state: LogState, now: Timestamp): number {
  const { doomed } = state;
  let count = 0;
  while (count < doomed.length && doomed[count]!.removeAt <= now) {
    state.resources.disk.remove(doomed[count]!.path);
    count++;
  }
  if (count > 0) state.doomed = doomed.slice(count);
  return count;
}

/** Newest first, so that a crash in between leaves no hole. */
function removeSegmentsAbove(state: LogState, offset: Offset, now: Timestamp): void {
  const { segments } = state;
  while (segments.length > 1 && segments[segments.length - 1]!.baseOffset > offset) {
    const last = segments[segments.length - 1]!;
    doom(state, last, now);
    segments.pop();
    state.logEndOffset = last.baseOffset;
    state.activeChanged(false);
  }
}

/** Takes a segment's files out of the log. @throws {DiskError} */
export function doom(state: LogState, segment: Segment, now: Timestamp): void {
  const removeAt = now + state.config.fileDeleteDelayMs;
  const paths = segment.markDeleted();
  // Where one of that name waits already, it is this one's now.
  if (state.doomed.some(({ path }) => paths.includes(path))) {
    state.doomed = state.doomed.filter(({ path }) => !paths.includes(path));
  }
  for (const path of paths) state.doomed.push({ path, removeAt });
}

/** Epochs, producers and snapshots know nothing past the log end offset. */
function followEnd(state: LogState): void {
  const { logEndOffset } = state;
  // A cut takes whole batches, and a batch may begin before the log start offset.
  state.logStartOffset = Math.min(state.logStartOffset, logEndOffset);
  if (state.epochs.truncateFromEnd(logEndOffset)) state.epochChanges++;
  state.snapshots.truncateFromEnd(logEndOffset);
  state.dropProducersAbove(logEndOffset);
  state.namesChanged = true;
}
