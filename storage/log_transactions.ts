/**
 * What a log knows of transactions: how far they are decided, and which were aborted.
 *
 * Owns the last stable offset, and the transaction index as a whole: what is noted in it and how it
 * is built anew where it was lost. What begins and ends a transaction is producer_state.ts'.
 *
 * Invariants: nothing at or above the last stable offset belongs to a decided past: either it is
 * not committed, or a transaction that began before it has no committed marker. The last stable
 * offset is a bound that is excluded, as the high watermark is.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import type { LogState } from "./log_state.ts";
import { replaySegment } from "./producer_replay.ts";
import { type CompletedTransaction, ProducerState } from "./producer_state.ts";
import type { Segment } from "./segment.ts";
import type { AbortedTransaction } from "./transaction_index.ts";

/**
 * The end of what is decided: the smaller of the high watermark and the first offset of the oldest
 * transaction that has no marker below the high watermark.
 *
 * @throws {DiskError} @throws {CorruptLogError}
 */
export function lastStableOffset(state: LogState, highWatermark: Offset): Offset {
  const producers = state.producers(state.openedAt);
  if (producers.completedSince > highWatermark) learnCompleted(state, producers, highWatermark);
  const first = producers.firstUnstableOffset(highWatermark);
  if (first < 0) return highWatermark;
  // Records of an open transaction may have been deleted from the start.
  return Math.min(highWatermark, Math.max(first, state.logStartOffset));
}

/**
 * The aborted transactions with a record from `from` up to `to`, which is not one of them, by their
 * first offsets.
 *
 * @throws {DiskError} @throws {CorruptLogError}
 */
export function abortedTransactions(
  state: LogState,
  from: Offset,
  to: Offset,
): AbortedTransaction[] {
  const found: AbortedTransaction[] = [];
  for (let index = state.segmentIndex(from); index < state.segments.length; index++) {
    const segment = state.segments[index]!;
    restoreTransactionIndex(state, segment);
    if (segment.transactions.collect(from, to, found)) break;
  }
  return found.sort((a, b) => a.firstOffset - b.firstOffset);
}

/** Notes in a segment's index a transaction that has just ended by a marker in that segment. */
export function noteCompleted(
  segment: Segment,
  producers: ProducerState,
  completed: CompletedTransaction | undefined,
): void {
  if (completed?.isAborted !== true) return;
  const { producerId, firstOffset, lastOffset } = completed;
  const lastStableOffset = producers.lastStableOffset(completed);
  segment.transactions.append({ producerId, firstOffset, lastOffset, lastStableOffset });
}

/**
 * Where a segment's index is lost, reads the batches anew, from the last snapshot of producers
 * before the segment.
 *
 * @throws {DiskError} @throws {CorruptLogError}
 */
export function restoreTransactionIndex(state: LogState, segment: Segment): void {
  if (!segment.transactions.isLost) return;
  const { segments, logEndOffset, config } = state;
  const next = segments[segments.indexOf(segment) + 1];
  const aborted: AbortedTransaction[] = [];
  replayFrom(
    state,
    segment.baseOffset,
    next?.baseOffset ?? logEndOffset,
    (completed, producers) => {
      if (!completed.isAborted || completed.lastOffset < segment.baseOffset) return;
      aborted.push({ ...completed, lastStableOffset: producers.lastStableOffset(completed) });
    },
    config.indexIntervalBytes,
  );
  segment.transactions.restore(aborted);
}

/**
 * A snapshot of producers tells which transactions are open, not which have ended only just: learns
 * those that ended at `from` or later. Control records are few, and mostly there is none.
 */
function learnCompleted(state: LogState, producers: ProducerState, from: Offset): void {
  const to = producers.completedSince;
  const completed: CompletedTransaction[] = [];
  if (hasControlBatch(state, from, to)) {
    replayFrom(state, from, to, (each) => {
      if (each.lastOffset >= from) completed.push(each);
    }, state.config.indexIntervalBytes);
  }
  producers.learnCompleted(completed, from);
}

function hasControlBatch(state: LogState, from: Offset, to: Offset): boolean {
  const { segments, config } = state;
  for (let index = state.segmentIndex(from); index < segments.length; index++) {
    const segment = segments[index]!;
    if (segment.baseOffset >= to) return false;
    const first = segment.seek(from, config.indexIntervalBytes);
    if (first === undefined) continue;
    const scan = segment.scanFrom(first.position);
    while (scan.next() && scan.batch.baseOffset < to) if (scan.batch.isControl) return true;
  }
  return false;
}

/** Replays the batches up to `to` that come after the last snapshot at or before `from`. */
function replayFrom(
  state: LogState,
  from: Offset,
  to: Offset,
  ended: (completed: CompletedTransaction, producers: ProducerState) => void,
  indexIntervalBytes: number,
): void {
  const { segments, snapshots } = state;
  // Whoever is silent for long has no open transaction: nobody need be forgotten.
  const found = snapshots.loadBefore(from, state.openedAt, Infinity);
  const producers = found?.state ?? new ProducerState();
  const start = found?.offset ?? segments[0]!.baseOffset;
  for (let index = state.segmentIndex(start); index < segments.length; index++) {
    const segment = segments[index]!;
    if (segment.baseOffset >= to) return;
    replaySegment(producers, segment, start, to, indexIntervalBytes, ended);
  }
}
