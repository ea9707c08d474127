/**
 * Metadata records as the records of batches.
 *
 * @module
 */

import type { Timestamp } from "../../storage/bytes/ids.ts";
import { RecordCursor } from "../../storage/record.ts";
import { type BatchView, walkBatches } from "../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { decodeRecord, encodeRecord } from "../../net/kafka/record_frame.ts";
import { METADATA_TABLES, type MetadataRecord, recordVersion } from "./metadata_record.ts";

const BATCH_BYTES_MIN = 16 * 1024;

/** Records as one batch, all of which is in the log or nothing. */
export function buildMetadataBatch(
  records: readonly MetadataRecord[],
  now: Timestamp,
): Uint8Array {
  const values = records.map(encodeMetadata);
  const bytes = values.reduce((sum, value) => sum + value.length + 32, BATCH_BYTES_MIN);
  const builder = new RecordBatchBuilder(new Uint8Array(bytes));
  for (const value of values) builder.tryAppend(now, null, value);
  return builder.build();
}

/** The value of one record. */
export function encodeMetadata(record: MetadataRecord): Uint8Array {
  const { table } = METADATA_TABLES[record.kind];
  return encodeRecord<MetadataRecord["value"]>(table, recordVersion(record), record.value);
}

/** @throws {Error} naming a record of a type or version that is not known */
export function decodeMetadataBatch(batch: BatchView): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    const { value } = cursor;
    if (value === null) throw new Error(`Cannot read metadata at ${cursor.offset}: no value`);
    const decoded = decodeRecord(value);
    records.push({ kind: decoded.kind, value: decoded.value } as MetadataRecord);
  }
  return records;
}

/** The metadata in batches that lie end to end; control batches are passed over. */
export function* metadataIn(batches: Uint8Array): Generator<MetadataRecord> {
  for (const batch of walkBatches(batches)) {
    if (!batch.isControl) yield* decodeMetadataBatch(batch);
  }
}
