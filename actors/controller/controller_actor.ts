/**
 * The active controller: takes requests that change the cluster, one at a time, decides, writes the
 * decision to the metadata log, and answers when it is committed.
 *
 * Owns the metadata log, the quorum state and the image that decisions read. The image is ahead of
 * the commit: a record is replayed when it is appended, so that two requests
 * in a row see each other. Subscribers get committed records only, in order.
 *
 * With one voter a record is committed when it is durable here. A failed flush or append stops the
 * controller: what it answered is on the disk, and what it did not has an unknown outcome. Except
 * that a full or read-only disk does not: the append left the log as it was, nothing was replayed,
 * so the request alone is refused. A node whose data have filled the disk goes on to serve what it
 * has, and takes changes again once there is room, for which deleting records needs no metadata.
 *
 * @module
 */

import { type NodeId, NONE, type Offset, type Timestamp } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { DiskError } from "../../storage/disk.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { ClusterImage } from "./cluster_image.ts";
import type { Decision } from "./decision.ts";
import { ControllerDecisions } from "./decisions.ts";
import type {
  Committed,
  ControllerChanged,
  ControllerClosed,
  ControllerRequest,
  Decide,
  MetadataCommitted,
  QuorumPeer,
  QuorumTransport,
} from "./messages.ts";
import { MetadataLog } from "./metadata_log.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { QuorumState } from "./quorum_state.ts";
import { readQuorumState, writeQuorumState } from "./quorum_state_file.ts";

type ControllerMessage =
  | ControllerRequest
  | {
    readonly kind: "flushed";
    readonly endOffset: Offset;
    readonly failure: DiskError | undefined;
  };

export interface ControllerOptions {
  readonly nodeId: NodeId;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly config: BrokerConfig;
  /** The first voters, where the log names none: `controller.quorum.voters`; empty is this node. */
  readonly voters: readonly QuorumPeer[];
  /** Whether the node has the role of a controller; an observer where not. */
  readonly isController: boolean;
  /** How the other nodes of the quorum are reached. */
  readonly transport: QuorumTransport;
  /** Told why the controller has failed. */
  readonly failed: Ref<ControllerFailed>;
}

export interface ControllerFailed {
  readonly kind: "controller-failed";
  readonly reason: string;
}

/** What was appended and is not committed. */
interface Pending {
  readonly endOffset: Offset;
  readonly records: readonly MetadataRecord[];
  answer(): void;
}

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
  readonly #failed: Ref<ControllerFailed>;
  readonly #log: MetadataLog;
  readonly #quorum: QuorumState;
  readonly #image = new ClusterImage();
  readonly #decisions: ControllerDecisions;
  readonly #subscribers: Ref<MetadataCommitted>[] = [];
  readonly #followers: Ref<ControllerChanged>[] = [];
  readonly #nodeId: NodeId;
  readonly #pending: Pending[] = [];
  #committed: Offset = 0;
  #flushing = false;
  /** Who waits for the log to be closed, while a flush is under way. */
  #closer: Ref<ControllerClosed> | undefined;

  constructor(context: ActorContext<ControllerMessage>, options: ControllerOptions) {
    const { environment } = context;
    this.#context = context;
    this.#failed = options.failed;
    this.#nodeId = options.nodeId;
    this.#decisions = new ControllerDecisions({
      image: this.#image,
      random: environment.random.stream("controller"),
      defaults: options.config,
    });
    const { directory, nodeId } = options;
    const persisted = readQuorumState(directory.disk);
    this.#log = new MetadataLog(
      directory,
      options.resources,
      persisted?.leaderEpoch ?? 0,
      environment.clock.wall(),
    );
    const records = [...this.#log.read(0, this.#log.endOffset)];
    for (const record of records) this.#image.replay(record);
    // What is in the log at boot is committed with the first record of the new epoch.
    this.#pending.push({ endOffset: this.#log.endOffset, records, answer: () => {} });
    this.#quorum = new QuorumState(
      nodeId,
      directory.directoryId,
      persisted,
      this.#log.lastEpoch,
    );
    this.#lead(directory, nodeId);
  }

  /** The only voter elects itself at boot, without a timer. */
  #lead(directory: LogDirectory, nodeId: NodeId): void {
    const { clock, logger } = this.#context.environment;
    writeQuorumState(directory.disk, this.#quorum.becomeCandidate());
    this.#quorum.becomeLeader();
    const { epoch } = this.#quorum;
    this.#log.appendLeaderChange(epoch, nodeId, clock.wall());
    logger.log("info", "became controller", { epoch, offset: this.#log.endOffset });
    this.#maybeFlush();
  }

  receive(message: ControllerMessage): void {
    switch (message.kind) {
      case "decide":
        return this.#commit(this.#decide(message), message.replyTo);
      case "subscribe-controller":
        this.#followers.push(message.subscriber);
        return void message.subscriber.tell(this.#controllerNow());
      case "quorum-request":
        return;
      case "subscribe":
        return this.#subscribe(message.subscriber);
      case "flushed":
        return this.#flushed(message.endOffset, message.failure);
      case "close":
        // A failed sync is reported once: one that is under way must not be overtaken.
        if (this.#flushing) this.#closer = message.replyTo;
        else this.#end(message.replyTo);
        return;
    }
  }

  #decide({ api, request }: Decide): Decision<unknown> {
    const now = this.#context.environment.clock.monotonic();
    return this.#decisions.decide(api, request, { now, nextOffset: this.#log.endOffset });
  }

  #controllerNow(): ControllerChanged {
    const { epoch } = this.#quorum;
    const leaderId = this.#committed > 0 ? this.#nodeId : NONE;
    return { kind: "controller-changed", leaderId, epoch, address: undefined };
  }

  /**
   * Writes a decision. Its answer waits for all that it may have read, even if it writes nothing.
   */
  #commit<Response>(
    { records, response }: Decision<Response>,
    replyTo: Ref<Committed<Response>>,
  ): void {
    if (records.length > 0) {
      const now = this.#context.environment.clock.wall();
      const problem = this.#append(records, now);
      if (problem !== undefined) return this.#refuse(problem, replyTo);
      for (const record of records) this.#image.replay(record);
    }
    const { endOffset } = this.#log;
    const answer = () =>
      void replyTo.tell({ response, error: ErrorCode.NONE, errorMessage: null, endOffset });
    if (endOffset <= this.#committed) return answer();
    this.#pending.push({ endOffset, records, answer });
    this.#maybeFlush();
  }

  #append(records: readonly MetadataRecord[], now: Timestamp): string | undefined {
    try {
      return this.#log.append(records, this.#quorum.epoch, now);
    } catch (error) {
      throw tellFailure(this.#failed, error);
    }
  }

  #refuse(errorMessage: string, replyTo: Ref<Committed<never>>): void {
    const { logger } = this.#context.environment;
    logger.log("warn", "metadata not written", { reason: errorMessage });
    const { endOffset } = this.#log;
    const error = ErrorCode.KAFKA_STORAGE_ERROR;
    replyTo.tell({ response: undefined, error, errorMessage, endOffset });
  }

  /** One flush at a time: what is appended meanwhile is flushed together. */
  #maybeFlush(): void {
    if (this.#flushing || this.#log.endOffset <= this.#committed) return;
    this.#flushing = true;
    const { endOffset } = this.#log;
    this.#log.flushLater(
      this.#context.callback((failure: DiskError | undefined) => ({
        kind: "flushed",
        endOffset,
        failure,
      })),
    );
  }

  #flushed(endOffset: Offset, failure: DiskError | undefined): void {
    if (failure !== undefined) throw tellFailure(this.#failed, failure);
    this.#flushing = false;
    const isActive = this.#committed > 0;
    this.#committed = endOffset;
    if (!isActive) this.#followers.forEach((follower) => follower.tell(this.#controllerNow()));
    const committed: MetadataRecord[] = [];
    while (this.#pending[0] !== undefined && this.#pending[0].endOffset <= endOffset) {
      const { records, answer } = this.#pending.shift() as Pending;
      for (const record of records) committed.push(record);
      answer();
    }
    for (const subscriber of this.#subscribers) {
      subscriber.tell({
        kind: "metadata-committed",
        records: committed,
        endOffset,
        isSnapshot: false,
      });
    }
    if (this.#closer === undefined) this.#maybeFlush();
    else this.#end(this.#closer);
  }

  #end(replyTo: Ref<ControllerClosed>): void {
    replyTo.tell({ kind: "controller-closed", failure: this.#close() });
    this.#context.stop();
  }

  #close(): string | undefined {
    try {
      this.#log.close(this.#context.environment.clock.wall());
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #subscribe(subscriber: Ref<MetadataCommitted>): void {
    this.#subscribers.push(subscriber);
    const records = [...this.#log.read(0, this.#committed)];
    const endOffset = this.#committed;
    subscriber.tell({ kind: "metadata-committed", records, endOffset, isSnapshot: false });
  }
}
