/**
 * Opening a log: what its folder holds, and, where it was not closed in order, how much of it is
 * sound.
 *
 * Owns the scan past the recovery point, the cut at the first batch that is torn, and the rebuilding
 * of indexes, leader epochs and producer state from there. It does not own when logs are opened, nor
 * what becomes of one that is damaged.
 *
 * Invariants:
 * - what lies below the recovery point or the high watermark is never cut: damage there is reported;
 * - opening twice gives the same as opening once;
 * - a log that was closed in order is opened by one listing and one small file.
 *
 * Rules for what is sound past the recovery point: whole batches with right checksums, each
 * beginning where the one before ends (or later, where compaction took some), leader epochs that do
 * not fall. So data that a write put in a wrong place is found, too.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "./bytes/ids.ts";
import { MalformedFileError, readSmallText } from "./checkpoint.ts";
import { CompressionError } from "./compression_errors.ts";
import { DiskError } from "./disk.ts";
import { LEADER_EPOCH_CHECKPOINT, LeaderEpochs } from "./leader_epochs.ts";
import type { LogConfig } from "./log_config.ts";
import { type LogFolder, readLogFolder } from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { LogState } from "./log_state.ts";
import { truncateFullyAndStartAt } from "./log_truncate.ts";
import { applyBatch } from "./producer_replay.ts";
import { ProducerSnapshots } from "./producer_snapshots.ts";
import { ProducerState } from "./producer_state.ts";
import type { BatchView } from "./record_batch.ts";
import { checkBatch } from "./record_batch_validation.ts";
import { readRecoveryFloor, RECOVERY_FLOOR, removeRecoveryFloor } from "./recovery_floor.ts";
import { CorruptLogError, Segment } from "./segment.ts";
import { SegmentScan } from "./segment_scan.ts";

/** What is known of a log before it is opened. */
export interface LogOpenOptions {
  readonly resources: LogResources;
  /** Path of the partition's folder; made where it is missing. */
  readonly folder: string;
  readonly config: LogConfig;
  readonly now: Timestamp;
  /** Whether the log was closed in order, with `recoveryPoint` as its log end offset. */
  readonly clean: boolean;
  /** From the checkpoint; default 0. */
  readonly recoveryPoint?: Offset;
  /** From the checkpoint; default 0. */
  readonly logStartOffset?: Offset;
  /** From the checkpoint; default 0. Damage below it is reported, not cut. */
  readonly highWatermark?: Offset;
  /**
   * The newest leader epoch that a record can have, where it is known. No checksum covers the epoch
   * of a batch, so that a damaged one that is higher could not be told otherwise.
   */
  readonly leaderEpochMax?: Epoch;
  /** From 0 to 1, drawn once per log: which part of `segment.jitter.ms` it takes; default 0. */
  readonly jitter?: number;
}

/** What recovery found and did. */
export interface RecoverySummary {
  /** Whether the log was scanned; else it was opened as it was closed. */
  readonly scanned: boolean;
  readonly bytesScanned: number;
  /** Bytes that were cut from the end, and why. */
  readonly bytesCut: number;
  readonly cutReason: string | undefined;
}

/** The log holds something that is not what was written. Nothing was cut. */
export interface LogCorrupt {
  readonly kind: "corrupt";
  /** The first offset that cannot be read. */
  readonly offset: Offset;
  readonly file: string;
  readonly position: number;
  readonly reason: string;
  /** Whether nothing sound follows, as where a power cut tore the end off. */
  readonly isTail: boolean;
  /** Whether it was durable once. */
  readonly isBelowRecoveryPoint: boolean;
}

export type OpeningStep =
  | { readonly kind: "more" }
  | { readonly kind: "open"; readonly state: LogState; readonly recovery: RecoverySummary }
  | LogCorrupt
  | { readonly kind: "failed"; readonly failure: DiskError };

function describeFault(batch: BatchView): string {
  const { source, position, sizeInBytes } = batch;
  return checkBatch(source, position, position + sizeInBytes)?.reason ?? "its checksum is wrong";
}

const MORE = { kind: "more" } as const;
const HEADER_WINDOW_BYTES = 64 * 1024;

/** A log being opened, a slice of work at a time. */
export class LogOpening {
  readonly #options: LogOpenOptions;
  readonly #segments: Segment[] = [];
  #phase: "begin" | "replay" | "verify" | "end" = "begin";
  #epochs = new LeaderEpochs();
  #epochsChanged = false;
  #rebuildEpochs = false;
  #snapshots: ProducerSnapshots;
  #producers = new ProducerState();
  #recoveryPoint: Offset;
  #floor: Offset | undefined;
  /** The segment that is being walked over, and where in it. */
  #index = 0;
  #position = 0;
  /** The offset that the next batch should begin with. */
  #expected: Offset = 0;
  /** Where `verify` begins, once `replay` has come so far. */
  #verifyIndex = 0;
  #producersFrom: Offset = 0;
  #bytesScanned = 0;
  #bytesCut = 0;
  #cutReason: string | undefined;

  constructor(options: LogOpenOptions) {
    this.#options = options;
    this.#recoveryPoint = options.recoveryPoint ?? 0;
    this.#snapshots = new ProducerSnapshots(options.resources.disk, options.folder, []);
  }

  /**
   * Goes on until it has read about `bytesBudget` bytes, or is done. After anything but `more` it
   * must not be called again.
   */
  step(bytesBudget = Infinity): OpeningStep {
    const until = this.#bytesScanned + bytesBudget;
    try {
      for (;;) {
        const step = this.#advance(until);
        if (step.kind !== "more" || this.#bytesScanned >= until) return step;
      }
    } catch (error) {
      if (error instanceof DiskError) return { kind: "failed", failure: error };
      if (error instanceof CorruptLogError) return this.#corrupt(error, false);
      throw error;
    }
  }

  #advance(until: number): OpeningStep {
    switch (this.#phase) {
      case "begin":
        return this.#begin();
      case "replay":
        return this.#replay(until);
      case "verify":
        return this.#verify(until);
      case "end":
        return this.#end();
    }
  }

  #begin(): OpeningStep {
    const { resources, folder, now } = this.#options;
    const found = this.#listFolder();
    if (found === undefined) return this.#openFresh();
    for (const base of found.segments) {
      this.#segments.push(new Segment(resources, folder, base, now));
    }
    this.#snapshots = new ProducerSnapshots(resources.disk, folder, found.snapshots);
    if (this.#options.clean && this.#openAsClosed(found)) {
      return this.#done({ scanned: false, activeLoaded: false });
    }
    this.#prepareScan(found);
    return MORE;
  }

  /** What the folder holds; undefined where that is no log yet. */
  #listFolder(): LogFolder | undefined {
    const { resources: { disk }, folder } = this.#options;
    if (disk.status(folder) === undefined) {
      disk.makeDirectory(folder);
      return undefined;
    }
    const found = readLogFolder(disk.list(folder));
    for (const name of found.leftovers) disk.remove(`${folder}/${name}`);
    return found.segments.length === 0 ? undefined : found;
  }

  #openFresh(): OpeningStep {
    const { resources, folder, logStartOffset = 0, now } = this.#options;
    const segment = new Segment(resources, folder, logStartOffset, now);
    segment.create();
    this.#segments.push(segment);
    this.#expected = logStartOffset;
    this.#recoveryPoint = logStartOffset;
    const step = this.#done({ scanned: false, activeLoaded: true });
    if (step.kind !== "open") return step;
    const { state } = step;
    state.folderIsNew = true;
    state.namesChanged = true;
    // A checkpoint that speaks of an earlier log of that name must not be believed.
    state.lowerRecoveryPoint(logStartOffset);
    return step;
  }

  /** Takes the log as it was closed, if the folder bears that out. */
  #openAsClosed(found: LogFolder): boolean {
    const { resources: { disk }, folder } = this.#options;
    const end = this.#recoveryPoint;
    const lastBase = found.segments[found.segments.length - 1]!;
    if (!this.#snapshots.has(end) || end < lastBase || !this.#readEpochs(found)) return false;
    if (found.names.has(RECOVERY_FLOOR)) removeRecoveryFloor(disk, folder);
    this.#expected = end;
    return true;
  }

  #readEpochs(found: LogFolder): boolean {
    const { resources: { disk }, folder } = this.#options;
    if (!found.names.has(LEADER_EPOCH_CHECKPOINT)) return true;
    const path = `${folder}/${LEADER_EPOCH_CHECKPOINT}`;
    try {
      this.#epochs = LeaderEpochs.parse(readSmallText(disk, path) ?? "", path);
      return true;
    } catch (error) {
      if (error instanceof MalformedFileError) return false;
      throw error;
    }
  }

  /** Decides where to begin: at the recovery point, or earlier for what was not saved since. */
  #prepareScan(found: LogFolder): void {
    const { resources: { disk }, folder, config, now } = this.#options;
    this.#floor = found.names.has(RECOVERY_FLOOR) ? readRecoveryFloor(disk, folder) : undefined;
    const first = this.#segments[0]!.baseOffset;
    const point = Math.max(first, Math.min(this.#recoveryPoint, this.#floor ?? Infinity));
    this.#recoveryPoint = point;
    this.#readEpochs(found);
    if (this.#epochs.truncateFromEnd(point)) this.#epochsChanged = true;
    // The segment before the point, too: it may have been cut there, and the cut be lost.
    this.#verifyIndex = this.#segmentIndex(point - 1);
    const lastEpoch = this.#epochBefore(point);
    this.#rebuildEpochs = lastEpoch >= 0 && this.#epochs.latestEpoch !== lastEpoch;
    const snapshot = this.#snapshots.loadBefore(point, now, config.producerIdExpirationMs);
    this.#producers = snapshot?.state ?? new ProducerState();
    this.#producersFrom = snapshot?.offset ?? first;
    this.#snapshots.truncateFromEnd(point);
    if (this.#rebuildEpochs) this.#epochs.clear();
    const from = this.#rebuildEpochs ? first : Math.min(point, this.#producersFrom);
    if (from < point) {
      this.#index = this.#segmentIndex(from);
      this.#position = this.#segments[this.#index]!
        .seek(from, config.indexIntervalBytes)?.position ?? 0;
      this.#phase = "replay";
    } else {
      this.#startVerify();
    }
  }

  /** The leader epoch of the last batch before the recovery point, or -1 where there is none. */
  #epochBefore(point: Offset): Epoch {
    const interval = this.#options.config.indexIntervalBytes;
    for (let index = this.#verifyIndex; index >= 0; index--) {
      const segment = this.#segments[index]!;
      if (segment.log.size() === 0) continue;
      const { lastEpoch, nextOffset } = index === this.#verifyIndex
        ? segment.loadTail(interval, point)
        : segment.loadTail(interval);
      if (nextOffset > segment.baseOffset) return lastEpoch;
    }
    return -1;
  }

  /** Walks over headers below the recovery point, for what was not saved. */
  #replay(until: number): OpeningStep {
    const point = this.#recoveryPoint;
    const segment = this.#segments[this.#index]!;
    const buffer = this.#options.resources.scanBuffer.subarray(0, HEADER_WINDOW_BYTES);
    const scan = new SegmentScan({
      file: segment.log,
      from: this.#position,
      to: segment.log.size(),
      buffer,
      baseOffset: segment.baseOffset,
    });
    const before = this.#bytesScanned;
    while (scan.next()) {
      if (scan.batch.baseOffset >= point) return this.#startVerify();
      this.#replayBatch(scan);
      this.#bytesScanned = before + scan.bytesRead;
      if (this.#bytesScanned >= until) {
        this.#position = scan.nextPosition;
        return MORE;
      }
    }
    if (this.#index === this.#verifyIndex) return this.#startVerify();
    if (scan.stoppedBy !== "end") {
      return this.#corruptAt(segment, scan.nextPosition, "no whole batch starts here", false);
    }
    this.#index++;
    this.#position = 0;
    return MORE;
  }

  #replayBatch(scan: SegmentScan): void {
    const { batch } = scan;
    const { baseOffset, partitionLeaderEpoch: epoch } = batch;
    this.#expected = batch.nextOffset;
    if (this.#rebuildEpochs && epoch > this.#epochs.latestEpoch) {
      this.#epochsChanged = this.#epochs.assign(epoch, baseOffset) || this.#epochsChanged;
    }
    if (baseOffset < this.#producersFrom || batch.producerId < 0) return;
    applyBatch(this.#producers, batch.isControl ? scan.readWhole() : batch);
  }

  #startVerify(): OpeningStep {
    const { indexIntervalBytes } = this.#options.config;
    const segment = this.#segments[this.#verifyIndex]!;
    const { nextOffset } = segment.loadTail(indexIntervalBytes, this.#recoveryPoint);
    // What was not flushed may be in memory only.
    segment.changes++;
    this.#index = this.#verifyIndex;
    this.#expected = Math.max(nextOffset, segment.baseOffset);
    this.#phase = "verify";
    return MORE;
  }

  /** Checks whole batches past the recovery point and takes them in. */
  #verify(until: number): OpeningStep {
    const { config, resources } = this.#options;
    const segment = this.#segments[this.#index]!;
    const scan = new SegmentScan({
      file: segment.log,
      from: segment.size,
      to: segment.log.size(),
      buffer: resources.scanBuffer,
      whole: true,
    });
    while (scan.next()) {
      this.#bytesScanned += scan.batch.sizeInBytes;
      const fault = this.#faultOf(scan.batch, segment);
      if (fault !== undefined) return this.#cut(segment, fault);
      this.#takeIn(scan.batch, segment, config.indexIntervalBytes);
      if (this.#bytesScanned >= until) return MORE;
    }
    if (scan.stoppedBy !== "end") return this.#cut(segment, "no whole batch starts here");
    return this.#nextSegment(segment);
  }

  #nextSegment(segment: Segment): OpeningStep {
    const next = this.#segments[this.#index + 1];
    if (next === undefined) {
      this.#phase = "end";
      return MORE;
    }
    const { baseOffset } = next;
    if (baseOffset !== this.#expected && (baseOffset < this.#expected || !this.#gapsAllowed)) {
      return this.#cut(segment, `the next segment begins at ${baseOffset}`);
    }
    segment.seal();
    this.#expected = baseOffset;
    this.#index++;
    next.startRebuild();
    next.changes++;
    if (!this.#snapshots.has(baseOffset)) {
      const bases = new Set(this.#segments.map((each) => each.baseOffset));
      this.#snapshots.write(baseOffset, this.#producers, bases);
    }
    return MORE;
  }

  #faultOf(batch: BatchView, segment: Segment): string | undefined {
    // The scan has checked the framing already; the full check is for what it finds to say.
    if (batch.computeCrc() !== batch.crc) return describeFault(batch);
    const { baseOffset, partitionLeaderEpoch: epoch, lastOffset } = batch;
    if (baseOffset < this.#expected || (baseOffset > this.#expected && !this.#gapsAllowed)) {
      return `the batch has offset ${baseOffset}`;
    }
    const { leaderEpochMax = Infinity } = this.#options;
    if (epoch > leaderEpochMax) return `the batch has leader epoch ${epoch}, above all known`;
    if (epoch < this.#epochs.latestEpoch) {
      return `the batch has leader epoch ${epoch}, after ${this.#epochs.latestEpoch}`;
    }
    return segment.canHold(lastOffset) ? undefined : `the batch ends at offset ${lastOffset}`;
  }

  #takeIn(batch: BatchView, segment: Segment, indexIntervalBytes: number): void {
    segment.note(batch, indexIntervalBytes);
    const epoch = batch.partitionLeaderEpoch;
    if (epoch > this.#epochs.latestEpoch && this.#epochs.assign(epoch, batch.baseOffset)) {
      this.#epochsChanged = true;
    }
    try {
      applyBatch(this.#producers, batch);
    } catch (error) {
      // Its checksum is right: it was written so, and a marker that nobody can read marks nothing.
      if (!(error instanceof RangeError) && !(error instanceof CompressionError)) throw error;
    }
    this.#expected = batch.nextOffset;
  }

  /** The log is sound up to here: cuts the rest, unless it is too precious. */
  #cut(segment: Segment, reason: string): OpeningStep {
    const offset = this.#expected;
    const { highWatermark = 0, folder, resources: { disk } } = this.#options;
    if (offset < this.#recoveryPoint || offset < highWatermark) {
      return this.#corruptAt(segment, segment.size, reason, this.#isTail(segment));
    }
    const later = this.#segments.splice(this.#index + 1);
    for (const each of later.reverse()) {
      this.#bytesCut += each.log.size();
      for (const path of each.markDeleted()) disk.remove(path);
    }
    // Else another power cut might bring back what this log has told the world is gone.
    if (later.length > 0) disk.syncDirectory(folder);
    this.#bytesCut += segment.log.size() - segment.size;
    segment.cutFile();
    this.#cutReason = reason;
    this.#snapshots.truncateFromEnd(offset);
    this.#phase = "end";
    return MORE;
  }

  /** Whether no sound batch follows the bad one, as far as its length can be believed. */
  #isTail(segment: Segment): boolean {
    if (this.#segments.slice(this.#index + 1).some((each) => each.log.size() > 0)) return false;
    const { scanBuffer: buffer } = this.#options.resources;
    const [from, to] = [segment.size, segment.log.size()];
    const scan = new SegmentScan({ file: segment.log, from, to, buffer, whole: true });
    if (!scan.next() || !scan.next()) return true;
    const { batch } = scan;
    return checkBatch(batch.source, batch.position, batch.position + batch.sizeInBytes) !== null;
  }

  #end(): OpeningStep {
    if (this.#expected < this.#recoveryPoint) {
      const last = this.#segments[this.#segments.length - 1]!;
      return this.#corruptAt(last, last.size, "the log ends below its recovery point", true);
    }
    return this.#done({ scanned: true, activeLoaded: true });
  }

  #done(how: { readonly scanned: boolean; readonly activeLoaded: boolean }): OpeningStep {
    const { scanned, activeLoaded } = how;
    const { resources, folder, config, jitter = 0, now } = this.#options;
    const wanted = this.#options.logStartOffset ?? 0;
    const logEndOffset = this.#expected;
    const logStartOffset = Math.max(wanted, this.#segments[0]!.baseOffset);
    const state = new LogState({
      resources,
      folder,
      config,
      jitter,
      now,
      segments: this.#segments,
      logStartOffset: Math.min(logStartOffset, logEndOffset),
      logEndOffset,
      recoveryPoint: this.#recoveryPoint,
      claimedRecoveryPoint: Math.max(this.#recoveryPoint, this.#options.recoveryPoint ?? 0),
      recoveryFloor: this.#floor,
      epochs: this.#epochs,
      snapshots: this.#snapshots,
      producers: scanned ? this.#producers : undefined,
      activeLoaded,
    });
    // First from the start: an epoch none of whose records is left has no entry.
    if (this.#epochs.truncateFromStart(logStartOffset)) this.#epochsChanged = true;
    if (this.#epochs.truncateFromEnd(logEndOffset)) this.#epochsChanged = true;
    if (this.#epochsChanged) state.epochChanges++;
    state.epochsUnsynced = scanned;
    // A process that was killed may have left names that no sync has covered.
    state.namesChanged = state.folderIsNew = scanned;
    if (logStartOffset > logEndOffset) truncateFullyAndStartAt(state, logStartOffset, now);
    return { kind: "open", state, recovery: this.#summary(scanned) };
  }

  #summary(scanned: boolean): RecoverySummary {
    return {
      scanned,
      bytesScanned: this.#bytesScanned,
      bytesCut: this.#bytesCut,
      cutReason: this.#cutReason,
    };
  }

  #corruptAt(segment: Segment, position: number, reason: string, isTail: boolean): LogCorrupt {
    const error = new CorruptLogError(this.#expected, segment.path, position, reason);
    return this.#corrupt(error, isTail);
  }

  #corrupt(error: CorruptLogError, isTail: boolean): LogCorrupt {
    const { offset, file, position, reason } = error;
    const isBelowRecoveryPoint = offset < this.#recoveryPoint;
    return { kind: "corrupt", offset, file, position, reason, isTail, isBelowRecoveryPoint };
  }

  get #gapsAllowed(): boolean {
    return this.#options.config.cleanupCompact;
  }

  #segmentIndex(offset: Offset): number {
    let index = this.#segments.length - 1;
    while (index > 0 && this.#segments[index]!.baseOffset > offset) index--;
    return index;
  }
}
