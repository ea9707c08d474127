/**
 * Brings producer state forward over batches that are in the log already: after a restart, after a
 * truncation, and on a follower.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import { CompressionError } from "./compression_errors.ts";
import { type ControlRecord, decodeControlRecord } from "./control_record.ts";
import type {
  CompletedTransaction,
  EndTransactionMarker,
  ProducerState,
} from "./producer_state.ts";
import type { BatchView } from "./record_batch.ts";
import { RecordCursor } from "./record.ts";
import type { Segment } from "./segment.ts";

/**
 * Takes a whole batch into the state. Returns the transaction that it ends, if any. A control batch
 * that nobody can read, though its checksum is right, marks nothing.
 */
export function applyBatch(
  state: ProducerState,
  batch: BatchView,
): CompletedTransaction | undefined {
  if (batch.producerId < 0) return undefined;
  if (!batch.isControl) {
    state.apply(batch);
    return undefined;
  }
  const marker = tryReadMarker(batch) ?? undefined;
  return marker === undefined ? undefined : state.applyMarker(batch, marker);
}

/**
 * The marker that a control batch holds; undefined for other kinds, and where compaction has
 * emptied the batch.
 *
 * @throws {RangeError} when it cannot be read
 */
export function readMarker(batch: BatchView): EndTransactionMarker | undefined {
  const cursor = new RecordCursor(batch);
  if (batch.recordsCount === 0 || !cursor.next()) return undefined;
  const record: ControlRecord = decodeControlRecord(cursor.toRecord());
  return record.kind === "ABORT" || record.kind === "COMMIT" ? record : undefined;
}

/** As `readMarker`, but null for what cannot be read. */
export function tryReadMarker(batch: BatchView): EndTransactionMarker | undefined | null {
  try {
    return readMarker(batch);
  } catch (error) {
    if (error instanceof RangeError || error instanceof CompressionError) return null;
    throw error;
  }
}

/**
 * Takes the batches of a segment from `from` up to `to` into the state, reading headers only; tells
 * of each transaction that ends.
 *
 * @throws {CorruptLogError} @throws {DiskError}
 */
export function replaySegment(
  state: ProducerState,
  segment: Segment,
  from: Offset,
  to: Offset,
  indexIntervalBytes: number,
  ended?: (completed: CompletedTransaction, state: ProducerState) => void,
): void {
  const first = segment.seek(from, indexIntervalBytes);
  if (first === undefined) return;
  const scan = segment.scanFrom(first.position);
  while (scan.next() && scan.batch.baseOffset < to) {
    if (scan.batch.producerId < 0) continue;
    if (!scan.batch.isControl) {
      state.apply(scan.batch);
      continue;
    }
    const completed = applyBatch(state, scan.readWhole());
    if (completed !== undefined) ended?.(completed, state);
  }
}
