/**
 * The clients of a simulated cluster: producers and consumers for every partition, and an
 * administrator, on hosts of their own.
 *
 * Owns what they share: the history, the values, and what they have seen that no other may
 * contradict. They know nothing of the nodes but what nodes tell clients.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import type { BatchView } from "../../storage/record_batch.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { Environment } from "../runtime/environment.ts";
import type { ClusterChecker } from "./checkers/cluster_checker.ts";
import type { PartitionTrack } from "./checkers/tracks.ts";
import { partitionKey } from "./checkers/tracks.ts";
import { AdminEngine } from "./clients/admin_engine.ts";
import { ClusterLink } from "./clients/cluster_link.ts";
import { FetchEngine } from "./clients/fetch_engine.ts";
import { type ProducedBatch, ProduceEngine } from "./clients/produce_engine.ts";
import type { TopicPlan } from "./clients/topic_plan.ts";
import type { ClusterRunOptions } from "./cluster_options.ts";
import { History } from "./history.ts";
import { abandonedPartitions } from "./liveness.ts";
import type { Violation } from "./record_checker.ts";
import type { SimulatedNode } from "./simulated_node.ts";

export interface ClusterWorkloadOptions {
  readonly run: ClusterRunOptions;
  readonly bootstrap: readonly SocketAddress[];
  readonly brokers: readonly number[];
  readonly checker: ClusterChecker;
}

/** Names of the hosts that clients run on. */
export const CLIENT_HOSTS = ["client-1", "client-2", "client-3"] as const;
/** The host of the administrator. */
export const ADMIN_HOST = "admin";

export class ClusterWorkload {
  readonly history = new History();
  /** What no checker of state or history sees. */
  readonly violations: Violation[] = [];
  readonly #options: ClusterWorkloadOptions;
  readonly #producers = new Map<string, ProduceEngine[]>();
  readonly #consumers = new Map<string, FetchEngine[]>();
  readonly #ends = new Map<string, Offset>();
  #admin: AdminEngine | undefined;
  readonly #requests = new Map<string, number>();
  #nextValue = 1;
  #stopped = false;
  #calm = false;

  constructor(options: ClusterWorkloadOptions) {
    this.#options = options;
  }

  /** Starts a host of clients: its part of the producers and consumers. */
  startClients(node: SimulatedNode, index: number): void {
    node.start((environment) => {
      const name = `${node.name}#${node.incarnation}`;
      this.history.crash(node.name);
      const link = this.#link(environment, name);
      const { topics, producersPerPartition, consumersPerPartition } = this.#options.run;
      const producers: ProduceEngine[] = [];
      const consumers: FetchEngine[] = [];
      let place = 0;
      for (const topic of topics) {
        for (let partition = 0; partition < topic.partitions; partition++) {
          for (let i = 0; i < producersPerPartition; i++) {
            if (place++ % CLIENT_HOSTS.length !== index) continue;
            producers.push(this.#producer(link, `${name}/p${i}`, topic, partition));
          }
          for (let i = 0; i < consumersPerPartition; i++) {
            if (place++ % CLIENT_HOSTS.length !== index) continue;
            consumers.push(this.#consumer(link, `${name}/c${i}`, topic, partition));
          }
        }
      }
      this.#producers.set(node.name, producers);
      this.#consumers.set(node.name, consumers);
      return {
        crash: () => {
          this.#producers.delete(node.name);
          this.#consumers.delete(node.name);
        },
      };
    });
  }

  startAdmin(node: SimulatedNode): void {
    node.start((environment) => {
      const { run, brokers } = this.#options;
      this.#admin = new AdminEngine({
        link: this.#link(environment, node.name),
        topics: run.topics,
        nodes: brokers,
        actions: run.adminActions,
        everyMs: run.adminEveryMs,
        isStopped: () => this.#calm,
        abandoned: () => abandonedPartitions(this.#options.checker),
        asked: (what) => this.#count(what),
      });
      return { crash: () => this.#admin = undefined };
    });
  }

  /** What clients asked for besides sending and polling, by what it was. */
  get requests(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#requests].sort(([a], [b]) => a < b ? -1 : 1));
  }

  moveLeader(drawn: number, round: number): void {
    this.#admin?.moveLeader(drawn, round);
  }

  /** The administrator changes nothing any more. */
  calm(): void {
    this.#calm = true;
  }

  /** No more batches are made, those under way go on; and every partition is read once more. */
  stopSending(): void {
    this.#stopped = true;
    const partitions = new Set<string>();
    for (const consumer of this.#allConsumers()) {
      if (partitions.has(consumer.source)) continue;
      partitions.add(consumer.source);
      consumer.readAgain();
    }
  }

  /** Why the clients are not done: a batch of unknown outcome, a partition not read to its end. */
  pending(): string | undefined {
    for (const [host, producers] of this.#producers) {
      const open = producers.reduce((sum, producer) => sum + producer.open, 0);
      if (open > 0) return `${open} sends of ${host} are not answered`;
    }
    for (const consumer of this.#allConsumers()) {
      if (consumer.isToReadAgain) return `${consumer.name} has not begun to read again`;
      const { topicId, offset } = consumer.position;
      const track = topicId === undefined ? undefined : this.#track(topicId, consumer.partition);
      if (track === undefined || track.isDeleted) return `${consumer.name} has found no partition`;
      const { endOffset } = track.committed;
      if (offset < endOffset) return `${consumer.name} is at ${offset} of ${endOffset}`;
    }
    return undefined;
  }

  *#allConsumers(): Iterable<FetchEngine> {
    for (const consumers of this.#consumers.values()) yield* consumers;
  }

  #link(environment: Environment, clientId: string): ClusterLink {
    const { bootstrap, run } = this.#options;
    return new ClusterLink({
      environment,
      clientId,
      bootstrap,
      topics: () => run.topics.map(({ name }) => name),
      requestTimeoutMs: run.requestTimeoutMs,
    });
  }

  #producer(link: ClusterLink, name: string, topic: TopicPlan, partition: number): ProduceEngine {
    const { run, checker } = this.#options;
    return new ProduceEngine({
      link,
      history: this.history,
      name: `${name}/${topic.name}-${partition}`,
      topic,
      partition,
      everyMs: run.sendEveryMs,
      batchesAtOnce: run.batchesAtOnce,
      valueBytesMax: run.valueBytesMax,
      inFlightMax: run.inFlightMax,
      deliveryTimeoutMs: run.deliveryTimeoutMs,
      nextValue: () => this.#nextValue++,
      isStopped: () => this.#stopped,
      repeated: (topicId, batch) => {
        const track = this.#track(topicId, partition);
        batch.wasStored = track !== undefined && isStored(track, batch);
      },
      acknowledged: (batch) => {
        if (batch.wasStored) checker.vacuity.count("dedupe hits");
      },
      outOfOrder: (topicId, batch, by) => {
        const track = this.#track(topicId, partition);
        // A topic that was made anew does not know those that were under way.
        if (track === undefined || topic.isVolatile || track.givenUpFrom < Infinity) return;
        if (!knowsSequences(track, by, batch)) return;
        this.violations.push({
          rule: "out-of-order-sequence",
          message: `${track.name}: the first batch in flight was refused, producer ` +
            `${batch.producerId}, epoch ${batch.producerEpoch}, sequence ${batch.sequence}`,
        });
      },
    });
  }

  #consumer(link: ClusterLink, name: string, topic: TopicPlan, partition: number): FetchEngine {
    const { run, checker } = this.#options;
    return new FetchEngine({
      link,
      history: this.history,
      name: `${name}/${topic.name}-${partition}`,
      topic,
      partition,
      maxWaitMs: run.fetchWaitMs,
      maxBytes: 64 * 1024,
      read: (topicId, partition, batch) => {
        const track = this.#track(topicId, partition);
        if (track !== undefined) checkRead(checker, track, batch);
      },
      corrupt: (message) => this.violations.push({ rule: "corrupt-read", message }),
      listed: (process, topicId, partition, end) => {
        this.#count("list-offsets");
        // Topics are asked for by their names: the answer may be about another.
        if (!topic.isVolatile) this.#listed(process, topicId, partition, end);
      },
    });
  }

  /** P11 as a client sees it: where a partition ends is never told to be further back. */
  #listed(process: string, topicId: Uuid, partition: number, end: Offset): void {
    const track = this.#track(topicId, partition);
    if (track === undefined || track.givenUpFrom < Infinity || track.uncleanEpoch !== undefined) {
      return;
    }
    const key = `${process} ${track.topicId}`;
    const before = this.#ends.get(key) ?? 0;
    this.#ends.set(key, end);
    if (end >= before) return;
    const message = `${track.name}: ${process} was told the end ${before}, then ${end}`;
    this.violations.push({ rule: "P11 high-watermark", message });
  }

  #count(what: string): void {
    this.#requests.set(what, (this.#requests.get(what) ?? 0) + 1);
  }

  #track(topicId: Uuid, partition: number): PartitionTrack | undefined {
    return this.#options.checker.tracks.partitions.get(partitionKey(topicId, partition));
  }
}

function checkRead(checker: ClusterChecker, track: PartitionTrack, batch: BatchView): void {
  checker.read(track, batch.baseOffset, batch.partitionLeaderEpoch, batch.crc);
}

/**
 * Whether a node that leads, or believes to, must know what came before this batch: one that was
 * replaced need not have what its successor has acknowledged.
 */
export function knowsSequences(track: PartitionTrack, id: NodeId, batch: ProducedBatch): boolean {
  const { truth, replicas } = track;
  const replica = replicas.get(id);
  const isLatest = truth?.leader === id && replica?.seen.leaderEpoch === truth.leaderEpoch;
  return isLatest ||
    replica?.log.shadow.batches.some((before) =>
        before.producerId === batch.producerId && before.producerEpoch === batch.producerEpoch &&
        before.baseSequence + before.nextOffset - before.baseOffset === batch.sequence
      ) === true;
}

/** Whether a leader's log holds the batch already. */
function isStored(track: PartitionTrack, batch: ProducedBatch): boolean {
  for (const { seen, log } of track.replicas.values()) {
    if (seen.role !== "leader") continue;
    const { batches } = log.shadow;
    for (let i = batches.length - 1; i >= 0 && i > batches.length - 50; i--) {
      const { producerId, producerEpoch, baseSequence } = batches[i]!;
      if (
        producerId === batch.producerId && producerEpoch === batch.producerEpoch &&
        baseSequence === batch.sequence
      ) return true;
    }
  }
  return false;
}
