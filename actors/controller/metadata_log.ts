/**
 * The metadata log, `__cluster_metadata-0`: a log like any other, that holds metadata records, and
 * its snapshots.
 *
 * Owns the records' bytes (Kafka's own), how they are written and read, and that log and snapshots
 * fit: where the log does not begin at 0 there is a snapshot of all below. Does not own who may
 * write, nor what is committed.
 *
 * @module
 */

import type { Epoch, Offset, OffsetAndEpoch, Timestamp } from "../../storage/bytes/ids.ts";
import { writePartitionMetadata } from "../../storage/meta_properties.ts";
import { buildControlBatch } from "../../storage/control_record.ts";
import { DiskError, type DiskErrorKind } from "../../storage/disk.ts";
import type { EpochEntry } from "../../storage/leader_epochs.ts";
import type { FlushDone } from "../../storage/log_flush.ts";
import { Log } from "../../storage/log.ts";
import { logConfig } from "../../storage/log_config.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import { removeSegmentsBefore } from "../../storage/log_files.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import { type BatchView, walkBatches } from "../../storage/record_batch.ts";
import { buildMetadataBatch, decodeMetadataBatch, metadataIn } from "./metadata_batches.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { METADATA_FOLDER, METADATA_TOPIC_ID } from "./metadata_topic.ts";
import type { QuorumLog, QuorumRecord, SnapshotId, SnapshotPart, TakenIn } from "./quorum_log.ts";
import { controlContent, votersIn } from "./quorum_records.ts";
import { SnapshotFiles } from "./snapshot.ts";
import type { VotersAt, VoterSet } from "./voters.ts";

export { METADATA_FOLDER, METADATA_TOPIC, METADATA_TOPIC_ID } from "./metadata_topic.ts";

/** Nothing is removed here but by snapshots; a decision is one batch, however large. */
const CONFIG = logConfig({
  retentionMs: -1,
  retentionBytes: -1,
  fileDeleteDelayMs: 0,
  maxMessageBytes: 64 * 1024 * 1024,
});

/** What an append may fail of, with the log as it was before, and work later. */
const MAY_RECOVER: ReadonlySet<DiskErrorKind> = new Set([
  "no-space",
  "read-only",
  "too-many-open-files",
]);

const READ_BYTES = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** A batch of the log, decoded; one of control records has no records. */
export interface MetadataBatch {
  readonly records: readonly MetadataRecord[];
  /** The offset behind it. */
  readonly endOffset: Offset;
  readonly sizeInBytes: number;
}

export interface MetadataLogOptions {
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  /** The newest epoch that a record can have. */
  readonly epochMax: Epoch;
  /** The time, for the records of the quorum. */
  readonly now: () => Timestamp;
}

export class MetadataLog implements QuorumLog {
  readonly #log: Log;
  readonly #directory: LogDirectory;
  readonly #snapshots: SnapshotFiles;
  readonly #now: () => Timestamp;
  /** Everything below is committed: no crash may take it. */
  #highWatermark: Offset;
  #bytesSinceSnapshot: number;

  /**
   * Opens log and snapshots, and mends what a crash left between the two.
   * @throws {Error} when the log cannot be opened, or is damaged
   */
  constructor({ directory, resources, epochMax, now }: MetadataLogOptions) {
    this.#directory = directory;
    this.#now = now;
    this.#snapshots = new SnapshotFiles(directory.disk, METADATA_FOLDER);
    // A power cut while they were removed may have brought some of them back, and not all.
    removeSegmentsBefore(directory.disk, METADATA_FOLDER, this.snapshotId?.endOffset ?? 0);
    const progress = directory.progress(METADATA_FOLDER);
    const opened = Log.open({
      resources,
      folder: METADATA_FOLDER,
      config: CONFIG,
      now: now(),
      clean: directory.clean,
      ...progress,
      leaderEpochMax: epochMax,
    });
    if (opened.kind === "failed") throw opened.failure;
    if (opened.kind === "corrupt") {
      const { file, position, offset, reason } = opened;
      throw new Error(
        `Cannot open the metadata log: offset ${offset}, ${file} at ${position}: ${reason}`,
      );
    }
    this.#log = opened.log;
    this.#highWatermark = progress.highWatermark;
    writePartitionMetadata(directory.disk, METADATA_FOLDER, METADATA_TOPIC_ID);
    this.#fitSnapshot();
    this.#bytesSinceSnapshot = this.#log.sizeInBytes;
  }

  /** A crash may have come between a snapshot's keeping and the log's beginning anew behind it. */
  #fitSnapshot(): void {
    const log = this.#log;
    const id = this.snapshotId;
    if (log.logStartOffset > (id?.endOffset ?? 0)) {
      throw new Error(
        `Cannot open the metadata log: it begins at ${log.logStartOffset}, and there is no ` +
          `snapshot of what is before`,
      );
    }
    if (id === undefined || id.endOffset === log.logStartOffset) return;
    // A snapshot is fetched for a log that ends before it, or whose epochs are all lower.
    const isOfLog = id.endOffset < log.logEndOffset && this.#epochAt(id.endOffset) >= id.epoch;
    if (isOfLog) log.deleteRecordsBefore(id.endOffset);
    else log.truncateFullyAndStartAt(id.endOffset, this.#now());
    this.#note();
  }

  /** As its batch says. */
  #epochAt(offset: Offset): Epoch {
    const [batch] = this.#batches(offset, this.endOffset);
    return batch?.partitionLeaderEpoch ?? -1;
  }

  get startOffset(): Offset {
    return this.#log.logStartOffset;
  }

  get endOffset(): Offset {
    return this.#log.logEndOffset;
  }

  get flushedOffset(): Offset {
    return this.#log.flushedOffset;
  }

  get snapshotId(): SnapshotId | undefined {
    return this.#snapshots.latest;
  }

  /** Bytes of batches that came to the log since, about. */
  get bytesSinceSnapshot(): number {
    return this.#bytesSinceSnapshot;
  }

  get truncations(): number {
    return this.#log.truncations;
  }

  get epochEntries(): readonly EpochEntry[] {
    return this.#log.epochEntries;
  }

  get lastEpoch(): Epoch {
    const { logEndOffset, logStartOffset } = this.#log;
    if (logEndOffset > logStartOffset) return this.#log.epochForOffset(logEndOffset - 1);
    return this.snapshotId?.epoch ?? 0;
  }

  endOffsetFor(epoch: Epoch): OffsetAndEpoch {
    const found = this.#log.endOffsetFor(epoch);
    const { snapshotId } = this;
    if (found === undefined) return { offset: this.endOffset, epoch: this.lastEpoch };
    // Older than all that the log still has: what is common ends in the snapshot.
    if (found.offset === snapshotId?.endOffset && found.epoch === epoch) {
      return { offset: found.offset, epoch: snapshotId.epoch };
    }
    return found;
  }

  voterSets(): VotersAt[] {
    const found: VotersAt[] = [];
    const { snapshotId } = this;
    const snapshot = this.#snapshots.readLatest();
    if (snapshotId !== undefined && snapshot !== undefined) {
      const last = lastVoters(snapshot);
      if (last !== undefined) found.push({ offset: snapshotId.endOffset - 1, voters: last });
    }
    for (const batch of this.#batches(this.startOffset, this.endOffset)) {
      if (batch.isControl) found.push(...votersIn(batch));
    }
    return found;
  }

  assignEpoch(epoch: Epoch): void {
    this.#log.assignEpoch(epoch);
  }

  /**
   * Appends records as one batch. Returns why it could not, where nothing has changed and a later
   * append may succeed: the disk is full, or was made
   * read-only.
   *
   * @throws {Error} when the log cannot be written to any more
   */
  append(records: readonly MetadataRecord[], epoch: Epoch, now: Timestamp): string | undefined {
    return this.#append(buildMetadataBatch(records, now), "coordinator", epoch);
  }

  appendAsLeader(records: readonly QuorumRecord[], epoch: Epoch): string | undefined {
    const timestamp = this.#now();
    const batch = buildControlBatch(records.map(controlContent), { timestamp });
    return this.#append(batch, "coordinator", epoch);
  }

  appendAsFollower(batches: Uint8Array, epoch: Epoch): TakenIn {
    const problem = this.#append(batches, "follower", epoch);
    if (problem !== undefined) return { problem, voters: [] };
    const voters: VotersAt[] = [];
    for (const batch of walkBatches(batches)) if (batch.isControl) voters.push(...votersIn(batch));
    return { problem, voters };
  }

  #append(
    batch: Uint8Array,
    origin: "coordinator" | "follower",
    leaderEpoch: Epoch,
  ): string | undefined {
    const result = this.#log.append(batch, {
      origin,
      leaderEpoch,
      now: this.#now(),
      gapless: true,
    });
    if (result.kind === "appended") {
      this.#bytesSinceSnapshot += batch.length;
      return undefined;
    }
    const { reason, failure } = result;
    const problem = `Cannot write to the metadata log: ${reason}`;
    if (mayRecover(failure)) return problem;
    // What came is damaged or does not fit: it may come better.
    if (origin === "follower" && failure === undefined) return problem;
    throw new Error(problem, { cause: failure });
  }

  read(from: Offset, maxBytes: number): Uint8Array {
    return this.#readUpTo(from, this.endOffset, maxBytes);
  }

  truncateTo(offset: Offset): Offset {
    return this.#log.truncateTo(offset, this.#now());
  }

  /**
   * The batches from one offset up to, not including, another, in order.
   * @throws {Error} naming a record of a type or version that is not known
   */
  *readMetadata(from: Offset, to: Offset): Generator<MetadataBatch> {
    for (const batch of this.#batches(from, to)) {
      const records = batch.isControl ? [] : decodeMetadataBatch(batch);
      yield { records, endOffset: batch.nextOffset, sizeInBytes: batch.sizeInBytes };
    }
  }

  *#batches(from: Offset, to: Offset): Generator<BatchView> {
    for (let offset = from; offset < to;) {
      const bytes = this.#readUpTo(offset, to, READ_BYTES);
      if (bytes.length === 0) throw new Error(`Cannot read the metadata log at offset ${offset}`);
      for (const batch of walkBatches(bytes)) {
        offset = batch.nextOffset;
        yield batch;
      }
    }
  }

  #readUpTo(from: Offset, maxOffset: Offset, maxBytes: number): Uint8Array {
    const result = this.#log.read(from, { maxBytes, maxOffset, minOneBatch: true });
    if (result.kind === "batches") return result.bytes;
    if (result.kind === "empty") return NO_BYTES;
    throw new Error(`Cannot read the metadata log at offset ${from}: ${result.error}`, {
      cause: result.failure,
    });
  }

  /** The metadata of the latest snapshot. @throws {Error} when it is damaged */
  readSnapshotRecords(): Iterable<MetadataRecord> {
    return metadataIn(this.#snapshots.readLatest() ?? NO_BYTES);
  }

  readSnapshot(id: SnapshotId, position: number, maxBytes: number): SnapshotPart | undefined {
    return this.#snapshots.read(id, position, maxBytes);
  }

  beginSnapshot(id: SnapshotId): void {
    this.#snapshots.begin(id);
  }

  appendToSnapshot(position: number, bytes: Uint8Array): string | undefined {
    return this.#attempt(() => this.#snapshots.append(position, bytes));
  }

  adoptSnapshot(): TakenIn {
    const problem = this.#attempt(() => void this.#snapshots.adopt());
    if (problem !== undefined) return { problem, voters: [] };
    this.#log.truncateFullyAndStartAt(this.snapshotId!.endOffset, this.#now());
    this.#highWatermark = this.startOffset;
    this.#bytesSinceSnapshot = 0;
    this.#note();
    this.#tidy();
    const last = lastVoters(this.#snapshots.readLatest() ?? NO_BYTES);
    const offset = this.startOffset - 1;
    return { problem, voters: last === undefined ? [] : [{ offset, voters: last }] };
  }

  /**
   * Makes a snapshot of what is below `endOffset`, which is committed, and drops the log below it.
   * Returns why it could not, where a later attempt may succeed.
   */
  makeSnapshot(
    endOffset: Offset,
    records: Iterable<MetadataRecord>,
    voters: VoterSet | undefined,
  ): string | undefined {
    // Also where it fails: the next try comes when there is as much again.
    this.#bytesSinceSnapshot = 0;
    const epoch = this.#log.epochForOffset(endOffset - 1);
    const timestamp = this.#now();
    const problem = this.#attempt(() =>
      this.#snapshots.write({ endOffset, epoch }, { records, voters, timestamp })
    );
    if (problem !== undefined) return problem;
    this.#log.deleteRecordsBefore(endOffset);
    this.#note();
    this.#tidy();
    return undefined;
  }

  /** What nobody needs any more goes; what cannot go now goes later. */
  #tidy(): void {
    this.#attempt(() => {
      this.#snapshots.removeOlder();
      this.#log.roll(this.#now());
    });
    this.#log.applyRetention(this.startOffset, this.#now());
  }

  #attempt(run: () => void): string | undefined {
    try {
      run();
      return undefined;
    } catch (error) {
      if (mayRecover(error)) return error.message;
      throw error;
    }
  }

  /** Everything below is committed. */
  committed(highWatermark: Offset): void {
    this.#highWatermark = highWatermark;
    this.#note();
  }

  /** Makes everything that is in the log now durable. */
  flushLater(done: FlushDone): "started" | "nothing to do" {
    const started = this.#log.flush((failure) => {
      if (failure === undefined) this.#note();
      done(failure);
    });
    if (typeof started === "object") throw started;
    return started;
  }

  /** Flushes, notes how far the log is, and lets go of it. @throws {DiskError} */
  close(): void {
    this.#snapshots.drop();
    this.#log.close({ clean: true, now: this.#now() });
    this.#note();
  }

  /**
   * Says how much is durable, for the next checkpoint: damage below it is refused at the next
   * start, not cut. A log that lost its end would deny that topics were ever made.
   */
  #note(): void {
    const { recoveryPoint, logStartOffset, flushedOffset } = this.#log;
    const highWatermark = Math.min(this.#highWatermark, flushedOffset);
    this.#directory.note(METADATA_FOLDER, { recoveryPoint, logStartOffset, highWatermark });
  }
}

function mayRecover(error: unknown): error is DiskError {
  return error instanceof DiskError && MAY_RECOVER.has(error.kind);
}

function lastVoters(batches: Uint8Array): VoterSet | undefined {
  let last: VoterSet | undefined;
  for (const batch of walkBatches(batches)) {
    if (batch.isControl) last = votersIn(batch).at(-1)?.voters ?? last;
  }
  return last;
}
