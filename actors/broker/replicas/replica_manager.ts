/**
 * The partitions that this node holds a replica of: one actor each, from the metadata's word on.
 *
 * Owns when logs are opened (a few at a time in the background; a partition that somebody asks for
 * opens itself at once), what becomes of a failed one, the checkpoints, and that a partition of a
 * deleted topic, or one that was moved away, is gone from the disk before another of its name is
 * made. Owns the fetchers of those that follow other brokers.
 *
 * Invariant: what the metadata say of a partition reaches its actor, however full its mailbox is of
 * what clients want: what is refused is told again.
 *
 * @module
 */

import type { Epoch, NodeId, Uuid } from "../../../storage/bytes/ids.ts";
import { partitionFolder } from "../../../storage/checkpoint.ts";
import type { LogDirectory } from "../../../storage/log_directory.ts";
import type { LogResources } from "../../../storage/log_resources.ts";
import type { BufferPool } from "../../../net/buffer_pool.ts";
import type { SocketAddress } from "../../../net/network.ts";
import type { PartitionConfig } from "../../config/partition_config.ts";
import type {
  BrokerStandings,
  Opened,
  PartitionAssignment,
  PartitionRequest,
  ProposeIsr,
} from "../../partition/messages.ts";
import type { PartitionObserver } from "../../partition/observer.ts";
import type { Compactable } from "../../partition/compaction_messages.ts";
import { partitionActor } from "../../partition/partition_actor.ts";
import type { DirectoryFailed } from "../../partition/partition_options.ts";
import type { Replica } from "../../partition/replica.ts";
import type { VerifyTransaction } from "../../partition/verification.ts";
import type { ClusterImage, TopicImage } from "../../controller/cluster_image.ts";
import type { Decide } from "../../controller/messages.ts";
import type { ActorContext, AskResult } from "../../runtime/actor.ts";
import type { LogLevel } from "../../runtime/environment.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { BrokerMetrics } from "../broker_metrics.ts";
import type { FetchingOptions } from "./fetcher_actor.ts";
import { fetcherManagerActor, type FetcherManagerRequest } from "./fetcher_manager.ts";
import { OfflineReplicas, type OfflineReplicasMessage } from "./offline_replicas.ts";
import { type PartitionClosed, ReplicaClosing, type ReplicasClosed } from "./replica_closing.ts";
import { ReplicaCounts } from "./replica_counts.ts";
import type { ReplicationQuotas } from "./replication_quota.ts";
import { StrayLogs } from "./stray_logs.ts";
import { endPointOf, OFFLINE, type PartitionDirectory } from "../services.ts";

export interface ReplicaManagerOptions {
  readonly nodeId: NodeId;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly partitions: PartitionDirectory;
  readonly metrics: BrokerMetrics;
  /** Told when a flush failed: the folder can be trusted no longer. */
  readonly directoryFailed: Ref<DirectoryFailed>;
  /** Asks the controller for other in-sync replicas. */
  readonly isrChanges?: Ref<ProposeIsr>;
  /** Has the active controller decide what becomes of failed replicas; absent for nobody. */
  readonly controller?: Ref<Decide>;
  /** Finds out whether partitions are part of transactions. */
  readonly verifier?: Ref<VerifyTransaction>;
  /** Has logs compacted; absent where nobody does. */
  readonly cleaner?: Ref<Compactable>;
  /** `replica.lag.time.max.ms`; default 30 s. */
  readonly replicaLagTimeMaxMs?: number;
  /** Following other brokers; absent where every replica is alone. */
  readonly fetching?: ReplicaFetching;
  /** The class that holds the rules of replication. */
  readonly Replica?: typeof Replica | undefined;
  readonly observer?: PartitionObserver | undefined;
}

/** What it takes to follow other brokers. */
export interface ReplicaFetching extends Omit<FetchingOptions, "quota" | "nodeId" | "metrics"> {
  readonly image: ClusterImage;
  /** The listener by which brokers reach each other. */
  readonly listener: string;
  readonly quotas: ReplicationQuotas;
}

export interface NewReplica {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  readonly assignment: PartitionAssignment;
  readonly config: PartitionConfig;
}

/** What the manager's actor hands back to `received`. */
export type ReplicaManagerMessage =
  | { readonly kind: "opened"; readonly folder: string; readonly result: AskResult<Opened> }
  | { readonly kind: "partition-ended"; readonly folder: string }
  | { readonly kind: "fetching-ended" }
  | { readonly kind: "tell-again" }
  | { readonly kind: "check-lag" }
  | OfflineReplicasMessage
  | PartitionClosed;

interface HeldReplica {
  /** As the metadata say now. */
  replica: NewReplica;
  readonly ref: Ref<PartitionRequest>;
  /** A deleted topic's, or one that was moved away: its folder is going. */
  deleting: boolean;
  /** Why its log could not be opened. */
  failure: string | undefined;
  /** What it could not take, by kind. */
  readonly untold: Map<PartitionRequest["kind"], PartitionRequest>;
}

/** Partitions being opened in the background at a time. */
const OPENING_MAX = 4;

/** Between two tries to tell a partition whose mailbox is full. */
const TELL_AGAIN_MS = 10;

const REPLICA_LAG_TIME_MAX_MS = 30_000;

export class ReplicaManager {
  readonly #context: ActorContext<ReplicaManagerMessage>;
  readonly #options: ReplicaManagerOptions;
  readonly #held = new Map<string, HeldReplica>();
  /** Replicas whose folder still holds a deleted topic of the same name. */
  readonly #afterDeletion = new Map<string, NewReplica>();
  /** The names of topics of which a replica was held. */
  readonly #topicNames = new Map<Uuid, string>();
  /** Topics that were deleted, as the metadata tell: of no others may a log be removed. */
  readonly #deletedTopics = new Set<Uuid>();
  readonly #toOpen = new Set<string>();
  #opening = 0;
  /** Replicas that failed. */
  readonly #offline: OfflineReplicas;
  readonly #strays: StrayLogs;
  readonly #fetchers: Ref<FetcherManagerRequest> | undefined;
  readonly #counts: ReplicaCounts;
  #brokers: BrokerStandings = new Map();
  #checksLag = false;
  #tellsAgain = false;
  #closing: ReplicaClosing | undefined;

  constructor(context: ActorContext<ReplicaManagerMessage>, options: ReplicaManagerOptions) {
    this.#context = context;
    this.#options = options;
    const { nodeId, metrics, fetching } = options;
    this.#counts = new ReplicaCounts(nodeId, metrics);
    this.#strays = new StrayLogs({
      nodeId,
      directory: options.directory,
      disk: options.resources.disk,
      logger: context.environment.logger,
      deletedTopics: this.#deletedTopics,
    });
    this.#offline = new OfflineReplicas(context as ActorContext<OfflineReplicasMessage>, {
      nodeId,
      brokerEpoch: () => this.#brokers.get(nodeId)?.brokerEpoch ?? -1,
      controller: options.controller,
      respawn: (folder, replica, failedInEpoch) => {
        this.#log("info", "partition is made again", folder, undefined);
        this.#spawn(folder, replica, failedInEpoch);
      },
    });
    if (fetching === undefined) return;
    this.#fetchers = context.spawn(
      "fetchers",
      fetcherManagerActor({ ...fetching, nodeId, metrics, quota: fetching.quotas.follower }),
      // What it is told is bounded by the partitions of this broker, and must not be lost.
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
    context.watch(this.#fetchers, { kind: "fetching-ended" });
  }

  #count(): void {
    const { partitionCount, offlinePartitionsCount } = this.#options.metrics;
    partitionCount.set(this.#held.size);
    offlinePartitionsCount.set(this.#offline.size);
  }

  /** Holds a replica from now on; its log is opened soon. */
  hold(replica: NewReplica): void {
    const folder = partitionFolder(replica.topic, replica.partition);
    this.#throttle(replica.topicId, replica.config);
    if (this.#held.has(folder)) {
      this.#afterDeletion.set(folder, replica);
      return;
    }
    this.#spawn(folder, replica, undefined);
  }

  #spawn(folder: string, replica: NewReplica, failedInEpoch: Epoch | undefined): void {
    const { topicId, topic, partition } = replica;
    const { partitions, fetching: _, controller: __, Replica, observer, ...options } =
      this.#options;
    this.#topicNames.set(topicId, topic);
    const ref = this.#context.spawn(
      `partition-${topicId}-${partition}`,
      partitionActor({
        ...options,
        ...replica,
        deletedTopics: this.#deletedTopics,
        brokers: this.#brokers,
        ...(Replica === undefined ? {} : { Replica }),
        ...(observer === undefined ? {} : { observer }),
        ...(this.#fetchers === undefined ? {} : { follows: this.#fetchers }),
        ...(failedInEpoch === undefined ? {} : { failedInEpoch }),
      }),
    );
    this.#context.watch(ref, { kind: "partition-ended", folder });
    this.#held.set(folder, {
      replica,
      ref,
      deleting: false,
      failure: undefined,
      untold: new Map(),
    });
    this.#counts.set(folder, replica);
    this.#count();
    partitions.set(topicId, partition, ref);
    this.#toOpen.add(folder);
    this.#openMore();
    if (replica.assignment.replicas.length > 1) this.#checkLagSoon();
  }

  /** Hands on the controller's new word on a partition. */
  assign(topicId: Uuid, partition: number, assignment: PartitionAssignment): void {
    const found = this.#find(topicId, partition);
    if (found === undefined) return;
    const { folder, held, replica } = found;
    if (held === undefined) return this.#offline.update(folder, { ...replica, assignment });
    const wasAlone = held.replica.assignment.replicas.length === 1;
    // One that was alone has not been told of brokers that came and went meanwhile.
    if (wasAlone && assignment.replicas.length > 1) {
      this.#tell(held, { kind: "brokers", brokers: this.#brokers });
    }
    held.replica = { ...replica, assignment };
    this.#counts.set(folder, held.replica);
    this.#tell(held, { kind: "assign", assignment });
    if (assignment.replicas.length > 1) this.#checkLagSoon();
  }

  /** Hands on the new configs of a topic. */
  configure(topicId: Uuid, config: PartitionConfig): void {
    this.#throttle(topicId, config);
    for (const [folder, replica] of this.#afterDeletion) {
      if (replica.topicId === topicId) this.#afterDeletion.set(folder, { ...replica, config });
    }
    for (const offline of this.#offline.all) {
      if (offline.replica.topicId === topicId) offline.replica = { ...offline.replica, config };
    }
    for (const [folder, held] of this.#held) {
      if (held.replica.topicId !== topicId || held.deleting) continue;
      held.replica = { ...held.replica, config };
      this.#counts.set(folder, held.replica);
      this.#tell(held, { kind: "configure", config });
    }
  }

  /** Hands on what the metadata say of the brokers, this one included. */
  brokersChanged(brokers: BrokerStandings): void {
    this.#brokers = brokers;
    for (const held of this.#held.values()) {
      if (!held.deleting && held.replica.assignment.replicas.length > 1) {
        this.#tell(held, { kind: "brokers", brokers });
      }
    }
    const { fetching, nodeId } = this.#options;
    if (fetching === undefined) return;
    const addresses = new Map<NodeId, SocketAddress>();
    for (const id of brokers.keys()) {
      const address = endPointOf(fetching.image, id, fetching.listener);
      if (address !== undefined && id !== nodeId) addresses.set(id, address);
    }
    this.#fetchers?.tell({ kind: "broker-addresses", addresses });
    const brokerEpoch = brokers.get(nodeId)?.brokerEpoch;
    if (brokerEpoch !== undefined) this.#fetchers?.tell({ kind: "broker-epoch", brokerEpoch });
  }

  /** Lets go of a replica that was moved to other brokers, and removes its log. */
  unassign(topic: string, partition: number): void {
    this.#drop(partitionFolder(topic, partition), partition);
  }

  #find(topicId: Uuid, partition: number): {
    readonly folder: string;
    readonly replica: NewReplica;
    /** Undefined where it is offline. */
    readonly held: HeldReplica | undefined;
  } | undefined {
    const topic = this.#topicNames.get(topicId);
    if (topic === undefined) return undefined;
    const folder = partitionFolder(topic, partition);
    const held = this.#held.get(folder);
    const replica = (held ?? this.#offline.get(folder))?.replica;
    if (replica?.topicId !== topicId || held?.deleting === true) return undefined;
    return { folder, replica, held };
  }

  /** Tells a partition, now or when it has room: the last of each kind counts. */
  #tell(held: HeldReplica, message: PartitionRequest): void {
    if (held.untold.size === 0 && held.ref.tell(message)) return;
    held.untold.delete(message.kind);
    held.untold.set(message.kind, message);
    this.#tellAgainSoon();
  }

  #tellAgainSoon(): void {
    if (this.#tellsAgain) return;
    this.#tellsAgain = true;
    this.#context.startTimer("tell-again", TELL_AGAIN_MS, { kind: "tell-again" });
  }

  #tellAgain(): void {
    this.#tellsAgain = false;
    for (const held of this.#held.values()) {
      for (const [kind, message] of held.untold) {
        if (!held.ref.tell(message)) break;
        held.untold.delete(kind);
      }
      if (held.untold.size > 0) this.#tellAgainSoon();
    }
    this.#closing?.tryAgain();
    this.#openMore();
  }

  #throttle(topicId: Uuid, config: PartitionConfig): void {
    const { leader, follower } = this.#options.fetching?.quotas ?? {};
    leader?.throttle(topicId, config.leaderThrottledReplicas);
    follower?.throttle(topicId, config.followerThrottledReplicas);
  }

  #checkLagSoon(): void {
    if (this.#checksLag || this.#closing !== undefined) return;
    this.#checksLag = true;
    const { replicaLagTimeMaxMs = REPLICA_LAG_TIME_MAX_MS } = this.#options;
    this.#context.startTimer("check-lag", replicaLagTimeMaxMs / 2, { kind: "check-lag" });
  }

  /** A check that is lost because a mailbox is full comes again. */
  #checkLag(): void {
    this.#checksLag = false;
    const now = this.#context.environment.clock.monotonic();
    for (const { ref, deleting, replica } of this.#held.values()) {
      if (deleting || replica.assignment.replicas.length < 2) continue;
      ref.tell({ kind: "check-lag", now });
      this.#checkLagSoon();
    }
  }

  /** Lets go of a deleted topic's partitions, and removes their logs. */
  dropTopic({ id, name, partitions }: TopicImage): void {
    this.#deletedTopics.add(id);
    partitions.forEach((_, partition) => this.#drop(partitionFolder(name, partition), partition));
    this.#topicNames.delete(id);
    const { leader, follower } = this.#options.fetching?.quotas ?? {};
    leader?.throttle(id, []);
    follower?.throttle(id, []);
  }

  #drop(folder: string, partition: number): void {
    this.#afterDeletion.delete(folder);
    const held = this.#held.get(folder);
    if (held === undefined) return this.#dropOffline(folder);
    if (held.deleting) return;
    held.deleting = true;
    this.#toOpen.delete(folder);
    this.#options.partitions.remove(held.replica.topicId, partition);
    this.#counts.delete(folder);
    held.untold.clear();
    this.#tell(held, { kind: "delete" });
  }

  #dropOffline(folder: string): void {
    const offline = this.#offline.delete(folder);
    if (offline === undefined) return;
    const { topicId, partition } = offline.replica;
    this.#count();
    this.#options.partitions.remove(topicId, partition);
    this.#strays.removeFolder(folder, topicId);
  }

  /** Removes the logs of deleted topics, and of replicas that are elsewhere now. */
  removeStrays(image: ClusterImage): void {
    this.#strays.remove(image, (folder) => this.#held.has(folder));
  }

  #log(level: LogLevel, event: string, partition: string, reason: string | undefined): void {
    this.#context.environment.logger.log(level, event, { partition, reason });
  }

  /** Time for retention, rolls and flushes that are due. */
  maintain(): void {
    for (const { ref } of this.#held.values()) ref.tell({ kind: "maintain" });
  }

  /** Flushes and closes every log. */
  close(done: (outcome: ReplicasClosed) => void): void {
    this.#toOpen.clear();
    this.#afterDeletion.clear();
    // What is being deleted has nothing to close.
    const open = [...this.#held].filter(([, { deleting }]) => !deleting);
    this.#closing = new ReplicaClosing({
      context: this.#context as ActorContext<PartitionClosed>,
      replicas: new Map(open.map(([folder, { ref }]) => [folder, ref])),
      clean: this.#offline.size === 0,
      later: () => this.#tellAgainSoon(),
      done,
    });
  }

  received(message: ReplicaManagerMessage): void {
    switch (message.kind) {
      case "opened":
        return this.#opened(message.folder, message.result);
      case "partition-ended":
        return this.#ended(message.folder);
      case "partition-closed":
        return this.#closing?.closed(message);
      case "tell-again":
        return this.#tellAgain();
      case "check-lag":
        return this.#checkLag();
      case "respawn":
      case "tell-failures":
      case "failures-told":
        return this.#closing === undefined ? this.#offline.received(message) : undefined;
      case "fetching-ended":
        if (this.#closing === undefined) throw new Error("The fetcher manager has failed");
    }
  }

  #openMore(): void {
    for (const folder of this.#toOpen) {
      if (this.#opening >= OPENING_MAX) return;
      this.#toOpen.delete(folder);
      this.#opening++;
      this.#context.ask<PartitionRequest, Opened>(
        (this.#held.get(folder) as HeldReplica).ref,
        Infinity,
        (replyTo) => ({ kind: "open", replyTo }),
        (result) => ({ kind: "opened", folder, result }),
      );
    }
  }

  #opened(folder: string, result: AskResult<Opened>): void {
    this.#opening--;
    const held = this.#held.get(folder);
    if (held !== undefined && !held.deleting && this.#closing === undefined) {
      if (result.kind === "refused") {
        this.#toOpen.add(folder);
        return this.#tellAgainSoon();
      }
      const failure = result.kind === "reply" ? result.reply.failure : undefined;
      held.failure = failure;
      if (failure !== undefined) this.#log("error", "partition not opened", folder, failure);
    }
    this.#openMore();
    if (this.#opening === 0) this.#options.resources.releaseScanBuffer();
  }

  /** Stopped in order after a deletion, or failed. */
  #ended(folder: string): void {
    const held = this.#held.get(folder);
    if (held === undefined) return;
    if (this.#closing !== undefined) return this.#closing.ended(folder);
    const { replica, deleting, failure } = held;
    this.#held.delete(folder);
    this.#toOpen.delete(folder);
    if (deleting) {
      this.#count();
      this.#options.directory.forget(folder);
      const next = this.#afterDeletion.get(folder);
      this.#afterDeletion.delete(folder);
      if (next !== undefined) this.hold(next);
      return;
    }
    this.#offline.add(folder, replica);
    this.#counts.delete(folder);
    this.#count();
    this.#options.partitions.set(replica.topicId, replica.partition, OFFLINE);
    this.#log("error", "partition offline", folder, failure ?? "it failed");
  }
}
