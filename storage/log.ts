/**
 * The log of one partition: batches of records in the order of their offsets, in segments on disk.
 *
 * This is the room's front door: it owns nothing but the ways in. What a log is stands in
 * log_state.ts, what is done to it in the modules that this one calls. A log knows no actor, no
 * clock and no timer: time comes in as an argument, and whoever owns the log decides when to flush,
 * to check retention and to write checkpoints.
 *
 * What it promises:
 * - an append is in the log whole or not at all, also when the disk is full, and the next one may
 *   succeed;
 * - after a crash the log is a prefix of what was appended that holds everything flushed; damage is
 *   found, and what is durable or committed is never cut;
 * - an idle log keeps no descriptor, timer or buffer, only a few small objects.
 *
 * One owner, one event loop: nothing here is safe to call from two.
 *
 * @module
 */

import type { Epoch, Offset, OffsetAndEpoch, Timestamp } from "./bytes/ids.ts";
import { Compaction, type CompactionOptions } from "./compaction.ts";
import { type CompactionNeed, compactionNeed, isRollOverdue } from "./compaction_plan.ts";
import { DiskError } from "./disk.ts";
import type { EpochEntry } from "./leader_epochs.ts";
import { type AppendContext, type AppendResult, LogAppender } from "./log_append.ts";
import type { LogConfig } from "./log_config.ts";
import { type FlushDone, type FlushStart, LogFlusher } from "./log_flush.ts";
import { type Located, LogReader, type ReadRange, type ReadResult } from "./log_read.ts";
import type { LogState } from "./log_state.ts";
import { LogTimes, type TimeLookup } from "./log_time.ts";
import { abortedTransactions, lastStableOffset } from "./log_transactions.ts";
import {
  raiseLogStartOffset,
  removeDoomedFiles,
  removeFirstSegments,
  truncateFullyAndStartAt,
  truncateTo,
} from "./log_truncate.ts";
import type { ProducerState } from "./producer_state.ts";
import {
  type LogCorrupt,
  LogOpening,
  type LogOpenOptions,
  type RecoverySummary,
} from "./recovery.ts";
import { countExpired, sizeInBytes } from "./retention.ts";
import type { AbortedTransaction } from "./transaction_index.ts";

/** How opening a log went. */
export type LogOpened =
  | { readonly kind: "open"; readonly log: Log; readonly recovery: RecoverySummary }
  | LogCorrupt
  | { readonly kind: "failed"; readonly failure: DiskError };

/**
 * A log that is being opened, by slices: call `step` until it gives something other than `more`.
 */
export interface LogOpenSlices {
  step(bytesBudget?: number): { readonly kind: "more" } | LogOpened;
}

/** What a run of retention took away. */
export interface RetentionResult {
  readonly segmentsRemoved: number;
  readonly failure: DiskError | undefined;
}

export class Log {
  readonly #state: LogState;
  readonly #appender: LogAppender;
  readonly #reader: LogReader;
  readonly #times: LogTimes;
  readonly #flusher: LogFlusher;

  /** Logs come from {@link Log.open}. */
  constructor(state: LogState) {
    this.#state = state;
    this.#appender = new LogAppender(state);
    this.#reader = new LogReader(state);
    this.#times = new LogTimes(state);
    this.#flusher = new LogFlusher(state);
  }

  /** Begins to open the log in a folder. A log that was closed in order is open after one step. */
  static opening(options: LogOpenOptions): LogOpenSlices {
    const opening = new LogOpening(options);
    return {
      step(bytesBudget) {
        const step = opening.step(bytesBudget);
        if (step.kind !== "open") return step;
        return { kind: "open", log: new Log(step.state), recovery: step.recovery };
      },
    };
  }

  /** Opens the log in a folder, however long it takes. */
  static open(options: LogOpenOptions): LogOpened {
    const opening = Log.opening(options);
    for (;;) {
      const step = opening.step();
      if (step.kind !== "more") return step;
    }
  }

  /** Path of the folder, relative to the root of the disk. */
  get folder(): string {
    return this.#state.folder;
  }

  get config(): LogConfig {
    return this.#state.config;
  }

  /** The first offset that can be read. */
  get logStartOffset(): Offset {
    return this.#state.logStartOffset;
  }

  /** The offset that the next record gets. */
  get logEndOffset(): Offset {
    return this.#state.logEndOffset;
  }

  /** All batches before this offset are durable. */
  get flushedOffset(): Offset {
    return this.#state.flushedOffset;
  }

  /** Where recovery starts: what belongs into the checkpoint of recovery points. */
  get recoveryPoint(): Offset {
    return this.#state.recoveryPoint;
  }

  /** The newest leader epoch that was assigned, or -1. */
  get latestEpoch(): Epoch {
    return this.#state.epochs.latestEpoch;
  }

  get epochEntries(): EpochEntry[] {
    return this.#state.epochs.entries();
  }

  get segmentCount(): number {
    return this.#state.segments.length;
  }

  /** How often records were taken from the end: a slice located before may be other bytes now. */
  get truncations(): number {
    return this.#state.truncations;
  }

  /** Why the log takes no more appends, if a sync or a write of it has failed. */
  get failure(): DiskError | undefined {
    return this.#state.failure;
  }

  /** Whether it is not known what of it is durable: nobody may trust what is read of it anew. */
  get isInDoubt(): boolean {
    return this.#state.isInDoubt;
  }

  /** Bytes of all segments. @throws {DiskError} */
  get sizeInBytes(): number {
    return sizeInBytes(this.#state.segments);
  }

  /** Takes other settings from now on. */
  configure(config: LogConfig): void {
    this.#state.config = config;
  }

  /** Appends whole batches; see {@link LogAppender}. */
  append(batches: Uint8Array, context: AppendContext): AppendResult {
    return this.#appender.append(batches, context);
  }

  /** Finds the batches from the one that holds `fromOffset` on, to be read from their file. */
  locate(fromOffset: Offset, range: ReadRange): Located {
    return this.#reader.locate(fromOffset, range);
  }

  /** Reads the batches from the one that holds `fromOffset` on. */
  read(fromOffset: Offset, range: ReadRange): ReadResult {
    return this.#reader.read(fromOffset, range);
  }

  /** The first record of that time or later. */
  offsetForTime(timestamp: Timestamp): TimeLookup {
    return this.#times.offsetForTime(timestamp);
  }

  /** The first record with the largest timestamp. */
  offsetOfMaxTimestamp(): TimeLookup {
    return this.#times.offsetOfMaxTimestamp();
  }

  /** Notes that a leader epoch begins at the log end, as a new leader does before it serves. */
  assignEpoch(epoch: Epoch, startOffset: Offset = this.logEndOffset): void {
    if (this.#state.epochs.assign(epoch, startOffset)) this.#state.epochChanges++;
  }

  /** Where the largest epoch up to `epoch` ends (KIP-101, KIP-279). */
  endOffsetFor(epoch: Epoch): OffsetAndEpoch | undefined {
    return this.#state.epochs.endOffsetFor(epoch, this.#state.logEndOffset);
  }

  /** The leader epoch of the record at `offset`, or -1. */
  epochForOffset(offset: Offset): Epoch {
    return this.#state.epochs.epochForOffset(offset);
  }

  /** What is known of producers, to look at. @throws {DiskError} @throws {CorruptLogError} */
  producers(now: Timestamp): ProducerState {
    return this.#state.producers(now);
  }

  /**
   * The end of what is decided: no transaction without a committed marker begins before it. At most
   * the high watermark. @throws {DiskError} @throws {CorruptLogError}
   */
  lastStableOffset(highWatermark: Offset): Offset {
    return lastStableOffset(this.#state, highWatermark);
  }

  /**
   * The aborted transactions that overlap a range, `to` not included, by their first offsets.
   *
   * @throws {DiskError} @throws {CorruptLogError}
   */
  abortedTransactions(from: Offset, to: Offset): AbortedTransaction[] {
    return abortedTransactions(this.#state, from, to);
  }

  /** Forgets producers that have been idle for `producer.id.expiration.ms`. */
  removeExpiredProducers(now: Timestamp): void {
    if (!this.#state.producersLoaded) return;
    this.#state.producers(now).removeExpired(now, this.#state.config.producerIdExpirationMs);
  }

  /**
   * Cuts the log so that it ends at `offset`, or before the batch that holds it. Returns the new
   * log end offset.
   *
   * @throws {DiskError} @throws {CorruptLogError}
   */
  truncateTo(offset: Offset, now: Timestamp): Offset {
    return truncateTo(this.#state, offset, now);
  }

  /** Removes everything; the log goes on at `offset`. @throws {DiskError} */
  truncateFullyAndStartAt(offset: Offset, now: Timestamp): void {
    truncateFullyAndStartAt(this.#state, offset, now);
  }

  /**
   * Raises the log start offset: earlier records are not read any more, and go with the next run of
   * retention. False, and nothing changes, past the log end; the caller has checked the high
   * watermark.
   */
  deleteRecordsBefore(offset: Offset): boolean {
    if (offset > this.#state.logEndOffset) return false;
    raiseLogStartOffset(this.#state, offset);
    return true;
  }

  /** Removes the segments that retention does not keep, and files whose time has come. */
  applyRetention(highWatermark: Offset, now: Timestamp): RetentionResult {
    const state = this.#state;
    let before = state.segments.length;
    try {
      const count = countExpired(state, highWatermark, now);
      const takesAll = count === state.segments.length;
      // All but the last: a new one takes room, which a full disk has only when the others are
      // gone.
      if (count > 0) removeFirstSegments(state, count, now);
      removeDoomedFiles(state, now);
      if (takesAll) {
        this.#appender.roll(now);
        before++;
        removeFirstSegments(state, 1, now);
        removeDoomedFiles(state, now);
      }
      return { segmentsRemoved: before - state.segments.length, failure: undefined };
    } catch (failure) {
      if (!(failure instanceof DiskError)) throw failure;
      return { segmentsRemoved: before - state.segments.length, failure };
    }
  }

  /**
   * What compaction would find, after one that ended at `firstDirty`. Where the log was cut since,
   * that is the caller's to lower.
   *
   * @throws {DiskError} @throws {CorruptLogError}
   */
  compactionNeed(firstDirty: Offset, lastStableOffset: Offset, now: Timestamp): CompactionNeed {
    const state = this.#state;
    if (isRollOverdue(state, now)) this.roll(now);
    return compactionNeed(state, firstDirty, lastStableOffset, now);
  }

  /** Begins to compact; see {@link Compaction}. One run at a time. */
  compact(options: CompactionOptions): Compaction {
    return new Compaction(this.#state, options);
  }

  /** Starts a new segment now, unless the last one is empty. @throws {DiskError} */
  roll(now: Timestamp): void {
    this.#appender.roll(now);
  }

  /** Makes all batches that are in the log now durable. */
  flush(done: FlushDone): FlushStart {
    return this.#flusher.flush(done);
  }

  /** Makes all durable that recovery starts from, and raises the recovery point. */
  checkpoint(now: Timestamp, done: FlushDone): FlushStart {
    return this.#flusher.checkpoint(now, done);
  }

  /** As `flush`, before it returns. @throws {DiskError} */
  flushSync(): void {
    this.#flusher.flushSync();
  }

  /** As `checkpoint`, before it returns. @throws {DiskError} */
  checkpointSync(now: Timestamp): void {
    this.#flusher.checkpointSync(now);
  }

  /** Whether `flush.messages` or `flush.ms` ask for a flush. */
  flushDue(now: Timestamp): boolean {
    return this.#flusher.isDue(now);
  }

  /** Whether a segment was sealed that a recovery would still scan. */
  get checkpointDue(): boolean {
    const { segments, recoveryPoint } = this.#state;
    return recoveryPoint < segments[segments.length - 1]!.baseOffset;
  }

  /**
   * Lets go of everything. With `clean` all is made durable first, so that the log may be opened as
   * it is, with its log end offset as recovery point. It must not be used afterwards.
   *
   * @throws {DiskError} when it cannot be made durable; it is then as after a crash
   */
  close(options: { readonly clean: boolean; readonly now: Timestamp }): void {
    const state = this.#state;
    try {
      if (options.clean) {
        if (state.failure !== undefined) throw state.failure;
        this.#flusher.writeSnapshot(options.now);
        state.saveEpochs();
        this.#flusher.checkpointSync(options.now);
        for (const { path } of state.doomed) state.resources.disk.remove(path);
      }
    } finally {
      for (const segment of state.segments) segment.close();
    }
  }
}
