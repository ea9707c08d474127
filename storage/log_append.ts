/**
 * Appending: what a leader, a coordinator or a follower may put behind a log, and putting it there.
 *
 * Owns the checks against the log's state, the patching of batches (offsets, leader epoch, time of
 * append) and the order of steps. It does not own the checks that need no log
 * (record_batch_validation.ts), which come before.
 *
 * Invariants: what is refused changes nothing; nothing of the log's state changes before the write
 * has succeeded; nothing here looks at records.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "./bytes/ids.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { DiskError } from "./disk.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogState } from "./log_state.ts";
import { noteCompleted } from "./log_transactions.ts";
import { applyBatch, tryReadMarker } from "./producer_replay.ts";
import type { ProducerFault, ProducerState, RememberedBatch } from "./producer_state.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchSizeAt,
  BatchView,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from "./record_batch.ts";
import { checkBatch } from "./record_batch_validation.ts";
import { Segment } from "./segment.ts";

/**
 * Who appends: a producer by way of the leader; a coordinator, whose batches have no sequence
 * numbers and may be control batches; or a follower, whose batches have their offsets already.
 */
export type AppendOrigin = "leader" | "coordinator" | "follower";

/** What an append needs to know besides the batches. */
export interface AppendContext {
  readonly origin: AppendOrigin;
  /** Of this replica: a leader stamps it, a follower takes no batch that is newer. */
  readonly leaderEpoch: Epoch;
  readonly now: Timestamp;
  /**
   * Of a coordinator's marker: from 2 on no record of its transaction has its epoch, so that a
   * marker that comes late cannot be taken for the end of the next one (KIP-1228). Default 0.
   */
  readonly transactionVersion?: number;
  /**
   * Whether to check the batches' checksums here. Default for followers; a leader's batches were
   * checked when they came in.
   */
  readonly checkCrc?: boolean;
  /** Whether a follower's batches leave out no offset, as in a log that is never compacted. */
  readonly gapless?: boolean;
}

/**
 * Why batches were not appended: Kafka's error names, and two of a follower's that never reach a
 * wire: the batches do not begin where its log ends, or their leader epochs do not fit.
 */
export type AppendError =
  | ProducerFault
  | "CORRUPT_MESSAGE"
  | "INVALID_RECORD"
  | "INVALID_TIMESTAMP"
  | "MESSAGE_TOO_LARGE"
  | "RECORD_LIST_TOO_LARGE"
  | "UNSUPPORTED_FOR_MESSAGE_FORMAT"
  | "UNSUPPORTED_COMPRESSION_TYPE"
  | "UNEXPECTED_APPEND_OFFSET"
  | "UNEXPECTED_LEADER_EPOCH"
  | "KAFKA_STORAGE_ERROR";

/** The batches are in the log, or were before. */
export interface Appended {
  readonly kind: "appended";
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  /** The time that the records were given, or -1 where they keep the producer's. */
  readonly logAppendTime: Timestamp;
  /** Whether this repeats a batch that is in the log: nothing was written, the offsets are its. */
  readonly duplicate: boolean;
}

/** Nothing was appended. */
export interface AppendRefused {
  readonly kind: "refused";
  readonly error: AppendError;
  /** For people. */
  readonly reason: string;
  /** What the disk said, for KAFKA_STORAGE_ERROR. */
  readonly failure?: DiskError | CorruptLogError;
}

export type AppendResult = Appended | AppendRefused;

const INT32_MAX = 0x7fffffff;

/** Appends to one log. It keeps what one call needs, so that a call makes next to nothing. */
export class LogAppender {
  readonly #state: LogState;
  readonly #batch = new BatchView();
  /** Of the batches of one call. */
  #firstOffset: Offset = 0;
  #lastOffset: Offset = 0;
  #maxTimestamp: Timestamp = -1;
  #hasProducers = false;

  constructor(state: LogState) {
    this.#state = state;
  }

  /** Appends whole batches. The bytes of a leader's are patched, also where it fails in the end. */
  append(batches: Uint8Array, context: AppendContext): AppendResult {
    const state = this.#state;
    if (state.failure !== undefined) return storageError(state.failure);
    try {
      const refused = context.origin === "follower"
        ? this.#checkFollower(batches, context)
        : this.#checkLeader(batches, context);
      if (refused !== undefined) return refused;
      const { config } = state;
      const logAppendTime = context.origin === "leader" &&
          config.messageTimestampType === "LogAppendTime"
        ? context.now
        : -1;
      if (context.origin !== "follower") this.#stamp(batches, context, logAppendTime);
      const active = this.#activeFor(batches.length, context.now);
      // What may fail comes before the write: the state of producers may have to be read. It is
      // read now if ever, since to catch up later would mean to walk over all that came in between.
      const producers = state.producers(context.now);
      if (!active.cutIsDurable) this.#sync(() => active.syncLog());
      this.#write(active, batches);
      if (context.origin === "follower") this.#dropEmptyEpochs();
      this.#takeIn(batches, active, producers);
      if (state.unflushedSince < 0) state.unflushedSince = context.now;
      return {
        kind: "appended",
        firstOffset: this.#firstOffset,
        lastOffset: this.#lastOffset,
        logAppendTime,
        duplicate: false,
      };
    } catch (error) {
      if (error instanceof DiskError || error instanceof CorruptLogError) {
        return storageError(error);
      }
      throw error;
    }
  }

  /** Starts a new segment, unless the last one is empty. @throws {DiskError} nothing has changed */
  roll(now: Timestamp, baseOffset: Offset = this.#state.logEndOffset): Segment {
    const state = this.#state;
    const sealed = state.active;
    if (sealed.size === 0 && sealed.baseOffset === baseOffset) return sealed;
    // One name at a time that may be lost, the newest: so a power cut leaves no hole.
    if (state.namesChanged) this.#sync(() => state.syncNames());
    if (!sealed.cutIsDurable) this.#sync(() => sealed.syncLog());
    const bases = state.segmentBases().add(baseOffset);
    state.snapshots.write(state.logEndOffset, state.producers(now), bases);
    sealed.seal();
    const segment = new Segment(state.resources, state.folder, baseOffset, now);
    segment.create();
    state.addActive(segment);
    return segment;
  }

  /** A full disk may have space again; one that fails, or cannot be cut back, is not trusted. */
  #write(active: Segment, batches: Uint8Array): void {
    try {
      active.write(batches);
    } catch (error) {
      if (error instanceof DiskError && error.kind === "io") this.#state.failure ??= error;
      throw error;
    }
  }

  /** A sync that fails is the end of the log. */
  #sync(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof DiskError) this.#state.syncFailed(error);
      throw error;
    }
  }

  /** Checks batches of a producer or coordinator; gives the answer where they are not appended. */
  #checkLeader(batches: Uint8Array, context: AppendContext): AppendResult | undefined {
    const { config } = this.#state;
    const batch = this.#batch;
    const length = batches.length;
    if (length === 0) return refuse("INVALID_RECORD", "there is no batch");
    if (length > config.segmentBytes) {
      return refuse(
        "RECORD_LIST_TOO_LARGE",
        `${length} bytes, a segment has ${config.segmentBytes}`,
      );
    }
    let offset = this.#state.logEndOffset;
    this.#firstOffset = offset;
    this.#maxTimestamp = -1;
    this.#hasProducers = false;
    for (let position = 0, size = 0; position < length; position += size) {
      const fault = context.checkCrc === true ? checkBatch(batches, position, length) : null;
      if (fault !== null) return refuse(fault.kind, fault.reason);
      size = soundSizeAt(batches, position);
      if (size === 0) return refuse("CORRUPT_MESSAGE", `no whole batch starts at ${position}`);
      if (size > config.maxMessageBytes) {
        return refuse("MESSAGE_TOO_LARGE", `${size} bytes, limit ${config.maxMessageBytes}`);
      }
      batch.moveTo(batches, position);
      const refused = this.#checkLeaderBatch(batch, size === length, context);
      if (refused !== undefined) return refused;
      offset += batch.lastOffsetDelta + 1;
    }
    if (!Number.isSafeInteger(offset)) {
      return refuse("INVALID_RECORD", `there is no offset left behind ${this.#firstOffset}`);
    }
    this.#lastOffset = offset - 1;
    return undefined;
  }

  #checkLeaderBatch(
    batch: BatchView,
    alone: boolean,
    context: AppendContext,
  ): AppendResult | undefined {
    const { config } = this.#state;
    const { maxTimestamp, isControl, recordsCount } = batch;
    if (recordsCount <= 0 || batch.lastOffsetDelta !== recordsCount - 1) {
      return refuse(
        "INVALID_RECORD",
        `${recordsCount} records, last offset delta ${batch.lastOffsetDelta}`,
      );
    }
    if (context.origin === "leader") {
      if (isControl) return refuse("INVALID_RECORD", "control batches are for brokers to write");
      if (config.messageTimestampType === "CreateTime") {
        const refused = checkTimestamps(batch, config, context.now);
        if (refused !== undefined) return refused;
      }
    }
    if (maxTimestamp > this.#maxTimestamp) this.#maxTimestamp = maxTimestamp;
    if (batch.producerId < 0) return undefined;
    if (!alone) return refuse("INVALID_RECORD", "a batch with a producer id comes alone");
    this.#hasProducers = true;
    return this.#checkProducer(batch, context);
  }

  #checkProducer(batch: BatchView, context: AppendContext): AppendResult | undefined {
    const producers = this.#state.producers(context.now);
    if (batch.isControl) {
      const marker = tryReadMarker(batch);
      if (marker === null) return refuse("INVALID_RECORD", "its control record cannot be read");
      if (marker === undefined) return undefined;
      const fault = producers.checkMarker(batch, marker);
      if (fault !== undefined) return refuse(fault, describe(batch));
      const { transactionVersion = 0 } = context;
      return transactionVersion >= 2 && producers.hasEnteredEpoch(batch)
        ? this.#repeatMarker()
        : undefined;
    }
    const found = producers.check(batch, context.origin === "leader");
    if (found === undefined) return undefined;
    if (typeof found === "string") return refuse(found, describe(batch));
    return repeat(found, this.#state.config);
  }

  /** Where the marker stands is not known; what was known then is committed when all is. */
  #repeatMarker(): Appended {
    const lastOffset = this.#state.logEndOffset - 1;
    return {
      kind: "appended",
      firstOffset: lastOffset,
      lastOffset,
      logAppendTime: -1,
      duplicate: true,
    };
  }

  #checkFollower(batches: Uint8Array, context: AppendContext): AppendRefused | undefined {
    const state = this.#state;
    const batch = this.#batch;
    const length = batches.length;
    if (length === 0) return refuse("INVALID_RECORD", "there is no batch");
    let expected = state.logEndOffset;
    // Not the latest: a leader that appended nothing may follow one of an earlier epoch's records.
    let epoch = state.epochs.epochForOffset(expected - 1);
    this.#maxTimestamp = -1;
    this.#hasProducers = false;
    for (let position = 0, size = 0; position < length; position += size) {
      const fault = context.checkCrc !== false ? checkBatch(batches, position, length) : null;
      if (fault !== null) return refuse(fault.kind, fault.reason);
      size = soundSizeAt(batches, position);
      if (size === 0) return refuse("CORRUPT_MESSAGE", `no whole batch starts at ${position}`);
      batch.moveTo(batches, position);
      const { baseOffset, partitionLeaderEpoch } = batch;
      if (baseOffset < expected || (context.gapless === true && baseOffset > expected)) {
        return refuse("UNEXPECTED_APPEND_OFFSET", `offset ${baseOffset}, expected ${expected}`);
      }
      // The leader's log was compacted: this one is a copy, whatever the policy is by now.
      if (baseOffset > expected) state.noteGaps();
      if (partitionLeaderEpoch < epoch || partitionLeaderEpoch > context.leaderEpoch) {
        return refuse(
          "UNEXPECTED_LEADER_EPOCH",
          `epoch ${partitionLeaderEpoch} at offset ${baseOffset}, must be ${epoch} to ${context.leaderEpoch}`,
        );
      }
      if (position === 0) this.#firstOffset = baseOffset;
      epoch = partitionLeaderEpoch;
      expected = batch.nextOffset;
      if (batch.maxTimestamp > this.#maxTimestamp) this.#maxTimestamp = batch.maxTimestamp;
      if (batch.producerId >= 0) {
        this.#hasProducers = true;
        if (batch.isControl && tryReadMarker(batch) === null) {
          return refuse("INVALID_RECORD", `the control record at ${baseOffset} cannot be read`);
        }
      }
    }
    this.#lastOffset = expected - 1;
    return undefined;
  }

  /** Writes offsets, leader epoch and perhaps the time into the batches. */
  #stamp(batches: Uint8Array, context: AppendContext, logAppendTime: Timestamp): void {
    let offset = this.#firstOffset;
    const batch = this.#batch;
    for (let position = 0; position < batches.length; position += batch.sizeInBytes) {
      batch.moveTo(batches, position);
      setBaseOffset(batches, position, offset);
      setPartitionLeaderEpoch(batches, position, context.leaderEpoch);
      if (logAppendTime >= 0) setLogAppendTime(batches, position, logAppendTime);
      offset += batch.lastOffsetDelta + 1;
    }
    if (logAppendTime >= 0) this.#maxTimestamp = logAppendTime;
  }

  /** The segment to append to: a new one where the last is full, old or out of offsets. */
  #activeFor(bytes: number, now: Timestamp): Segment {
    const state = this.#state;
    const { active, config } = state;
    if (!active.canHold(this.#lastOffset)) {
      const fits = this.#lastOffset - state.logEndOffset <= INT32_MAX;
      return this.roll(now, fits ? state.logEndOffset : this.#firstOffset);
    }
    if (active.size === 0) return active;
    if (
      active.size > config.segmentBytes - bytes || this.#isOld(active, now) ||
      active.indexFull(config.segmentIndexBytes)
    ) return this.roll(now);
    return active;
  }

  #isOld(active: Segment, now: Timestamp): boolean {
    const { config, jitter } = this.#state;
    const first = active.firstTimestamp ?? -1;
    const waited = first >= 0 ? this.#maxTimestamp - first : now - active.createdAt;
    const { cleanupCompact, maxCompactionLagMs, segmentJitterMs } = config;
    // Only what is sealed is compacted.
    const most = cleanupCompact ? maxCompactionLagMs : Infinity;
    const segmentMs = Math.min(config.segmentMs, most);
    return waited > segmentMs - jitter * Math.min(segmentJitterMs, segmentMs);
  }

  /** An epoch in which this replica led and appended nothing has no place among others' records. */
  #dropEmptyEpochs(): void {
    const { epochs, logEndOffset } = this.#state;
    if (epochs.latestStartOffset < logEndOffset) return;
    if (epochs.truncateFromEnd(logEndOffset)) this.#state.epochChanges++;
  }

  /** The batches are written: the log's state follows. */
  #takeIn(batches: Uint8Array, active: Segment, producers: ProducerState): void {
    const state = this.#state;
    const batch = this.#batch;
    for (let position = 0; position < batches.length; position += batch.sizeInBytes) {
      batch.moveTo(batches, position);
      active.note(batch, state.config.indexIntervalBytes);
      const epoch = batch.partitionLeaderEpoch;
      if (epoch > state.epochs.latestEpoch && state.epochs.assign(epoch, batch.baseOffset)) {
        state.epochChanges++;
      }
      if (this.#hasProducers) noteCompleted(active, producers, applyBatch(producers, batch));
    }
    state.logEndOffset = this.#lastOffset + 1;
    state.hotTail.appended(batches.length);
  }
}

/** The size of the batch at `position`, or 0 where there is no whole one. */
function soundSizeAt(batches: Uint8Array, position: number): number {
  const size = batchSizeAt(batches, position, batches.length);
  const isWhole = size >= BATCH_HEADER_BYTES && size <= batches.length - position;
  return isWhole && batches[position + 16] === BATCH_MAGIC ? size : 0;
}

function checkTimestamps(
  batch: BatchView,
  config: LogConfig,
  now: Timestamp,
): AppendRefused | undefined {
  const { maxTimestamp, baseTimestamp } = batch;
  if (maxTimestamp >= 0 && maxTimestamp - now > config.messageTimestampAfterMaxMs) {
    return refuse("INVALID_TIMESTAMP", `${maxTimestamp} is too far ahead of ${now}`);
  }
  if (baseTimestamp >= 0 && now - baseTimestamp > config.messageTimestampBeforeMaxMs) {
    return refuse("INVALID_TIMESTAMP", `${baseTimestamp} is too far behind ${now}`);
  }
  return undefined;
}

function repeat(found: RememberedBatch, config: LogConfig): Appended {
  return {
    kind: "appended",
    firstOffset: found.lastOffset - found.offsetDelta,
    lastOffset: found.lastOffset,
    logAppendTime: config.messageTimestampType === "LogAppendTime" ? found.timestamp : -1,
    duplicate: true,
  };
}

function describe(batch: BatchView): string {
  const { producerId, producerEpoch, baseSequence } = batch;
  return `producer ${producerId}, epoch ${producerEpoch}, sequence ${baseSequence}`;
}

function refuse(error: AppendError, reason: string): AppendRefused {
  return { kind: "refused", error, reason };
}

function storageError(failure: DiskError | CorruptLogError): AppendRefused {
  return { kind: "refused", error: "KAFKA_STORAGE_ERROR", reason: failure.message, failure };
}
