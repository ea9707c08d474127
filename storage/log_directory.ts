/**
 * A data folder: whose it is, whether it was closed in order, and how far its logs had come.
 *
 * Owns the lock, `meta.properties`, the mark of a clean shutdown and the checkpoints of offsets. It
 * does not own the logs: they tell it how far they are, and it writes that down now and then.
 *
 * Invariants: one process at a time; the clean mark is gone, durably, before any log is written;
 * what a checkpoint says of a log was true of it, and durable, when it was noted.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "./bytes/ids.ts";
import {
  CLEAN_SHUTDOWN_MARK,
  CLEANER_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  MalformedFileError,
  parsePartitionFolder,
  readOffsetCheckpoint,
  readSmallText,
  RECOVERY_POINT_CHECKPOINT,
  replaceSmallFile,
  writeOffsetCheckpoint,
} from "./checkpoint.ts";
import type { Disk, DiskLock } from "./disk.ts";
import { LOG_SUFFIX } from "./log_files.ts";
import {
  META_PROPERTIES,
  type MetaProperties,
  PARTITION_METADATA,
  readMetaProperties,
  writeMetaProperties,
} from "./meta_properties.ts";

/** How far a log has come, as its partition last said. */
export interface LogProgress {
  readonly recoveryPoint: Offset;
  readonly logStartOffset: Offset;
  /** As far as it is durable: damage below it is no tail that a power cut tore off. */
  readonly highWatermark: Offset;
}

export interface LogDirectoryOptions {
  readonly nodeId: NodeId;
  /** What a process that finds the folder locked is told: a pid. */
  readonly holder: string;
  /** Draws the ids of a new folder. */
  readonly newId: () => Uuid;
  /** The cluster that the node is to be in; whichever the folder says, or a new one, if absent. */
  readonly clusterId?: string | undefined;
}

/** A folder that belongs to another node, or to a node of another cluster. */
export class WrongNodeError extends Error {
  /** @ignore */
  override readonly name = "WrongNodeError";
}

const ROOT = "";

/** Names that stand in a data folder that a node has used, besides those of logs. */
const OWN_FILES: readonly string[] = [
  CLEAN_SHUTDOWN_MARK,
  CLEANER_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  RECOVERY_POINT_CHECKPOINT,
];

export class LogDirectory {
  readonly disk: Disk;
  readonly clusterId: string;
  readonly directoryId: Uuid;
  /** Whether every log is just as it was closed, so that none needs to be scanned. */
  readonly clean: boolean;
  /** The broker epoch of the node that closed the folder in order (KIP-966); -1 for none. */
  readonly previousBrokerEpoch: Offset;
  readonly #lock: DiskLock;
  readonly #recoveryPoints: Map<string, Offset>;
  readonly #logStartOffsets: Map<string, Offset>;
  readonly #highWatermarks: Map<string, Offset>;
  #compactedTo: Map<string, Offset>;
  /** Folders that the checkpoints on the disk may speak of. */
  #checkpointed: Set<string>;
  #changed = false;

  /**
   * Takes the folder that is the disk's root, making it a data folder where it is none.
   *
   * @throws {DiskError} of kind `locked` when another process holds it
   * @throws {WrongNodeError} when it belongs to another node or cluster
   * @throws {MalformedFileError} when its files are damaged, of a newer format, or when there are
   * logs and nothing says whose they are
   */
  constructor(disk: Disk, options: LogDirectoryOptions) {
    this.disk = disk;
    disk.makeDirectory(ROOT);
    this.#lock = disk.lock(ROOT, options.holder);
    try {
      const meta = readMetaProperties(disk, ROOT) ?? format(disk, options);
      checkOwner(meta, options);
      this.clusterId = meta.clusterId;
      this.directoryId = meta.directoryId;
      this.#recoveryPoints = readOffsetCheckpoint(disk, RECOVERY_POINT_CHECKPOINT);
      this.#logStartOffsets = readOffsetCheckpoint(disk, LOG_START_OFFSET_CHECKPOINT);
      this.#highWatermarks = readOffsetCheckpoint(disk, HIGH_WATERMARK_CHECKPOINT);
      this.#compactedTo = readCleanerCheckpoint(disk);
      this.#checkpointed = this.#noted();
      const mark = readSmallText(disk, CLEAN_SHUTDOWN_MARK);
      this.clean = mark !== undefined;
      this.previousBrokerEpoch = brokerEpochOf(mark ?? "");
      if (this.clean) {
        disk.remove(CLEAN_SHUTDOWN_MARK);
        disk.syncDirectory(ROOT);
      }
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  /** What was noted of a log, or zeros. */
  progress(folder: string): LogProgress {
    return {
      recoveryPoint: this.#recoveryPoints.get(folder) ?? 0,
      logStartOffset: this.#logStartOffsets.get(folder) ?? 0,
      highWatermark: this.#highWatermarks.get(folder) ?? 0,
    };
  }

  /** Notes how far a log has come, for the next checkpoint. */
  note(folder: string, progress: LogProgress): void {
    this.#recoveryPoints.set(folder, progress.recoveryPoint);
    this.#highWatermarks.set(folder, progress.highWatermark);
    if (progress.logStartOffset > 0) this.#logStartOffsets.set(folder, progress.logStartOffset);
    else this.#logStartOffsets.delete(folder);
    this.#changed = true;
  }

  /**
   * What a log holds is not what was written: it is scanned whole before this process believes it
   * again, or another after the next checkpoint, and nothing below `committed` is taken for a torn
   * end, to be cut.
   */
  noteDamage(folder: string, committed: Offset): void {
    const { highWatermark } = this.progress(folder);
    this.#recoveryPoints.set(folder, 0);
    this.#highWatermarks.set(folder, Math.max(highWatermark, committed));
    this.#changed = true;
  }

  /** Up to where a log is compacted, or 0. */
  compactedTo(folder: string): Offset {
    return this.#compactedTo.get(folder) ?? 0;
  }

  /** Notes up to where a log is compacted, for the next checkpoint. */
  noteCompacted(folder: string, offset: Offset): void {
    this.#compactedTo.set(folder, offset);
    this.#changed = true;
  }

  /**
   * A log is about to be cut at `end`, or was, before anything is appended: what comes there was
   * not compacted. Durable on return, or a crash would have it taken for what it was once.
   *
   * @throws {DiskError} nothing has changed
   */
  noteCut(folder: string, end: Offset): void {
    if (this.compactedTo(folder) <= end) return;
    const lowered = new Map(this.#compactedTo).set(folder, end);
    // How far others are compacted may count from log starts that are only noted.
    writeOffsetCheckpoint(this.disk, LOG_START_OFFSET_CHECKPOINT, this.#logStartOffsets);
    writeOffsetCheckpoint(this.disk, CLEANER_CHECKPOINT, lowered);
    this.#compactedTo = lowered;
    this.#checkpointed = this.#checkpointed.union(lowered);
  }

  /** The log is gone. */
  forget(folder: string): void {
    this.#compactedTo.delete(folder);
    this.#recoveryPoints.delete(folder);
    this.#logStartOffsets.delete(folder);
    this.#highWatermarks.delete(folder);
    this.#changed = true;
  }

  /**
   * Another log is about to begin in the folder: what was noted of the one before must not be
   * believed of it, after a crash neither.
   *
   * @throws {DiskError} and it must not begin
   */
  beginAnew(folder: string): void {
    this.forget(folder);
    if (this.#checkpointed.has(folder)) this.writeCheckpoints();
  }

  /** The names of the folders that hold a partition's log. */
  partitionFolders(): string[] {
    return this.disk.list(ROOT)
      .filter(({ name, isDirectory }) => isDirectory && parsePartitionFolder(name) !== undefined)
      .map(({ name }) => name);
  }

  /** Writes the checkpoints, durably, if anything was noted since the last time. */
  writeCheckpoints(): void {
    if (!this.#changed) return;
    writeOffsetCheckpoint(this.disk, RECOVERY_POINT_CHECKPOINT, this.#recoveryPoints);
    writeOffsetCheckpoint(this.disk, LOG_START_OFFSET_CHECKPOINT, this.#logStartOffsets);
    writeOffsetCheckpoint(this.disk, HIGH_WATERMARK_CHECKPOINT, this.#highWatermarks);
    if (this.#compactedTo.size > 0 || this.disk.status(CLEANER_CHECKPOINT) !== undefined) {
      writeOffsetCheckpoint(this.disk, CLEANER_CHECKPOINT, this.#compactedTo);
    }
    this.#checkpointed = this.#noted();
    this.#changed = false;
  }

  /**
   * Every log has been flushed and closed: marks the folder as clean and lets go of it.
   *
   * @param brokerEpoch the node's, for the next to show that nothing was lost; -1 for none
   * @throws {DiskError} and the folder, let go of all the same, is as after a crash
   */
  closeClean(brokerEpoch: Offset): void {
    try {
      this.writeCheckpoints();
      const mark = JSON.stringify({ version: 0, brokerEpoch });
      replaceSmallFile(this.disk, CLEAN_SHUTDOWN_MARK, mark, { sync: true });
    } finally {
      this.#lock.release();
    }
  }

  /** Lets go of the folder as it is: the next start will scan what was not flushed. */
  release(): void {
    this.#lock.release();
  }

  #noted(): Set<string> {
    return new Set(this.#recoveryPoints.keys())
      .union(this.#logStartOffsets)
      .union(this.#highWatermarks)
      .union(this.#compactedTo);
  }
}

/** One that cannot be read costs no more than that logs are compacted from their start. */
function readCleanerCheckpoint(disk: Disk): Map<string, Offset> {
  try {
    return readOffsetCheckpoint(disk, CLEANER_CHECKPOINT);
  } catch (error) {
    if (error instanceof MalformedFileError) return new Map();
    throw error;
  }
}

function format(disk: Disk, { nodeId, newId, clusterId }: LogDirectoryOptions): MetaProperties {
  const used = disk.list(ROOT).find(({ name, isDirectory }) =>
    isDirectory ? holdsLog(disk, name) : OWN_FILES.includes(name)
  );
  if (used !== undefined) {
    throw new MalformedFileError(
      `Cannot start node ${nodeId}: the folder holds ${used.name}, but no ${META_PROPERTIES} ` +
        `that says whose it is; bring that file back, or move the data away`,
    );
  }
  const meta = { clusterId: clusterId ?? newId(), nodeId, directoryId: newId() };
  writeMetaProperties(disk, ROOT, meta);
  return meta;
}

function holdsLog(disk: Disk, folder: string): boolean {
  return parsePartitionFolder(folder) !== undefined &&
    disk.list(folder).some(({ name }) => name === PARTITION_METADATA || name.endsWith(LOG_SUFFIX));
}

function checkOwner(meta: MetaProperties, { nodeId, clusterId }: LogDirectoryOptions): void {
  if (meta.nodeId !== nodeId) {
    throw new WrongNodeError(`Cannot start node ${nodeId}: the folder is of node ${meta.nodeId}`);
  }
  if (clusterId !== undefined && clusterId !== meta.clusterId) {
    throw new WrongNodeError(
      `Cannot start node ${nodeId} in cluster ${clusterId}: the folder is of cluster ` +
        meta.clusterId,
    );
  }
}

/** Of a mark that Kafka wrote, or this; an empty one, of before brokers had epochs, says none. */
function brokerEpochOf(mark: string): Offset {
  const epoch = /"brokerEpoch"\s*:\s*(\d{1,15})\b/.exec(mark)?.[1];
  return epoch === undefined ? -1 : Number(epoch);
}
