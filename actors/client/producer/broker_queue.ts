/**
 * What a producer has to send to one broker, and which of it is due.
 *
 * Owns the list of partitions that have batches waiting, and the choice of those that go into the
 * next request. Does not own requests nor their outcome.
 *
 * Invariants: a request takes at most one batch of a partition, the first, and no more than
 * `maxRequestSize` unless a single batch is larger; partitions take turns in being first; while a
 * batch that failed before is on its way, or waits behind one that is, its partition sends nothing;
 * nor does it while batches are on their way to another broker, which led it.
 *
 * @module
 */

import type { NodeId } from "../../../storage/bytes/ids.ts";
import type { PartitionQueue } from "./accumulator.ts";
import type { ProducerBatch } from "./producer_batch.ts";

/** When batches that are not full may go. */
export interface DueRules {
  /** How long they wait for more records. */
  readonly lingerMs: number;
  /** Whether they do not wait for a broker that has nothing to do. */
  readonly eager: boolean;
  readonly maxRequestSize: number;
}

/** The batches for one broker. */
export class BrokerQueue {
  readonly node: NodeId;
  /** Requests that are not answered. */
  inFlight = 0;
  /** Full batches since the last look. */
  full = 0;
  /** When the first of those that `take` left will be due; `Infinity` if only events tell. */
  nextDue = Infinity;
  readonly #partitions: PartitionQueue[] = [];
  readonly #rules: DueRules;
  /** Where the next look begins. */
  #start = 0;
  #lengthMax = 0;

  constructor(node: NodeId, rules: DueRules) {
    this.node = node;
    this.#rules = rules;
  }

  /** Partitions that have batches waiting, or had at the last look. */
  get length(): number {
    return this.#partitions.length;
  }

  /** The most partitions that there were: as many batches a request can be hoped to hold. */
  get lengthMax(): number {
    return this.#lengthMax;
  }

  /** Puts a partition on the list. It must be led by the broker, and on no list. */
  add(queue: PartitionQueue): void {
    this.#partitions.push(queue);
    queue.isListed = true;
    this.#lengthMax = Math.max(this.#lengthMax, this.#partitions.length);
  }

  /** Takes those partitions off the list that have got another leader. */
  dropStrays(): void {
    for (let index = this.#partitions.length - 1; index >= 0; index--) {
      if (this.#partitions[index]!.leader !== this.node) this.#removeAt(index);
    }
  }

  /**
   * Takes the batches of the next request out of their partitions.
   *
   * @param hurry whether nothing lingers now
   * @param strays is given partitions that have got another leader; they are on no list any more
   */
  take(now: number, hurry: boolean, strays: PartitionQueue[]): ProducerBatch[] {
    const batches: ProducerBatch[] = [];
    const partitions = this.#partitions;
    let size = 0;
    let index = this.#start;
    this.nextDue = Infinity;
    for (let unseen = partitions.length; unseen > 0; unseen--) {
      if (index >= partitions.length) index = 0;
      const queue = partitions[index]!;
      const batch = queue.first;
      if (batch === undefined || queue.leader !== this.node) {
        this.#removeAt(index);
        if (batch !== undefined) strays.push(queue);
        continue;
      }
      const due = this.#dueTime(queue, batch, hurry);
      if (due <= now) {
        if (batches.length > 0 && size + batch.sizeInBytes > this.#rules.maxRequestSize) break;
        size += batch.sizeInBytes;
        queue.shift();
        queue.sequences?.take(batch);
        queue.inFlight++;
        queue.inFlightNode = this.node;
        queue.isRetryInFlight = batch.attempts > 0;
        batch.leaderEpoch = queue.leaderEpoch;
        batches.push(batch);
      } else if (due < this.nextDue) {
        this.nextDue = due;
      }
      index++;
    }
    this.#start = index;
    return batches;
  }

  /** When a batch may be sent; `Infinity` until something else happens first. */
  #dueTime(queue: PartitionQueue, batch: ProducerBatch, hurry: boolean): number {
    const isRetry = batch.attempts > 0;
    if (queue.inFlight > 0) {
      if (isRetry || queue.isRetryInFlight || queue.inFlightNode !== this.node) return Infinity;
    }
    if (queue.sequences?.mayTake(batch) === false) return Infinity;
    // Another leader need not be spared.
    if (isRetry) return queue.leaderEpoch > batch.leaderEpoch ? 0 : batch.notBefore;
    if (batch.isFull || hurry) return 0;
    if (this.#rules.eager && this.inFlight === 0) return 0;
    return batch.createdAt + this.#rules.lingerMs;
  }

  #removeAt(index: number): void {
    const partitions = this.#partitions;
    partitions[index]!.isListed = false;
    const last = partitions.pop()!;
    if (index < partitions.length) partitions[index] = last;
  }
}
