/**
 * Where a producer's records wait to be sent: for each partition a batch that is being filled and
 * those that are full, all within one budget of memory.
 *
 * Owns batches until they settle, their order, their buffers and the budget. Does not own requests,
 * time or retries' reasons: the sender takes batches out, and puts them back or settles them.
 *
 * Invariants: the batches of a partition are taken in their `order`; while one that
 * failed waits or is in flight, no other of its partition is in flight with it, so that a retry
 * changes no order that is not lost already; `freeBytes` is what the budget has left, and the whole
 * budget once every batch settled; a buffer is given back when its batch is settled and no request
 * carries it.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Timestamp } from "../../../storage/bytes/ids.ts";
import { BATCH_HEADER_BYTES } from "../../../storage/record_batch.ts";
import type { HeaderContent, RecordContent } from "../../../storage/record_batch_builder.ts";
import type { FlushWaiter } from "./flush_waiter.ts";
import type { PartitionLoads } from "./partitioners.ts";
import { ProducerBatch } from "./producer_batch.ts";
import type { PartitionSequences } from "./sequences.ts";

/** The batches of one partition. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  leader: NodeId = NONE;
  leaderEpoch: Epoch = NONE;
  /** The numbering of its batches, where the producer is idempotent. */
  readonly sequences: PartitionSequences | undefined;
  /** In the list of the leader's partitions that have something to send; the sender's. */
  isListed = false;
  /** Batches on their way. */
  inFlight = 0;
  /** Where to, while there are any. */
  inFlightNode: NodeId = NONE;
  /** One of the batches on their way failed before. */
  isRetryInFlight = false;
  /** The batch begun last, while it waits. */
  open: ProducerBatch | undefined;
  /** In order; only the last may still be open. */
  readonly #batches: ProducerBatch[] = [];
  #nextOrder = 0;

  constructor(topic: string, partition: number, sequences?: PartitionSequences) {
    this.topic = topic;
    this.partition = partition;
    this.sequences = sequences;
  }

  /** Batches that wait. */
  get length(): number {
    return this.#batches.length;
  }

  /** The batch to be sent next. */
  get first(): ProducerBatch | undefined {
    return this.#batches[0];
  }

  takeOrder(): number {
    return this.#nextOrder++;
  }

  push(batch: ProducerBatch): void {
    this.#batches.push(batch);
    this.open = batch;
  }

  /** Takes the first batch out. */
  shift(): ProducerBatch | undefined {
    const batch = this.#batches.shift();
    if (batch === this.open) this.open = undefined;
    return batch;
  }

  /** Puts batches back, each at its place. */
  putBack(...batches: readonly ProducerBatch[]): void {
    let at = 0;
    const { order } = batches[0]!;
    while (at < this.#batches.length && this.#batches[at]!.order < order) at++;
    this.#batches.splice(at, 0, ...batches);
  }

  /** Takes a batch out that waits anywhere. */
  remove(batch: ProducerBatch): void {
    const at = this.#batches.indexOf(batch);
    if (at >= 0) this.#batches.splice(at, 1);
    if (batch === this.open) this.open = undefined;
  }
}

/** The partitions of one topic. */
export class TopicQueues implements PartitionLoads {
  readonly name: string;
  readonly partitions: PartitionQueue[] = [];
  /** Where records without a key go until the batch ends; -1 when that is to be chosen. */
  sticky = -1;
  /** Records of it wait that came before; the backlog's. */
  hasBacklog = false;

  constructor(name: string) {
    this.name = name;
  }

  get partitionCount(): number {
    return this.partitions.length;
  }

  isAvailable(partition: number): boolean {
    return this.partitions[partition]!.leader !== NONE;
  }

  load(partition: number): number {
    const queue = this.partitions[partition]!;
    return queue.length + queue.inFlight;
  }
}

export interface AccumulatorOptions {
  readonly batchSize: number;
  readonly bufferMemory: number;
  /** Told of each batch that was begun: it will be sent, at the latest when it has lingered. */
  batchBegan(queue: PartitionQueue): void;
  /** Told of each batch that takes no more records: it may be sent at once. */
  batchFull(queue: PartitionQueue): void;
}

/** All batches. */
export class Accumulator {
  readonly #options: AccumulatorOptions;
  readonly #topics = new Map<string, TopicQueues>();
  /** Buffers of `batchSize`, to be used again. */
  readonly #spareBuffers: Uint8Array[] = [];
  #freeBytes: number;
  #begunBytes = 0;
  /** Batches that users wait for, in the order they were begun. */
  readonly #live = new Set<ProducerBatch>();

  constructor(options: AccumulatorOptions) {
    this.#options = options;
    this.#freeBytes = options.bufferMemory;
  }

  /** What the budget has left. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** The memory of all batches that were ever begun. */
  get begunBytes(): number {
    return this.#begunBytes;
  }

  get topics(): ReadonlyMap<string, TopicQueues> {
    return this.#topics;
  }

  /** The topic's queues, made at the first call. */
  topic(name: string): TopicQueues {
    let topic = this.#topics.get(name);
    if (topic === undefined) this.#topics.set(name, topic = new TopicQueues(name));
    return topic;
  }

  /** The batches that are not settled, oldest first. */
  get live(): Iterable<ProducerBatch> {
    return this.#live;
  }

  /** The oldest batch that is not settled. */
  get oldest(): ProducerBatch | undefined {
    for (const batch of this.#live) return batch;
    return undefined;
  }

  /** Appends to the batch being filled; undefined when there is none or it has no room. */
  tryAppend(
    queue: PartitionQueue,
    timestamp: Timestamp,
    key: RecordContent,
    value: RecordContent,
    headers: readonly HeaderContent[] | undefined,
  ): ProducerBatch | undefined {
    const batch = queue.open;
    if (batch === undefined || batch.isFull) return undefined;
    if (batch.tryAppend(timestamp, key, value, headers)) return batch;
    this.#options.batchFull(queue);
    return undefined;
  }

  /**
   * Begins a batch of a partition, for a record that takes at most `recordBytesMax`; undefined when
   * the memory does not suffice.
   */
  begin(queue: PartitionQueue, recordBytesMax: number, now: number): ProducerBatch | undefined {
    const size = Math.max(this.#options.batchSize, BATCH_HEADER_BYTES + recordBytesMax);
    if (size > this.#freeBytes) return undefined;
    const batch = this.#newBatch(queue, size, queue.takeOrder(), now);
    queue.push(batch);
    this.#options.batchBegan(queue);
    return batch;
  }

  /**
   * Makes a batch that takes the place of a part of another, which the broker found too large. Its
   * memory may exceed the budget for a while: the other's is given back when all parts are made.
   */
  beginPart(whole: ProducerBatch, queue: PartitionQueue, size: number): ProducerBatch {
    return this.#newBatch(queue, size, whole.order, whole.createdAt);
  }

  #newBatch(queue: PartitionQueue, size: number, order: number, now: number): ProducerBatch {
    const isPooled = size === this.#options.batchSize;
    const buffer = (isPooled ? this.#spareBuffers.pop() : undefined) ?? new Uint8Array(size);
    this.#freeBytes -= size;
    this.#begunBytes += size;
    this.#trimSpares();
    const batch = new ProducerBatch(queue.topic, queue.partition, order, buffer, now);
    this.#live.add(batch);
    return batch;
  }

  /** To be called of a batch that is settled although a request still carries it. */
  abandon(batch: ProducerBatch): void {
    this.#live.delete(batch);
  }

  /** Gives back what a batch took that is settled or about to be: in no queue and no request. */
  release(batch: ProducerBatch): void {
    this.#live.delete(batch);
    this.#freeBytes += batch.memoryBytes;
    const { buffer } = batch;
    if (buffer.length === this.#options.batchSize) this.#spareBuffers.push(buffer);
    this.#trimSpares();
  }

  /** Spare buffers and batches together stay within the budget. */
  #trimSpares(): void {
    const { batchSize } = this.#options;
    while (this.#spareBuffers.length * batchSize > this.#freeBytes) {
      if (this.#spareBuffers.pop() === undefined) return;
    }
  }

  /** Has a flush wait for every batch there is. */
  addWaiter(waiter: FlushWaiter): void {
    for (const batch of this.#live) batch.addWaiter(waiter);
  }
}
