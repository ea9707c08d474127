/**
 * A replica of one partition: the thin shell between messages, the log, and the protocol.
 *
 * Owns the log and the order of things: the log is opened when first needed, in slices, and what
 * arrives meanwhile waits; an append is answered when the high watermark has passed it, or at once
 * where the producer asked for less. What the protocol says is in replica.ts.
 *
 * Fail-stop: a throw takes the partition offline until it recovers in another life. A failed flush
 * takes the whole data folder with it: what a disk lost once it may not report again. A disk that
 * is full or read-only, or a lack of descriptors, is neither: what could not be done then is refused, or tried
 * again when it is asked for the next time.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import { MalformedFileError, partitionFolder } from "../../storage/checkpoint.ts";
import { DiskError, type File } from "../../storage/disk.ts";
import { Log, type LogOpenSlices } from "../../storage/log.ts";
import { UNLIMITED } from "../../storage/log_config.ts";
import type { AppendRefused } from "../../storage/log_append.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { validateProducedBatch } from "../../storage/record_batch_validation.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { DataWaiters } from "./data_waiters.ts";
import {
  appendFailure,
  deleteRecords,
  endOfEpoch,
  listOffset,
  readFailure,
  refuse,
} from "./log_questions.ts";
import type {
  Append,
  AppendReply,
  LogClosed,
  Opened,
  PartitionAssignment,
  PartitionRequest,
  Read,
  TopicPartition,
} from "./messages.ts";
import { claimPartitionFolder, removePartitionFolder } from "./partition_folder.ts";
import { PendingAcks } from "./pending_acks.ts";
import { Replica } from "./replica.ts";

/** The disk could not make durable what it was given; nothing more is acknowledged there. */
export interface DirectoryFailed {
  readonly kind: "directory-failed";
  readonly reason: string;
}

export interface PartitionOptions extends TopicPartition {
  readonly nodeId: NodeId;
  readonly assignment: PartitionAssignment;
  readonly config: PartitionConfig;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly directoryFailed: Ref<DirectoryFailed>;
  /** Topics whose logs may go, should one of them be found in the folder. */
  readonly deletedTopics: ReadonlySet<Uuid>;
}

type PartitionMessage =
  | PartitionRequest
  /** Goes on with opening the log. */
  | { readonly kind: "open-more" }
  | { readonly kind: "continue"; readonly run: () => void }
  | { readonly kind: "flush-due" }
  | {
    readonly kind: "flushed";
    readonly endOffset: Offset;
    readonly failure: DiskError | undefined;
  };

/** Bytes of a log that are scanned before others get their turn. */
const OPENING_SLICE_BYTES = 1024 * 1024;

/** Messages that may wait for the log to open. */
const WAITING_MAX = 10_000;

export function partitionActor(options: PartitionOptions): Behaviour<PartitionRequest> {
  return (context) =>
    new PartitionActor(context as unknown as ActorContext<PartitionMessage>, options);
}

class PartitionActor implements Actor<PartitionMessage> {
  readonly #context: ActorContext<PartitionMessage>;
  readonly #self: Ref<PartitionMessage>;
  readonly #options: PartitionOptions;
  readonly #folder: string;
  readonly #replica: Replica;
  readonly #acks = new PendingAcks();
  readonly #waiters = new DataWaiters();
  #config: PartitionConfig;
  #assignment: PartitionAssignment;
  #opening: LogOpenSlices | undefined;
  #log: Log | undefined;
  /** Whether the high watermark is known again, so that no reader sees it fall. */
  #serving = false;
  /** What arrived while the log was not open. */
  #waiting: PartitionRequest[] = [];
  #openers: Ref<Opened>[] = [];
  #flushing = false;
  #flushPlanned = false;
  /** What goes wrong with each request since the disk fails: said once. */
  readonly #troubles = new Set<string>();

  constructor(context: ActorContext<PartitionMessage>, options: PartitionOptions) {
    this.#context = context;
    this.#self = context.self;
    this.#options = options;
    this.#config = options.config;
    this.#assignment = options.assignment;
    this.#folder = partitionFolder(options.topic, options.partition);
    this.#replica = new Replica(options.nodeId, options.config);
  }

  receive(message: PartitionMessage): void {
    switch (message.kind) {
      case "open":
        this.#openers.push(message.replyTo);
        return this.#log === undefined ? this.#startOpening() : this.#tellOpeners(undefined);
      case "open-more":
        return this.#openMore();
      case "assign":
        return this.#assign(message.assignment);
      case "configure":
        return this.#configure(message.config);
      case "close":
        return this.#close(message.replyTo);
      case "delete":
        return this.#delete();
      case "flushed":
        return this.#flushed(message.endOffset, message.failure);
      case "flush-due":
        this.#flushPlanned = false;
        return this.#maybeFlush();
      case "continue":
        return message.run();
      default:
        if (this.#log !== undefined && this.#serving) return this.#serve(message, this.#log);
        if (message.kind === "maintain") return;
        if (this.#waiting.length >= WAITING_MAX) {
          return refuse(message, ErrorCode.NOT_LEADER_OR_FOLLOWER);
        }
        this.#waiting.push(message);
        return this.#startOpening();
    }
  }

  stopped(): void {
    for (const message of this.#waiting) refuse(message, ErrorCode.NOT_LEADER_OR_FOLLOWER);
    // The outcome of what was appended is unknown; nothing of it may be answered as done.
    this.#acks.fail(appendFailure(ErrorCode.NOT_LEADER_OR_FOLLOWER, null));
    this.#waiters.release();
  }

  #serve(message: PartitionRequest, log: Log): void {
    switch (message.kind) {
      case "append":
        return this.#append(message, log);
      case "read":
        return this.#read(message, log);
      case "await-data":
        return this.#waiters.add(message, this.#replica.highWatermark);
      case "forget-data":
        return this.#waiters.remove(message.replyTo);
      case "list-offset":
        return void message.replyTo.tell(listOffset(message, log, this.#replica));
      case "end-of-epoch":
        return void message.replyTo.tell(endOfEpoch(message, log, this.#replica));
      case "delete-records":
        message.replyTo.tell(deleteRecords(message, log, this.#replica, this.#now()));
        return this.#note(log);
      case "maintain":
        return this.#maintain(log);
    }
  }

  #now(): number {
    return this.#context.environment.clock.wall();
  }

  #startOpening(): void {
    if (this.#opening !== undefined || this.#log !== undefined) return;
    const { directory, resources, topicId, deletedTopics } = this.#options;
    try {
      const aside = claimPartitionFolder(directory, this.#folder, topicId, deletedTopics);
      if (aside !== undefined) this.#warn("set aside the log of another topic", aside);
    } catch (error) {
      if (error instanceof DiskError) return this.#cannotOpen(error);
      throw error instanceof MalformedFileError ? this.#offline(error.message) : error;
    }
    this.#opening = Log.opening({
      resources,
      folder: this.#folder,
      config: this.#config.log,
      now: this.#now(),
      clean: directory.clean,
      ...directory.progress(this.#folder),
      leaderEpochMax: this.#assignment.leaderEpoch,
      jitter: this.#context.environment.random.stream("segment jitter").integer(1000) / 1000,
    });
    this.#openMore();
  }

  /** A slice of the opening; then messages of others get their turn. */
  #openMore(): void {
    const step = (this.#opening as LogOpenSlices).step(OPENING_SLICE_BYTES);
    switch (step.kind) {
      case "more":
        return void this.#self.tell({ kind: "open-more" });
      case "failed":
        return this.#cannotOpen(step.failure);
      case "corrupt":
        throw this.#offline(
          `offset ${step.offset} cannot be read, ${step.file} at ${step.position}: ${step.reason}`,
        );
      case "open": {
        const { bytesScanned, bytesCut, cutReason } = step.recovery;
        if (bytesCut > 0) {
          this.#context.environment.logger.log("warn", "cut a torn log", {
            partition: this.#folder,
            bytesScanned,
            bytesCut,
            reason: cutReason,
          });
        }
        return this.#recovered(step.log);
      }
    }
  }

  /**
   * What recovery found was visible before, and must be again: where only durable records may be,
   * the log opens when all of it is.
   */
  #recovered(log: Log): void {
    if (!this.#config.flushBeforeAck) return this.#opened(log);
    const started = log.flush(
      this.#context.callback((failure: DiskError | undefined) => ({
        kind: "continue",
        run: () => failure === undefined ? this.#opened(log) : this.#flushFailed(failure),
      })),
    );
    if (started instanceof DiskError) return this.#flushFailed(started);
    if (started === "nothing to do") this.#opened(log);
  }

  /** Tried again when somebody asks, if the disk may recover; else the partition is offline. */
  #cannotOpen(failure: DiskError): void {
    if (!mayRecover(failure)) throw this.#offline(failure.message);
    this.#opening = undefined;
    this.#tellOpeners(failure.message);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) refuse(message, ErrorCode.KAFKA_STORAGE_ERROR);
  }

  #offline(reason: string): Error {
    this.#tellOpeners(reason);
    return new Error(`Cannot open partition ${this.#folder}: ${reason}`);
  }

  #opened(log: Log): void {
    this.#opening = undefined;
    this.#log = log;
    const { highWatermark } = this.#options.directory.progress(this.#folder);
    this.#replica.opened(log.logEndOffset, log.flushedOffset, highWatermark);
    this.#takeAssignment(log);
    this.#note(log);
    this.#tellOpeners(undefined);
    this.#maybeFlush();
    this.#maybeServe();
  }

  /** With `flush.before.ack`, what was found is flushed first: it may have been visible before. */
  #maybeServe(): void {
    const log = this.#log;
    if (this.#serving || log === undefined || this.#replica.awaitsFlush) return;
    this.#serving = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#serve(message, log);
  }

  #tellOpeners(failure: string | undefined): void {
    for (const replyTo of this.#openers.splice(0)) replyTo.tell({ kind: "opened", failure });
  }

  #assign(assignment: PartitionAssignment): void {
    this.#assignment = assignment;
    if (this.#log !== undefined) this.#takeAssignment(this.#log);
  }

  #takeAssignment(log: Log): void {
    const before = this.#replica.highWatermark;
    if (this.#replica.assign(this.#assignment)) {
      log.assignEpoch(this.#replica.leaderEpoch, log.logEndOffset);
    }
    if (this.#replica.highWatermark > before) this.#visible();
    if (this.#replica.role !== "leader") {
      this.#acks.fail(appendFailure(ErrorCode.NOT_LEADER_OR_FOLLOWER, null));
      this.#waiters.release();
    }
  }

  #configure(config: PartitionConfig): void {
    this.#config = config;
    if (this.#replica.configure(config)) this.#visible();
    this.#log?.configure(config.log);
    this.#maybeFlush();
    this.#maybeServe();
  }

  #append(message: Append, log: Log): void {
    try {
      this.#appendRecords(message, log);
    } finally {
      message.release();
    }
    this.#maybeFlush();
  }

  #appendRecords({ records, acks, replyTo }: Append, log: Log): void {
    const refusal = this.#replica.checkAppend(acks);
    if (refusal !== ErrorCode.NONE) return void replyTo.tell(appendFailure(refusal, null));
    const fault = validateProducedBatch(records, 0, records.length, {
      batchBytesMax: this.#config.log.maxMessageBytes,
    });
    if (fault !== null) {
      return void replyTo.tell(appendFailure(ErrorCode[fault.kind], fault.reason));
    }
    if (new BatchView(records).isTransactional) {
      const reason = "transactions are not served";
      return void replyTo.tell(appendFailure(ErrorCode.INVALID_TXN_STATE, reason));
    }
    const result = log.append(records, {
      origin: "leader",
      leaderEpoch: this.#replica.leaderEpoch,
      now: this.#now(),
    });
    if (result.kind === "refused") return this.#refusedAppend(result, replyTo);
    this.#troubleEnds("appends fail");
    const reply: AppendReply = {
      error: ErrorCode.NONE,
      errorMessage: null,
      baseOffset: result.firstOffset,
      logAppendTime: result.logAppendTime,
      logStartOffset: log.logStartOffset,
    };
    const waits = acks === "all" || acks === "leader" && this.#config.flushBeforeAck;
    if (!waits) replyTo.tell(reply);
    else this.#acks.add(result.lastOffset + 1, reply, replyTo);
    const advanced = this.#replica.appended(log.logEndOffset);
    if (advanced) this.#waiters.advanced(records.length);
    this.#acks.release(this.#replica.highWatermark);
  }

  #refusedAppend({ error, reason, failure }: AppendRefused, replyTo: Ref<AppendReply>): void {
    if (failure !== undefined) this.#trouble("appends fail", reason);
    // A leader's batches are never refused for a follower's reasons.
    const code = error === "UNEXPECTED_APPEND_OFFSET" || error === "UNEXPECTED_LEADER_EPOCH"
      ? ErrorCode.UNKNOWN_SERVER_ERROR
      : ErrorCode[error];
    replyTo.tell(appendFailure(code, reason));
  }

  #trouble(event: string, reason: string): void {
    if (this.#troubles.has(event)) return;
    this.#troubles.add(event);
    this.#warn(event, reason);
  }

  #troubleEnds(event: string): void {
    if (this.#troubles.size > 0 && this.#troubles.delete(event)) this.#warn(event, "no longer");
  }

  #warn(event: string, reason: string): void {
    this.#context.environment.logger.log("warn", event, { partition: this.#folder, reason });
  }

  #read(message: Read, log: Log): void {
    const { replyTo, fetchOffset, maxBytes, atLeastOneBatch, readCommitted } = message;
    const error = this.#replica.checkLeader(message.currentLeaderEpoch);
    if (error !== ErrorCode.NONE) return void replyTo.tell(readFailure(error));
    const { highWatermark, lastStableOffset } = this.#replica;
    const located = log.locate(fetchOffset, {
      maxBytes,
      maxOffset: readCommitted ? lastStableOffset : highWatermark,
      minOneBatch: atLeastOneBatch,
    });
    if (located.kind === "refused") {
      if (located.failure !== undefined) this.#trouble("reads fail", located.failure.message);
      return void replyTo.tell(readFailure(ErrorCode[located.error], log, this.#replica));
    }
    const reply = readFailure(ErrorCode.NONE, log, this.#replica);
    if (located.kind === "empty") return void replyTo.tell(reply);
    const { file, position, length, hot } = located;
    const buffer = this.#options.buffers.take(length);
    const records = buffer.subarray(0, length);
    const answer = (result: number | DiskError): void => {
      if (result === length) {
        const release = () => this.#options.buffers.give(buffer);
        this.#troubleEnds("reads fail");
        // Nobody may be there any more to release it.
        if (!replyTo.tell({ ...reply, records, release })) release();
        return;
      }
      this.#options.buffers.give(buffer);
      const missing = `Cannot read ${file.path} at ${position}: it ends after ${result} bytes`;
      this.#trouble("reads fail", typeof result === "number" ? missing : result.message);
      replyTo.tell(readFailure(ErrorCode.KAFKA_STORAGE_ERROR, log, this.#replica));
    };
    if (hot) return answer(tryRead(file, records, position));
    file.readLater(
      records,
      position,
      this.#context.callback((result: number | DiskError) => ({
        kind: "continue",
        run: () => answer(result),
      })),
    );
  }

  /** One flush at a time; what is appended meanwhile is flushed with the next. */
  #maybeFlush(): void {
    const log = this.#log;
    if (log === undefined || this.#flushing) return;
    const now = this.#now();
    if (!this.#replica.awaitsFlush && !log.flushDue(now)) return this.#scheduleFlush(log);
    const endOffset = log.logEndOffset;
    const started = log.flush(
      this.#context.callback((failure: DiskError | undefined) => ({
        kind: "flushed",
        endOffset,
        failure,
      })),
    );
    if (started instanceof DiskError) return this.#flushFailed(started);
    this.#flushing = started === "started";
    if (!this.#flushing && this.#replica.flushed(log.flushedOffset)) this.#visible();
  }

  /** `flush.ms`: a timer only while something waits for it. */
  #scheduleFlush(log: Log): void {
    const { flushMs } = log.config;
    if (flushMs === UNLIMITED || this.#flushPlanned || log.flushedOffset >= log.logEndOffset) {
      return;
    }
    this.#flushPlanned = true;
    this.#context.startTimer("flush", flushMs, { kind: "flush-due" });
  }

  #flushed(endOffset: Offset, failure: DiskError | undefined): void {
    this.#flushing = false;
    if (failure !== undefined) {
      if (this.#log?.failure !== undefined) this.#flushFailed(failure);
      this.#notCheckpointed(failure);
      return this.#maybeFlush();
    }
    if (this.#replica.flushed(endOffset)) this.#visible();
    if (this.#log !== undefined) this.#note(this.#log);
    this.#maybeFlush();
    this.#maybeServe();
  }

  /** How many bytes became visible is not worth finding out: whoever waits reads again. */
  #visible(): void {
    this.#waiters.release();
    this.#acks.release(this.#replica.highWatermark);
  }

  /** Nothing was synced yet, so nothing is in doubt: a checkpoint wrote what did not fit. */
  #notCheckpointed(failure: DiskError): void {
    this.#warn("checkpoint not written", failure.message);
  }

  /** What is on the disk is in doubt. @throws {DiskError} always */
  #flushFailed(failure: DiskError): never {
    const reason = `Cannot make ${this.#folder} durable: ${failure.message}`;
    this.#options.directoryFailed.tell({ kind: "directory-failed", reason });
    throw failure;
  }

  #maintain(log: Log): void {
    const now = this.#now();
    const { failure } = log.applyRetention(this.#replica.highWatermark, now);
    if (failure !== undefined) this.#warn("retention failed", failure.message);
    log.removeExpiredProducers(now);
    if (log.checkpointDue) this.#checkpoint(log, now);
    this.#note(log);
    this.#maybeFlush();
  }

  /** Segments that were sealed need no scan at the next start once this is done. */
  #checkpoint(log: Log, now: number): void {
    const endOffset = log.logEndOffset;
    const started = log.checkpoint(
      now,
      this.#context.callback((failure: DiskError | undefined) => ({
        kind: "flushed",
        endOffset,
        failure,
      })),
    );
    if (!(started instanceof DiskError)) return;
    if (log.failure !== undefined) this.#flushFailed(started);
    this.#notCheckpointed(started);
  }

  /** Says how far the log is, for the next checkpoint. */
  #note(log: Log): void {
    const { directory } = this.#options;
    const { highWatermark } = directory.progress(this.#folder);
    // What is only in the page cache a power cut may tear, and then it is to be cut.
    const durable = Math.max(highWatermark, log.flushedOffset);
    directory.note(this.#folder, {
      recoveryPoint: log.recoveryPoint,
      logStartOffset: log.logStartOffset,
      highWatermark: Math.min(this.#replica.highWatermark, durable),
    });
  }

  #close(replyTo: Ref<LogClosed>): void {
    const log = this.#log;
    // A log that was not opened since a crash still has to be scanned.
    const untouched = this.#options.directory.clean && this.#opening === undefined;
    if (log === undefined) replyTo.tell({ kind: "closed", clean: untouched, failure: undefined });
    else replyTo.tell(this.#closeLog(log));
    this.#context.stop();
  }

  #closeLog(log: Log): LogClosed {
    try {
      // First what is acknowledged: a full disk may have no room for what closing writes.
      log.flushSync();
      if (this.#replica.flushed(log.logEndOffset)) this.#acks.release(this.#replica.highWatermark);
      log.close({ clean: true, now: this.#now() });
      this.#note(log);
      this.#log = undefined;
      return { kind: "closed", clean: true, failure: undefined };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      return { kind: "closed", clean: false, failure };
    }
  }

  /** The topic is gone. */
  #delete(): void {
    this.#log?.close({ clean: false, now: this.#now() });
    this.#log = undefined;
    const { directory, topicId } = this.#options;
    removePartitionFolder(directory.disk, this.#folder, topicId);
    this.#context.stop();
  }
}

/** Whether what failed may work later, without a restart and with nothing lost. */
function mayRecover({ kind }: DiskError): boolean {
  return kind === "no-space" || kind === "read-only" || kind === "too-many-open-files";
}

function tryRead(file: File, target: Uint8Array, position: number): number | DiskError {
  try {
    return file.read(target, position);
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}
