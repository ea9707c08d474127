/**
 * The controller of a node: its replica of the metadata log, and, while it leads, the active
 * controller, which decides what changes the cluster, writes that to the log, and answers when it
 * is committed.
 *
 * Owns the metadata log, the quorum's state machine, and the image that decisions read. While this
 * node leads, the image is ahead of the commit; a lost lead takes it back, and what waited for a
 * commit has an unknown outcome. Subscribers get committed records only, in order.
 *
 * A failed flush or append stops the controller: what it answered is on the disk. Except that a
 * full or read-only disk does not: the append left the log as it was, nothing was replayed, so the
 * request alone is refused. A node whose data have filled the disk goes on to serve what it has,
 * and takes changes again once there is room, for which deleting records needs no metadata.
 *
 * @module
 */

import { type Epoch, NONE, type Offset } from "../../storage/bytes/ids.ts";
import type { DiskError } from "../../storage/disk.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { Troubles } from "../runtime/troubles.ts";
import {
  configuredVoters,
  type ControllerFailed,
  type ControllerOptions,
  quorumTimeouts,
} from "./controller_options.ts";
import { ControllerDecisions } from "./decisions.ts";
import { type Decision, Refusal } from "./decision.ts";
import type {
  Committed,
  ControllerChanged,
  ControllerClosed,
  ControllerRequest,
  Decide,
} from "./messages.ts";
import { ControllerFeed, MetadataFeed } from "./metadata_feed.ts";
import { recordsOf } from "./image_records.ts";
import { MetadataLog } from "./metadata_log.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { observed } from "./observed_controller.ts";
import type { ObservedController } from "./observer.ts";
import { answerQuorumRequest, decideOnQuorum } from "./quorum_apis.ts";
import type { QuorumPorts } from "./quorum_context.ts";
import { QuorumReplica } from "./quorum_replica.ts";
import { QuorumRules } from "./quorum_rules.ts";
import { readQuorumState, writeQuorumState } from "./quorum_state_file.ts";
import { SpeculativeImage } from "./speculative_image.ts";

export type { ControllerFailed, ControllerOptions } from "./controller_options.ts";

type ControllerMessage =
  | ControllerRequest
  | { readonly kind: "flushed"; readonly failure: DiskError | undefined }
  /** A node has answered a request of the quorum, or has not. */
  | { readonly kind: "responded"; readonly take: (now: number) => void }
  | { readonly kind: "quorum-tick" }
  | { readonly kind: "decisions-tick" }
  | { readonly kind: "resigned-long-enough" };

/** What the quorum tells, taken in once its call has returned. */
type QuorumEvent =
  | { readonly kind: "role" }
  | { readonly kind: "committed"; readonly endOffset: Offset }
  | { readonly kind: "snapshot"; readonly endOffset: Offset };

/** An answer that waits until all before an offset is committed. */
interface Pending {
  readonly endOffset: Offset;
  answer(error: ErrorCode): void;
}

const NOT_CONTROLLER = {
  error: ErrorCode.NOT_CONTROLLER,
  errorMessage: "This node does not lead the metadata quorum",
} as const;

const UNKNOWN = "Its lead ended before the decision was committed: the outcome is unknown";

const NOT_WRITTEN = "metadata not written";

/** The disk may refuse the leader so long what another voter's would take. */
const DISK_PATIENCE_MS = 1000;

/** Requests that wait for a new leader's first record to be committed, at most. */
const WAITING_MAX = 10_000;

export function controllerActor(options: ControllerOptions): Behaviour<ControllerRequest> {
  return (context) => {
    try {
      return new ControllerActor(context as unknown as ActorContext<ControllerMessage>, options);
    } catch (error) {
      throw tellFailure(options.failed, error);
    }
  };
}

/** Tells why the controller ends; returns what to throw for it to end. */
function tellFailure(failed: Ref<ControllerFailed>, error: unknown): unknown {
  const reason = error instanceof Error ? error.message : String(error);
  failed.tell({ kind: "controller-failed", reason });
  return error;
}

class ControllerActor implements Actor<ControllerMessage> {
  readonly #context: ActorContext<ControllerMessage>;
  readonly #options: ControllerOptions;
  readonly #log: MetadataLog;
  readonly #quorum: QuorumReplica;
  readonly #image = new SpeculativeImage();
  readonly #decisions: ControllerDecisions;
  readonly #metadata: MetadataFeed;
  readonly #controllers: ControllerFeed;
  readonly #observed: ObservedController;
  readonly #events: QuorumEvent[] = [];
  readonly #pending: Pending[] = [];
  readonly #troubles: Troubles;
  #waiting: Decide[] = [];
  /** Up to where subscribers have been told. */
  #committed: Offset;
  /** The epoch that it leads, the image being ahead. */
  #leads: Epoch | undefined;
  /** Whether it decides: the first record of its epoch is committed. */
  #isActive = false;
  #flushWanted = false;
  #flushing = false;
  #tickAt = Infinity;
  /** Who waits for the log to be closed. */
  #closer: Ref<ControllerClosed> | undefined;
  #isPatient = true;
  #isClosed = false;

  constructor(context: ActorContext<ControllerMessage>, options: ControllerOptions) {
    const { environment } = context;
    const { directory, nodeId, config } = options;
    this.#context = context;
    this.#options = options;
    this.#troubles = new Troubles(environment.logger, environment.clock);
    const persisted = readQuorumState(directory.disk);
    this.#log = new MetadataLog({
      directory,
      resources: options.resources,
      epochMax: Math.max(persisted?.leaderEpoch ?? 0, 0),
      now: () => environment.clock.wall(),
    });
    const random = environment.random.stream("quorum");
    this.#quorum = new QuorumReplica({
      clusterId: directory.clusterId,
      self: { id: nodeId, directoryId: directory.directoryId },
      address: options.address,
      isController: options.isController,
      voters: configuredVoters(options),
      bootstrapServers: options.bootstrapServers ?? [],
      timeouts: quorumTimeouts(config),
      log: this.#log,
      persisted,
      rules: new (options.QuorumRules ?? QuorumRules)(),
      ports: this.#ports(),
      random: (below) => random.integer(below),
    });
    this.#decisions = new (options.ControllerDecisions ?? ControllerDecisions)({
      image: this.#image.image,
      random: environment.random.stream("controller"),
      defaults: config,
    });
    this.#metadata = new MetadataFeed(this.#log);
    this.#controllers = new ControllerFeed(this.#controllerNow());
    this.#image.apply(this.#log.readSnapshotRecords());
    this.#committed = this.#log.startOffset;
    this.#observed = observed({
      nodeId,
      quorum: this.#quorum,
      log: this.#log,
      image: this.#image.image,
      isActive: () => this.#isActive,
    });
    options.observer?.controllerStarted(this.#observed);
    this.#quorum.start(this.#now);
    this.#settle();
  }

  get #now(): number {
    return this.#context.environment.clock.monotonic();
  }

  stopped(): void {
    this.#options.observer?.controllerEnded(this.#observed);
  }

  receive(message: ControllerMessage): void {
    if (this.#isClosed) return;
    try {
      this.#receive(message);
      this.#settle();
    } catch (error) {
      throw tellFailure(this.#options.failed, error);
    }
  }

  #receive(message: ControllerMessage): void {
    switch (message.kind) {
      case "decide":
        return this.#decide(message);
      case "subscribe":
        return this.#metadata.subscribe(message.subscriber, this.#committed);
      case "subscribe-controller":
        return this.#controllers.subscribe(message.subscriber);
      case "quorum-request":
        return answerQuorumRequest(this.#quorum, this.#context.environment.clock, message);
      case "responded":
        return message.take(this.#now);
      case "flushed":
        return this.#flushed(message.failure);
      case "quorum-tick":
        this.#tickAt = Infinity;
        return this.#quorum.tick(this.#now);
      case "decisions-tick":
        return this.#tick();
      case "close":
        this.#closer = message.replyTo;
        if (!message.handOver) this.#isPatient = false;
        return;
      case "resigned-long-enough":
        this.#isPatient = false;
    }
  }

  #ports(): QuorumPorts {
    const { disk } = this.#options.directory;
    const { logger } = this.#context.environment;
    return {
      persist: (state, durable) => writeQuorumState(disk, state, durable),
      send: (to, api, request, timeoutMs, done) =>
        this.#options.transport.send(
          to,
          api,
          request,
          timeoutMs,
          this.#context.callback((response) => ({
            kind: "responded",
            take: (now) => done(now, response),
          })),
        ),
      flush: () => void (this.#flushWanted = true),
      committed: (endOffset) => void this.#events.push({ kind: "committed", endOffset }),
      // Nothing that is cut was ever applied, but by a leader, which has lost its lead before.
      truncated: () => {},
      snapshotLoaded: ({ endOffset }) => void this.#events.push({ kind: "snapshot", endOffset }),
      roleChanged: () => void this.#events.push({ kind: "role" }),
      note: (level, event, fields) => logger.log(level, event, fields),
    };
  }

  /** Takes in what the quorum has told, until there is nothing more. */
  #settle(): void {
    do {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        this.#takeIn(event);
      }
      if (this.#closer === undefined) this.#maybeFlush();
    } while (this.#events.length > 0);
    this.#quorum.persist();
    if (this.#closer !== undefined) this.#maybeEnd(this.#closer);
    this.#schedule();
  }

  #takeIn(event: QuorumEvent): void {
    switch (event.kind) {
      case "role":
        return this.#roleChanged();
      case "committed":
        return this.#commitUpTo(event.endOffset);
      case "snapshot": {
        const records = [...this.#log.readSnapshotRecords()];
        this.#image.image.load(records);
        this.#committed = event.endOffset;
        return this.#metadata.tell(records, event.endOffset, true);
      }
    }
  }

  /** A timer that fires early does nothing: it need not be moved each time. */
  #schedule(): void {
    const { deadline } = this.#quorum;
    if (this.#isClosed || deadline >= this.#tickAt) return;
    this.#tickAt = deadline;
    const delay = Math.max(0, deadline - this.#now);
    this.#context.startTimer("quorum", delay, { kind: "quorum-tick" });
  }

  #roleChanged(): void {
    const { leading, state } = this.#quorum;
    const leads = leading === undefined ? undefined : state.epoch;
    if (this.#leads !== undefined && this.#leads !== leads) this.#loseLead();
    if (leads !== undefined && this.#leads === undefined) {
      this.#leads = leads;
      for (const batch of this.#log.readMetadata(this.#committed, this.#log.endOffset)) {
        this.#image.append(batch.records, batch.endOffset);
      }
    }
    this.#controllers.tell(this.#controllerNow());
  }

  /** What waited for a commit may yet be committed, by another leader. */
  #loseLead(): void {
    const { logger } = this.#context.environment;
    logger.log("info", "controller resigned", { epoch: this.#leads });
    this.#leads = undefined;
    this.#isActive = false;
    this.#context.cancelTimer("decisions");
    this.#image.rewind();
    for (const { answer } of this.#pending.splice(0)) answer(ErrorCode.REQUEST_TIMED_OUT);
    for (const { replyTo } of this.#waiting.splice(0)) this.#refuse(replyTo, NOT_CONTROLLER);
  }

  #commitUpTo(endOffset: Offset): void {
    if (endOffset <= this.#committed) return;
    this.#log.committed(endOffset);
    const records = this.#leads === undefined
      ? this.#applyUpTo(endOffset)
      : this.#image.commit(endOffset);
    this.#committed = endOffset;
    while (this.#pending[0] !== undefined && this.#pending[0].endOffset <= endOffset) {
      this.#pending.shift()?.answer(ErrorCode.NONE);
    }
    this.#metadata.tell(records, endOffset, false);
    const { leading } = this.#quorum;
    if (!this.#isActive && leading !== undefined && endOffset > leading.epochStart) {
      this.#becomeActive();
    }
    this.#maybeSnapshot();
  }

  #applyUpTo(endOffset: Offset): MetadataRecord[] {
    const records: MetadataRecord[] = [];
    for (const batch of this.#log.readMetadata(this.#committed, endOffset)) {
      for (const record of batch.records) records.push(record);
    }
    this.#image.apply(records);
    return records;
  }

  /** All that came before is committed: it may decide. */
  #becomeActive(): void {
    const { logger } = this.#context.environment;
    logger.log("info", "became controller", { epoch: this.#leads, offset: this.#committed });
    this.#isActive = true;
    this.#append(this.#decisions.becameActive(this.#now));
    this.#startTicking();
    for (const waiting of this.#waiting.splice(0)) this.#decide(waiting);
  }

  #startTicking(): void {
    const { nextTickMs } = this.#decisions;
    if (nextTickMs === Infinity) return;
    this.#context.startTimer("decisions", nextTickMs, { kind: "decisions-tick" });
  }

  #tick(): void {
    if (!this.#isActive || this.#closer !== undefined) return;
    this.#append(this.#decisions.tick(this.#now));
    this.#startTicking();
  }

  #decide(message: Decide): void {
    const { api, request, replyTo } = message;
    if (this.#leads === undefined) return this.#refuse(replyTo, NOT_CONTROLLER);
    if (!this.#isActive) {
      if (this.#waiting.length >= WAITING_MAX) return this.#refuse(replyTo, NOT_CONTROLLER);
      this.#waiting.push(message);
      return;
    }
    const { clock } = this.#context.environment;
    if (decideOnQuorum(this.#quorum, clock, message, () => this.#log.endOffset)) return;
    try {
      const facts = { now: this.#now, nextOffset: this.#log.endOffset };
      this.#write(this.#decisions.decide(api, request, facts), replyTo);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(replyTo, { error: error.code, errorMessage: error.message });
    }
  }

  /**
   * Writes a decision. Its answer waits for all that it may have read, even if it writes nothing.
   */
  #write({ records, response }: Decision<unknown>, replyTo: Ref<Committed<unknown>>): void {
    const problem = this.#append(records);
    if (problem !== undefined) {
      const error = ErrorCode.KAFKA_STORAGE_ERROR;
      return this.#refuse(replyTo, { error, errorMessage: problem });
    }
    const { endOffset } = this.#log;
    const answer = (error: ErrorCode) => {
      if (error !== ErrorCode.NONE) return this.#refuse(replyTo, { error, errorMessage: UNKNOWN });
      replyTo.tell({ response, error, errorMessage: null, endOffset });
    };
    if (endOffset <= this.#committed) return answer(ErrorCode.NONE);
    this.#pending.push({ endOffset, answer });
  }

  /** As one batch, replayed at once. Returns why it could not, where a later one may succeed. */
  #append(records: readonly MetadataRecord[]): string | undefined {
    if (records.length === 0) return undefined;
    const now = this.#context.environment.clock.wall();
    const problem = this.#log.append(records, this.#quorum.state.epoch, now);
    if (problem !== undefined) {
      this.#troubles.begin(NOT_WRITTEN, problem, new Error(problem));
      if (this.#troubles.lastingFor(DISK_PATIENCE_MS) !== undefined) {
        this.#quorum.giveWay(this.#now);
      }
      return problem;
    }
    this.#troubles.end(NOT_WRITTEN);
    this.#image.append(records, this.#log.endOffset);
    this.#quorum.appended(this.#now);
    return undefined;
  }

  #refuse(
    replyTo: Ref<Committed<unknown>>,
    { error, errorMessage }: { readonly error: ErrorCode; readonly errorMessage: string },
  ): void {
    const { endOffset } = this.#log;
    replyTo.tell({ response: undefined, error, errorMessage, endOffset });
  }

  /** One flush at a time: what is appended meanwhile is flushed together. */
  #maybeFlush(): void {
    while (this.#flushWanted && !this.#flushing) {
      this.#flushWanted = false;
      this.#flushing = true;
      const started = this.#log.flushLater(
        this.#context.callback((failure: DiskError | undefined) => ({ kind: "flushed", failure })),
      );
      if (started === "started") return;
      this.#flushing = false;
      this.#quorum.flushed(this.#now);
    }
  }

  #flushed(failure: DiskError | undefined): void {
    if (failure !== undefined) throw failure;
    this.#flushing = false;
    this.#quorum.flushed(this.#now);
  }

  #maybeSnapshot(): void {
    if (this.#log.bytesSinceSnapshot < this.#options.config.metadataLogSnapshotBytes) return;
    const { logger } = this.#context.environment;
    const endOffset = this.#committed;
    const voters = this.#quorum.history.recordedBefore(endOffset);
    const problem = this.#image.atCommitted((image) =>
      this.#log.makeSnapshot(endOffset, recordsOf(image), voters)
    );
    if (problem === undefined) logger.log("info", "snapshot made", { offset: endOffset });
    else logger.log("warn", "snapshot not made", { offset: endOffset, reason: problem });
  }

  #controllerNow(): ControllerChanged {
    const { state, leader } = this.#quorum;
    const { role, epoch } = state;
    const leads = role === "leader";
    return {
      kind: "controller-changed",
      leaderId: leads ? this.#options.nodeId : leader?.id ?? NONE,
      epoch,
      address: leads ? undefined : leader?.address,
    };
  }

  /**
   * A failed sync is reported once: one that is under way must not be overtaken. Then the others
   * are told that it does not lead any more, so that they need not find out.
   */
  #maybeEnd(closer: Ref<ControllerClosed>): void {
    if (this.#flushing || this.#isClosed) return;
    const { timeouts } = this.#quorum.options;
    if (this.#quorum.leading !== undefined && this.#quorum.resign(this.#now)) {
      const delay = timeouts.requestMs;
      this.#context.startTimer("resign", delay, { kind: "resigned-long-enough" });
      return this.#settle();
    }
    if (!this.#quorum.isResigned && this.#isPatient) return;
    this.#isClosed = true;
    closer.tell({ kind: "controller-closed", failure: this.#close() });
    this.#context.stop();
  }

  #close(): string | undefined {
    try {
      this.#log.close();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
