/**
 * Sends a producer's batches: which, when, over which connection, and what becomes of them.
 *
 * Owns when a batch is due, the requests on their way and the outcome of each batch: acknowledged,
 * to be sent again, to be split, or failed. Does not own the batches' order and memory
 * (accumulator.ts), connections, nor metadata.
 *
 * Invariants: a request carries at most one batch of a partition; at most
 * `maxInFlightRequestsPerConnection` are unanswered on a connection; every batch taken from the
 * accumulator is put back or settled; nothing is sent again after `deliveryTimeoutMs`, counted from
 * when the batch was begun. Users are told only after all state was brought up to date, so that
 * what they do in a callback finds it so.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import type { Compression } from "../../storage/compression.ts";
import type { ProducerStamp } from "../../storage/record_batch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { PRODUCE, type ProduceRequest, type ProduceResponse } from "../../net/messages/produce.ts";
import type { Environment, RandomStream, Timer } from "../runtime/environment.ts";
import type { Accumulator, PartitionQueue } from "./accumulator.ts";
import { type BackoffBounds, backoffMs } from "./backoff.ts";
import { splitBatch } from "./batch_splitting.ts";
import type { BrokerLink } from "./broker_link.ts";
import { type ClientError, errorForCode, TimeoutError } from "./errors.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import type { ProducerMetrics } from "./producer_metrics.ts";

export interface SenderSettings {
  readonly acks: number;
  readonly compression: Compression;
  readonly lingerMs: number;
  readonly eager: boolean;
  readonly maxInFlightRequestsPerConnection: number;
  readonly maxRequestSize: number;
  readonly requestTimeoutMs: number;
  readonly deliveryTimeoutMs: number;
  readonly retries: number;
  readonly retryBackoff: BackoffBounds;
}

export interface SenderOptions {
  readonly settings: SenderSettings;
  readonly environment: Environment;
  readonly random: RandomStream;
  readonly accumulator: Accumulator;
  readonly metrics: ProducerMetrics;
  /** The connection to a broker, which is made when there is none; undefined for unknown ones. */
  link(node: NodeId): BrokerLink | undefined;
  /** Whether records wait for the memory of batches: then none lingers. */
  isShortOfRoom(): boolean;
  /** The metadata were wrong, or may be. */
  staleMetadata(): void;
  /** Memory was given back. */
  roomMade(): void;
  /** A callback of the user threw. */
  thrown(error: unknown): void;
  /** The producer id, epoch and sequence of a batch about to be sent first (idempotence). */
  stamp?(queue: PartitionQueue, batch: ProducerBatch): Partial<ProducerStamp>;
}

/** Full batches for one broker that are sent without waiting for the end of the turn. */
const FULL_BATCHES_AT_ONCE = 4;

/** What there is to send to one broker. */
class NodeQueue {
  readonly node: NodeId;
  readonly partitions: PartitionQueue[] = [];
  /** Requests that are not answered. */
  inFlight = 0;
  /** Full batches since the last look. */
  full = 0;
  /** Where the next look begins, so that no partition is always last. */
  start = 0;

  constructor(node: NodeId) {
    this.node = node;
  }
}

interface Outcome {
  readonly batch: ProducerBatch;
  readonly error: ClientError | undefined;
  readonly baseOffset: number;
  readonly logAppendTime: number;
}

/** The sender. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #settings: SenderSettings;
  readonly #nodes = new Map<NodeId, NodeQueue>();
  readonly #runSoon = () => this.#drainAll();
  readonly #runLater = () => {
    this.#isWokenLater = false;
    if (!this.#isWoken) this.#drainAll();
  };
  #isWoken = false;
  #isWokenLater = false;
  /** Outcomes are being worked out: what users do meanwhile is looked at afterwards. */
  #isBusy = false;
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #expiry: Timer | undefined;
  #flushes = 0;
  #isClosed = false;
  readonly #outcomes: Outcome[] = [];
  /** Memory came back of a batch whose users were told before. */
  #hasRoomToTell = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#showRoom();
  }

  /** To be called when a batch was begun. */
  batchBegan(queue: PartitionQueue): void {
    if (this.#expiry === undefined) this.#armExpiry(this.#settings.deliveryTimeoutMs);
    this.#showRoom();
    const node = this.#list(queue);
    if (node !== undefined) this.#wakeFor(node);
  }

  /** To be called when a batch takes no more records. */
  batchFull(queue: PartitionQueue): void {
    const node = this.#list(queue);
    if (node === undefined) return;
    node.full++;
    const enough = Math.min(FULL_BATCHES_AT_ONCE, node.partitions.length);
    if (node.full < enough || this.#isBusy) this.#wakeFor(node);
    else this.#drain(node, this.#now());
  }

  /** To be called when partitions have got leaders, or others. */
  leadersChanged(): void {
    for (const topic of this.#options.accumulator.topics.values()) {
      for (const queue of topic.partitions) if (queue.length > 0) this.#list(queue);
    }
    this.#wake();
  }

  /** Has everything be looked at again: a connection was made, or memory is waited for. */
  wake(): void {
    this.#wake();
  }

  /** While flushes are under way nothing lingers. */
  beginFlush(): void {
    this.#flushes++;
    this.#wake();
  }

  endFlush(): void {
    this.#flushes--;
  }

  /** Fails what is left; nothing is sent any more. */
  close(error: ClientError): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#expiry?.cancel();
    this.#failOldest(() => true, error);
    this.#settleOutcomes();
  }

  #showRoom(): void {
    const { metrics, accumulator } = this.#options;
    metrics.bufferAvailableBytes.set(accumulator.freeBytes);
  }

  #now(): number {
    return this.#options.environment.clock.monotonic();
  }

  /** Has the partition among those of its leader; undefined when it has none. */
  #list(queue: PartitionQueue): NodeQueue | undefined {
    if (queue.leader === NONE) return undefined;
    let node = this.#nodes.get(queue.leader);
    if (node === undefined) this.#nodes.set(queue.leader, node = new NodeQueue(queue.leader));
    if (!queue.isListed) {
      node.partitions.push(queue);
      queue.isListed = true;
    }
    return node;
  }

  /** An idle broker is served at the end of the turn; a busy one after more has come together. */
  #wakeFor(node: NodeQueue): void {
    if (node.inFlight === 0) {
      this.#wake();
    } else if (!this.#isWoken && !this.#isWokenLater) {
      this.#isWokenLater = true;
      // The end of the turn after this one: work that was asked for at the end of one runs then.
      const { dispatcher } = this.#options.environment;
      dispatcher.atEndOfTurn(() => dispatcher.atEndOfTurn(this.#runLater));
    }
  }

  #wake(): void {
    if (this.#isWoken || this.#isClosed) return;
    this.#isWoken = true;
    this.#options.environment.dispatcher.atEndOfTurn(this.#runSoon);
  }

  #drainAll(): void {
    this.#isWoken = false;
    if (this.#isClosed) return;
    const now = this.#now();
    for (const node of this.#nodes.values()) this.#drain(node, now);
    if (this.#expiry === undefined && this.#options.accumulator.oldest !== undefined) {
      this.#armExpiry(this.#settings.deliveryTimeoutMs);
    }
  }

  #drain(node: NodeQueue, now: number): void {
    node.full = 0;
    if (node.partitions.length === 0) return;
    const link = this.#options.link(node.node);
    if (link === undefined || !link.isReady) return;
    while (node.inFlight < this.#settings.maxInFlightRequestsPerConnection) {
      const batches = this.#take(node, now);
      if (batches.length === 0) return;
      this.#send(node, link, batches);
    }
  }

  /** Takes the batches out that are due, at most one of a partition and one request's worth. */
  #take(node: NodeQueue, now: number): ProducerBatch[] {
    const batches: ProducerBatch[] = [];
    const { partitions } = node;
    const isIdle = node.inFlight === 0;
    let size = 0;
    let next = Infinity;
    let index = node.start % partitions.length;
    for (let seen = partitions.length; seen > 0 && partitions.length > 0; seen--) {
      if (index >= partitions.length) index = 0;
      const queue = partitions[index]!;
      const batch = queue.first;
      if (batch === undefined || queue.leader !== node.node) {
        partitions[index] = partitions[partitions.length - 1]!;
        partitions.pop();
        queue.isListed = false;
        if (batch !== undefined && this.#list(queue) !== undefined) this.#wake();
        continue;
      }
      const due = this.#dueTime(queue, batch, isIdle);
      if (due > now) {
        next = Math.min(next, due);
        index++;
        continue;
      }
      if (batches.length > 0 && size + batch.sizeInBytes > this.#settings.maxRequestSize) break;
      index++;
      size += batch.sizeInBytes;
      queue.shift();
      queue.inFlight++;
      queue.isRetryInFlight = batch.attempts > 0;
      batches.push(batch);
    }
    node.start = index;
    if (next !== Infinity) this.#arm(next, now);
    return batches;
  }

  /** When a batch may be sent; `Infinity` until something else happens first. */
  #dueTime(queue: PartitionQueue, batch: ProducerBatch, isIdle: boolean): number {
    const isRetry = batch.attempts > 0;
    if (queue.inFlight > 0 && (isRetry || queue.isRetryInFlight)) return Infinity;
    if (isRetry) return batch.notBefore;
    if (batch.isFull || this.#flushes > 0 || this.#options.isShortOfRoom()) return 0;
    if (isIdle && this.#settings.eager) return 0;
    return batch.createdAt + this.#settings.lingerMs;
  }

  #send(node: NodeQueue, link: BrokerLink, batches: readonly ProducerBatch[]): void {
    node.inFlight++;
    const { acks, requestTimeoutMs } = this.#settings;
    const { metrics } = this.#options;
    const byTopic = new Map<string, { index: number; records: Uint8Array }[]>();
    for (const batch of batches) {
      batch.isInFlight = true;
      let partitions = byTopic.get(batch.topic);
      if (partitions === undefined) byTopic.set(batch.topic, partitions = []);
      const records = this.#close(batch);
      partitions.push({ index: batch.partition, records });
      metrics.outgoingByteTotal.add(records.length);
    }
    metrics.requestTotal.add(1);
    const request: ProduceRequest = {
      transactionalId: null,
      acks,
      timeoutMs: requestTimeoutMs,
      topicData: Array.from(byTopic, ([name, partitionData]) => ({ name, partitionData })),
    };
    const answered = (result: ProduceResponse | ClientError | undefined) => {
      node.inFlight--;
      this.#answered(batches, result);
    };
    if (acks === 0) link.sendOneWay(PRODUCE, request, answered);
    else link.send(PRODUCE, request, requestTimeoutMs, answered);
  }

  #close(batch: ProducerBatch): Uint8Array {
    const { compression } = this.#settings;
    const stamp = this.#options.stamp?.(this.#queueOf(batch), batch);
    return batch.close(stamp === undefined ? { compression } : { compression, ...stamp });
  }

  #queueOf(batch: ProducerBatch): PartitionQueue {
    return this.#options.accumulator.topic(batch.topic).partitions[batch.partition]!;
  }

  /** The request that carried the batches ended: answered, failed, or (undefined) not answered. */
  #answered(
    batches: readonly ProducerBatch[],
    result: ProduceResponse | ClientError | undefined,
  ): void {
    this.#isBusy = true;
    for (const batch of batches) {
      batch.isInFlight = false;
      const queue = this.#queueOf(batch);
      queue.inFlight--;
      if (queue.inFlight === 0) queue.isRetryInFlight = false;
    }
    if (result instanceof Error) {
      for (const batch of batches) this.#failed(batch, result);
    } else if (result === undefined) {
      for (const batch of batches) this.#settle(batch, undefined, -1, -1);
    } else {
      this.#takeResponse(batches, result);
    }
    this.#settleOutcomes();
    this.#isBusy = false;
    this.#drainAll();
  }

  #takeResponse(batches: readonly ProducerBatch[], response: ProduceResponse): void {
    const waiting = new Set(batches);
    // Brokers answer in the order of the request; any other order costs a search.
    let next = 0;
    for (const { name, partitionResponses } of response.responses) {
      for (const { index, errorCode, errorMessage, ...stored } of partitionResponses) {
        const isNext = batches[next]?.topic === name && batches[next]?.partition === index;
        const batch = isNext
          ? batches[next]
          : batches.find((batch) => batch.topic === name && batch.partition === index);
        next++;
        if (batch === undefined || !waiting.delete(batch)) continue;
        if (errorCode === ErrorCode.NONE) {
          this.#settle(batch, undefined, stored.baseOffset, stored.logAppendTimeMs);
        } else {
          const action = `Cannot send to ${name}-${index}`;
          this.#failed(batch, errorForCode(errorCode, action, errorMessage));
        }
      }
    }
    for (const batch of waiting) {
      const action = `Cannot send to ${batch.topic}-${batch.partition}`;
      const detail = "The broker did not answer for the partition";
      this.#failed(batch, errorForCode(ErrorCode.UNKNOWN_SERVER_ERROR, action, detail));
    }
  }

  /** A batch came back: it goes out again, in parts, or fails. */
  #failed(batch: ProducerBatch, error: ClientError): void {
    if (batch.isSettled) {
      this.#settle(batch, error, -1, -1);
      return;
    }
    batch.attempts++;
    if (error.code === ErrorCode.MESSAGE_TOO_LARGE && batch.recordsCount > 1) {
      this.#split(batch);
      return;
    }
    const now = this.#now();
    const waitMs = backoffMs(this.#settings.retryBackoff, batch.attempts, this.#options.random);
    const isInTime = now - batch.createdAt < this.#settings.deliveryTimeoutMs;
    if (error.retriable) this.#options.staleMetadata();
    if (!error.retriable || batch.attempts > this.#settings.retries || !isInTime) {
      this.#settle(batch, error, -1, -1);
      return;
    }
    this.#options.metrics.recordRetryTotal.add(batch.recordsCount);
    batch.notBefore = now + waitMs;
    const queue = this.#queueOf(batch);
    queue.putBack(batch);
    this.#list(queue);
  }

  #split(batch: ProducerBatch): void {
    const queue = this.#queueOf(batch);
    const parts = splitBatch(
      batch,
      (size) => this.#options.accumulator.beginPart(batch, queue, size),
    );
    this.#options.metrics.batchSplitTotal.add(1);
    queue.putBack(...parts);
    this.#list(queue);
    this.#options.accumulator.release(batch);
  }

  /** Has the batch's users told once the state is up to date, and gives its memory back. */
  #settle(
    batch: ProducerBatch,
    error: ClientError | undefined,
    baseOffset: number,
    logAppendTime: number,
  ): void {
    this.#options.accumulator.release(batch);
    if (batch.isSettled) this.#hasRoomToTell = true;
    else this.#outcomes.push({ batch, error, baseOffset, logAppendTime });
  }

  #settleOutcomes(): void {
    if (this.#outcomes.length === 0 && !this.#hasRoomToTell) return;
    this.#hasRoomToTell = false;
    const { thrown, roomMade, metrics } = this.#options;
    this.#showRoom();
    for (const { batch, error, baseOffset, logAppendTime } of this.#outcomes.splice(0)) {
      if (error === undefined) {
        metrics.recordSendTotal.add(batch.recordsCount);
        batch.complete(baseOffset, logAppendTime, thrown);
      } else {
        metrics.recordErrorTotal.add(batch.recordsCount);
        batch.fail(error, thrown);
      }
    }
    roomMade();
  }

  #arm(due: number, now: number): void {
    if (this.#timerDue <= due) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    this.#timer = this.#options.environment.timers.schedule(due - now, () => {
      this.#timerDue = Infinity;
      this.#drainAll();
    });
  }

  #armExpiry(delayMs: number): void {
    this.#expiry = this.#options.environment.timers.schedule(delayMs, () => this.#expire());
  }

  #expire(): void {
    this.#expiry = undefined;
    const { deliveryTimeoutMs } = this.#settings;
    const now = this.#now();
    this.#failOldest(
      (batch) => now - batch.createdAt >= deliveryTimeoutMs,
      new TimeoutError(
        `Cannot send: not acknowledged within deliveryTimeoutMs ${deliveryTimeoutMs}`,
      ),
    );
    this.#settleOutcomes();
    const { oldest } = this.#options.accumulator;
    if (oldest !== undefined) this.#armExpiry(oldest.createdAt + deliveryTimeoutMs - now);
  }

  /** Fails batches, oldest first. One that is in flight keeps its memory until its request ends. */
  #failOldest(isDue: (batch: ProducerBatch) => boolean, error: ClientError): void {
    const { accumulator, metrics, thrown } = this.#options;
    for (let batch = accumulator.oldest; batch !== undefined; batch = accumulator.oldest) {
      if (!isDue(batch)) return;
      if (!batch.isInFlight) {
        this.#queueOf(batch).remove(batch);
        this.#hasRoomToTell = true;
        accumulator.release(batch);
      }
      metrics.recordErrorTotal.add(batch.recordsCount);
      batch.fail(error, thrown);
    }
  }
}
