/**
 * Zstandard and clients that are older than it (KIP-110): they neither send it nor are given it, as
 * they could not read it.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import { BATCH_HEADER_BYTES, BatchView, walkBatches } from "../../storage/record_batch.ts";

/** The first versions whose clients know it. */
const PRODUCE_VERSION = 7;
const FETCH_VERSION = 10;

const CODEC_MASK = 7;
const ZSTD = 4;
const NO_RECORDS = new Uint8Array(0);

/** Whether a client that asks in this version may send these bytes, which may be no batch. */
export function maySend(records: Uint8Array, produceVersion: number): boolean {
  return produceVersion >= PRODUCE_VERSION || records.length < BATCH_HEADER_BYTES ||
    !isZstd(new BatchView(records));
}

/** What of fetched batches a client that asks in this version can read: up to the first of zstd. */
export function readable(
  records: Uint8Array | null,
  fetchVersion: number,
): { readonly records: Uint8Array | null; readonly error: ErrorCode } {
  if (records === null || fetchVersion >= FETCH_VERSION) return { records, error: ErrorCode.NONE };
  let end = 0;
  for (const batch of walkBatches(records)) {
    if (isZstd(batch)) {
      return end > 0
        ? { records: records.subarray(0, end), error: ErrorCode.NONE }
        : { records: NO_RECORDS, error: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE };
    }
    end += batch.sizeInBytes;
  }
  return { records, error: ErrorCode.NONE };
}

function isZstd(batch: BatchView): boolean {
  return (batch.attributes & CODEC_MASK) === ZSTD;
}
