/**
 * The broker of a node: registers with the controller, follows the metadata log, and serves.
 *
 * Owns the node's image of the cluster, the sessions, and the calendar of what is done now and
 * then. Partitions are in the hands of the replica manager.
 *
 * @module
 */

import { type NodeId, NONE, type Offset, type Uuid } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";
import type { Connection } from "../../net/network.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import { KAFKA_LISTENER } from "../config/listeners.ts";
import type { BrokerEndPoint, ImageChange } from "../controller/cluster_image.ts";
import { SUPPORTED_FEATURES } from "../controller/features.ts";
import type {
  ControllerChanged,
  ControllerRequest,
  Decide,
  MetadataCommitted,
} from "../controller/messages.ts";
import { CoordinatorDirectory, type CoordinatorsRequest } from "../coordinator/coordinators.ts";
import { asFellow, type Fellow } from "../link/fellow.ts";
import type { ProposeIsr } from "../partition/messages.ts";
import type { Replica } from "../partition/replica.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { ALLOW_ALL, type Authorizer } from "./sessions/access.ts";
import { ServedApis } from "./apis/table.ts";
import { AppliedMetadata, type MetadataApplied } from "./applied_metadata.ts";
import type { SessionBudgets } from "./sessions/budget.ts";
import { BrokerMetrics } from "./broker_metrics.ts";
import { ClientQuotaManager } from "./sessions/client_quotas.ts";
import { spawnCoordinators, spawnInternalTopics } from "./coordination.ts";
import type { FetchState } from "./replicas/fetch_state.ts";
import { FetchSessions } from "./fetching/fetch_sessions.ts";
import { isrChangesActor } from "./replicas/isr_changes.ts";
import { kafkaSessionActor } from "./sessions/kafka_session_actor.ts";
import { logCleanerActor } from "./replicas/log_cleaner.ts";
import { nativeSessionActor } from "./sessions/native_session_actor.ts";
import type { NodeObserver, ObservedBroker } from "./observer.ts";
import { producerIdsActor } from "./transactions/producer_ids.ts";
import type { DirectoryFailed } from "../partition/partition_options.ts";
import { Registration, type RegistrationMessage } from "./registration.ts";
import { ReplicationQuota } from "./replicas/replication_quota.ts";
import { ReplicaManager, type ReplicaManagerMessage } from "./replicas/replica_manager.ts";
import { type BrokerServices, PartitionDirectory } from "./services.ts";
import { transactionsActor, type TransactionsRequest } from "./transactions/transactions.ts";

export type { MetadataApplied } from "./applied_metadata.ts";

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
  /** Under which the broker was registered last, in this life or, unused, in the one before. */
  readonly brokerEpoch: Offset;
  /** Partitions whose log could not be made durable. */
  readonly failures: readonly string[];
}

/** The broker serves. */
export interface Serving {
  readonly kind: "serving";
}

export type BrokerRequest =
  | {
    readonly kind: "await-metadata";
    readonly endOffset: Offset;
    readonly replyTo: Ref<MetadataApplied>;
  }
  /** Answered once the broker serves clients. */
  | { readonly kind: "await-serving"; readonly replyTo: Ref<Serving> }
  /** A client or a fellow node has connected to a listener. */
  | { readonly kind: "accepted"; readonly connection: Connection; readonly listener: string }
  /** Hands over what it leads, flushes and closes every log; sessions end with the node. */
  | {
    readonly kind: "close";
    /** False where there is nobody to hand over to: the whole cluster ends. */
    readonly handOver: boolean;
    readonly replyTo: Ref<BrokerClosed>;
  };

export interface BrokerOptions {
  readonly nodeId: NodeId;
  readonly config: BrokerConfig;
  /** Whether the node holds records; where not, it serves what it knows of the cluster. */
  readonly isBroker: boolean;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly budgets: SessionBudgets;
  /** Where others reach this node. */
  readonly endPoints: readonly BrokerEndPoint[];
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
  /** Who may do what; everybody everything when absent. */
  readonly authorizer?: Authorizer | undefined;
  /** Has the active controller decide, wherever that is. */
  readonly controller: Ref<Decide>;
  /** The controller of this node. */
  readonly quorum: Ref<ControllerRequest>;
  readonly events: Ref<BrokerEvent>;
  readonly observer?: NodeObserver | undefined;
  readonly Replica?: typeof Replica | undefined;
  readonly FetchState?: typeof FetchState | undefined;
}

/** The first wait before a lost connection to a leader is made again. */
const RECONNECT_BACKOFF_MS = 20;

type BrokerMessage =
  | BrokerRequest
  | MetadataCommitted
  | ControllerChanged
  | RegistrationMessage
  | ReplicaManagerMessage
  | DirectoryFailed
  /** A part that the broker cannot do without has failed. */
  | { readonly kind: "part-ended"; readonly part: string }
  | { readonly kind: "session-ended" }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "maintain" };

export function brokerActor(options: BrokerOptions): Behaviour<BrokerRequest> {
  return (context) => new BrokerActor(context as unknown as ActorContext<BrokerMessage>, options);
}

class BrokerActor implements Actor<BrokerMessage> {
  readonly #context: ActorContext<BrokerMessage>;
  readonly #options: BrokerOptions;
  readonly #metadata: AppliedMetadata;
  readonly #metrics: BrokerMetrics;
  readonly #services: BrokerServices;
  readonly #replicas: ReplicaManager;
  readonly #coordinators: Ref<CoordinatorsRequest>;
  /** Undefined where the node is no broker. */
  readonly #registration: Registration | undefined;
  readonly #observed: ObservedBroker;
  #serving = false;
  #closing = false;
  readonly #awaitServing: Ref<Serving>[] = [];
  #sessions = 0;
  #sessionNumber = 0;

  constructor(context: ActorContext<BrokerMessage>, options: BrokerOptions) {
    this.#context = context;
    this.#options = options;
    const { nodeId, config, quorum } = options;
    const partitions = new PartitionDirectory();
    const metadata = new AppliedMetadata({ nodeId, config, partitions });
    this.#metadata = metadata;
    this.#metrics = new BrokerMetrics(context.environment.metrics);
    const registration = options.isBroker ? this.#makeRegistration() : undefined;
    this.#registration = registration;
    this.#services = this.#makeServices(partitions);
    this.#replicas = this.#makeReplicas(partitions);
    metadata.replicas = this.#replicas;
    this.#coordinators = spawnCoordinators(context, this.#services);
    this.#observed = {
      nodeId,
      incarnationId: registration?.incarnationId,
      image: metadata.image,
      get brokerEpoch() {
        return registration?.brokerEpoch ?? -1;
      },
      get appliedOffset() {
        return metadata.endOffset;
      },
    };
    options.observer?.brokerStarted(this.#observed);
    this.#need(quorum, "controller");
    this.#need(options.controller, "way to the controller");
    this.#need(this.#services.producerIds, "source of producer ids");
    this.#need(this.#services.internalTopics, "maker of internal topics");
    this.#need(this.#services.transactions, "writer of transaction markers");
    this.#need(this.#coordinators, "keeper of coordinators");
    quorum.tell({ kind: "subscribe", subscriber: context.self });
    quorum.tell({ kind: "subscribe-controller", subscriber: context.self });
    if (registration === undefined) this.#serve();
    else registration.start();
  }

  #makeServices(partitions: PartitionDirectory): BrokerServices {
    const { nodeId, directory, buffers, budgets, controller, quorum, versionLimits } =
      this.#options;
    const metadata = this.#metadata;
    const { environment } = this.#context;
    return {
      nodeId,
      clusterId: directory.clusterId,
      environment: this.#context.environment,
      get config() {
        return metadata.config;
      },
      apis: new ServedApis(versionLimits),
      image: metadata.image,
      get metadataEndOffset() {
        return metadata.endOffset;
      },
      partitions,
      controller,
      quorum,
      broker: this.#context.self,
      producerIds: this.#context.spawn(
        "producer-ids",
        producerIdsActor({ nodeId, image: metadata.image, controller }),
      ),
      coordinators: new CoordinatorDirectory(nodeId, metadata.image),
      internalTopics: spawnInternalTopics(this.#context as ActorContext<never>, {
        nodeId,
        image: metadata.image,
        config: () => metadata.config,
        controller,
      }),
      transactions: this.#spawnTransactions(),
      buffers,
      authorizer: this.#options.authorizer ?? ALLOW_ALL,
      quota: new ClientQuotaManager({
        image: metadata.image,
        clock: environment.clock,
        config: () => metadata.config,
      }),
      budgets,
      fetchSessions: new FetchSessions({
        random: environment.random.stream("fetch sessions"),
        metrics: this.#metrics,
        places: budgets.waitingPlaces,
        slots: metadata.config.fetchSessionSlotsMax,
      }),
      replicationQuotas: {
        leader: new ReplicationQuota(
          nodeId,
          () => metadata.config.leaderReplicationThrottledRate,
        ),
        follower: new ReplicationQuota(
          nodeId,
          () => metadata.config.followerReplicationThrottledRate,
        ),
      },
      metrics: this.#metrics,
    };
  }

  #spawnTransactions(): Ref<TransactionsRequest> {
    const { buffers, endPoints } = this.#options;
    return this.#context.spawn(
      "transactions",
      transactionsActor({
        broker: () => this.#services,
        fellows: {
          image: this.#metadata.image,
          fellow: this.#fellow("transactions"),
          buffers,
          listener: endPoints[0]?.name ?? "",
        },
      }),
      // What is asked is bounded by the requests of clients; markers must not be lost.
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
  }

  /** What this broker is to the others that it connects to. */
  #fellow(purpose: string): Fellow {
    const { nodeId, config, directory, versionLimits } = this.#options;
    return asFellow({
      nodeId,
      clusterId: directory.clusterId,
      purpose,
      secret: config.nativeSharedSecret,
      requestTimeoutMs: config.requestTimeoutMs,
      retryBackoffMs: RECONNECT_BACKOFF_MS,
      retryBackoffMaxMs: config.replicaFetchBackoffMs,
      versionLimits,
    });
  }

  #makeRegistration(): Registration {
    const { nodeId, directory, endPoints, controller, config } = this.#options;
    return new Registration(this.#context as ActorContext<RegistrationMessage>, {
      nodeId,
      clusterId: directory.clusterId,
      incarnationId: this.#drawId(),
      directoryId: directory.directoryId,
      previousBrokerEpoch: directory.previousBrokerEpoch,
      endPoints,
      features: SUPPORTED_FEATURES,
      config,
      controller,
      registered: () => this.#maybeServe(),
      refused: (reason) => this.#fail(reason),
    });
  }

  #makeReplicas(partitions: PartitionDirectory): ReplicaManager {
    const { nodeId, config, directory, resources, buffers, controller } = this.#options;
    const isrChanges = this.#context.spawn<ProposeIsr>(
      "isr-changes",
      isrChangesActor({
        nodeId,
        brokerEpoch: () => this.#registration?.brokerEpoch ?? -1,
        controller,
        timeoutMs: Math.ceil(config.brokerSessionTimeoutMs / 2),
      }),
    );
    this.#need(isrChanges, "keeper of in-sync replicas");
    const cleaner = this.#context.spawn(
      "log-cleaner",
      logCleanerActor({ config: () => this.#metadata.config }),
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
    this.#need(cleaner, "log cleaner");
    return new ReplicaManager(this.#context as ActorContext<ReplicaManagerMessage>, {
      nodeId,
      metrics: this.#metrics,
      directory,
      resources,
      buffers,
      partitions,
      directoryFailed: this.#context.self,
      isrChanges,
      cleaner,
      verifier: this.#services.transactions,
      controller,
      replicaLagTimeMaxMs: config.replicaLagTimeMaxMs,
      fetching: {
        image: this.#metadata.image,
        config: () => this.#metadata.config,
        fellow: this.#fellow("fetcher"),
        buffers,
        listener: this.#options.endPoints[0]?.name ?? "",
        quotas: this.#services.replicationQuotas,
        FetchState: this.#options.FetchState,
      },
      Replica: this.#options.Replica,
      observer: this.#options.observer,
    });
  }

  /** Nobody answers for a part that is gone: the node must not live on half. */
  #need(part: Ref<never>, name: string): void {
    this.#context.watch(part, { kind: "part-ended", part: name });
  }

  #drawId(): Uuid {
    return this.#context.environment.random.stream("broker").uuid();
  }

  receive(message: BrokerMessage): void {
    switch (message.kind) {
      case "metadata-committed":
        return this.#apply(message);
      case "controller-changed":
        if (message.leaderId !== NONE) this.#registration?.controllerFound();
        return;
      case "registration-answered":
      case "heartbeat-answered":
      case "communicate":
      case "shutdown-overdue":
      case "unheard":
        return this.#registration?.received(message);
      case "await-metadata":
        return this.#metadata.await(message.endOffset, message.replyTo);
      case "await-serving":
        if (this.#serving) message.replyTo.tell({ kind: "serving" });
        else this.#awaitServing.push(message.replyTo);
        return;
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
      case "part-ended":
        return this.#fail(`The ${message.part} has failed`);
      case "close":
        return this.#leave(message.replyTo, message.handOver);
      default:
        return this.#replicas.received(message);
    }
  }

  stopped(): void {
    this.#options.observer?.brokerEnded(this.#observed);
  }

  #apply(message: MetadataCommitted): void {
    const changes = this.#metadata.apply(message);
    this.#maybeServe();
    this.#coordinators.tell({ kind: "metadata-changed", changes });
    this.#services.internalTopics.tell({ kind: "metadata-changed" });
    if (!changes.some((change) => this.#isFellowLeaving(change))) return;
    this.#registration?.urge();
    if (!this.#hasHeirs()) this.#registration?.letGo();
  }

  /** The controller lets a broker go when the others say that they know. */
  #isFellowLeaving(change: ImageChange): boolean {
    return change.kind === "broker" && change.id !== this.#options.nodeId &&
      this.#metadata.image.brokers.get(change.id)?.inControlledShutdown === true;
  }

  /** Takes up the partitions once it is registered, and serves clients once it is unfenced. */
  #maybeServe(): void {
    const registration = this.#registration;
    const registeredAt = registration?.registeredAt;
    if (registration === undefined || registeredAt === undefined || this.#closing) return;
    const { image, endOffset } = this.#metadata;
    if (endOffset >= registeredAt) this.#metadata.activate();
    const self = image.brokers.get(this.#options.nodeId);
    registration.applied(endOffset, self);
    if (self?.epoch === registration.brokerEpoch && !self.fenced && this.#metadata.isActive) {
      this.#serve();
    }
  }

  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    for (const waiting of this.#awaitServing.splice(0)) waiting.tell({ kind: "serving" });
    this.#schedule("checkpoint");
    this.#schedule("maintain");
    this.#options.events.tell({ kind: "broker-ready" });
  }

  #accept(connection: Connection, listener: string): void {
    const { maxConnections } = this.#metadata.config;
    if (this.#closing || this.#sessions >= maxConnections) {
      this.#context.environment.logger.log("warn", "connection refused", {
        remote: `${connection.remote.host}:${connection.remote.port}`,
        reason: this.#closing ? "the node is closing" : `max.connections=${maxConnections}`,
      });
      return connection.close({ abort: true });
    }
    this.#metrics.connectionCount.set(++this.#sessions);
    const sessionActor = listener === KAFKA_LISTENER ? kafkaSessionActor : nativeSessionActor;
    const session = this.#context.spawn(
      `session-${++this.#sessionNumber}`,
      sessionActor({ connection, listener, services: this.#services }),
    );
    this.#context.watch(session, { kind: "session-ended" });
  }

  #schedule(kind: "checkpoint" | "maintain"): void {
    const { logFlushOffsetCheckpointIntervalMs, logRetentionCheckIntervalMs } =
      this.#metadata.config;
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

  /** Hands over first, so that clients find another leader at once. */
  #leave(replyTo: Ref<BrokerClosed>, handOver: boolean): void {
    const close = () => this.#close(replyTo);
    if (this.#registration === undefined) return close();
    this.#registration.shutDown(handOver && this.#serving && this.#hasHeirs(), close);
  }

  /** Whether there are brokers that stay. */
  #hasHeirs(): boolean {
    const { nodeId } = this.#options;
    return [...this.#metadata.image.brokers.values()].some(({ id, fenced, inControlledShutdown }) =>
      id !== nodeId && !fenced && !inControlledShutdown
    );
  }

  #close(replyTo: Ref<BrokerClosed>): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#context.unwatch(this.#coordinators);
    this.#context.stopChild(this.#coordinators);
    const { directory } = this.#options;
    // Before it is active it does not hold every log that still has to be scanned.
    const allHeld = this.#metadata.isActive || directory.clean;
    const registered = this.#registration?.brokerEpoch ?? -1;
    const brokerEpoch = registered === -1 ? directory.previousBrokerEpoch : registered;
    this.#replicas.close(({ clean, failures }) =>
      replyTo.tell({ kind: "broker-closed", clean: clean && allHeld, brokerEpoch, failures })
    );
  }

  #fail(reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#registration?.stop();
    this.#context.environment.logger.log("error", "broker failed", { reason });
    this.#options.events.tell({ kind: "broker-failed", reason });
  }
}
