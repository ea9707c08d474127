/**
 * Gets the markers of transactions to all their partitions, wherever those are led, and tries for
 * ever: until a partition has its marker, or is no more.
 *
 * Owns the partitions that lack their marker. What has to go to one broker at a time goes in one
 * request. A coordinator that is none any more takes its markers back; should one of them be on its
 * way, partitions refuse it where a newer coordinator has been before.
 *
 * Invariant: whoever has markers written is told once, unless it takes them back.
 *
 * @module
 */

import type { NodeId } from "../../../storage/bytes/ids.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import type {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from "../../../net/messages/write_txn_markers.ts";
import { TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type { MarkersWritten, WriteMarkers } from "../../coordinator/transaction/requests.ts";
import type { ClientError } from "../../link/errors.ts";
import type { Ref } from "../../runtime/ref.ts";
import { appendMarker, type Ask } from "./marker_append.ts";
import type { BrokerServices } from "../services.ts";

export interface MarkerWriterOptions {
  readonly broker: BrokerServices;
  readonly ask: Ask;
  /** Sends markers to another broker; false where it cannot be reached, and there is no answer. */
  send(
    to: NodeId,
    request: WriteTxnMarkersRequest,
    done: (result: WriteTxnMarkersResponse | ClientError) => void,
  ): boolean;
  /** Has `run` called after a delay, instead of what was to be called before. */
  after(delayMs: number, run: () => void): void;
}

/** Before partitions that could not be reached are tried again. */
const RETRY_MS = 100;

/** The markers of one transaction. */
interface Job {
  readonly asked: WriteMarkers;
  /** The partitions that have no marker yet, by topic. */
  readonly missing: Map<string, Set<number>>;
}

/** A marker on its way. */
interface Item {
  readonly job: Job;
  readonly topic: string;
  readonly partition: number;
}

export class MarkerWriter {
  readonly #options: MarkerWriterOptions;
  readonly #jobs = new Map<Ref<MarkersWritten>, Job>();
  /** To be sent again after a while. */
  #again: Item[] = [];

  constructor(options: MarkerWriterOptions) {
    this.#options = options;
  }

  /** Transactions whose markers are not all written. */
  get size(): number {
    return this.#jobs.size;
  }

  write(asked: WriteMarkers): void {
    const missing = new Map(
      asked.partitions.map(({ topic, partitions }) => [topic, new Set(partitions)] as const),
    );
    const job: Job = { asked, missing };
    this.#jobs.set(asked.replyTo, job);
    const items = asked.partitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ job, topic, partition }))
    );
    this.#route(items);
    this.#maybeDone(job);
  }

  forget(replyTo: Ref<MarkersWritten>): void {
    this.#jobs.delete(replyTo);
  }

  #isWanted({ asked }: Job): boolean {
    return this.#jobs.has(asked.replyTo);
  }

  #route(items: readonly Item[]): void {
    const { nodeId, image } = this.#options.broker;
    const byLeader = new Map<NodeId, Item[]>();
    for (const item of items) {
      if (!this.#isWanted(item.job)) continue;
      const partition = image.topicByName(item.topic)?.partitions[item.partition];
      if (partition === undefined || item.topic === TRANSACTION_TOPIC) {
        // A coordinator knows of every topic that its predecessors knew: this one was deleted. And
        // into the log of transactions only coordinators write, nothing that waits for a marker.
        this.#done(item);
        continue;
      }
      const { leader } = partition;
      const known = byLeader.get(leader);
      if (known === undefined) byLeader.set(leader, [item]);
      else known.push(item);
    }
    for (const [leader, sent] of byLeader) {
      if (leader < 0) this.#retry(sent);
      else if (leader === nodeId) { for (const item of sent) this.#append(item); }
      else this.#send(leader, sent);
    }
  }

  #append(item: Item): void {
    const { broker, ask } = this.#options;
    const { job: { asked }, topic, partition } = item;
    const { producerId, producerEpoch, committed, coordinatorEpoch, transactionVersion } = asked;
    const of = { producerId, producerEpoch, coordinatorEpoch };
    const outcome = { ...of, committed, transactionVersion };
    appendMarker(broker, ask, outcome, topic, partition, (error) => this.#answered(item, error));
  }

  #send(leader: NodeId, items: readonly Item[]): void {
    const isSent = this.#options.send(leader, requestOf(items), (result) => {
      if (!("markers" in result)) return this.#retry(items);
      for (const item of items) this.#answered(item, errorOf(result, item));
    });
    if (!isSent) this.#retry(items);
  }

  #answered(item: Item, error: ErrorCode): void {
    if (!this.#isWanted(item.job)) return;
    switch (error) {
      case ErrorCode.NONE:
        return this.#done(item);
      case ErrorCode.INVALID_PRODUCER_EPOCH:
        // Whatever this transaction wrote there has ended by another marker.
        this.#warn(item, error);
        return this.#done(item);
      case ErrorCode.TRANSACTION_COORDINATOR_FENCED:
        this.#warn(item, error);
        return this.#end(item.job, error);
      default:
        return this.#retry([item]);
    }
  }

  #retry(items: readonly Item[]): void {
    if (items.length === 0) return;
    if (this.#again.length === 0) {
      this.#options.after(RETRY_MS, () => {
        const again = this.#again;
        this.#again = [];
        this.#route(again);
      });
    }
    for (const item of items) this.#again.push(item);
  }

  #done({ job, topic, partition }: Item): void {
    const partitions = job.missing.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) job.missing.delete(topic);
    this.#maybeDone(job);
  }

  #maybeDone(job: Job): void {
    if (job.missing.size === 0 && this.#isWanted(job)) this.#end(job, ErrorCode.NONE);
  }

  #end({ asked: { replyTo } }: Job, error: ErrorCode): void {
    this.#jobs.delete(replyTo);
    replyTo.tell({ kind: "markers-written", error });
  }

  #warn({ job: { asked }, topic, partition }: Item, error: ErrorCode): void {
    const { transactionalId, producerId, producerEpoch, coordinatorEpoch } = asked;
    this.#options.broker.environment.logger.log("warn", "transaction marker refused", {
      transactionalId,
      producerId,
      producerEpoch,
      coordinatorEpoch,
      partition: `${topic}-${partition}`,
      reason: errorName(error),
    });
  }
}

/** One request for all that goes to a broker. */
function requestOf(items: readonly Item[]): WriteTxnMarkersRequest {
  const jobs = new Map<Job, Map<string, number[]>>();
  for (const { job, topic, partition } of items) {
    let topics = jobs.get(job);
    if (topics === undefined) jobs.set(job, topics = new Map());
    const partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, [partition]);
    else partitions.push(partition);
  }
  return {
    markers: [...jobs].map(([{ asked }, topics]) => ({
      producerId: asked.producerId,
      producerEpoch: asked.producerEpoch,
      transactionResult: asked.committed,
      topics: [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
      coordinatorEpoch: asked.coordinatorEpoch,
      transactionVersion: asked.transactionVersion,
    })),
  };
}

function errorOf({ markers }: WriteTxnMarkersResponse, item: Item): ErrorCode {
  const { job: { asked: { producerId } }, topic, partition } = item;
  const found = markers.find((marker) => marker.producerId === producerId)
    ?.topics.find(({ name }) => name === topic)
    ?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
  return found?.errorCode as ErrorCode | undefined ?? ErrorCode.UNKNOWN_SERVER_ERROR;
}
