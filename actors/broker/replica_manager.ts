/**
 * The partitions that this node holds a replica of: one actor each, from the metadata's word on.
 *
 * Owns when logs are opened (a few at a time in the background; a partition that somebody asks for
 * opens itself at once), what becomes of a failed one, the checkpoints, and that a partition of a
 * deleted topic is gone from the disk before another of its name is made.
 *
 * @module
 */

import type { NodeId, Uuid } from "../../storage/bytes/ids.ts";
import {
  MalformedFileError,
  parsePartitionFolder,
  partitionFolder,
} from "../../storage/checkpoint.ts";
import { DiskError } from "../../storage/disk.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import { readPartitionMetadata } from "../../storage/meta_properties.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type {
  LogClosed,
  Opened,
  PartitionAssignment,
  PartitionRequest,
} from "../partition/messages.ts";
import {
  isBeingRemoved,
  isSetAside,
  removePartitionFolder,
  setAsidePartitionFolder,
} from "../partition/partition_folder.ts";
import { type DirectoryFailed, partitionActor } from "../partition/partition_actor.ts";
import { METADATA_FOLDER } from "../controller/metadata_log.ts";
import type { ClusterImage, TopicImage } from "../controller/cluster_image.ts";
import type { ActorContext, AskResult } from "../runtime/actor.ts";
import type { LogLevel } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";
import type { BrokerMetrics } from "./broker_metrics.ts";
import { OFFLINE, type PartitionDirectory } from "./services.ts";

export interface ReplicaManagerOptions {
  readonly nodeId: NodeId;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly partitions: PartitionDirectory;
  readonly metrics: BrokerMetrics;
  /** Told when a flush failed: the folder can be trusted no longer. */
  readonly directoryFailed: Ref<DirectoryFailed>;
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
  | {
    readonly kind: "partition-closed";
    readonly folder: string;
    readonly result: AskResult<LogClosed>;
  };

interface HeldReplica {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly ref: Ref<PartitionRequest>;
  /** A deleted topic's: its folder is going. */
  deleting: boolean;
  /** Why its log could not be opened. */
  failure: string | undefined;
}

/** Every log is being closed. */
interface Closing {
  readonly outcome: { clean: boolean; readonly failures: string[] };
  /** Logs that have not answered. */
  open: number;
  done(outcome: ReplicasClosed): void;
}

/** How closing the logs went. */
export interface ReplicasClosed {
  /** Whether every log is all there and durable. */
  readonly clean: boolean;
  /** What could not be made durable. */
  readonly failures: readonly string[];
}

/** Partitions being opened in the background at a time. */
const OPENING_MAX = 4;

/** A partition has this long to flush and close. */
const CLOSE_TIMEOUT_MS = 30_000;

export class ReplicaManager {
  readonly #context: ActorContext<ReplicaManagerMessage>;
  readonly #options: ReplicaManagerOptions;
  readonly #held = new Map<string, HeldReplica>();
  /** Replicas whose folder still holds a deleted topic of the same name. */
  readonly #afterDeletion = new Map<string, NewReplica>();
  /** Topics that were deleted, as the metadata tell: of no others may a log be removed. */
  readonly #deletedTopics = new Set<Uuid>();
  readonly #toOpen = new Set<string>();
  #opening = 0;
  /** Replicas that failed, by folder: they stay as they are until the node restarts. */
  readonly #offline = new Map<string, { readonly topicId: Uuid; readonly partition: number }>();
  #closing: Closing | undefined;

  constructor(context: ActorContext<ReplicaManagerMessage>, options: ReplicaManagerOptions) {
    this.#context = context;
    this.#options = options;
  }

  #count(): void {
    const { partitionCount, offlinePartitionsCount } = this.#options.metrics;
    partitionCount.set(this.#held.size);
    offlinePartitionsCount.set(this.#offline.size);
  }

  /** Holds a replica from now on; its log is opened soon. */
  hold(replica: NewReplica): void {
    const folder = partitionFolder(replica.topic, replica.partition);
    if (this.#held.has(folder)) {
      this.#afterDeletion.set(folder, replica);
      return;
    }
    const { topicId, partition } = replica;
    const { nodeId, directory, resources, buffers, partitions, directoryFailed } = this.#options;
    const deletedTopics = this.#deletedTopics;
    const ref = this.#context.spawn(
      `partition-${topicId}-${partition}`,
      partitionActor({
        ...replica,
        nodeId,
        directory,
        resources,
        buffers,
        directoryFailed,
        deletedTopics,
      }),
    );
    this.#context.watch(ref, { kind: "partition-ended", folder });
    this.#held.set(folder, { topicId, partition, ref, deleting: false, failure: undefined });
    this.#count();
    partitions.set(topicId, partition, ref);
    this.#toOpen.add(folder);
    this.#openMore();
  }

  /** Hands on the controller's new word on a partition. */
  assign(topicId: Uuid, partition: number, assignment: PartitionAssignment): void {
    const held = this.#options.partitions.find(topicId, partition);
    if (held !== undefined && held !== OFFLINE) held.tell({ kind: "assign", assignment });
  }

  /** Hands on the new configs of a topic. */
  configure(topicId: Uuid, config: PartitionConfig): void {
    for (const [folder, replica] of this.#afterDeletion) {
      if (replica.topicId === topicId) this.#afterDeletion.set(folder, { ...replica, config });
    }
    for (const ref of this.#options.partitions.ofTopic(topicId)) {
      ref.tell({ kind: "configure", config });
    }
  }

  /** Lets go of a deleted topic's partitions, and removes their logs. */
  dropTopic({ id, name, partitions }: TopicImage): void {
    this.#deletedTopics.add(id);
    partitions.forEach((_, partition) => this.#drop(partitionFolder(name, partition), partition));
  }

  #drop(folder: string, partition: number): void {
    this.#afterDeletion.delete(folder);
    const replica = this.#held.get(folder);
    if (replica === undefined) return this.#dropOffline(folder);
    replica.deleting = true;
    this.#toOpen.delete(folder);
    this.#options.partitions.remove(replica.topicId, partition);
    replica.ref.tell({ kind: "delete" });
  }

  #dropOffline(folder: string): void {
    const replica = this.#offline.get(folder);
    if (replica === undefined) return;
    this.#offline.delete(folder);
    this.#count();
    this.#options.partitions.remove(replica.topicId, replica.partition);
    this.#removeFolder(folder, replica.topicId);
  }

  /**
   * Removes the logs of deleted topics: their deletion was committed, but the node stopped before
   * it was done. What was not removed whole has no metadata any more, but the name of a folder that
   * is being removed. The logs of topics that the metadata never knew are set aside: it may be the
   * metadata that are wrong, as from an old backup.
   */
  removeStrays(image: ClusterImage): void {
    for (const { name, isDirectory } of this.#options.resources.disk.list("")) {
      // A partition that is held sees to its folder when it opens.
      if (!isDirectory || name === METADATA_FOLDER || this.#held.has(name)) continue;
      const topicId = this.#topicOf(name);
      if (isBeingRemoved(name) || (topicId === undefined && this.#isEmptied(name))) {
        this.#removeFolder(name, topicId);
        continue;
      }
      if (topicId === undefined || image.topicById(topicId) !== undefined) continue;
      if (this.#deletedTopics.has(topicId)) this.#removeFolder(name, topicId);
      else if (!isSetAside(name)) this.#setAside(name, topicId);
    }
  }

  /** Whether all that is left of a partition's folder is its name. */
  #isEmptied(folder: string): boolean {
    const { disk } = this.#options.resources;
    return parsePartitionFolder(folder) !== undefined && disk.list(folder).length === 0;
  }

  #setAside(folder: string, topicId: Uuid): void {
    try {
      const aside = setAsidePartitionFolder(this.#options.resources.disk, folder, topicId);
      this.#options.directory.forget(folder);
      this.#log("warn", "set aside the log of an unknown topic", folder, `it is in ${aside}`);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#log("warn", "log of an unknown topic not set aside", folder, error.message);
    }
  }

  #topicOf(folder: string): Uuid | undefined {
    try {
      return readPartitionMetadata(this.#options.resources.disk, folder);
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof MalformedFileError)) throw error;
      this.#log("warn", "folder not understood", folder, error.message);
      return undefined;
    }
  }

  /** What cannot be removed is tried again at the next start. */
  #removeFolder(folder: string, topicId: Uuid | undefined): void {
    try {
      removePartitionFolder(this.#options.resources.disk, folder, topicId);
      this.#options.directory.forget(folder);
      this.#log("info", "removed the log of a deleted topic", folder, undefined);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#log("warn", "log of a deleted topic not removed", folder, error.message);
    }
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
    const outcome = { clean: this.#offline.size === 0, failures: [] };
    // What is being deleted has nothing to close.
    const open = [...this.#held].filter(([, { deleting }]) => !deleting);
    this.#closing = { outcome, open: open.length, done };
    for (const [folder, { ref }] of open) {
      this.#context.ask<PartitionRequest, LogClosed>(
        ref,
        CLOSE_TIMEOUT_MS,
        (replyTo) => ({ kind: "close", replyTo }),
        (result) => ({ kind: "partition-closed", folder, result }),
      );
    }
    if (open.length === 0) done(outcome);
  }

  received(message: ReplicaManagerMessage): void {
    switch (message.kind) {
      case "opened":
        return this.#opened(message.folder, message.result);
      case "partition-ended":
        return this.#ended(message.folder);
      case "partition-closed":
        return this.#closed(message.folder, message.result);
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
    const replica = this.#held.get(folder);
    if (replica !== undefined && !replica.deleting && this.#closing === undefined) {
      const failure = result.kind === "reply" ? result.reply.failure : undefined;
      replica.failure = failure;
      if (failure !== undefined) this.#log("error", "partition not opened", folder, failure);
    }
    this.#openMore();
    if (this.#opening === 0) this.#options.resources.releaseScanBuffer();
  }

  /**
   * Stopped in order after a deletion, or failed: then it stays offline until the node restarts.
   */
  #ended(folder: string): void {
    const replica = this.#held.get(folder);
    if (replica === undefined || this.#closing !== undefined) return;
    const { topicId, partition } = replica;
    this.#held.delete(folder);
    this.#toOpen.delete(folder);
    if (!replica.deleting) this.#offline.set(folder, { topicId, partition });
    this.#count();
    if (!replica.deleting) {
      this.#options.partitions.set(topicId, partition, OFFLINE);
      return this.#log("error", "partition offline", folder, replica.failure ?? "it failed");
    }
    this.#options.directory.forget(folder);
    const next = this.#afterDeletion.get(folder);
    this.#afterDeletion.delete(folder);
    if (next !== undefined) this.hold(next);
  }

  #closed(folder: string, result: AskResult<LogClosed>): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    const { outcome } = closing;
    const failure = result.kind === "reply" ? result.reply.failure : result.kind;
    if (failure !== undefined) outcome.failures.push(`${folder}: ${failure}`);
    if (result.kind !== "reply" || !result.reply.clean) outcome.clean = false;
    closing.open--;
    if (closing.open === 0) closing.done(outcome);
  }
}
