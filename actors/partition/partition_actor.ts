/**
 * A replica of one partition: the thin shell between messages, the log, and the protocol.
 *
 * Owns the log and the order of things: the log is opened when first needed, in slices, and what
 * arrives meanwhile waits; an append is answered when the high watermark has passed it, or at once
 * where the producer asked for less. What the protocol says is in replica.ts.
 *
 * Fail-stop: a throw takes the partition offline until it recovers in another life. A failed flush
 * takes the whole data folder with it: what a disk lost once it may not report again. A disk that
 * is full or read-only, or a lack of descriptors, is neither: what could not be done then is
 * refused, or tried again when it is asked for the next time.
 *
 * @module
 */

import type { Epoch, NodeId, Uuid } from "../../storage/bytes/ids.ts";
import { partitionFolder } from "../../storage/checkpoint.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
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
import { LogKeeper } from "./log_keeper.ts";
import { appendFailure, deleteRecords, endOfEpoch, listOffset, refuse } from "./log_questions.ts";
import type {
  Append,
  AppendReply,
  BrokerStandings,
  Follow,
  LogClosed,
  Opened,
  PartitionAssignment,
  PartitionRequest,
  ProposeIsr,
  TopicPartition,
  Unfollow,
} from "./messages.ts";
import type { PartitionObserver } from "./observer.ts";
import { removePartitionFolder } from "./partition_folder.ts";
import { mayRecover, PartitionOpening } from "./partition_opening.ts";
import { PartitionReader } from "./partition_reader.ts";
import { PendingAcks } from "./pending_acks.ts";
import { Replica } from "./replica.ts";
import { Troubles } from "./troubles.ts";

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
  /** Told from whom this replica fetches, with each leader epoch; absent where nobody fetches. */
  readonly follows?: Ref<Follow | Unfollow>;
  /** Asks the controller for other in-sync replicas; absent where there is one replica. */
  readonly isrChanges?: Ref<ProposeIsr>;
  /** The brokers as the metadata know them when the partition is spawned. */
  readonly brokers?: BrokerStandings;
  /** `replica.lag.time.max.ms`; default 30 s. */
  readonly replicaLagTimeMaxMs?: number;
  /**
   * The leader epoch in which this replica failed, in an earlier life on this node: its log is
   * scanned whatever the folder says, and it leads only in a later epoch.
   */
  readonly failedInEpoch?: Epoch;
  /** The class that holds the rules, for tests that break one on purpose. */
  readonly Replica?: typeof Replica;
  readonly observer?: PartitionObserver;
}

type PartitionMessage =
  | PartitionRequest
  /** Goes on with opening the log. */
  | { readonly kind: "open-more" }
  | { readonly kind: "continue"; readonly run: () => void };

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
  #opening: PartitionOpening | undefined;
  #log: Log | undefined;
  /** What arrived while the log was not open. */
  #waiting: PartitionRequest[] = [];
  #openers: Ref<Opened>[] = [];
  readonly #troubles: Troubles;
  readonly #reader: PartitionReader;
  readonly #keeper: LogKeeper;

  constructor(context: ActorContext<PartitionMessage>, options: PartitionOptions) {
    this.#context = context;
    this.#self = context.self;
    this.#options = options;
    this.#config = options.config;
    this.#assignment = options.assignment;
    this.#folder = partitionFolder(options.topic, options.partition);
    this.#replica = new Replica(options.nodeId, options.config);
    this.#troubles = new Troubles(context.environment.logger, this.#folder);
    this.#reader = new PartitionReader({
      buffers: options.buffers,
      troubles: this.#troubles,
      later: (run) => context.callback((value) => ({ kind: "continue", run: () => run(value) })),
    });
    this.#keeper = new LogKeeper({
      replica: this.#replica,
      directory: options.directory,
      folder: this.#folder,
      troubles: this.#troubles,
      now: () => this.#now(),
      later: (run) => context.callback((value) => ({ kind: "continue", run: () => run(value) })),
      after: (delayMs, run) => context.startTimer("flush", delayMs, { kind: "continue", run }),
      visible: () => this.#visible(),
      failed: (failure) => this.#flushFailed(failure),
    });
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
      case "continue":
        return message.run();
      default:
        if (this.#log !== undefined) return this.#serve(message, this.#log);
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
        return this.#reader.read(message, log, this.#replica);
      case "await-data":
        return this.#waiters.add(message, this.#replica.highWatermark, log.logEndOffset);
      case "forget-data":
        return this.#waiters.remove(message.replyTo);
      case "list-offset":
        return void message.replyTo.tell(listOffset(message, log, this.#replica));
      case "end-of-epoch":
        return void message.replyTo.tell(endOfEpoch(message, log, this.#replica));
      case "delete-records":
        message.replyTo.tell(deleteRecords(message, log, this.#replica, this.#now()));
        return this.#keeper.note(log);
      case "maintain":
        return this.#keeper.maintain(log);
    }
  }

  #now(): number {
    return this.#context.environment.clock.wall();
  }

  #startOpening(): void {
    if (this.#opening !== undefined || this.#log !== undefined) return;
    const { environment } = this.#context;
    this.#opening = new PartitionOpening({
      ...this.#options,
      folder: this.#folder,
      config: this.#config.log,
      leaderEpochMax: this.#assignment.leaderEpoch,
      now: this.#now(),
      jitter: environment.random.stream("segment jitter").integer(1000) / 1000,
      logger: environment.logger,
    });
    this.#openMore();
  }

  /** A slice of the opening; then messages of others get their turn. */
  #openMore(): void {
    const step = (this.#opening as PartitionOpening).step();
    switch (step.kind) {
      case "more":
        return void this.#self.tell({ kind: "open-more" });
      case "open":
        return this.#recovered(step.log);
      case "failed":
        return this.#cannotOpen(step.failure);
      case "offline":
        throw this.#offline(step.reason);
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
    this.#keeper.note(log);
    this.#tellOpeners(undefined);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#serve(message, log);
    this.#keeper.maybeFlush(log);
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
    if (this.#log === undefined) return;
    this.#log.configure(config.log);
    this.#keeper.maybeFlush(this.#log);
  }

  #append(message: Append, log: Log): void {
    try {
      this.#appendRecords(message, log);
    } finally {
      message.release();
    }
    this.#keeper.maybeFlush(log);
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
    this.#troubles.end("appends fail");
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
    this.#waiters.appended(records.length);
    if (advanced) this.#waiters.advanced(records.length);
    this.#acks.release(this.#replica.highWatermark);
  }

  #refusedAppend({ error, reason, failure }: AppendRefused, replyTo: Ref<AppendReply>): void {
    if (failure !== undefined) this.#troubles.begin("appends fail", reason);
    // A leader's batches are never refused for a follower's reasons.
    const code = error === "UNEXPECTED_APPEND_OFFSET" || error === "UNEXPECTED_LEADER_EPOCH"
      ? ErrorCode.UNKNOWN_SERVER_ERROR
      : ErrorCode[error];
    replyTo.tell(appendFailure(code, reason));
  }

  /** How many bytes became visible is not worth finding out: whoever waits reads again. */
  #visible(): void {
    this.#waiters.advanced(Infinity);
    this.#acks.release(this.#replica.highWatermark);
  }

  /** What is on the disk is in doubt. @throws {DiskError} always */
  #flushFailed(failure: DiskError): never {
    const reason = `Cannot make ${this.#folder} durable: ${failure.message}`;
    this.#options.directoryFailed.tell({ kind: "directory-failed", reason });
    throw failure;
  }

  #close(replyTo: Ref<LogClosed>): void {
    const log = this.#log;
    // A log that was not opened since a crash still has to be scanned.
    const untouched = this.#options.directory.clean && this.#opening === undefined;
    if (log === undefined) {
      replyTo.tell({ kind: "closed", clean: untouched, failure: undefined });
      return this.#context.stop();
    }
    this.#keeper.end(() => {
      replyTo.tell(this.#closeLog(log));
      this.#context.stop();
    });
  }

  #closeLog(log: Log): LogClosed {
    try {
      // First what is acknowledged: a full disk may have no room for what closing writes.
      log.flushSync();
      if (this.#replica.flushed(log.logEndOffset)) this.#acks.release(this.#replica.highWatermark);
      log.close({ clean: true, now: this.#now() });
      this.#keeper.note(log);
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
