/**
 * The names of the files in a partition's folder, which are Kafka's.
 *
 * A segment is named after the offset of its first record, in 20 digits, so that names sort as
 * offsets do. A producer snapshot is named after the offset that it speaks of: the state before
 * that offset.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import type { DirectoryEntry, Disk } from "./disk.ts";

export const LOG_SUFFIX = ".log";
export const OFFSET_INDEX_SUFFIX = ".index";
export const TIME_INDEX_SUFFIX = ".timeindex";
export const TRANSACTION_INDEX_SUFFIX = ".txnindex";
export const SNAPSHOT_SUFFIX = ".snapshot";
/** Behind the name of a file that is about to be removed. */
export const DELETED_SUFFIX = ".deleted";
/** Behind the name of a segment that a compaction was writing when it was interrupted. */
export const CLEANED_SUFFIX = ".cleaned";
/**
 * Behind the name of a compacted segment that takes the place of others: it counts, they do not.
 */
export const SWAP_SUFFIX = ".swap";
/** Stands in the folder of a log that was compacted, or may be a copy of one: offsets may miss. */
export const COMPACTED_MARK = "compacted";
/** Behind the name of a file that was to replace another when it was interrupted. */
export const TEMPORARY_SUFFIX = ".tmp";

/** Every file of one segment, the log first: without it the others mean nothing. */
export const SEGMENT_SUFFIXES: readonly string[] = [
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
];

/** The path of a file that is named after an offset. */
export function offsetFilePath(folder: string, offset: Offset, suffix: string): string {
  return `${folder}/${String(offset).padStart(20, "0")}${suffix}`;
}

/** What a partition's folder holds, as far as names tell. */
export interface LogFolder {
  /** Base offsets of the segments, rising. */
  readonly segments: Offset[];
  /** Offsets of the producer snapshots, rising. */
  readonly snapshots: Offset[];
  /** Base offsets of the segments that have a transaction index. */
  readonly transactionIndexes: ReadonlySet<Offset>;
  /** Names of files that an interrupted operation left: they may go. */
  readonly leftovers: string[];
  readonly names: ReadonlySet<string>;
}

/** Sorts the entries of a partition's folder by what they are. Unknown names are let be. */
export function readLogFolder(entries: readonly DirectoryEntry[]): LogFolder {
  const segments: Offset[] = [];
  const snapshots: Offset[] = [];
  const transactionIndexes: Offset[] = [];
  const leftovers: string[] = [];
  const names = new Set<string>();
  for (const { name, isDirectory } of entries) {
    if (isDirectory) continue;
    names.add(name);
    if (name.endsWith(LOG_SUFFIX)) addOffset(segments, name, LOG_SUFFIX);
    else if (name.endsWith(SNAPSHOT_SUFFIX)) addOffset(snapshots, name, SNAPSHOT_SUFFIX);
    else if (name.endsWith(TRANSACTION_INDEX_SUFFIX)) {
      addOffset(transactionIndexes, name, TRANSACTION_INDEX_SUFFIX);
    } else if (isLeftover(name)) leftovers.push(name);
  }
  for (const name of names) if (isOrphan(name, names)) leftovers.push(name);
  return {
    segments,
    snapshots,
    transactionIndexes: new Set(transactionIndexes),
    leftovers,
    names,
  };
}

/** Removes the segments of a closed log that hold nothing from `offset` on. @throws {DiskError} */
export function removeSegmentsBefore(disk: Disk, folder: string, offset: Offset): void {
  if (disk.status(folder) === undefined) return;
  const { segments } = readLogFolder(disk.list(folder));
  const kept = segments.findLastIndex((base) => base <= offset);
  for (const base of segments.slice(0, Math.max(0, kept))) {
    for (const suffix of SEGMENT_SUFFIXES) disk.remove(offsetFilePath(folder, base, suffix));
  }
}

function addOffset(offsets: Offset[], name: string, suffix: string): void {
  const offset = offsetOf(name, suffix);
  // The listing is sorted by name, and equal widths sort as numbers do.
  if (offset >= 0) offsets.push(offset);
}

function offsetOf(name: string, suffix: string): Offset {
  if (name.length !== 20 + suffix.length) return -1;
  const digits = name.slice(0, 20);
  const offset = Number(digits);
  return /^[0-9]{20}$/.test(digits) && Number.isSafeInteger(offset) ? offset : -1;
}

function isLeftover(name: string): boolean {
  return name.endsWith(DELETED_SUFFIX) || name.endsWith(CLEANED_SUFFIX) ||
    name.endsWith(TEMPORARY_SUFFIX);
}

/** An index whose segment is gone. */
function isOrphan(name: string, names: ReadonlySet<string>): boolean {
  for (const suffix of [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX]) {
    if (name.endsWith(suffix) && offsetOf(name, suffix) >= 0) {
      return !names.has(name.slice(0, 20) + LOG_SUFFIX);
    }
  }
  return false;
}
