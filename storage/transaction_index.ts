/**
 * Which transactions were aborted: Kafka's `.txnindex`, one entry for each abort marker that stands
 * in the segment and ended a transaction with records in this partition. The records themselves may
 * lie in earlier segments.
 *
 * An entry has 34 bytes: version, int16, 0; producer id, int64; first offset of the transaction,
 * offset of its marker, and the last stable offset once it had ended, int64 each. A segment without
 * an aborted transaction has no file.
 *
 * Unlike the other indexes this one is needed for a right answer, and no header of the segment
 * alone says what belongs into it. So it says when it is lost, and whoever reads it has it built
 * anew (log_transactions.ts).
 *
 * Invariants: markers rise strictly from entry to entry; none lies before the segment; what is in
 * memory and not in the file belongs to batches past the recovery point.
 *
 * @module
 */

import { isSafeInt64, readInt16, readInt64, writeInt16, writeInt64 } from "./bytes/big_endian.ts";
import type { Offset, ProducerId } from "./bytes/ids.ts";
import { replaceSmallFile } from "./checkpoint.ts";
import { DiskError } from "./disk.ts";
import { IndexFile, type IndexResources } from "./index_file.ts";

/** Bytes of one entry. */
export const TRANSACTION_INDEX_ENTRY_BYTES = 34;

const VERSION = 0;
const PRODUCER_ID_AT = 2;
const FIRST_OFFSET_AT = 10;
const LAST_OFFSET_AT = 18;
const LAST_STABLE_OFFSET_AT = 26;

/** A transaction that was aborted. */
export interface AbortedTransaction {
  readonly producerId: ProducerId;
  /** Of its first record in this partition. */
  readonly firstOffset: Offset;
  /** Of its marker. */
  readonly lastOffset: Offset;
  /** Where the next open transaction begins, or else the offset after the marker. */
  readonly lastStableOffset: Offset;
}

/** The aborted transactions whose markers stand in one segment. */
export class TransactionIndex {
  readonly file: IndexFile;
  readonly #resources: IndexResources;
  /** Nothing is there, in memory or in a file: nothing need be opened to know it. */
  #isEmpty = false;
  #isLost = false;

  constructor(resources: IndexResources, path: string, baseOffset: Offset) {
    this.#resources = resources;
    this.file = new IndexFile(
      resources,
      path,
      TRANSACTION_INDEX_ENTRY_BYTES,
      (bytes, length) => soundBytes(bytes, length, baseOffset),
    );
  }

  /** There is no file. */
  noteAbsent(): void {
    this.#isEmpty = true;
  }

  /** Whether it must be built anew before it is used. @throws {DiskError} when it cannot be read */
  get isLost(): boolean {
    if (!this.#isEmpty && !this.#isLost && this.file.takeDamage()) this.#isLost = true;
    return this.#isLost;
  }

  get entries(): number {
    return this.#isEmpty ? 0 : this.file.entries;
  }

  entry(index: number): AbortedTransaction {
    const { bytes } = this.file;
    const at = index * TRANSACTION_INDEX_ENTRY_BYTES;
    return {
      producerId: readInt64(bytes, at + PRODUCER_ID_AT),
      firstOffset: readInt64(bytes, at + FIRST_OFFSET_AT),
      lastOffset: readInt64(bytes, at + LAST_OFFSET_AT),
      lastStableOffset: readInt64(bytes, at + LAST_STABLE_OFFSET_AT),
    };
  }

  /** Adds a transaction; where that fails the index is lost, which harms no append. */
  append(aborted: AbortedTransaction): void {
    if (this.#isLost) return;
    try {
      this.#append(aborted);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#isLost = true;
    }
  }

  /** Drops the transactions whose markers are at `offset` or after it. @throws {DiskError} */
  truncateTo(offset: Offset): void {
    if (this.#isEmpty || this.isLost) return;
    let kept = this.entries;
    while (kept > 0 && this.#lastOffset(kept - 1) >= offset) kept--;
    this.file.truncate(kept);
  }

  /** Drops all entries, to begin anew. @throws {DiskError} */
  reset(): void {
    if (!this.#isEmpty) this.file.reset();
    this.#isLost = false;
  }

  /** Has these entries and no others from now on, durably: it was lost. @throws {DiskError} */
  restore(entries: readonly AbortedTransaction[]): void {
    const bytes = new Uint8Array(entries.length * TRANSACTION_INDEX_ENTRY_BYTES);
    entries.forEach((entry, index) => {
      writeEntry(bytes, index * TRANSACTION_INDEX_ENTRY_BYTES, entry);
    });
    this.file.discard();
    // At once and as a whole: a part would pass for all there is.
    replaceSmallFile(this.#resources.disk, this.file.path, bytes, { sync: true });
    this.#isEmpty = false;
    this.#isLost = false;
  }

  /**
   * Adds to `found` the transactions that overlap the offsets from `from` up to `to`, which is not
   * one of them. Returns whether no later segment has another.
   *
   * @throws {DiskError}
   */
  collect(from: Offset, to: Offset, found: AbortedTransaction[]): boolean {
    const { entries } = this;
    for (let index = this.#firstEndingAt(from); index < entries; index++) {
      const aborted = this.entry(index);
      if (aborted.firstOffset < to) found.push(aborted);
      if (aborted.lastStableOffset >= to) return true;
    }
    return false;
  }

  /** Lets go of memory and descriptor; what is not written is lost. */
  discard(): void {
    if (!this.#isEmpty) this.file.discard();
  }

  #append(aborted: AbortedTransaction): void {
    const { lastOffset } = aborted;
    this.#isEmpty = false;
    const last = this.entries - 1;
    if (last >= 0 && this.#lastOffset(last) >= lastOffset) {
      const known = this.#lastOffset(last);
      throw new RangeError(
        `Cannot add marker ${lastOffset} to ${this.file.path}: last is ${known}`,
      );
    }
    const at = this.file.append();
    writeEntry(this.file.bytes, at, aborted);
  }

  #lastOffset(index: number): Offset {
    return readInt64(this.file.bytes, index * TRANSACTION_INDEX_ENTRY_BYTES + LAST_OFFSET_AT);
  }

  /** The first entry whose marker is at `offset` or after it. */
  #firstEndingAt(offset: Offset): number {
    let low = 0;
    let high = this.entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#lastOffset(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function writeEntry(
  bytes: Uint8Array,
  at: number,
  { producerId, firstOffset, lastOffset, lastStableOffset }: AbortedTransaction,
): void {
  writeInt16(bytes, at, VERSION);
  writeInt64(bytes, at + PRODUCER_ID_AT, producerId);
  writeInt64(bytes, at + FIRST_OFFSET_AT, firstOffset);
  writeInt64(bytes, at + LAST_OFFSET_AT, lastOffset);
  writeInt64(bytes, at + LAST_STABLE_OFFSET_AT, lastStableOffset);
}

/** Zeros of sectors that were never written, and what else cannot be an entry, end the index. */
function soundBytes(bytes: Uint8Array, length: number, baseOffset: Offset): number {
  let last = baseOffset - 1;
  for (let at = 0; at < length; at += TRANSACTION_INDEX_ENTRY_BYTES) {
    if (readInt16(bytes, at) !== VERSION) return at;
    for (let field = PRODUCER_ID_AT; field <= LAST_STABLE_OFFSET_AT; field += 8) {
      if (!isSafeInt64(bytes, at + field) || readInt64(bytes, at + field) < 0) return at;
    }
    const firstOffset = readInt64(bytes, at + FIRST_OFFSET_AT);
    const lastOffset = readInt64(bytes, at + LAST_OFFSET_AT);
    const lastStableOffset = readInt64(bytes, at + LAST_STABLE_OFFSET_AT);
    if (lastOffset <= last || firstOffset >= lastOffset || lastStableOffset > lastOffset + 1) {
      return at;
    }
    last = lastOffset;
  }
  return length;
}
