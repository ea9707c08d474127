/**
 * The scan of a log that was not closed in order: what is sound past the recovery point, and what
 * has to be learnt again of what lies before it.
 *
 * Owns the walk, in two phases: headers below the recovery point, only where producer state or
 * leader epochs were not saved; then whole batches past it, which are checked and put into indexes,
 * epochs and producer state. It does not own what becomes of a fault that it finds.
 *
 * Rules for what is sound past the recovery point: whole batches with right checksums, each
 * beginning where the one before ends (or later, where compaction took some), leader epochs that do
 * not fall and are none to come. So data that a write put in a wrong place is found, too.
 *
 * @module
 */

import type { Epoch, Offset } from "./bytes/ids.ts";
import type { LeaderEpochs } from "./leader_epochs.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogResources } from "./log_resources.ts";
import { noteCompleted } from "./log_transactions.ts";
import { applyBatch } from "./producer_replay.ts";
import type { ProducerSnapshots } from "./producer_snapshots.ts";
import type { ProducerState } from "./producer_state.ts";
import type { BatchView } from "./record_batch.ts";
import { checkBatch } from "./record_batch_validation.ts";
import type { Segment } from "./segment.ts";
import { SegmentScan } from "./segment_scan.ts";

const HEADER_WINDOW_BYTES = 64 * 1024;
const NO_BATCH = "no whole batch starts here";

/** What is scanned, and what is built up by it. */
export interface ScannedLog {
  readonly resources: LogResources;
  readonly folder: string;
  readonly config: LogConfig;
  readonly leaderEpochMax: Epoch;
  /** Whether offsets may be missing. */
  readonly gapsAllowed: boolean;
  /** What lies before it is durable. */
  readonly recoveryPoint: Offset;
  /** Rising; a cut takes some from the end. */
  readonly segments: Segment[];
  /** Those below the recovery point, or none where they must be read from the batches. */
  readonly epochs: LeaderEpochs;
  readonly rebuildEpochs: boolean;
  readonly snapshots: ProducerSnapshots;
  /** The state before `producersFrom`. */
  readonly producers: ProducerState;
  readonly producersFrom: Offset;
}

/** The log is sound up to here, and not from here on. */
export interface ScanFault {
  readonly segment: Segment;
  readonly position: number;
  readonly reason: string;
}

/** A scan, by slices. */
export class RecoveryScan {
  /** The offset that the next batch should begin with; in the end the log end offset. */
  expected: Offset;
  epochsChanged = false;
  bytesScanned = 0;
  bytesCut = 0;
  readonly #log: ScannedLog;
  readonly #verifyIndex: number;
  #phase: "replay" | "verify" = "verify";
  /** The segment that is being walked over, and where in it. */
  #index: number;
  #position = 0;

  /** @throws {CorruptLogError} @throws {DiskError} */
  constructor(log: ScannedLog) {
    this.#log = log;
    this.#verifyIndex = this.#index = firstToVerify(log.segments, log.recoveryPoint);
    this.expected = log.recoveryPoint;
    const first = log.segments[0]!.baseOffset;
    const from = log.rebuildEpochs ? first : log.producersFrom;
    if (from < log.recoveryPoint) this.#startReplay(from);
    else this.#startVerify();
  }

  /**
   * Goes on until about `bytes` have been read in all, to the end of the log or to what is not
   * sound.
   *
   * @throws {CorruptLogError} @throws {DiskError}
   */
  step(bytes: number): "more" | "end" | ScanFault {
    for (;;) {
      const step = this.#phase === "replay" ? this.#replay(bytes) : this.#verify(bytes);
      if (step !== "more" || this.bytesScanned >= bytes) return step;
    }
  }

  /** Cuts the log before a fault, for good. @throws {DiskError} */
  cut({ segment }: ScanFault): void {
    const { segments, snapshots, folder, resources: { disk } } = this.#log;
    const later = segments.splice(this.#index + 1);
    for (const each of later.reverse()) {
      this.bytesCut += each.log.size();
      for (const path of each.markDeleted()) disk.remove(path);
    }
    // Else another power cut might bring back what this log has told the world is gone.
    if (later.length > 0) disk.syncDirectory(folder);
    this.bytesCut += segment.log.size() - segment.size;
    segment.cutFile();
    snapshots.truncateFromEnd(this.expected);
  }

  /** Whether no sound batch follows a fault, as far as the bad one's length can be believed. */
  isTail({ segment }: ScanFault): boolean {
    const { segments, resources: { scanBuffer: buffer } } = this.#log;
    if (segments.slice(this.#index + 1).some((each) => each.log.size() > 0)) return false;
    const [from, to] = [segment.size, segment.log.size()];
    const scan = new SegmentScan({ file: segment.log, from, to, buffer, whole: true });
    return !scan.next() || !scan.next() || scan.batch.computeCrc() !== scan.batch.crc;
  }

  #startReplay(from: Offset): void {
    const { segments, config } = this.#log;
    this.#phase = "replay";
    this.#index = segmentIndex(segments, from);
    const spot = segments[this.#index]!.seek(from, config.indexIntervalBytes);
    this.#position = spot?.position ?? 0;
  }

  #startVerify(): void {
    const { segments, config, recoveryPoint } = this.#log;
    const segment = segments[this.#verifyIndex]!;
    const { nextOffset } = segment.loadTail(config.indexIntervalBytes, recoveryPoint);
    segment.transactions.truncateTo(recoveryPoint);
    // What was not flushed may be in memory only.
    segment.changes++;
    this.#index = this.#verifyIndex;
    this.expected = Math.max(nextOffset, segment.baseOffset);
    this.#phase = "verify";
  }

  /** Walks over headers below the recovery point. */
  #replay(bytes: number): "more" | ScanFault {
    const segment = this.#log.segments[this.#index]!;
    const buffer = this.#log.resources.scanBuffer.subarray(0, HEADER_WINDOW_BYTES);
    const { log: file, baseOffset } = segment;
    const scan = new SegmentScan({
      file,
      from: this.#position,
      to: file.size(),
      buffer,
      baseOffset,
    });
    const before = this.bytesScanned;
    while (scan.next() && scan.batch.baseOffset < this.#log.recoveryPoint) {
      this.#learn(scan);
      this.bytesScanned = before + scan.bytesRead;
      this.#position = scan.nextPosition;
      if (this.bytesScanned >= bytes) return "more";
    }
    if (this.#index === this.#verifyIndex) this.#startVerify();
    else if (scan.stoppedBy !== "end") {
      return { segment, position: this.#position, reason: NO_BATCH };
    } else {
      this.#index++;
      this.#position = 0;
    }
    return "more";
  }

  #learn(scan: SegmentScan): void {
    const { rebuildEpochs, producers, producersFrom } = this.#log;
    const { batch } = scan;
    this.expected = batch.nextOffset;
    if (rebuildEpochs) this.#assignEpoch(batch);
    if (batch.baseOffset < producersFrom || batch.producerId < 0) return;
    applyBatch(producers, batch.isControl ? scan.readWhole() : batch);
  }

  /** Checks whole batches past the recovery point and takes them in. */
  #verify(bytes: number): "more" | "end" | ScanFault {
    const { config: { indexIntervalBytes }, resources: { scanBuffer: buffer } } = this.#log;
    const segment = this.#log.segments[this.#index]!;
    const { log: file, size: from } = segment;
    const scan = new SegmentScan({ file, from, to: file.size(), buffer, whole: true });
    while (scan.next()) {
      const { batch } = scan;
      this.bytesScanned += batch.sizeInBytes;
      const reason = this.#faultOf(batch, segment);
      if (reason !== undefined) return { segment, position: segment.size, reason };
      segment.note(batch, indexIntervalBytes);
      this.#assignEpoch(batch);
      noteCompleted(segment, this.#log.producers, applyBatch(this.#log.producers, batch));
      this.expected = batch.nextOffset;
      if (this.bytesScanned >= bytes) return "more";
    }
    if (scan.stoppedBy !== "end") return { segment, position: segment.size, reason: NO_BATCH };
    return this.#nextSegment(segment);
  }

  #nextSegment(segment: Segment): "more" | "end" | ScanFault {
    const { segments, snapshots, producers } = this.#log;
    const next = segments[this.#index + 1];
    if (next === undefined) return "end";
    const { baseOffset } = next;
    if (!this.#mayFollow(baseOffset)) {
      const reason = `the next segment begins at ${baseOffset}`;
      return { segment, position: segment.size, reason };
    }
    this.expected = baseOffset;
    this.#index++;
    next.startRebuild();
    next.transactions.reset();
    next.changes++;
    if (!snapshots.has(baseOffset)) {
      snapshots.write(baseOffset, producers, new Set(segments.map((each) => each.baseOffset)));
    }
    return "more";
  }

  #faultOf(batch: BatchView, segment: Segment): string | undefined {
    // The scan has checked the framing already; the full check is for what it finds to say.
    if (batch.computeCrc() !== batch.crc) return describeFault(batch);
    const { baseOffset, partitionLeaderEpoch: epoch, lastOffset } = batch;
    if (!this.#mayFollow(baseOffset)) return `the batch has offset ${baseOffset}`;
    const { leaderEpochMax, epochs: { latestEpoch } } = this.#log;
    if (epoch > leaderEpochMax) return `the batch has leader epoch ${epoch}, above all known`;
    if (epoch < latestEpoch) return `the batch has leader epoch ${epoch}, after ${latestEpoch}`;
    return segment.canHold(lastOffset) ? undefined : `the batch ends at offset ${lastOffset}`;
  }

  #mayFollow(baseOffset: Offset): boolean {
    const { gapsAllowed } = this.#log;
    return baseOffset === this.expected || (gapsAllowed && baseOffset > this.expected);
  }

  #assignEpoch({ partitionLeaderEpoch: epoch, baseOffset }: BatchView): void {
    const { epochs } = this.#log;
    if (epoch > epochs.latestEpoch && epochs.assign(epoch, baseOffset)) this.epochsChanged = true;
  }
}

/** The last segment that begins at or before an offset; the first for offsets before all. */
export function segmentIndex(segments: readonly Segment[], offset: Offset): number {
  let index = segments.length - 1;
  while (index > 0 && segments[index]!.baseOffset > offset) index--;
  return index;
}

/** The segment before the recovery point, too: it may have been cut there, and the cut be lost. */
export function firstToVerify(segments: readonly Segment[], recoveryPoint: Offset): number {
  return segmentIndex(segments, recoveryPoint - 1);
}

function describeFault(batch: BatchView): string {
  const { source, position, sizeInBytes } = batch;
  return checkBatch(source, position, position + sizeInBytes)?.reason ?? "its checksum is wrong";
}
