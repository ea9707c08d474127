/**
 * Small files that are replaced whole: Kafka's checkpoints of one offset per partition, and the
 * mark of a clean shutdown.
 *
 * Owns how such a file is replaced so that a crash leaves the old text or the new one, never a
 * mix: it is written beside, synced, renamed over, and the folder is synced. It does not own when
 * that happens, nor what the offsets mean.
 *
 * Format (Kafka's, version 0): a line with the version, a line with the number of entries, and one
 * line `topic partition offset` an entry.
 *
 * @module
 */

import type { Offset } from "./bytes/ids.ts";
import type { Disk, File } from "./disk.ts";
import { folderOf } from "./disk_path.ts";
import { TEMPORARY_SUFFIX } from "./log_files.ts";

/** Offset up to which each log of the folder is known to be on the device. */
export const RECOVERY_POINT_CHECKPOINT = "recovery-point-offset-checkpoint";
/** Log start offset of each log that does not start at its first segment. */
export const LOG_START_OFFSET_CHECKPOINT = "log-start-offset-checkpoint";
/** High watermark of each replica. */
export const HIGH_WATERMARK_CHECKPOINT = "replication-offset-checkpoint";
/** Up to where each log is compacted. */
export const CLEANER_CHECKPOINT = "cleaner-offset-checkpoint";
/** Stands in a data folder exactly while no node uses it and the last one closed every log. */
export const CLEAN_SHUTDOWN_MARK = ".kafka_cleanshutdown";

const TEXT = new TextEncoder();
const VERSION = "0";

/** A file that says it is a checkpoint and cannot be read as one. */
export class MalformedFileError extends Error {
  override readonly name = "MalformedFileError";
}

/**
 * Reads a small file whole; undefined where there is none.
 *
 * @throws {DiskError} when it cannot be read
 */
export function readSmallFile(disk: Disk, path: string): Uint8Array | undefined {
  if (disk.status(path) === undefined) return undefined;
  const file = disk.open(path);
  try {
    const bytes = new Uint8Array(file.size());
    const read = file.read(bytes, 0);
    return read === bytes.length ? bytes : bytes.subarray(0, read);
  } finally {
    file.close();
  }
}

/**
 * Reads a small file as text; undefined where there is none.
 *
 * @throws {DiskError} when it cannot be read
 */
export function readSmallText(disk: Disk, path: string): string | undefined {
  const bytes = readSmallFile(disk, path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/**
 * Replaces a small file atomically. With `sync`, content and name are durable on return; without,
 * a crash may also leave an empty or torn file, so its reader must be able to tell.
 *
 * @throws {DiskError} after which the old content stands
 */
export function replaceSmallFile(
  disk: Disk,
  path: string,
  content: Uint8Array | string,
  options: { readonly sync: boolean },
): void {
  const file = stageSmallFile(disk, path, content);
  try {
    if (options.sync) file.sync();
  } finally {
    file.close();
  }
  commitSmallFile(disk, path);
  if (options.sync) disk.syncDirectory(folderOf(path));
}

/**
 * Writes what is to replace a small file beside it. Once the returned file has been synced, it may
 * be committed: a crash then leaves the old content or the new one.
 *
 * @throws {DiskError}
 */
export function stageSmallFile(disk: Disk, path: string, content: Uint8Array | string): File {
  const file = disk.open(path + TEMPORARY_SUFFIX, { create: true });
  try {
    file.truncate(0);
    file.write(typeof content === "string" ? TEXT.encode(content) : content, 0);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Puts what was staged in the place of the old. @throws {DiskError} */
export function commitSmallFile(disk: Disk, path: string): void {
  disk.rename(path + TEMPORARY_SUFFIX, path);
}

/** The name of a partition's folder. */
export function partitionFolder(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The topic and partition that a folder is named after; undefined for another kind of folder. */
export function parsePartitionFolder(
  name: string,
): { readonly topic: string; readonly partition: number } | undefined {
  const dash = name.lastIndexOf("-");
  if (dash <= 0) return undefined;
  const digits = name.slice(dash + 1);
  if (!/^(0|[1-9][0-9]{0,9})$/.test(digits)) return undefined;
  return { topic: name.slice(0, dash), partition: Number(digits) };
}

/**
 * Reads a checkpoint of offsets, keyed by partition folder (`topic-3`); empty where there is none.
 *
 * @throws {MalformedFileError} naming the file and the line
 */
export function readOffsetCheckpoint(disk: Disk, path: string): Map<string, Offset> {
  const text = readSmallText(disk, path);
  return text === undefined ? new Map() : parseOffsetCheckpoint(text, path);
}

/** Replaces a checkpoint of offsets, keyed by partition folder, durably. */
export function writeOffsetCheckpoint(
  disk: Disk,
  path: string,
  offsets: ReadonlyMap<string, Offset>,
): void {
  replaceSmallFile(disk, path, formatOffsetCheckpoint(offsets), { sync: true });
}

/** @throws {MalformedFileError} naming `path` and the line */
export function parseOffsetCheckpoint(text: string, path: string): Map<string, Offset> {
  const offsets = new Map<string, Offset>();
  for (const [topic, partition, offset] of parseEntries(text, path, 3)) {
    offsets.set(`${topic}-${parseWhole(partition!, path)}`, parseWhole(offset!, path));
  }
  return offsets;
}

/** @throws {TypeError} when a key is no name of a partition folder */
export function formatOffsetCheckpoint(offsets: ReadonlyMap<string, Offset>): string {
  const lines = [VERSION, String(offsets.size)];
  for (const [folder, offset] of offsets) {
    const parsed = parsePartitionFolder(folder);
    if (parsed === undefined) {
      throw new TypeError(`Cannot write checkpoint of ${folder}: it names no partition`);
    }
    lines.push(`${parsed.topic} ${parsed.partition} ${offset}`);
  }
  return lines.join("\n") + "\n";
}

/**
 * The entries of a checkpoint in Kafka's text form, each split into its `width` words.
 *
 * @throws {MalformedFileError} naming `path` and the line
 */
export function parseEntries(text: string, path: string, width: number): string[][] {
  const lines = text.split("\n");
  while (lines.length > 0 && lines[lines.length - 1]!.trim() === "") lines.pop();
  if (lines[0]?.trim() !== VERSION) {
    throw new MalformedFileError(
      `Cannot read ${path}: version is ${JSON.stringify(lines[0] ?? "")}, not ${VERSION}`,
    );
  }
  const count = parseWhole(lines[1] ?? "", path);
  if (lines.length - 2 !== count) {
    throw new MalformedFileError(
      `Cannot read ${path}: it announces ${count} entries and has ${lines.length - 2}`,
    );
  }
  return lines.slice(2).map((line, index) => {
    const words = line.trim().split(/\s+/);
    if (words.length !== width) {
      throw new MalformedFileError(
        `Cannot read ${path}: line ${index + 3} has ${words.length} words, not ${width}`,
      );
    }
    return words;
  });
}

/** @throws {MalformedFileError} when `text` is no whole number of at least 0 */
export function parseWhole(text: string, path: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text.trim()) || !Number.isSafeInteger(value)) {
    throw new MalformedFileError(
      `Cannot read ${path}: ${JSON.stringify(text)} is no whole number`,
    );
  }
  return value;
}
