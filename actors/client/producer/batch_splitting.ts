/**
 * Divides a batch that the broker found too large (KIP-126).
 *
 * @module
 */

import { BATCH_HEADER_BYTES, BatchView } from "../../../storage/record_batch.ts";
import { RecordCursor } from "../../../storage/record.ts";
import type { ProducerBatch } from "./producer_batch.ts";

/** A batch that holds the records of another from `firstIndex` on. */
export interface BatchPart {
  readonly batch: ProducerBatch;
  readonly firstIndex: number;
}

/** More than a record takes besides its fields: its length, and deltas that may grow by a move. */
const RECORD_MARGIN_BYTES = 16;

/**
 * Makes parts of about half the size, or of one record, that together hold the batch's records in
 * order, and has the batch go on as them.
 *
 * @param begin makes a part of at least so many bytes
 */
export function splitBatch(
  batch: ProducerBatch,
  begin: (size: number) => ProducerBatch,
): BatchPart[] {
  const records = new RecordCursor(new BatchView(batch.close({})));
  const parts: BatchPart[] = [];
  const half = Math.ceil(batch.uncompressedBytes / 2);
  for (let index = 0; records.next(); index++) {
    const { timestamp, key, value, headers } = records;
    if (parts.at(-1)?.batch.tryAppend(timestamp, key, value, headers) === true) continue;
    const least = BATCH_HEADER_BYTES + records.sizeInBytes + RECORD_MARGIN_BYTES;
    const part = begin(Math.max(least, half));
    part.attempts = batch.attempts;
    part.tryAppend(timestamp, key, value, headers);
    parts.push({ batch: part, firstIndex: index });
  }
  batch.splitInto(parts);
  for (const part of parts) part.batch.isFull = true;
  return parts;
}
