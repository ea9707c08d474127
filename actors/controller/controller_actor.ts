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

import type { NodeId, Offset, Timestamp } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { DiskError } from "../../storage/disk.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from "../../net/messages/alter_configs.ts";
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from "../../net/messages/create_partitions.ts";
import type {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from "../../net/messages/create_topics.ts";
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from "../../net/messages/delete_topics.ts";
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from "../../net/messages/incremental_alter_configs.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { type BrokerRegistered, type BrokerRegistration, registerBroker } from "./brokers.ts";
import { ClusterImage } from "./cluster_image.ts";
import { alterConfigs, incrementalAlterConfigs } from "./configs.ts";
import type { ControllerDefaults, Decision, DecisionContext } from "./decision.ts";
import { MetadataLog } from "./metadata_log.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { QuorumState } from "./quorum_state.ts";
import { readQuorumState, writeQuorumState } from "./quorum_state_file.ts";
import { createPartitions, createTopics, deleteTopics } from "./topics.ts";

/** The answer to a request, given when all that it rests on is committed. */
export interface Committed<Response> {
  /** Undefined where there is an error. */
  readonly response: Response | undefined;
  readonly error: ErrorCode;
  /** For people, where there is an error. */
  readonly errorMessage: string | null;
  /** Where the metadata log ended: whoever has applied it up to here sees what was decided. */
  readonly endOffset: Offset;
}

/** Records that are committed, in the order of the log. */
export interface MetadataCommitted {
  readonly kind: "metadata-committed";
  readonly records: readonly MetadataRecord[];
  /** The end of the last batch. */
  readonly endOffset: Offset;
}

interface Asked<Response> {
  readonly replyTo: Ref<Committed<Response>>;
}

export type ControllerRequest =
  | ({
    readonly kind: "create-topics";
    readonly request: CreateTopicsRequest;
  } & Asked<CreateTopicsResponse>)
  | ({
    readonly kind: "delete-topics";
    readonly request: DeleteTopicsRequest;
  } & Asked<DeleteTopicsResponse>)
  | ({
    readonly kind: "create-partitions";
    readonly request: CreatePartitionsRequest;
  } & Asked<CreatePartitionsResponse>)
  | ({
    readonly kind: "alter-configs";
    readonly request: AlterConfigsRequest;
  } & Asked<AlterConfigsResponse>)
  | ({
    readonly kind: "incremental-alter-configs";
    readonly request: IncrementalAlterConfigsRequest;
  } & Asked<IncrementalAlterConfigsResponse>)
  | ({
    readonly kind: "register-broker";
    readonly registration: BrokerRegistration;
  } & Asked<BrokerRegistered>)
  /** Sends everything committed from the beginning, and what follows as it is committed. */
  | { readonly kind: "subscribe"; readonly subscriber: Ref<MetadataCommitted> }
  /** Closes the log, everything in it being durable. */
  | { readonly kind: "close"; readonly replyTo: Ref<ControllerClosed> };

export interface ControllerClosed {
  readonly kind: "controller-closed";
  /** Why the log could not be closed in order. */
  readonly failure: string | undefined;
}

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
  readonly defaults: ControllerDefaults;
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
  readonly #decisions: DecisionContext;
  readonly #subscribers: Ref<MetadataCommitted>[] = [];
  readonly #pending: Pending[] = [];
  #committed: Offset = 0;
  #flushing = false;
  /** Who waits for the log to be closed, while a flush is under way. */
  #closer: Ref<ControllerClosed> | undefined;

  constructor(context: ActorContext<ControllerMessage>, options: ControllerOptions) {
    const { environment } = context;
    this.#context = context;
    this.#failed = options.failed;
    this.#decisions = {
      image: this.#image,
      random: environment.random.stream("controller"),
      defaults: options.defaults,
    };
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
    const context = this.#decisions;
    switch (message.kind) {
      case "create-topics":
        return this.#commit(createTopics(context, message.request), message.replyTo);
      case "delete-topics":
        return this.#commit(deleteTopics(context, message.request), message.replyTo);
      case "create-partitions":
        return this.#commit(createPartitions(context, message.request), message.replyTo);
      case "alter-configs":
        return this.#commit(alterConfigs(context, message.request), message.replyTo);
      case "incremental-alter-configs":
        return this.#commit(incrementalAlterConfigs(context, message.request), message.replyTo);
      case "register-broker": {
        const decision = registerBroker(context, message.registration, this.#log.endOffset);
        return this.#commit(decision, message.replyTo);
      }
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
    this.#committed = endOffset;
    const committed: MetadataRecord[] = [];
    while (this.#pending[0] !== undefined && this.#pending[0].endOffset <= endOffset) {
      const { records, answer } = this.#pending.shift() as Pending;
      for (const record of records) committed.push(record);
      answer();
    }
    for (const subscriber of this.#subscribers) {
      subscriber.tell({ kind: "metadata-committed", records: committed, endOffset });
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
    subscriber.tell({ kind: "metadata-committed", records, endOffset: this.#committed });
  }
}
