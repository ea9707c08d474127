/**
 * What an open log is: its segments, its offsets, its leader epochs and its producers. Everything
 * that is done to a log (append, read, flush, truncate, delete) is a module of its own that works
 * on this.
 *
 * Owns the fields and what is loaded lazily. It does not own any rule.
 *
 * Invariants:
 * - `logStartOffset <= recoveryPoint <= flushedOffset <= logEndOffset`, but for a log start that
 *   was raised past what is flushed;
 * - there is at least one segment; base offsets rise; the last one is appended to;
 * - everything below `recoveryPoint` is durable: batches, index entries, and names. Leader epochs
 *   and producer state are found again from there. Below `flushedOffset` batches are durable, and
 *   names;
 * - `producers`, once loaded, is the state before `logEndOffset`.
 *
 * @module
 */

import type { Offset, Timestamp } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { commitSmallFile, replaceSmallFile, stageSmallFile } from "./checkpoint.ts";
import type { DiskError, File } from "./disk.ts";
import { folderOf } from "./disk_path.ts";
import { HotTail } from "./hot_tail.ts";
import { LEADER_EPOCH_CHECKPOINT, LeaderEpochs } from "./leader_epochs.ts";
import type { LogConfig } from "./log_config.ts";
import { COMPACTED_MARK } from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { replaySegment } from "./producer_replay.ts";
import type { ProducerSnapshots } from "./producer_snapshots.ts";
import { ProducerState } from "./producer_state.ts";
import { removeRecoveryFloor, writeRecoveryFloor } from "./recovery_floor.ts";
import type { Segment } from "./segment.ts";

/** What a log starts from. */
export interface LogStateInit {
  readonly resources: LogResources;
  readonly folder: string;
  readonly config: LogConfig;
  /** From 0 to 1: which part of `segment.jitter.ms` this log takes. */
  readonly jitter: number;
  readonly now: Timestamp;
  readonly segments: Segment[];
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly recoveryPoint: Offset;
  /** What a checkpoint outside may hold as recovery point. */
  readonly claimedRecoveryPoint: Offset;
  readonly recoveryFloor: Offset | undefined;
  readonly epochs: LeaderEpochs;
  readonly snapshots: ProducerSnapshots;
  /** The state before `logEndOffset`, where it is known. */
  readonly producers: ProducerState | undefined;
  /** Whether the last segment's tail has been looked at. */
  readonly activeLoaded: boolean;
  /** Whether the folder bears the mark of a compacted log. */
  readonly hasGaps: boolean;
}

/** A file on its way out. */
export interface DoomedFile {
  readonly path: string;
  readonly removeAt: Timestamp;
}

export class LogState {
  readonly resources: LogResources;
  readonly folder: string;
  readonly jitter: number;
  readonly openedAt: Timestamp;
  readonly segments: Segment[];
  readonly epochs: LeaderEpochs;
  readonly snapshots: ProducerSnapshots;
  config: LogConfig;
  logStartOffset: Offset;
  logEndOffset: Offset;
  flushedOffset: Offset;
  recoveryPoint: Offset;
  /** The highest recovery point that a checkpoint outside may hold. */
  claimedRecoveryPoint: Offset;
  /** What recovery_floor.ts has noted in the folder. */
  recoveryFloor: Offset | undefined;
  /** Up to where the flush that is under way reaches, less what was cut since. */
  flushTarget: Offset = 0;
  /** Counts changes of the leader epochs, and how many of them their file has. */
  epochChanges = 0;
  epochChangesSaved = 0;
  /** What the file of leader epochs had, and where the log ended, until the file is written. */
  epochsFound: { readonly text: string; readonly logEndOffset: Offset } | undefined;
  /** Whether the name of the file of leader epochs may not be durable. */
  epochsUnsynced = false;
  /** Whether names in the folder changed since it was last synced. */
  namesChanged = false;
  /** Whether the folder's own name may not be durable, nor those of its files. */
  folderIsNew = false;
  /** What is surely in the page cache. */
  readonly hotTail: HotTail;
  /** How often records were taken from the end. */
  truncations = 0;
  /** Whether the folder is marked as that of a log in which offsets may be missing. */
  hasGaps: boolean;
  /** When the oldest record that is not flushed was appended. */
  unflushedSince: Timestamp = -1;
  doomed: DoomedFile[] = [];
  /** Set once a sync or a write failed for good: nothing is written any more. */
  failure: DiskError | undefined;
  /** Whether a sync failed: what is durable is not known. */
  isInDoubt = false;
  #producers: ProducerState | undefined;
  #stagedEpochs: File | undefined;
  #activeLoaded: boolean;

  constructor(init: LogStateInit) {
    this.resources = init.resources;
    this.hotTail = new HotTail(init.resources.appendedBytes);
    this.folder = init.folder;
    this.config = init.config;
    this.jitter = init.jitter;
    this.openedAt = init.now;
    this.segments = init.segments;
    this.epochs = init.epochs;
    this.snapshots = init.snapshots;
    this.logStartOffset = init.logStartOffset;
    this.logEndOffset = init.logEndOffset;
    this.flushedOffset = init.recoveryPoint;
    this.recoveryPoint = init.recoveryPoint;
    this.claimedRecoveryPoint = init.claimedRecoveryPoint;
    this.recoveryFloor = init.recoveryFloor;
    this.#producers = init.producers;
    this.#activeLoaded = init.activeLoaded;
    this.hasGaps = init.hasGaps;
  }

  /** A sync that failed is the end of the log. */
  syncFailed(failure: DiskError): void {
    this.failure ??= failure;
    this.isInDoubt = true;
  }

  /**
   * The segment that is appended to, ready for it.
   *
   * @throws {CorruptLogError} when it does not end at the log end offset
   * @throws {DiskError}
   */
  get active(): Segment {
    const segment = this.segments[this.segments.length - 1]!;
    if (!this.#activeLoaded) this.#loadActive(segment);
    return segment;
  }

  /** Whether the state of producers has been loaded; else a snapshot holds it. */
  get producersLoaded(): boolean {
    return this.#producers !== undefined;
  }

  /**
   * The state of producers before the log end offset.
   *
   * @throws {CorruptLogError} @throws {DiskError}
   */
  producers(now: Timestamp): ProducerState {
    return this.#producers ??= this.#loadProducers(now);
  }

  /** Forgets the state of producers where it speaks of batches past `endOffset`. */
  dropProducersAbove(endOffset: Offset): void {
    if (this.#producers !== undefined && this.#producers.changedUpTo > endOffset) {
      this.#producers = undefined;
    }
  }

  /** Starts with no producers, as where no record is left. */
  resetProducers(): void {
    this.#producers = new ProducerState();
  }

  /** Puts a new segment behind the others, where appends go from now. */
  addActive(segment: Segment): void {
    this.segments.push(segment);
    this.#activeLoaded = true;
    this.namesChanged = true;
  }

  /** The last segments were cut or removed; `loaded` is whether the last one's tail is known. */
  activeChanged(loaded: boolean): void {
    this.#activeLoaded = loaded;
    this.namesChanged = true;
    this.hotTail.clear();
  }

  /** The index of the segment that holds `offset`, or would; 0 for offsets before all. */
  segmentIndex(offset: Offset): number {
    const { segments } = this;
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (segments[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** Base offsets of all segments. */
  segmentBases(): Set<Offset> {
    return new Set(this.segments.map((segment) => segment.baseOffset));
  }

  /** Whether offsets may be missing between batches: compaction takes them out. */
  get gapsAllowed(): boolean {
    return this.config.cleanupCompact || this.hasGaps;
  }

  /** Marks the folder for good, with the next sync of its names. @throws {DiskError} */
  noteGaps(): void {
    if (this.hasGaps) return;
    this.resources.disk.open(`${this.folder}/${COMPACTED_MARK}`, { create: true }).close();
    this.hasGaps = true;
    this.namesChanged = true;
  }

  /** Puts a segment in the place of `count` others, none of them the last. */
  replaceSegments(index: number, count: number, segment: Segment): void {
    this.segments.splice(index, count, segment);
    this.namesChanged = true;
    let bytesBehind = 0;
    for (let later = index + 1; later < this.segments.length; later++) {
      bytesBehind += this.segments[later]!.size;
    }
    this.hotTail.limit(bytesBehind);
  }

  /** Makes the names of the folder's files durable. @throws {DiskError} */
  syncNames(): void {
    const { disk } = this.resources;
    disk.syncDirectory(this.folder);
    if (this.folderIsNew) disk.syncDirectory(folderOf(this.folder));
    this.folderIsNew = false;
    this.namesChanged = false;
  }

  /** Writes the leader epochs, durably, where their file lacks any. @throws {DiskError} */
  saveEpochs(): void {
    if (this.epochChanges === this.epochChangesSaved && !this.epochsUnsynced) return;
    if (this.epochsUnsynced || !this.#areEpochsFound()) this.#saveEpochs(this.epochs);
    this.epochChangesSaved = this.epochChanges;
  }

  /** Leaves the file of leader epochs without any, durably, whatever is in memory. @throws */
  saveNoEpochs(): void {
    this.#saveEpochs(new LeaderEpochs());
    this.epochChanges++;
  }

  /**
   * Writes the leader epochs beside their file, where that lacks any. Returns what is to be synced
   * before they are committed.
   *
   * @throws {DiskError}
   */
  stageEpochs(): File | undefined {
    if (this.epochChanges === this.epochChangesSaved) return undefined;
    const { disk } = this.resources;
    return this.#stagedEpochs = stageSmallFile(disk, this.#epochsPath, this.epochs.format());
  }

  /** Whether these are the leader epochs that were staged last, and not yet committed. */
  isStaged(epochs: File | undefined): boolean {
    return epochs !== undefined && this.#stagedEpochs === epochs;
  }

  /**
   * Puts staged leader epochs in place, unless others have been written since; they were staged
   * after so many changes.
   *
   * @throws {DiskError}
   */
  commitEpochs(staged: File, changes: number): void {
    if (!this.isStaged(staged)) return;
    staged.close();
    commitSmallFile(this.resources.disk, this.#epochsPath);
    this.#stagedEpochs = undefined;
    this.epochChangesSaved = changes;
    this.epochsFound = undefined;
    this.epochsUnsynced = true;
  }

  /** Says how much is durable. @throws {DiskError} when an obsolete note cannot be removed */
  raiseRecoveryPoint(offset: Offset): void {
    if (offset <= this.recoveryPoint) return;
    this.recoveryPoint = offset;
    if (offset < this.claimedRecoveryPoint) return;
    this.claimedRecoveryPoint = offset;
    if (this.recoveryFloor === undefined) return;
    removeRecoveryFloor(this.resources.disk, this.folder);
    this.recoveryFloor = undefined;
  }

  /** The log is about to be cut at `offset`: nothing from there on counts as durable. @throws */
  lowerRecoveryPoint(offset: Offset): void {
    const noted = this.recoveryFloor ?? this.claimedRecoveryPoint;
    if (offset < noted) {
      writeRecoveryFloor(this.resources.disk, this.folder, offset);
      this.recoveryFloor = offset;
    }
    this.recoveryPoint = Math.min(this.recoveryPoint, offset);
    this.flushedOffset = Math.min(this.flushedOffset, offset);
    this.flushTarget = Math.min(this.flushTarget, offset);
  }

  /** An entry behind which no record stands does not outlive a close, in the file or not. */
  #areEpochsFound(): boolean {
    const { epochsFound, logEndOffset } = this;
    return epochsFound?.logEndOffset === logEndOffset &&
      epochsFound.text === this.epochs.format(logEndOffset);
  }

  #saveEpochs(epochs: LeaderEpochs): void {
    this.#stagedEpochs = undefined;
    this.epochsFound = undefined;
    const { disk } = this.resources;
    replaceSmallFile(disk, this.#epochsPath, epochs.format(), { sync: true });
    this.epochsUnsynced = false;
  }

  get #epochsPath(): string {
    return `${this.folder}/${LEADER_EPOCH_CHECKPOINT}`;
  }

  #loadActive(segment: Segment): void {
    const { nextOffset } = segment.loadTail(this.config.indexIntervalBytes);
    const { logEndOffset } = this;
    if (nextOffset !== logEndOffset) {
      const reason = `it ends at offset ${nextOffset}, the log was closed at ${logEndOffset}`;
      const first = Math.min(nextOffset, logEndOffset);
      throw new CorruptLogError(first, segment.path, segment.size, reason);
    }
    this.#activeLoaded = true;
  }

  #loadProducers(now: Timestamp): ProducerState {
    const { logEndOffset, config } = this;
    const found = this.snapshots.loadBefore(logEndOffset, now, config.producerIdExpirationMs);
    const state = found?.state ?? new ProducerState();
    const from = found?.offset ?? this.segments[0]!.baseOffset;
    if (from < logEndOffset) {
      for (let index = this.segmentIndex(from); index < this.segments.length; index++) {
        const segment = this.segments[index]!;
        replaySegment(state, segment, from, logEndOffset, config.indexIntervalBytes);
      }
    }
    return state;
  }
}
