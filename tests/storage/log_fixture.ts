/**
 * Logs, and batches to put into them, for tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Disk } from "../../storage/disk.ts";
import { IndexCache } from "../../storage/index_cache.ts";
import { Log, type LogOpened, type LogOpenSlices } from "../../storage/log.ts";
import type { AppendContext, Appended, AppendResult } from "../../storage/log_append.ts";
import { type LogConfig, logConfig } from "../../storage/log_config.ts";
import type { ReadResult } from "../../storage/log_read.ts";
import { LogResources } from "../../storage/log_resources.ts";
import { type DecodedRecord, decodeRecords } from "../../storage/record.ts";
import {
  BatchCursor,
  BatchView,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from "../../storage/record_batch.ts";
import { type BatchOptions, RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import type { LogOpenOptions } from "../../storage/recovery.ts";

/** A time like any other. */
export const NOW = 1_700_000_000_000;
export const FOLDER = "topic-0";

/** Segments and intervals so small that a few batches fill them. */
export const SMALL: Partial<LogConfig> = {
  segmentBytes: 1000,
  indexIntervalBytes: 150,
  retentionMs: -1,
};

/** What a test says of a batch; its records are its values, one a text. */
export interface BatchSpec extends BatchOptions {
  readonly values?: readonly string[];
  /** Of all records, or of each; default NOW. */
  readonly timestamp?: number;
  readonly timestamps?: readonly number[];
}

/** A batch as a producer sends it. */
export function makeBatch(spec: BatchSpec = {}): Uint8Array {
  const { values = ["value"], timestamp = NOW, timestamps } = spec;
  const builder = new RecordBatchBuilder(new Uint8Array(256 + values.join("").length * 4));
  values.forEach((value, index) => {
    builder.tryAppend(timestamps?.[index] ?? timestamp, `key-${index}`, value);
  });
  return builder.build(spec).slice();
}

/** A batch as a leader sends it to a follower. */
export function replicatedBatch(offset: number, epoch: number, spec: BatchSpec = {}): Uint8Array {
  const bytes = makeBatch(spec);
  setBaseOffset(bytes, 0, offset);
  setPartitionLeaderEpoch(bytes, 0, epoch);
  return bytes;
}

/** Batches end to end. */
export function joinBatches(...batches: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(batches.reduce((size, { length }) => size + length, 0));
  let position = 0;
  for (const batch of batches) {
    joined.set(batch, position);
    position += batch.length;
  }
  return joined;
}

/** What a test says of a log that it opens. */
export interface LogSpec extends Partial<Omit<LogOpenOptions, "config">> {
  readonly config?: Partial<LogConfig>;
  readonly indexBytesMax?: number;
  readonly hotBytesMax?: number;
}

export function tryOpenLog(disk: Disk, spec: LogSpec = {}): LogOpened {
  return Log.open(openOptions(disk, spec));
}

/** Opens a log by slices. */
export function openSlices(disk: Disk, spec: LogSpec = {}): LogOpenSlices {
  return Log.opening(openOptions(disk, spec));
}

function openOptions(disk: Disk, spec: LogSpec): LogOpenOptions {
  const { config = {}, indexBytesMax, hotBytesMax, ...options } = spec;
  return {
    resources: new LogResources(disk, {
      indexCache: new IndexCache(indexBytesMax),
      ...(hotBytesMax === undefined ? {} : { hotBytesMax }),
    }),
    folder: FOLDER,
    now: NOW,
    clean: false,
    ...options,
    config: logConfig({ ...SMALL, ...config }),
  };
}

export function openLog(disk: Disk, spec: LogSpec = {}): Log {
  const opened = tryOpenLog(disk, spec);
  if (opened.kind === "open") return opened.log;
  throw new Error(`Cannot open log: ${JSON.stringify(opened)}`);
}

/** Closes a log in order and opens it again as it was closed. */
export function reopen(disk: Disk, log: Log, spec: LogSpec = {}): Log {
  log.close({ clean: true, now: NOW });
  const { recoveryPoint, logStartOffset } = log;
  return openLog(disk, { clean: true, recoveryPoint, logStartOffset, ...spec });
}

export function leader(leaderEpoch = 0, now = NOW): AppendContext {
  return { origin: "leader", leaderEpoch, now };
}

export function follower(leaderEpoch = 0, now = NOW): AppendContext {
  return { origin: "follower", leaderEpoch, now };
}

/** Appends one batch as a leader; it must succeed. */
export function append(log: Log, spec: BatchSpec = {}, context = leader()): Appended {
  return expectAppended(log.append(makeBatch(spec), context));
}

export function expectAppended(result: AppendResult): Appended {
  if (result.kind === "appended") return result;
  throw new Error(`Cannot append: ${result.error}, ${result.reason}`);
}

export function errorOf(result: AppendResult): string {
  return result.kind === "refused" ? result.error : "none";
}

/** All batches from an offset on, each one as bytes of its own. */
export function readBatches(log: Log, from = log.logStartOffset, maxBytes = 1e9): Uint8Array[] {
  const batches: Uint8Array[] = [];
  let offset = from;
  while (offset < log.logEndOffset) {
    const maxOffset = log.logEndOffset;
    const read = log.read(offset, { maxBytes, maxOffset, minOneBatch: true });
    if (read.kind !== "batches") throw new Error(`Cannot read ${offset}: ${JSON.stringify(read)}`);
    for (const batch of split(read.bytes)) {
      batches.push(batch);
      offset = new BatchView(batch).nextOffset;
    }
  }
  return batches;
}

/** Bytes that are exactly whole batches, taken apart. */
export function split(bytes: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = [];
  const cursor = new BatchCursor(bytes);
  while (cursor.next()) batches.push(cursor.batch.bytes.slice());
  assertEquals(cursor.stoppedBy, "end", "a read must end where a batch ends");
  return batches;
}

export function bytesOf(result: ReadResult): Uint8Array {
  if (result.kind === "batches") return result.bytes;
  return new Uint8Array(0);
}

/** All records of a log, from an offset on. */
export function readRecords(log: Log, from = log.logStartOffset): DecodedRecord[] {
  return readBatches(log, from)
    .flatMap((batch) => decodeRecords(new BatchView(batch)))
    .filter(({ offset }) => offset >= from);
}

/** The values of all records of a log, as text. */
export function readValues(log: Log, from = log.logStartOffset): string[] {
  return readRecords(log, from).map(({ value }) => new TextDecoder().decode(value ?? undefined));
}

/** The bytes of a file. */
export function fileBytes(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path);
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  return bytes;
}

/** The names in the log's folder that end in a suffix. */
export function names(disk: Disk, suffix = ""): string[] {
  return disk.list(FOLDER).map(({ name }) => name).filter((name) => name.endsWith(suffix));
}
