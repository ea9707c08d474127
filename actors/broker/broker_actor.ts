/**
 * The broker of a node: registers with the controller, follows the metadata log, and serves.
 *
 * Owns the node's image of the cluster, the sessions, and the calendar of what is done now and
 * then. Partitions are in the hands of the replica manager.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationResponse,
} from "../../net/messages/broker_registration.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";
import type { Connection } from "../../net/network.ts";
import { type BrokerConfig, withDynamicConfigs } from "../config/broker_config.ts";
import { type PartitionConfig, partitionConfig } from "../config/partition_config.ts";
import {
  type BrokerEndPoint,
  ClusterImage,
  CONFIG_RESOURCE,
  type ImageChange,
  type TopicImage,
} from "../controller/cluster_image.ts";
import {
  type Committed,
  type ControllerRequest,
  decide,
  type MetadataCommitted,
} from "../controller/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { ALLOW_ALL, NO_QUOTA } from "./access.ts";
import { ServedApis } from "./apis/table.ts";
import type { SessionBudgets } from "./budget.ts";
import { BrokerMetrics } from "./broker_metrics.ts";
import { nativeSessionActor } from "./native_session_actor.ts";
import { producerIdsActor } from "./producer_ids.ts";
import type { DirectoryFailed } from "../partition/partition_actor.ts";
import { ReplicaManager, type ReplicaManagerMessage } from "./replica_manager.ts";
import { type BrokerServices, PartitionDirectory } from "./services.ts";

/** The node has applied the metadata log up to where it was asked for. */
export interface MetadataApplied {
  readonly kind: "metadata-applied";
}

/** What whoever runs the node is told of it. */
export type BrokerEvent =
  /** It is registered, has applied the metadata up to its registration, and serves. */
  | { readonly kind: "broker-ready" }
  /** It can serve no longer. */
  | { readonly kind: "broker-failed"; readonly reason: string };

export interface BrokerClosed {
  readonly kind: "broker-closed";
  /** Whether every log is all there and durable: else the next start scans. */
  readonly clean: boolean;
  /** Partitions whose log could not be made durable. */
  readonly failures: readonly string[];
}

export type BrokerRequest =
  | {
    readonly kind: "await-metadata";
    readonly endOffset: Offset;
    readonly replyTo: Ref<MetadataApplied>;
  }
  /** A client has connected to a listener. */
  | { readonly kind: "accepted"; readonly connection: Connection; readonly listener: string }
  /** Flushes and closes every log; sessions end with the node. */
  | { readonly kind: "close"; readonly replyTo: Ref<BrokerClosed> };

export interface BrokerOptions {
  readonly nodeId: NodeId;
  readonly config: BrokerConfig;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly budgets: SessionBudgets;
  readonly endPoints: readonly BrokerEndPoint[];
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
  readonly controller: Ref<ControllerRequest>;
  readonly events: Ref<BrokerEvent>;
}

type BrokerMessage =
  | BrokerRequest
  | MetadataCommitted
  | ReplicaManagerMessage
  | DirectoryFailed
  | {
    readonly kind: "registered";
    readonly result: AskResult<Committed<BrokerRegistrationResponse>>;
  }
  | { readonly kind: "controller-ended" }
  | { readonly kind: "session-ended" }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "maintain" };

export function brokerActor(options: BrokerOptions): Behaviour<BrokerRequest> {
  return (context) => new BrokerActor(context as unknown as ActorContext<BrokerMessage>, options);
}

class BrokerActor implements Actor<BrokerMessage> {
  readonly #context: ActorContext<BrokerMessage>;
  readonly #options: BrokerOptions;
  readonly #image = new ClusterImage();
  readonly #metrics: BrokerMetrics;
  readonly #services: BrokerServices;
  readonly #replicas: ReplicaManager;
  /** What the node was started with, and what was set live since. */
  #config: BrokerConfig;
  #applied: Offset = 0;
  /** The broker epoch, known when registered. */
  #registeredAt: Offset | undefined;
  #serving = false;
  #closing = false;
  readonly #early: { readonly connection: Connection; readonly listener: string }[] = [];
  #waiting: { readonly endOffset: Offset; readonly replyTo: Ref<MetadataApplied> }[] = [];
  #sessions = 0;
  #sessionNumber = 0;

  constructor(context: ActorContext<BrokerMessage>, options: BrokerOptions) {
    this.#context = context;
    this.#options = options;
    const { nodeId, directory, resources, buffers, config } = options;
    const partitions = new PartitionDirectory();
    this.#config = config;
    const current = () => this.#config;
    this.#metrics = new BrokerMetrics(context.environment.metrics);
    this.#services = {
      nodeId,
      clusterId: directory.clusterId,
      environment: context.environment,
      get config() {
        return current();
      },
      apis: new ServedApis(options.versionLimits),
      image: this.#image,
      partitions,
      controller: options.controller,
      quorum: options.controller,
      broker: context.self,
      producerIds: context.spawn(
        "producer-ids",
        producerIdsActor({ nodeId, image: this.#image, controller: options.controller }),
      ),
      buffers,
      authorizer: ALLOW_ALL,
      quota: NO_QUOTA,
      budgets: options.budgets,
      metrics: this.#metrics,
    };
    this.#replicas = new ReplicaManager(context as ActorContext<ReplicaManagerMessage>, {
      nodeId,
      metrics: this.#metrics,
      directory,
      resources,
      buffers,
      partitions,
      directoryFailed: context.self,
    });
    this.#register();
  }

  #register(): void {
    const { nodeId, directory, endPoints, controller } = this.#options;
    const incarnationId = this.#context.environment.random.stream("broker").uuid();
    this.#context.watch(controller, { kind: "controller-ended" });
    this.#context.ask<ControllerRequest, Committed<BrokerRegistrationResponse>>(
      controller,
      Infinity,
      (replyTo) =>
        decide(
          BROKER_REGISTRATION,
          {
            brokerId: nodeId,
            clusterId: directory.clusterId,
            incarnationId,
            listeners: endPoints.map((endPoint) => ({ ...endPoint, securityProtocol: 0 })),
            features: [],
            rack: null,
            isMigratingZkBroker: false,
            logDirs: [directory.directoryId],
            previousBrokerEpoch: directory.clean ? 0 : -1,
          },
          replyTo,
        ),
      (result) => ({ kind: "registered", result }),
    );
    controller.tell({ kind: "subscribe", subscriber: this.#context.self });
  }

  receive(message: BrokerMessage): void {
    switch (message.kind) {
      case "metadata-committed":
        return this.#apply(message);
      case "registered":
        return this.#registered(message.result);
      case "await-metadata":
        this.#waiting.push(message);
        return this.#answerWaiting();
      case "accepted":
        return this.#accept(message.connection, message.listener);
      case "session-ended":
        this.#metrics.connectionCount.set(--this.#sessions);
        return;
      case "checkpoint":
        return this.#checkpoint();
      case "maintain":
        return this.#maintain();
      case "directory-failed":
        return this.#fail(message.reason);
      case "controller-ended":
        return this.#fail("The controller has failed");
      case "close":
        return this.#close(message.replyTo);
      default:
        return this.#replicas.received(message);
    }
  }

  /** Replays what is committed, and then acts on what it changed. */
  #apply({ records, endOffset }: MetadataCommitted): void {
    if (endOffset <= this.#applied) return;
    const changes = records.map((record) => this.#image.replay(record));
    this.#applied = endOffset;
    for (const change of changes) this.#act(change);
    this.#answerWaiting();
    this.#maybeServe();
  }

  #act(change: ImageChange): void {
    switch (change.kind) {
      case "partition":
        return this.#partitionChanged(change.topicId, change.partition);
      case "topic-removed":
        return this.#replicas.dropTopic(change.topic);
      case "config":
        return this.#configChanged(change.resourceType, change.resourceName);
    }
  }

  #partitionChanged(topicId: string, partition: number): void {
    const topic = this.#image.topicById(topicId);
    const assignment = topic?.partitions[partition];
    // Gone again within the same batch.
    if (topic === undefined || assignment === undefined) return;
    if (!assignment.replicas.includes(this.#options.nodeId)) return;
    if (this.#services.partitions.find(topicId, partition) !== undefined) {
      return this.#replicas.assign(topicId, partition, assignment);
    }
    const config = this.#configOf(topic);
    this.#replicas.hold({ topicId, topic: topic.name, partition, assignment, config });
  }

  #configOf(topic: TopicImage): PartitionConfig {
    const overrides = this.#image.configs(CONFIG_RESOURCE.topic, topic.name);
    return partitionConfig(overrides, this.#config);
  }

  #configChanged(resourceType: number, resourceName: string): void {
    if (resourceType === CONFIG_RESOURCE.broker) {
      const own = String(this.#options.nodeId);
      if (resourceName !== "" && resourceName !== own) return;
      this.#config = withDynamicConfigs(
        this.#options.config,
        this.#image.configs(CONFIG_RESOURCE.broker, ""),
        this.#image.configs(CONFIG_RESOURCE.broker, own),
      );
    }
    const topics = resourceType === CONFIG_RESOURCE.topic
      ? [this.#image.topicByName(resourceName)]
      : [...this.#image.topics.values()];
    for (const topic of topics) {
      if (topic !== undefined) this.#replicas.configure(topic.id, this.#configOf(topic));
    }
  }

  #registered(result: AskResult<Committed<BrokerRegistrationResponse>>): void {
    if (result.kind !== "reply" || result.reply.response === undefined) {
      const message = result.kind === "reply" ? result.reply.errorMessage : null;
      return this.#fail(message ?? `The controller refused the registration: ${result.kind}`);
    }
    this.#registeredAt = result.reply.endOffset;
    this.#maybeServe();
  }

  #maybeServe(): void {
    if (this.#serving || this.#registeredAt === undefined) return;
    if (this.#applied < this.#registeredAt) return;
    this.#serving = true;
    this.#replicas.removeStrays(this.#image);
    for (const { connection, listener } of this.#early.splice(0)) {
      this.#accept(connection, listener);
    }
    this.#schedule("checkpoint");
    this.#schedule("maintain");
    this.#options.events.tell({ kind: "broker-ready" });
  }

  #answerWaiting(): void {
    const ready = this.#waiting.filter(({ endOffset }) => endOffset <= this.#applied);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ endOffset }) => endOffset > this.#applied);
    for (const { replyTo } of ready) replyTo.tell({ kind: "metadata-applied" });
  }

  #accept(connection: Connection, listener: string): void {
    const { maxConnections } = this.#config;
    if (!this.#serving && !this.#closing) {
      if (this.#early.length < maxConnections) this.#early.push({ connection, listener });
      else connection.close({ abort: true });
      return;
    }
    if (this.#closing || this.#sessions >= maxConnections) {
      this.#context.environment.logger.log("warn", "connection refused", {
        remote: `${connection.remote.host}:${connection.remote.port}`,
        reason: this.#closing ? "the node is closing" : `max.connections=${maxConnections}`,
      });
      return connection.close({ abort: true });
    }
    this.#metrics.connectionCount.set(++this.#sessions);
    const session = this.#context.spawn(
      `session-${++this.#sessionNumber}`,
      nativeSessionActor({ connection, listener, services: this.#services }),
    );
    this.#context.watch(session, { kind: "session-ended" });
  }

  #schedule(kind: "checkpoint" | "maintain"): void {
    const { logFlushOffsetCheckpointIntervalMs, logRetentionCheckIntervalMs } = this.#config;
    const delay = kind === "checkpoint"
      ? logFlushOffsetCheckpointIntervalMs
      : logRetentionCheckIntervalMs;
    this.#context.startTimer(kind, delay, { kind });
  }

  #checkpoint(): void {
    this.#schedule("checkpoint");
    try {
      this.#options.directory.writeCheckpoints();
    } catch (error) {
      // The checkpoints before stay true; a full disk is no reason to stop.
      const reason = error instanceof Error ? error.message : String(error);
      this.#context.environment.logger.log("warn", "checkpoint not written", { reason });
    }
  }

  #maintain(): void {
    this.#schedule("maintain");
    this.#replicas.maintain();
  }

  #close(replyTo: Ref<BrokerClosed>): void {
    this.#closing = true;
    for (const { connection } of this.#early.splice(0)) connection.close({ abort: true });
    // Before it serves it does not hold every log that still has to be scanned.
    const allHeld = this.#serving || this.#options.directory.clean;
    this.#replicas.close(({ clean, failures }) =>
      replyTo.tell({ kind: "broker-closed", clean: clean && allHeld, failures })
    );
  }

  #fail(reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    for (const { connection } of this.#early.splice(0)) connection.close({ abort: true });
    this.#context.environment.logger.log("error", "broker failed", { reason });
    this.#options.events.tell({ kind: "broker-failed", reason });
  }
}
