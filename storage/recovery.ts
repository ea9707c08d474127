/**
 * Opening a log: what its folder holds, and, where it was not closed in order, how much of it is
 * sound.
 *
 * Owns the decision between the two, where a scan begins, and what becomes of a fault. It does not
 * own the scan (recovery_scan.ts), nor when logs are opened, nor what becomes of one that is
 * damaged.
 *
 * Invariants:
 * - what lies below the recovery point or the high watermark is never cut: damage there is
 *   reported;
 * - opening twice gives the same as opening once;
 * - a log that was closed in order is opened by one listing and one small file.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { MalformedFileError, readSmallText } from "./checkpoint.ts";
import { completeSwaps } from "./compaction_swap.ts";
import { DiskError } from "./disk.ts";
import { LEADER_EPOCH_CHECKPOINT, LeaderEpochs } from "./leader_epochs.ts";
import type { LogConfig } from "./log_config.ts";
import { COMPACTED_MARK, type LogFolder, readLogFolder } from "./log_files.ts";
import type { LogResources } from "./log_resources.ts";
import { LogState } from "./log_state.ts";
import { truncateFullyAndStartAt } from "./log_truncate.ts";
import { ProducerSnapshots } from "./producer_snapshots.ts";
import { ProducerState } from "./producer_state.ts";
import { readRecoveryFloor, RECOVERY_FLOOR, removeRecoveryFloor } from "./recovery_floor.ts";
import { firstToVerify, RecoveryScan, type ScanFault } from "./recovery_scan.ts";
import { Segment } from "./segment.ts";

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

const MORE = { kind: "more" } as const;

/** A log being opened, a slice of work at a time. */
export class LogOpening {
  readonly #options: LogOpenOptions;
  readonly #segments: Segment[] = [];
  #scan: RecoveryScan | undefined;
  #epochs = new LeaderEpochs();
  #snapshots: ProducerSnapshots;
  #producers: ProducerState | undefined;
  #recoveryPoint: Offset;
  #floor: Offset | undefined;
  #cutReason: string | undefined;
  #hasGaps = false;

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
    try {
      if (this.#scan === undefined) {
        const step = this.#begin();
        if (step.kind !== "more" || bytesBudget !== Infinity) return step;
      }
      return this.#goOn(this.#scan!, bytesBudget);
    } catch (error) {
      if (error instanceof DiskError) return { kind: "failed", failure: error };
      if (error instanceof CorruptLogError) return this.#corrupt(error, false);
      throw error;
    }
  }

  #begin(): OpeningStep {
    const { resources, folder, now } = this.#options;
    const found = this.#listFolder();
    if (found === undefined) return this.#openFresh();
    for (const base of found.segments) {
      const segment = new Segment(resources, folder, base, now);
      if (!found.transactionIndexes.has(base)) segment.transactions.noteAbsent();
      this.#segments.push(segment);
    }
    this.#snapshots = new ProducerSnapshots(resources.disk, folder, found.snapshots);
    if (this.#options.clean && this.#canOpenAsClosed(found)) {
      if (found.names.has(RECOVERY_FLOOR)) removeRecoveryFloor(resources.disk, folder);
      return this.#done(this.#recoveryPoint, { activeLoaded: false });
    }
    this.#scan = this.#startScan(found);
    return MORE;
  }

  #goOn(scan: RecoveryScan, bytesBudget: number): OpeningStep {
    const step = scan.step(scan.bytesScanned + bytesBudget);
    if (step === "more") return MORE;
    if (step !== "end") {
      const { highWatermark = 0 } = this.#options;
      const precious = Math.max(this.#recoveryPoint, highWatermark);
      if (scan.expected < precious) return this.#corruptAt(step, scan.isTail(step));
      scan.cut(step);
      this.#cutReason = step.reason;
    } else if (scan.expected < this.#recoveryPoint) {
      const segment = this.#segments[this.#segments.length - 1]!;
      const reason = "the log ends below its recovery point";
      return this.#corruptAt({ segment, position: segment.size, reason }, true);
    }
    return this.#done(scan.expected, { activeLoaded: true });
  }

  /** What the folder holds; undefined where that is no log yet. */
  #listFolder(): LogFolder | undefined {
    const { resources, folder } = this.#options;
    const { disk } = resources;
    if (disk.status(folder) === undefined) {
      disk.makeDirectory(folder);
      return undefined;
    }
    const found = readLogFolder(completeSwaps(resources, folder, disk.list(folder)));
    this.#hasGaps = found.names.has(COMPACTED_MARK);
    for (const name of found.leftovers) disk.remove(`${folder}/${name}`);
    return found.segments.length === 0 ? undefined : found;
  }

  #openFresh(): OpeningStep {
    const { resources, folder, logStartOffset = 0, now } = this.#options;
    const segment = new Segment(resources, folder, logStartOffset, now);
    segment.create();
    this.#segments.push(segment);
    this.#producers = new ProducerState();
    this.#recoveryPoint = logStartOffset;
    const step = this.#done(logStartOffset, { activeLoaded: true });
    if (step.kind !== "open") return step;
    const { disk } = resources;
    const isEpochsFile = disk.status(`${folder}/${LEADER_EPOCH_CHECKPOINT}`) !== undefined;
    if (isEpochsFile) step.state.epochsFound = undefined;
    step.state.folderIsNew = true;
    step.state.namesChanged = true;
    // A checkpoint that speaks of an earlier log of that name must not be believed.
    step.state.lowerRecoveryPoint(logStartOffset);
    return step;
  }

  /** Whether the folder bears out that the log was closed where the recovery point says. */
  #canOpenAsClosed(found: LogFolder): boolean {
    const end = this.#recoveryPoint;
    const lastBase = found.segments[found.segments.length - 1]!;
    return this.#snapshots.has(end) && end >= lastBase && this.#readEpochs(found);
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
  #startScan(found: LogFolder): RecoveryScan {
    const { resources, folder, config, now, leaderEpochMax = Infinity } = this.#options;
    const { disk } = resources;
    this.#floor = found.names.has(RECOVERY_FLOOR) ? readRecoveryFloor(disk, folder) : undefined;
    const first = this.#segments[0]!.baseOffset;
    const point = Math.max(first, Math.min(this.#recoveryPoint, this.#floor ?? Infinity));
    this.#recoveryPoint = point;
    this.#readEpochs(found);
    const epochsCut = this.#epochs.truncateFromEnd(point);
    const lastEpoch = this.#epochBefore(point);
    const rebuildEpochs = lastEpoch >= 0 && this.#epochs.latestEpoch !== lastEpoch;
    if (rebuildEpochs) this.#epochs.clear();
    const snapshot = this.#snapshots.loadBefore(point, now, config.producerIdExpirationMs);
    this.#snapshots.truncateFromEnd(point);
    this.#producers = snapshot?.state ?? new ProducerState();
    const scan = new RecoveryScan({
      resources,
      folder,
      config,
      leaderEpochMax,
      gapsAllowed: config.cleanupCompact || this.#hasGaps,
      recoveryPoint: point,
      segments: this.#segments,
      epochs: this.#epochs,
      rebuildEpochs,
      snapshots: this.#snapshots,
      producers: this.#producers,
      producersFrom: snapshot?.offset ?? first,
    });
    scan.epochsChanged = epochsCut || rebuildEpochs;
    return scan;
  }

  /** The leader epoch of the last batch before the recovery point, or -1 where there is none. */
  #epochBefore(point: Offset): Epoch {
    const interval = this.#options.config.indexIntervalBytes;
    const last = firstToVerify(this.#segments, point);
    for (let index = last; index >= 0; index--) {
      const segment = this.#segments[index]!;
      if (segment.log.size() === 0) continue;
      const { lastEpoch, nextOffset } = index === last
        ? segment.loadTail(interval, point)
        : segment.loadTail(interval);
      if (nextOffset > segment.baseOffset) return lastEpoch;
    }
    return -1;
  }

  #done(logEndOffset: Offset, how: { readonly activeLoaded: boolean }): OpeningStep {
    const { resources, folder, config, jitter = 0, now } = this.#options;
    const scan = this.#scan;
    const wanted = this.#options.logStartOffset ?? 0;
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
      producers: this.#producers,
      activeLoaded: how.activeLoaded,
      hasGaps: this.#hasGaps,
    });
    // First from the start: an epoch none of whose records is left has no entry.
    const cutAtStart = this.#epochs.truncateFromStart(logStartOffset);
    const cutAtEnd = this.#epochs.truncateFromEnd(logEndOffset);
    if (cutAtStart || cutAtEnd || scan?.epochsChanged) state.epochChanges++;
    if (!cutAtStart) state.epochsFound = { text: this.#epochs.format(), logEndOffset };
    // A process that was killed may have left files and names that no sync has covered.
    state.epochsUnsynced = state.namesChanged = state.folderIsNew = scan !== undefined;
    if (logStartOffset > logEndOffset) truncateFullyAndStartAt(state, logStartOffset, now);
    return { kind: "open", state, recovery: this.#summary() };
  }

  #summary(): RecoverySummary {
    return {
      scanned: this.#scan !== undefined,
      bytesScanned: this.#scan?.bytesScanned ?? 0,
      bytesCut: this.#scan?.bytesCut ?? 0,
      cutReason: this.#cutReason,
    };
  }

  #corruptAt({ segment, position, reason }: ScanFault, isTail: boolean): LogCorrupt {
    const offset = this.#scan!.expected;
    return this.#corrupt(new CorruptLogError(offset, segment.path, position, reason), isTail);
  }

  #corrupt(error: CorruptLogError, isTail: boolean): LogCorrupt {
    const { offset, file, position, reason } = error;
    const isBelowRecoveryPoint = offset < this.#recoveryPoint;
    return { kind: "corrupt", offset, file, position, reason, isTail, isBelowRecoveryPoint };
  }
}
