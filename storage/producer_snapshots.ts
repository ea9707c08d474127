/**
 * Producer state in files: `<offset>.snapshot` holds what the batches before that offset say of
 * their producers, in Kafka's binary form (version 1, with a CRC-32C).
 *
 * Owns the form, and which of a folder's snapshots are kept. It does not own the state.
 *
 * Kafka keeps one batch a producer. Here up to five are kept, each in an entry of its own, the
 * newest last: Kafka's reader takes the last entry of a producer for all, so it sees what it would
 * have written, and ours forgets no batch that may be sent again.
 *
 * Invariant: a snapshot that is torn, or not a snapshot, is never taken for one; an older one and
 * a longer replay stand in for it. So snapshots need no sync.
 *
 * @module
 */

import { readInt16, readInt32, readInt64, readUint32 } from "./bytes/big_endian.ts";
import { isSafeInt64, writeInt16, writeInt32, writeInt64 } from "./bytes/big_endian.ts";
import { crc32c } from "./bytes/crc32c.ts";
import type { Offset, Timestamp } from "./bytes/ids.ts";
import { readSmallFile, replaceSmallFile } from "./checkpoint.ts";
import type { Disk } from "./disk.ts";
import { offsetFilePath, SNAPSHOT_SUFFIX } from "./log_files.ts";
import {
  isExpired,
  type ProducerEntry,
  ProducerState,
  type RememberedBatch,
} from "./producer_state.ts";

const VERSION = 1;
const CRC_AT = 2;
const CONTENT_AT = 6;
const ENTRIES_AT = 10;

/** Where each field of an entry starts. */
const FIELD = {
  producerId: 0,
  producerEpoch: 8,
  lastSequence: 10,
  lastOffset: 14,
  offsetDelta: 22,
  timestamp: 26,
  coordinatorEpoch: 34,
  currentTransactionFirstOffset: 38,
} as const;
const ENTRY_BYTES = 46;

/** A file that is no sound snapshot. */
export class CorruptSnapshotError extends Error {
  override readonly name = "CorruptSnapshotError";
}

/** The bytes of a snapshot. */
export function encodeProducerState(state: ProducerState): Uint8Array {
  const rows = [...state.entries()].flatMap(rowsOf);
  const bytes = new Uint8Array(ENTRIES_AT + rows.length * ENTRY_BYTES);
  writeInt16(bytes, 0, VERSION);
  writeInt32(bytes, CONTENT_AT, rows.length);
  rows.forEach((row, index) => writeRow(bytes, ENTRIES_AT + index * ENTRY_BYTES, row));
  writeInt32(bytes, CRC_AT, crc32c(bytes, CONTENT_AT));
  return bytes;
}

/**
 * Reads the bytes of a snapshot.
 *
 * @throws {CorruptSnapshotError} naming `path` and what is wrong
 */
export function decodeProducerEntries(bytes: Uint8Array, path: string): ProducerEntry[] {
  const fail = (reason: string) => new CorruptSnapshotError(`Cannot read ${path}: ${reason}`);
  if (bytes.length < ENTRIES_AT) throw fail(`it has ${bytes.length} bytes`);
  const version = readInt16(bytes, 0);
  if (version !== VERSION) throw fail(`version ${version}, not ${VERSION}`);
  if (crc32c(bytes, CONTENT_AT) !== readUint32(bytes, CRC_AT)) throw fail("its checksum is wrong");
  const count = readInt32(bytes, CONTENT_AT);
  if (count * ENTRY_BYTES !== bytes.length - ENTRIES_AT) {
    throw fail(`it announces ${count} entries in ${bytes.length} bytes`);
  }
  const entries = new Map<number, ProducerEntry>();
  for (let at = ENTRIES_AT; at < bytes.length; at += ENTRY_BYTES) {
    if (!isSound(bytes, at)) throw fail(`the entry at ${at} is out of range`);
    const row = readRow(bytes, at);
    const earlier = entries.get(row.producerId);
    entries.set(row.producerId, earlier === undefined ? row : joinRows(earlier, row));
  }
  return [...entries.values()];
}

/** An entry of the file: a producer with one of its batches, or none. */
type Row = ProducerEntry;

function rowsOf(entry: ProducerEntry): Row[] {
  const { batches } = entry;
  const last = batches[batches.length - 1];
  if (last === undefined) return [entry];
  // After a marker the producer's time is not its last batch's: two entries tell both.
  const older = last.timestamp === entry.lastTimestamp ? batches.slice(0, -1) : batches;
  const rows = older.map((batch) => ({
    ...entry,
    lastTimestamp: batch.timestamp,
    currentTransactionFirstOffset: -1,
    batches: [batch],
  }));
  return [...rows, { ...entry, batches: [last] }];
}

function joinRows(earlier: ProducerEntry, row: Row): ProducerEntry {
  if (earlier.producerEpoch !== row.producerEpoch) return row;
  const last = earlier.batches[earlier.batches.length - 1];
  const added = row.batches[0];
  const isNew = added !== undefined && added.lastOffset !== last?.lastOffset;
  return { ...row, batches: isNew ? [...earlier.batches, added] : earlier.batches };
}

function writeRow(bytes: Uint8Array, at: number, row: Row): void {
  const batch = row.batches[0];
  writeInt64(bytes, at + FIELD.producerId, row.producerId);
  writeInt16(bytes, at + FIELD.producerEpoch, row.producerEpoch);
  writeInt32(bytes, at + FIELD.lastSequence, batch?.lastSequence ?? -1);
  writeInt64(bytes, at + FIELD.lastOffset, batch?.lastOffset ?? -1);
  writeInt32(bytes, at + FIELD.offsetDelta, batch?.offsetDelta ?? 0);
  writeInt64(bytes, at + FIELD.timestamp, row.lastTimestamp);
  writeInt32(bytes, at + FIELD.coordinatorEpoch, row.coordinatorEpoch);
  writeInt64(bytes, at + FIELD.currentTransactionFirstOffset, row.currentTransactionFirstOffset);
}

function isSound(bytes: Uint8Array, at: number): boolean {
  return isSafeInt64(bytes, at + FIELD.producerId) && isSafeInt64(bytes, at + FIELD.lastOffset) &&
    isSafeInt64(bytes, at + FIELD.timestamp) &&
    isSafeInt64(bytes, at + FIELD.currentTransactionFirstOffset);
}

function readRow(bytes: Uint8Array, at: number): Row {
  const lastTimestamp = readInt64(bytes, at + FIELD.timestamp);
  const batch: RememberedBatch = {
    lastSequence: readInt32(bytes, at + FIELD.lastSequence),
    lastOffset: readInt64(bytes, at + FIELD.lastOffset),
    offsetDelta: readInt32(bytes, at + FIELD.offsetDelta),
    timestamp: lastTimestamp,
  };
  return {
    producerId: readInt64(bytes, at + FIELD.producerId),
    producerEpoch: readInt16(bytes, at + FIELD.producerEpoch),
    coordinatorEpoch: readInt32(bytes, at + FIELD.coordinatorEpoch),
    lastTimestamp,
    currentTransactionFirstOffset: readInt64(bytes, at + FIELD.currentTransactionFirstOffset),
    batches: batch.lastOffset < 0 ? [] : [batch],
  };
}

/** The snapshots in the folder of one log. */
export class ProducerSnapshots {
  readonly #disk: Disk;
  readonly #folder: string;
  /** Rising. */
  #offsets: Offset[];

  /** @param offsets those of the snapshots that the folder holds, rising */
  constructor(disk: Disk, folder: string, offsets: readonly Offset[]) {
    this.#disk = disk;
    this.#folder = folder;
    this.#offsets = [...offsets];
  }

  /** Offsets of the snapshots there are, rising. */
  get offsets(): readonly Offset[] {
    return this.#offsets;
  }

  has(offset: Offset): boolean {
    return this.#offsets.includes(offset);
  }

  /**
   * Writes the state before `offset`. Snapshots that no segment begins with are kept only while
   * they are the newest.
   *
   * @throws {DiskError}
   */
  write(
    offset: Offset,
    state: ProducerState,
    segmentBases: ReadonlySet<Offset>,
    options: { readonly sync: boolean } = { sync: false },
  ): void {
    replaceSmallFile(this.#disk, this.#path(offset), encodeProducerState(state), options);
    if (!this.has(offset)) {
      this.#offsets.push(offset);
      this.#offsets.sort((a, b) => a - b);
    }
    this.#removeWhere((other) => other < offset && !segmentBases.has(other));
  }

  /**
   * The state of the newest sound snapshot at or before `offset`, and the offset it speaks of;
   * undefined where there is none. Unsound ones are removed.
   *
   * @throws {DiskError}
   */
  loadBefore(
    offset: Offset,
    now: Timestamp,
    expirationMs: number,
  ): { readonly state: ProducerState; readonly offset: Offset } | undefined {
    for (let index = this.#offsets.length - 1; index >= 0; index--) {
      const at = this.#offsets[index]!;
      if (at > offset) continue;
      const path = this.#path(at);
      const bytes = readSmallFile(this.#disk, path);
      try {
        if (bytes === undefined) throw new CorruptSnapshotError(`Cannot read ${path}: it is gone`);
        const state = new ProducerState();
        for (const entry of decodeProducerEntries(bytes, path)) {
          if (!isExpired(entry, now, expirationMs)) state.restore(entry);
        }
        state.restored(at);
        return { state, offset: at };
      } catch (error) {
        if (!(error instanceof CorruptSnapshotError)) throw error;
        this.#removeWhere((other) => other === at);
      }
    }
    return undefined;
  }

  /** Removes what speaks of offsets past a new end of the log. @throws {DiskError} */
  truncateFromEnd(endOffset: Offset): void {
    this.#removeWhere((offset) => offset > endOffset);
  }

  /** Removes what speaks of offsets before the first segment. @throws {DiskError} */
  truncateFromStart(startOffset: Offset): void {
    this.#removeWhere((offset) => offset < startOffset);
  }

  #removeWhere(isUnwanted: (offset: Offset) => boolean): void {
    if (!this.#offsets.some(isUnwanted)) return;
    for (const offset of this.#offsets) {
      if (isUnwanted(offset)) this.#disk.remove(this.#path(offset));
    }
    this.#offsets = this.#offsets.filter((offset) => !isUnwanted(offset));
  }

  #path(offset: Offset): string {
    return offsetFilePath(this.#folder, offset, SNAPSHOT_SUFFIX);
  }
}
