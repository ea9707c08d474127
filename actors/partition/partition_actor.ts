/**
 * A replica of one partition: the thin shell between messages, the log, and the protocol.
 *
 * Owns the log and the order of things: the log is opened when first needed, in slices, and what
 * arrives meanwhile waits; an append is answered when the high watermark has passed it, or at once
 * where the producer asked for less. What the protocol says is in replica.ts.
 *
 * Fail-stop: a throw takes the partition offline until it recovers in another life. A failed flush
 * takes the whole data folder with it: what a disk lost once it may not report again.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import { partitionFolder } from "../../storage/checkpoint.ts";
import type { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { DataWaiters } from "./data_waiters.ts";
import { appendFailure, deleteRecords, endOfEpoch, listOffset, refuse } from "./log_questions.ts";
import { LogOpening } from "./log_opening.ts";
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
import { PendingAcks } from "./pending_acks.ts";
import { readBatches } from "./read_batches.ts";
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
}

type PartitionMessage =
  | PartitionRequest
  /** Goes on with opening the log. */
  | { readonly kind: "open-more" }
  | { readonly kind: "flush-due" }
  | {
    readonly kind: "flushed";
    readonly endOffset: Offset;
    readonly failure: DiskError | undefined;
  };

/** Messages that may wait for the log to open. */
const WAITING_MAX = 10_000;

export function partitionActor(options: PartitionOptions): Behaviour<PartitionRequest> {
  return (context) =>
    new PartitionActor(context as unknown as ActorContext<PartitionMessage>, options);
}

class PartitionActor implements Actor<PartitionMessage> {
  readonly #context: ActorContext<PartitionMessage>;
  readonly #options: PartitionOptions;
  readonly #folder: string;
  readonly #replica: Replica;
  readonly #acks = new PendingAcks();
  readonly #waiters = new DataWaiters();
  #config: PartitionConfig;
  #assignment: PartitionAssignment;
  #opening: LogOpening | undefined;
  #log: Log | undefined;
  /** What arrived while the log was not open. */
  #waiting: PartitionRequest[] = [];
  #openers: Ref<Opened>[] = [];
  #flushing = false;

  constructor(context: ActorContext<PartitionMessage>, options: PartitionOptions) {
    this.#context = context;
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
        return this.#maybeFlush();
      default:
        if (this.#log !== undefined) return this.#serve(message, this.#log);
        if (this.#waiting.length >= WAITING_MAX) {
          return refuse(message, ErrorCode.NOT_LEADER_OR_FOLLOWER);
        }
        this.#waiting.push(message);
        return message.kind === "maintain" ? undefined : this.#startOpening();
    }
  }

  stopped(): void {
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
    if (this.#opening !== undefined) return;
    const { directory, resources, topicId } = this.#options;
    this.#opening = new LogOpening({
      directory,
      resources,
      topicId,
      folder: this.#folder,
      config: this.#config.log,
      now: this.#now(),
    });
    this.#openMore();
  }

  /** A slice of the opening; then messages of others get their turn. */
  #openMore(): void {
    const opened = (this.#opening as LogOpening).advance();
    switch (opened.kind) {
      case "more":
        return void this.#context.self.tell({ kind: "open-more" } as never);
      case "failed":
        this.#tellOpeners(opened.reason);
        throw new Error(opened.reason);
      case "opened":
        return this.#opened(opened.log);
    }
  }

  #opened(log: Log): void {
    this.#opening = undefined;
    this.#log = log;
    const { highWatermark } = this.#options.directory.progress(this.#folder);
    this.#replica.opened(log.logEndOffset, log.flushedOffset, highWatermark);
    this.#takeAssignment(log);
    this.#note(log);
    this.#tellOpeners(undefined);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#serve(message, log);
    this.#maybeFlush();
  }

  #tellOpeners(failure: string | undefined): void {
    for (const replyTo of this.#openers.splice(0)) replyTo.tell({ kind: "opened", failure });
  }

  #assign(assignment: PartitionAssignment): void {
    this.#assignment = assignment;
    if (this.#log !== undefined) this.#takeAssignment(this.#log);
  }

  #takeAssignment(log: Log): void {
    if (this.#replica.assign(this.#assignment)) {
      log.assignEpoch(this.#replica.leaderEpoch, log.logEndOffset);
    }
    if (this.#replica.role !== "leader") {
      this.#acks.fail(appendFailure(ErrorCode.NOT_LEADER_OR_FOLLOWER, null));
      this.#waiters.release();
    }
  }

  #configure(config: PartitionConfig): void {
    this.#config = config;
    this.#replica.configure(config);
    this.#log?.configure(config.log);
    this.#maybeFlush();
  }

  #append({ records, acks, replyTo }: Append, log: Log): void {
    const refusal = this.#replica.checkAppend(acks);
    if (refusal !== ErrorCode.NONE) return void replyTo.tell(appendFailure(refusal, null));
    const result = log.append(records, {
      origin: "leader",
      leaderEpoch: this.#replica.leaderEpoch,
      now: this.#now(),
    });
    if (result.kind === "refused") {
      const code = ErrorCode[result.error as keyof typeof ErrorCode] ??
        ErrorCode.UNKNOWN_SERVER_ERROR;
      if (result.failure !== undefined) {
        this.#context.environment.logger.log("warn", "append failed", {
          partition: this.#folder,
          reason: result.reason,
        });
      }
      return void replyTo.tell(appendFailure(code, result.reason));
    }
    const reply: AppendReply = {
      error: ErrorCode.NONE,
      errorMessage: null,
      baseOffset: result.firstOffset,
      logAppendTime: result.logAppendTime,
      logStartOffset: log.logStartOffset,
    };
    if (acks !== "all") replyTo.tell(reply);
    else this.#acks.add(result.lastOffset + 1, reply, replyTo);
    const advanced = this.#replica.appended(log.logEndOffset);
    if (advanced) this.#waiters.advanced(records.length);
    this.#acks.release(this.#replica.highWatermark);
    this.#maybeFlush();
  }

  #read(message: Read, log: Log): void {
    const error = this.#replica.checkLeader(message.currentLeaderEpoch);
    if (error !== ErrorCode.NONE) return refuse(message, error);
    const { highWatermark, lastStableOffset } = this.#replica;
    readBatches(message, log, this.#options.buffers, { highWatermark, lastStableOffset });
  }

  /** One flush at a time; what is appended meanwhile is flushed with the next. */
  #maybeFlush(): void {
    const log = this.#log;
    if (log === undefined || this.#flushing) return;
    const now = this.#now();
    if (!this.#replica.awaitsFlush && !log.flushDue(now)) return this.#scheduleFlush(log, now);
    this.#flushing = true;
    const endOffset = log.logEndOffset;
    log.flushLater(
      this.#context.callback((failure: DiskError | undefined) => ({
        kind: "flushed",
        endOffset,
        failure,
      })),
    );
  }

  /** `flush.ms`: a timer only while something waits for it. */
  #scheduleFlush(log: Log, now: number): void {
    const dueAt = log.flushDueAt;
    if (dueAt === undefined) return;
    this.#context.startTimer("flush", Math.max(dueAt - now, 0), { kind: "flush-due" });
  }

  #flushed(endOffset: Offset, failure: DiskError | undefined): void {
    this.#flushing = false;
    if (failure !== undefined) {
      const reason = `Cannot make ${this.#folder} durable: ${failure.message}`;
      this.#options.directoryFailed.tell({ kind: "directory-failed", reason });
      throw failure;
    }
    const before = this.#replica.highWatermark;
    if (this.#replica.flushed(endOffset)) {
      // How many bytes became visible is not worth finding out: whoever waits reads again.
      this.#waiters.release();
      this.#acks.release(this.#replica.highWatermark);
    }
    if (this.#log !== undefined && this.#replica.highWatermark >= before) this.#note(this.#log);
    this.#maybeFlush();
  }

  #maintain(log: Log): void {
    log.maintain(this.#now(), this.#replica.highWatermark);
    this.#note(log);
    this.#maybeFlush();
  }

  /** Says how far the log is, for the next checkpoint. */
  #note(log: Log): void {
    this.#options.directory.note(this.#folder, {
      recoveryPoint: log.recoveryPoint,
      logStartOffset: log.logStartOffset,
      highWatermark: this.#replica.highWatermark,
    });
  }

  #close(replyTo: Ref<LogClosed>): void {
    const log = this.#log;
    const failure = log === undefined ? undefined : this.#closeLog(log);
    replyTo.tell({ kind: "closed", failure });
    this.#context.stop();
  }

  #closeLog(log: Log): string | undefined {
    try {
      log.close();
      const { logEndOffset } = log;
      if (this.#replica.flushed(logEndOffset)) this.#acks.release(this.#replica.highWatermark);
      this.#note(log);
      this.#log = undefined;
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** The topic is gone. Its folder is renamed first, so that a crash leaves nothing half removed. */
  #delete(): void {
    this.#log?.abandon();
    this.#log = undefined;
    const { disk } = this.#options.resources;
    const doomed = `${this.#folder}.${this.#options.topicId}-delete`;
    if (disk.status(this.#folder) !== undefined) {
      disk.rename(this.#folder, doomed);
      disk.remove(doomed);
    }
    this.#context.stop();
  }
}
