/**
 * Holds batches that were read from a device against their checksums: what was written long ago may
 * have rotted since, and whoever reads it is not to be given it.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import type { LogSlice } from "./log_read.ts";
import { BatchView } from "./record_batch.ts";
import { checkBatch } from "./record_batch_validation.ts";

/**
 * What is wrong with the bytes of a slice whose first batch holds `fromOffset`; undefined where
 * every batch is as it was written, as far as can be told: a checksum leaves out a batch's base
 * offset, length and leader epoch (KIP-98), of which the first two must fit in with what is around.
 */
export function findDamage(
  bytes: Uint8Array,
  { file, position, endOffset }: LogSlice,
  fromOffset: Offset,
): CorruptLogError | undefined {
  const batch = new BatchView(bytes);
  let expected = fromOffset;
  let start = 0;
  let before = { expected, start };
  const damage = (reason: string, at = { expected, start }) =>
    new CorruptLogError(at.expected, file.path, position + at.start, reason);
  while (start < bytes.length) {
    const fault = checkBatch(bytes, start, bytes.length);
    if (fault !== null) return damage(fault.reason);
    batch.moveTo(bytes, start);
    const { baseOffset, lastOffset } = batch;
    if (start > 0 && baseOffset < expected) {
      // One of the two, and what is before may be it.
      return damage(`the next batch has offset ${baseOffset}`, before);
    }
    // The first may begin before what is looked for.
    if (lastOffset < expected || lastOffset >= endOffset) {
      return damage(`the batch has offset ${baseOffset}`);
    }
    before = { expected, start };
    expected = batch.nextOffset;
    start += batch.sizeInBytes;
  }
  return undefined;
}
