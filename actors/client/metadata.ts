/**
 * What a client knows of the cluster: brokers, topics, the leaders of partitions.
 *
 * Owns the knowledge and when to ask again: on demand after an error, and by age. Does not own the
 * connections it asks over; they are handed to it.
 *
 * Invariants: one request at a time, and no two within the backoff; within one topic id a
 * partition's leader epoch never goes back (KIP-320), so an old broker's answer cannot undo what a
 * newer one said; a topic's object is replaced, not changed, so identity says whether it is new.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { ErrorCode, isRetriable } from "../../net/messages/errors.ts";
import {
  METADATA,
  type MetadataRequest,
  type MetadataResponse,
  type MetadataResponsePartition,
  type MetadataResponseTopic,
} from "../../net/messages/metadata.ts";
import type { SocketAddress } from "../../net/network.ts";
import { make } from "../../net/schema/make.ts";
import type { Environment, RandomStream, Timer } from "../runtime/environment.ts";
import { backoffMs } from "../link/backoff.ts";
import type { ClientError } from "./errors.ts";

/** A broker and where it listens. */
export interface BrokerNode extends SocketAddress {
  /** `node.id` */
  readonly nodeId: NodeId;
  /** `broker.rack`, where it has one. */
  readonly rack: string | null;
}

/** What is known of a partition. */
export interface PartitionInfo {
  /** The partition's number. */
  readonly partition: number;
  /** -1 while it has none. */
  readonly leader: NodeId;
  /** Rises with each new leader. */
  readonly leaderEpoch: Epoch;
  /** The nodes that hold a copy. */
  readonly replicas: readonly NodeId[];
  /** Those of them that are in sync. */
  readonly isr: readonly NodeId[];
  /** Those of them that cannot be reached. */
  readonly offlineReplicas: readonly NodeId[];
}

/** What is known of a topic; without partitions when the broker gave an error instead. */
export interface TopicInfo {
  readonly name: string;
  readonly topicId: Uuid;
  readonly errorCode: number;
  readonly isInternal: boolean;
  /** By number, without a gap. */
  readonly partitions: readonly PartitionInfo[];
}

/** A leader that a response other than of metadata names (KIP-951). */
export interface NamedLeader {
  readonly topic: string;
  readonly partition: number;
  readonly leaderId: NodeId;
  readonly leaderEpoch: Epoch;
}

export interface MetadataOptions {
  readonly environment: Environment;
  readonly random: RandomStream;
  readonly metadataMaxAgeMs: number;
  readonly retryBackoff: { readonly initialMs: number; readonly maxMs: number };
  readonly allowAutoTopicCreation: boolean;
  /**
   * Sends a request to any broker and calls back later; false when none is connected, and then
   * `connected` is to be called when one is.
   */
  ask(
    request: MetadataRequest,
    done: (result: MetadataResponse | ClientError) => void,
  ): boolean;
  /** Told after each answer that was taken in. */
  updated(): void;
}

/** The cache. */
export class Metadata {
  readonly #options: MetadataOptions;
  readonly #wanted = new Set<string>();
  #brokers: ReadonlyMap<NodeId, BrokerNode> = new Map();
  #topics = new Map<string, TopicInfo>();
  #clusterId: string | null = null;
  #controllerId: NodeId = NONE;

  #isNeeded = false;
  #isAsking = false;
  #wantedWhileAsking = false;
  #failures = 0;
  #notBefore = 0;
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #isClosed = false;

  constructor(options: MetadataOptions) {
    this.#options = options;
  }

  get brokers(): ReadonlyMap<NodeId, BrokerNode> {
    return this.#brokers;
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** The broker that requests for the controller are sent to, or -1. */
  get controllerId(): NodeId {
    return this.#controllerId;
  }

  /** The topics that are asked for. */
  get wanted(): ReadonlySet<string> {
    return this.#wanted;
  }

  /** The topic, or undefined while nobody answered for it. */
  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }

  /** Has a topic's metadata kept from now on. */
  want(name: string): void {
    if (this.#wanted.has(name)) return;
    this.#wanted.add(name);
    if (this.#isAsking) this.#wantedWhileAsking = true;
    // A topic's first answer waits for no backoff: that is for repetitions.
    this.#notBefore = 0;
    this.requestUpdate();
  }

  /** Forgets a topic. */
  unwant(name: string): void {
    this.#wanted.delete(name);
    this.#topics.delete(name);
  }

  /** Asks as soon as the backoff allows; several calls are one request. */
  requestUpdate(): void {
    this.#isNeeded = true;
    this.#maybeAsk();
  }

  /**
   * Takes over leaders that are newer than those known, with the addresses of brokers that come
   * with them (KIP-951).
   */
  takeLeaders(leaders: readonly NamedLeader[], brokers: readonly BrokerNode[]): void {
    const news = leaders.filter(({ topic, partition, leaderId, leaderEpoch }) => {
      const known = this.#topics.get(topic)?.partitions[partition];
      const isReachable = this.#brokers.has(leaderId) ||
        brokers.some(({ nodeId }) => nodeId === leaderId);
      return known !== undefined && leaderEpoch > known.leaderEpoch && isReachable;
    });
    if (news.length === 0) return;
    const added = brokers.filter(({ nodeId }) => news.some(({ leaderId }) => leaderId === nodeId));
    this.#brokers = new Map([
      ...this.#brokers,
      ...added.map((broker) => [broker.nodeId, broker] as const),
    ]);
    for (const { topic, partition, leaderId: leader, leaderEpoch } of news) {
      const info = this.#topics.get(topic)!;
      const before = info.partitions[partition]!;
      const partitions = info.partitions.with(partition, { ...before, leader, leaderEpoch });
      this.#topics.set(topic, { ...info, partitions });
    }
    this.#options.updated();
  }

  /** To be called when a broker was connected to. */
  connected(): void {
    this.#maybeAsk();
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  #maybeAsk(): void {
    if (!this.#isNeeded || this.#isAsking || this.#isClosed) return;
    const now = this.#options.environment.clock.monotonic();
    if (now < this.#notBefore) {
      this.#arm(this.#notBefore - now);
      return;
    }
    const topics = Array.from(this.#wanted, (name) => ({ topicId: ZERO_UUID, name }));
    const request = make(METADATA.request, {
      topics,
      allowAutoTopicCreation: this.#options.allowAutoTopicCreation,
    });
    this.#wantedWhileAsking = false;
    this.#isAsking = this.#options.ask(request, (result) => this.#answered(result));
  }

  #answered(result: MetadataResponse | ClientError): void {
    this.#isAsking = false;
    if (this.#isClosed) return;
    this.#isNeeded = false;
    const isComplete = !(result instanceof Error) && this.#apply(result);
    this.#failures = isComplete ? 0 : this.#failures + 1;
    const { retryBackoff, random, environment } = this.#options;
    const waitMs = backoffMs(retryBackoff, this.#failures + 1, random);
    this.#notBefore = environment.clock.monotonic() + waitMs;
    if (this.#wantedWhileAsking) this.#notBefore = 0;
    if (!(result instanceof Error)) this.#options.updated();
    if (!isComplete || this.#wantedWhileAsking) this.requestUpdate();
    else this.#arm(this.#options.metadataMaxAgeMs);
  }

  /** Takes an answer in; false when it leaves something open that a later one may settle. */
  #apply(response: MetadataResponse): boolean {
    this.#brokers = new Map(response.brokers.map((broker) => [broker.nodeId, broker]));
    this.#clusterId = response.clusterId;
    this.#controllerId = response.controllerId;
    let isComplete = true;
    for (const topic of response.topics) {
      if (topic.name === null || !this.#wanted.has(topic.name)) continue;
      const known = this.#topics.get(topic.name);
      const info = topicInfo(topic, known);
      this.#topics.set(info.name, info);
      // A broker behind others may leave out one that is known to lead by now.
      isComplete &&= info.errorCode === ErrorCode.NONE
        ? info.partitions.every(({ leader }) => leader !== NONE && this.#brokers.has(leader))
        : !isRetriable(info.errorCode);
    }
    return isComplete;
  }

  #arm(delayMs: number): void {
    const { clock, timers } = this.#options.environment;
    const due = clock.monotonic() + delayMs;
    if (this.#timer !== undefined && this.#timerDue <= due) return;
    this.#disarm();
    this.#timerDue = due;
    this.#timer = timers.schedule(delayMs, () => {
      this.#disarm();
      this.requestUpdate();
    });
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDue = Infinity;
  }
}

function topicInfo(topic: MetadataResponseTopic, known: TopicInfo | undefined): TopicInfo {
  const isSame = known !== undefined && known.topicId === topic.topicId;
  const partitions = topic.partitions
    .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
    .map((partition) => {
      const before = isSame ? known.partitions[partition.partitionIndex] : undefined;
      const isOld = before !== undefined && partition.leaderEpoch !== NONE &&
        partition.leaderEpoch < before.leaderEpoch;
      return isOld ? before : partitionInfo(partition);
    });
  // A broker that is starting may not know a topic yet: what was known of it stays of use.
  const keepsPartitions = topic.errorCode !== ErrorCode.NONE && known !== undefined &&
    partitions.length === 0 && isRetriable(topic.errorCode) &&
    topic.errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  return {
    name: topic.name ?? "",
    topicId: topic.topicId,
    errorCode: topic.errorCode,
    isInternal: topic.isInternal,
    partitions: keepsPartitions ? known.partitions : partitions,
  };
}

/** The broker's partition in the client's words. */
export function partitionInfo(partition: MetadataResponsePartition): PartitionInfo {
  return {
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicaNodes,
    isr: partition.isrNodes,
    offlineReplicas: partition.offlineReplicas,
  };
}
