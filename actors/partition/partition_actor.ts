/**
 * A replica of one partition: the thin shell between messages, the log, and the protocol.
 *
 * Owns the log and the order of things: the log is opened when first needed, in slices, and what
 * arrives meanwhile waits; an append is answered when the high watermark has passed it, or at once
 * where the producer asked for less. What the protocol says is in replica.ts.
 *
 * Fail-stop: a throw takes the partition offline until it recovers in another life. A failed flush
 * takes the whole data folder with it: what a disk lost once it may not report again. A disk that
 * is full or read-only, or a lack of descriptors, is neither at first: what could not be done then
 * is refused, or tried again when it is asked for the next time. Where that lasts, a replica that
 * others are in sync with goes offline, too, so that they need not wait for it.
 *
 * @module
 */

import { partitionFolder } from "../../storage/checkpoint.ts";
import type { CorruptLogError } from "../../storage/corrupt_log_error.ts";
import type { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { Troubles } from "../runtime/troubles.ts";
import { DataWaiters, type LogEnds } from "./data_waiters.ts";
import { Following } from "./following.ts";
import { IsrProposals } from "./isr_proposals.ts";
import { LogCompactor } from "./log_compactor.ts";
import { LogKeeper } from "./log_keeper.ts";
import { LogOpener } from "./log_opener.ts";
import { answerQuestion, deleteRecords, refuse } from "./log_questions.ts";
import type {
  LogClosed,
  PartitionAssignment,
  PartitionRequest,
  Read,
  TakeFetched,
} from "./messages.ts";
import type { ObservedReplica } from "./observer.ts";
import { PartitionAppender } from "./partition_appender.ts";
import { endRefetch, isRefetching, removePartitionFolder } from "./partition_folder.ts";
import type { PartitionOptions } from "./partition_options.ts";
import { closeInOrder, lastingRefusal } from "./partition_parts.ts";
import { makeEnds, makeObserved, makeReplica, makeVerification } from "./partition_parts.ts";
import { PartitionReader } from "./partition_reader.ts";
import type { Replica } from "./replica.ts";

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
  readonly #waiters = new DataWaiters();
  readonly #ends: LogEnds;
  #config: PartitionConfig;
  #assignment: PartitionAssignment;
  #log: Log | undefined;
  /** What arrived while the log was not open. */
  #waiting: PartitionRequest[] = [];
  /** Whether it stopped in the middle of something. */
  #hasFailed = false;
  #endsInOrder = false;
  readonly #troubles: Troubles;
  readonly #opener: LogOpener;
  readonly #reader: PartitionReader;
  readonly #keeper: LogKeeper;
  readonly #compactor: LogCompactor;
  readonly #appender: PartitionAppender;
  readonly #proposals: IsrProposals;
  readonly #following: Following;
  readonly #observed: ObservedReplica;

  constructor(context: ActorContext<PartitionMessage>, options: PartitionOptions) {
    this.#context = context;
    this.#self = context.self;
    this.#options = options;
    this.#config = options.config;
    this.#assignment = options.assignment;
    this.#folder = partitionFolder(options.topic, options.partition);
    this.#replica = makeReplica(options);
    const { logger, clock } = context.environment;
    const getLog = () => this.#log;
    this.#ends = makeEnds(this.#replica, getLog);
    this.#troubles = new Troubles(logger, clock, { partition: this.#folder });
    this.#opener = this.#makeOpener();
    this.#reader = new PartitionReader({
      buffers: options.buffers,
      troubles: this.#troubles,
      later: (run) => this.#later(run),
      damaged: (damage) => this.#damaged(damage),
    });
    this.#keeper = this.#makeKeeper();
    this.#compactor = this.#makeCompactor();
    this.#appender = new PartitionAppender({
      replica: this.#replica,
      troubles: this.#troubles,
      now: () => this.#now(),
      appended: (bytes) => this.#appended(bytes),
      verification: makeVerification(
        options,
        (verifier, timeoutMs, question, answered) =>
          context.ask(verifier, timeoutMs, question, (result) => ({
            kind: "continue",
            run: () => this.#verified(() => answered(result)),
          })),
      ),
    });
    this.#proposals = this.#makeProposals();
    this.#following = new Following({
      replica: this.#replica,
      partition: options,
      fetcher: options.follows,
      self: this.#self,
      troubles: this.#troubles,
      now: () => this.#now(),
      noteCut: (end) => options.directory.noteCut(this.#folder, end),
    });
    this.#observed = makeObserved(options, this.#replica, getLog);
    options.observer?.replicaStarted(this.#observed);
  }

  receive(message: PartitionMessage): void {
    switch (message.kind) {
      case "open":
        this.#opener.addOpener(message.replyTo);
        return this.#log === undefined ? this.#opener.start() : this.#opener.tellOpeners(undefined);
      case "open-more":
        return this.#opener.step();
      case "assign":
        return this.#assign(message.assignment);
      case "brokers":
        return this.#withMark(() =>
          this.#replica.brokersChanged(message.brokers, this.#monotonic())
        );
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
        if (message.kind === "maintain" || message.kind === "check-lag") {
          return this.#opener.tryAgain();
        }
        // Nobody opens a log to see whether it is worth compacting.
        if (message.kind === "compaction-need") {
          return this.#compactor.answerNeed(message, undefined);
        }
        if (this.#waiting.length >= WAITING_MAX) {
          return refuse(message, ErrorCode.NOT_LEADER_OR_FOLLOWER);
        }
        this.#waiting.push(message);
        return this.#opener.start();
    }
  }

  stopped(): void {
    this.#hasFailed = !this.#endsInOrder;
    this.#refuseWaiting(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    // The outcome of what was appended is unknown; nothing of it may be answered as done.
    this.#appender.fail();
    this.#waiters.release();
    this.#following.end();
    this.#compactor.end();
    // With its log as it leaves it.
    this.#options.observer?.replicaEnded(this.#observed);
    // Another life may follow, which opens the files anew.
    this.#log?.close({ clean: false, now: this.#now() });
    this.#log = undefined;
  }

  #serve(message: PartitionRequest, log: Log): void {
    switch (message.kind) {
      case "append":
        this.#appender.append(message, log, this.#config);
        this.#endWith(log);
        return this.#keeper.maybeFlush(log);
      case "read":
        if (message.follower !== undefined) return this.#readForFollower(message, log);
        return this.#reader.read(message, log, this.#replica);
      case "take-fetched":
        return this.#takeFetched(message, log);
      case "check-lag":
        return this.#checkLag(message.now);
      case "await-data":
        return this.#waiters.add(message, this.#ends);
      case "forget-data":
        return this.#waiters.remove(message.replyTo);
      case "list-offset":
      case "describe-producers":
      case "describe-log":
      case "end-of-epoch":
        return answerQuestion(message, log, this.#replica, this.#now());
      case "delete-records":
        message.replyTo.tell(deleteRecords(message, log, this.#replica, this.#now()));
        this.#waiters.startMoved();
        return this.#keeper.note(log);
      case "maintain":
        return this.#maintain(log);
      case "compaction-need":
        return this.#compactor.answerNeed(message, log);
      case "compact":
        return this.#compactor.start(message, log);
    }
  }

  #now(): number {
    return this.#context.environment.clock.wall();
  }

  /** For lags. The clock is not asked where there is nobody who could. */
  #monotonic(): number {
    return this.#replica.replicas.length > 1 ? this.#context.environment.clock.monotonic() : 0;
  }

  #later<Result>(run: (result: Result) => void): (result: Result) => void {
    return this.#context.callback((value) => ({ kind: "continue", run: () => run(value) }));
  }

  /** As `#later`; what a disk says of a sync counts even where nobody is there any more. */
  #afterSync(run: (failure: DiskError | undefined) => void): (failure?: DiskError) => void {
    const inTurn = this.#later(run);
    return (failure) => {
      if (this.#hasFailed && failure !== undefined) this.#directoryFailed(failure);
      else inTurn(failure);
    };
  }

  /** What was held back is appended, or refused. */
  #verified(run: () => void): void {
    const log = this.#log;
    run();
    if (log === undefined) return;
    this.#endWith(log);
    this.#keeper.maybeFlush(log);
  }

  #makeKeeper(): LogKeeper {
    return new LogKeeper({
      replica: this.#replica,
      directory: this.#options.directory,
      folder: this.#folder,
      troubles: this.#troubles,
      now: () => this.#now(),
      later: (run) => this.#afterSync(run),
      after: (delayMs, run) =>
        this.#context.startTimer("flush", delayMs, { kind: "continue", run }),
      flushed: () => this.#flushed(),
      failed: (failure) => this.#flushFailed(failure),
    });
  }

  #makeCompactor(): LogCompactor {
    return new LogCompactor({
      folder: this.#folder,
      directory: this.#options.directory,
      environment: this.#context.environment,
      troubles: this.#troubles,
      cleaner: this.#options.cleaner,
      self: this.#self,
      decompressedBytesMax: () => this.#config.decompressedBatchMaxBytes,
      lastStableOffset: (log) => log.lastStableOffset(this.#replica.highWatermark),
      later: (run) => this.#context.callback(() => ({ kind: "continue", run })),
      after: (delayMs, run) =>
        this.#context.startTimer("compact", delayMs, { kind: "continue", run }),
      checkpoint: (log) => this.#keeper.checkpoint(log),
      ended: (log) => this.#endWith(log),
    });
  }

  #makeProposals(): IsrProposals {
    return new IsrProposals({
      replica: this.#replica,
      partition: this.#options,
      to: this.#options.isrChanges,
      adapt: (run) =>
        this.#context.adapt((answer) => ({ kind: "continue", run: () => run(answer) })),
      after: (delayMs, run) =>
        this.#context.startTimer("propose", delayMs, { kind: "continue", run }),
      answered: (proposal, answer) =>
        this.#withMark(() => this.#replica.isrAnswered(proposal, answer, this.#monotonic())),
    });
  }

  #makeOpener(): LogOpener {
    return new LogOpener({
      partition: this.#options,
      folder: this.#folder,
      environment: this.#context.environment,
      troubles: this.#troubles,
      assignment: () => this.#assignment,
      config: () => this.#config,
      later: () => this.#self.tell({ kind: "open-more" }),
      afterSync: (run) => this.#afterSync(run),
      opened: (log) => this.#opened(log),
      refused: () => this.#refuseWaiting(ErrorCode.KAFKA_STORAGE_ERROR),
      syncFailed: (failure) => this.#flushFailed(failure),
    });
  }

  // Opening.

  #opened(log: Log): void {
    const { directory } = this.#options;
    this.#log = log;
    const { highWatermark } = directory.progress(this.#folder);
    this.#replica.opened(log, highWatermark);
    if (isRefetching(directory.disk, this.#folder)) this.#replica.lostRecords();
    this.#takeAssignment(log);
    this.#keeper.note(log);
    this.#compactor.settle(log);
    this.#opener.tellOpeners(undefined);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#serve(message, log);
    this.#keeper.maybeFlush(log);
  }

  #refuseWaiting(code: ErrorCode): void {
    for (const message of this.#waiting.splice(0)) refuse(message, code);
  }

  // The controller's word.

  #assign(assignment: PartitionAssignment): void {
    this.#assignment = assignment;
    if (this.#log !== undefined) this.#takeAssignment(this.#log);
  }

  #takeAssignment(log: Log): void {
    const { isIncomplete: wasIncomplete, partitionEpoch } = this.#replica;
    const now = this.#monotonic();
    const assigned = this.#withMark(() => this.#replica.assign(this.#assignment, now));
    if (!assigned.accepted) return;
    const { epochStart, truncateTo, newEpoch } = assigned;
    if (epochStart !== undefined) log.assignEpoch(this.#replica.leaderEpoch, epochStart);
    if (truncateTo !== undefined) this.#following.cut(truncateTo, log);
    if (wasIncomplete) this.#maybeComplete();
    if (this.#replica.role !== "leader") this.#appender.fail();
    // Who waits learns of the new epoch when it asks again, and is heard of again.
    const isKnown = !newEpoch && this.#replica.partitionEpoch <= partitionEpoch + 1;
    if (this.#replica.partitionEpoch > partitionEpoch) this.#waiters.countFrom(now);
    if (!isKnown || this.#replica.role !== "leader") this.#waiters.release();
    this.#following.settle(log);
    this.#keeper.maybeFlush(log);
  }

  #configure(config: PartitionConfig): void {
    this.#config = config;
    this.#withMark(() => this.#replica.configure(config, this.#monotonic()));
    if (this.#log === undefined) return;
    this.#log.configure(config.log);
    this.#compactor.settle(this.#log);
    this.#following.settle(this.#log);
    this.#keeper.maybeFlush(this.#log);
  }

  // Replication.

  /** Runs what may advance the high watermark, or propose other in-sync replicas; then says so. */
  #withMark<Result>(run: () => Result): Result {
    const before = this.#replica.highWatermark;
    const result = run();
    // How many bytes became visible is not worth finding out: whoever waits reads again.
    if (this.#replica.highWatermark > before) this.#visible(Infinity);
    this.#proposals.sendNew();
    return result;
  }

  #visible(bytes: number): void {
    this.#waiters.advanced(bytes, this.#ends);
    this.#release();
  }

  #release(): void {
    if (this.#log !== undefined) this.#appender.release(this.#log.flushedOffset);
  }

  #appended(bytes: number): void {
    const advanced = this.#replica.appended(this.#monotonic());
    this.#waiters.appended(bytes);
    if (advanced) this.#waiters.advanced(bytes, this.#ends);
    this.#release();
  }

  #flushed(): void {
    this.#withMark(() => this.#replica.flushed(this.#monotonic()));
    this.#release();
    if (this.#log !== undefined) this.#following.settle(this.#log);
  }

  #readForFollower(message: Read, log: Log): void {
    const { follower, currentLeaderEpoch, fetchOffset } = message;
    const fetch = { ...follower as NonNullable<typeof follower>, currentLeaderEpoch, fetchOffset };
    const verdict = this.#withMark(() => this.#replica.fetchedBy(fetch, this.#monotonic()));
    this.#reader.readForFollower(message, verdict, log, this.#replica);
  }

  #takeFetched(message: TakeFetched, log: Log): void {
    const { truncations, logStartOffset } = log;
    const { isIncomplete: wasIncomplete, highWatermark } = this.#replica;
    this.#following.take(message, log);
    this.#endWith(log);
    // Consumers may read from this replica, too.
    if (this.#replica.highWatermark > highWatermark) this.#visible(Infinity);
    const isMoved = log.truncations !== truncations || log.logStartOffset !== logStartOffset;
    if (isMoved) this.#keeper.note(log);
    if (wasIncomplete) this.#maybeComplete();
    this.#keeper.maybeFlush(log);
    this.#following.settle(log);
  }

  /** The log may hold again what it had lost. */
  #maybeComplete(): void {
    if (this.#replica.isIncomplete) return;
    endRefetch(this.#options.directory.disk, this.#folder);
    this.#troubles.warn("lost records fetched anew", "the replica may lead again");
  }

  #checkLag(now: number): void {
    if (this.#replica.role !== "leader" || this.#replica.replicas.length < 2) return;
    this.#proposals.sendOverdue();
    this.#withMark(() => this.#replica.checkLag(now));
  }

  #maintain(log: Log): void {
    const { logStartOffset } = log;
    this.#keeper.maintain(log);
    this.#appender.removeExpired(this.#now() - log.config.producerIdExpirationMs);
    this.#endWith(log);
    if (log.logStartOffset === logStartOffset) return;
    this.#replica.logChanged();
    this.#waiters.startMoved();
  }

  // The end.

  /**
   * What was read has rotted. A leader gives way where another replica is in sync and up, and in
   * another life fetches anew what was there. Else what is sound is served on: nobody is known who
   * has more, or a follower's reader goes back to the leader.
   *
   * @throws {CorruptLogError}
   */
  #damaged(damage: CorruptLogError): void {
    const { role, hasSuccessor, highWatermark } = this.#replica;
    if (role !== "leader" || !hasSuccessor) return;
    this.#options.directory.noteDamage(this.#folder, highWatermark);
    throw damage;
  }

  #directoryFailed(failure: DiskError): void {
    const reason = `Cannot make ${this.#folder} durable: ${failure.message}`;
    this.#options.directoryFailed.tell({ kind: "directory-failed", reason });
  }

  /** What is on the disk is in doubt. @throws {DiskError} always */
  #flushFailed(failure: DiskError): never {
    this.#directoryFailed(failure);
    throw failure;
  }

  /**
   * A log that takes no more appends serves nobody: others take over, and another life, which reads
   * what is on the disk anew, may go on. Not where a sync has failed: that is told once.
   *
   * @throws {DiskError} what was asked last is answered before
   */
  #endWith(log: Log): void {
    const { failure } = log;
    if (failure !== undefined && log.isInDoubt) this.#flushFailed(failure);
    const reason = failure ?? lastingRefusal(this.#replica, this.#troubles);
    if (reason !== undefined) throw reason;
  }

  #close(replyTo: Ref<LogClosed>): void {
    const log = this.#log;
    // A log that was not opened since a crash still has to be scanned.
    const untouched = this.#options.directory.clean && !this.#opener.isOpening &&
      this.#options.failedInEpoch === undefined;
    if (log === undefined) {
      replyTo.tell({ kind: "closed", clean: untouched, failure: undefined });
      return this.#stop();
    }
    this.#keeper.end(() => {
      this.#compactor.stop();
      replyTo.tell(closeInOrder(log, this.#keeper, this.#now(), () => this.#flushed()));
      this.#stop();
    });
  }

  #stop(): void {
    this.#endsInOrder = true;
    this.#context.stop();
  }

  /** The topic is gone. */
  #delete(): void {
    this.#compactor.stop();
    this.#log?.close({ clean: false, now: this.#now() });
    this.#log = undefined;
    const { directory, topicId } = this.#options;
    removePartitionFolder(directory.disk, this.#folder, topicId);
    this.#stop();
  }
}
