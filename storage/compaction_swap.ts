/**
 * Putting a compacted segment in the place of those that it was made from, so that a crash at any
 * moment leaves the old ones or the new one.
 *
 * The new files are written and synced under `.cleaned`, where they count for nothing. Renamed to
 * `.swap`, with the folder synced, they are what the log holds, whatever else is there: that is the
 * moment of the swap. Then the old files go to `.deleted`, durably, and the new ones take their
 * names. Opening a log finishes what was begun.
 *
 * Invariants: an old file never stands beside a new one of its segment without a `.swap` that says
 * which counts; the last batch of a compacted segment tells where its offsets end, so that it is
 * known which segments it replaces. Readers of old files may go on until those are removed.
 *
 * @module
 */

import type { Offset, Timestamp } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { type DirectoryEntry, type Disk, DiskError, type File } from "./disk.ts";
import {
  CLEANED_SUFFIX,
  LOG_SUFFIX,
  offsetFilePath,
  readLogFolder,
  SEGMENT_SUFFIXES,
  SWAP_SUFFIX,
} from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import type { LogState } from "./log_state.ts";
import { doom } from "./log_truncate.ts";
import { Segment } from "./segment.ts";
import { SegmentScan } from "./segment_scan.ts";

/** The log file last: with it the others count. */
const SWAP_ORDER: readonly string[] = [...SEGMENT_SUFFIXES].reverse();

/**
 * Puts a segment, whose files are written and synced under `.cleaned`, in the place of `count` of
 * the log's, which are not the last.
 *
 * @throws {DiskError} before anything has changed, or, where the log's failure is set, after: the
 * next opening finishes it
 */
export function swapIn(
  state: LogState,
  index: number,
  count: number,
  cleaned: Segment,
  now: Timestamp,
): void {
  const { resources, folder, segments } = state;
  const { disk } = resources;
  const { baseOffset } = cleaned;
  const hasAborted = cleaned.transactions.entries > 0;
  cleaned.close();
  const old = segments.slice(index, index + count);
  state.noteGaps();
  try {
    renameAll(disk, folder, baseOffset, CLEANED_SUFFIX, SWAP_SUFFIX);
    syncNames(state);
    for (const segment of old) doom(state, segment, now);
    syncNames(state);
    renameAll(disk, folder, baseOffset, SWAP_SUFFIX, "");
  } catch (error) {
    // How far it came only the next opening finds out.
    if (error instanceof DiskError) state.failure ??= error;
    throw error;
  }
  const createdAt = old[old.length - 1]!.createdAt;
  const segment = new Segment(resources, folder, baseOffset, createdAt);
  if (!hasAborted) segment.transactions.noteAbsent();
  state.replaceSegments(index, count, segment);
}

/** Makes the folder's names durable, or nothing more is written. @throws {DiskError} */
export function syncNames(state: LogState): void {
  try {
    state.syncNames();
  } catch (error) {
    if (error instanceof DiskError) state.syncFailed(error);
    throw error;
  }
}

/**
 * Finishes the swaps that a crash has interrupted. Returns what stands in the folder then; it is
 * safe to be interrupted again.
 *
 * @throws {DiskError} @throws {CorruptLogError} when a compacted segment is not whole
 */
export function completeSwaps(
  resources: LogResources,
  folder: string,
  entries: readonly DirectoryEntry[],
): readonly DirectoryEntry[] {
  if (!entries.some(({ name }) => name.endsWith(SWAP_SUFFIX))) return entries;
  const { disk } = resources;
  const names = new Set(entries.map(({ name }) => name));
  const { segments } = readLogFolder(entries);
  for (const baseOffset of swappedIn(names)) {
    const end = endOfSwap(resources, folder, baseOffset);
    for (const base of segments) {
      if (base < baseOffset || base >= end) continue;
      for (const suffix of SEGMENT_SUFFIXES) disk.remove(offsetFilePath(folder, base, suffix));
    }
    // Before the new names: an old index must never stand beside the new segment.
    disk.syncDirectory(folder);
    for (const suffix of SWAP_ORDER) {
      const path = offsetFilePath(folder, baseOffset, suffix);
      // An index whose first renaming was lost is the same as one that was renamed.
      for (const extension of [CLEANED_SUFFIX, SWAP_SUFFIX]) {
        if (disk.status(path + extension) !== undefined) disk.rename(path + extension, path);
      }
    }
  }
  // What is left belongs to a swap that never came about, or is done.
  for (const { name } of disk.list(folder)) {
    if (name.endsWith(SWAP_SUFFIX)) disk.remove(`${folder}/${name}`);
  }
  disk.syncDirectory(folder);
  return disk.list(folder);
}

/** Base offsets of the segments that are to be swapped in, rising. */
function swappedIn(names: ReadonlySet<string>): Offset[] {
  const suffix = LOG_SUFFIX + SWAP_SUFFIX;
  return [...names]
    .filter((name) => name.endsWith(suffix) && name.length === 20 + suffix.length)
    .map((name) => Number(name.slice(0, 20)))
    .filter(Number.isSafeInteger)
    .sort((a, b) => a - b);
}

/** The offset after the last that a compacted segment stands for. */
function endOfSwap({ disk, scanBuffer }: LogResources, folder: string, baseOffset: Offset): Offset {
  const path = offsetFilePath(folder, baseOffset, LOG_SUFFIX) + SWAP_SUFFIX;
  const file: File = disk.open(path);
  try {
    const to = file.size();
    const scan = new SegmentScan({ file, from: 0, to, buffer: scanBuffer, baseOffset });
    let end = baseOffset;
    while (scan.next()) end = scan.batch.nextOffset;
    if (scan.stoppedBy !== "end") {
      const reason = "the compacted segment is cut off";
      throw new CorruptLogError(end, path, scan.nextPosition, reason);
    }
    return end;
  } finally {
    file.close();
  }
}

function renameAll(disk: Disk, folder: string, offset: Offset, from: string, to: string): void {
  for (const suffix of SWAP_ORDER) {
    const path = offsetFilePath(folder, offset, suffix);
    if (disk.status(path + from) !== undefined) disk.rename(path + from, path + to);
  }
}
