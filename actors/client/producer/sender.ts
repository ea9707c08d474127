/**
 * Sends a producer's batches: which, when, over which connection, and what becomes of them.
 *
 * Owns when to look, the requests on their way and the outcome of each batch: acknowledged, to be
 * sent again, to be split, or failed. Does not own what is due (broker_queue.ts), the batches'
 * order and memory (accumulator.ts), connections, nor metadata.
 *
 * Invariants: at most `maxInFlightRequestsPerConnection` requests to a broker are unanswered; every
 * batch taken from the accumulator is put back or settled; nothing is sent again after
 * `deliveryTimeoutMs`, counted from when the batch was begun. Users are told only after all state
 * was brought up to date, so that what they do in a callback finds it so.
 *
 * @module
 */

import { type NodeId, NONE } from "../../../storage/bytes/ids.ts";
import type { Compression } from "../../../storage/compression.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type PartitionProduceResponse,
  PRODUCE,
  type ProduceResponse,
} from "../../../net/messages/produce.ts";
import type { Environment, RandomStream, Timer } from "../../runtime/environment.ts";
import type { Accumulator, PartitionQueue } from "./accumulator.ts";
import { type BackoffBounds, backoffMs } from "../../link/backoff.ts";
import { splitBatch } from "./batch_splitting.ts";
import type { NodeLink } from "../../link/node_link.ts";
import { BrokerQueue, type DueRules } from "./broker_queue.ts";
import { type ClientError, errorForCode, TimeoutError } from "../errors.ts";
import type { BrokerNode, NamedLeader } from "../metadata.ts";
import { matchAnswers, produceRequest } from "./produce_exchange.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import type { Identity } from "./producer_identity.ts";
import type { ProducerMetrics } from "./producer_metrics.ts";
import { ProduceOutcomes } from "./produce_outcomes.ts";
import type { TransactionManager } from "./transaction_manager.ts";
import { PRODUCE_TRANSACTIONS_1 } from "./transaction_partitions.ts";

export interface SenderSettings extends DueRules {
  readonly acks: number;
  readonly compression: Compression;
  readonly maxInFlightRequestsPerConnection: number;
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
  /** The producer's id; undefined where it is not idempotent. */
  readonly identity: Identity | undefined;
  /** Its transactions; undefined where it has none. */
  readonly transactions: TransactionManager | undefined;
  /** The connection to a broker, which is made when there is none; undefined for unknown ones. */
  link(node: NodeId): NodeLink | undefined;
  /** Whether records wait for the memory of batches: then none lingers. */
  isShortOfRoom(): boolean;
  /** The metadata were wrong, or may be. */
  staleMetadata(): void;
  /** A broker has named new leaders (KIP-951). */
  leadersNamed(leaders: readonly NamedLeader[], brokers: readonly BrokerNode[]): void;
  /** Memory was given back. */
  roomMade(): void;
  /** A callback of the user threw. */
  thrown(error: unknown): void;
}

/** Full batches for one broker that are sent without waiting for the end of the turn. */
const FULL_BATCHES_AT_ONCE = 4;

/** The sender. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #settings: SenderSettings;
  readonly #brokers = new Map<NodeId, BrokerQueue>();
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
  readonly #outcomes: ProduceOutcomes;
  /** What the response that is being taken in says of new leaders. */
  readonly #leadersNamed: NamedLeader[] = [];
  /** Why nothing is sent again now: the transaction is being aborted. */
  #aborting: ClientError | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#outcomes = new ProduceOutcomes(options);
  }

  /** To be called when a batch was begun. */
  batchBegan(queue: PartitionQueue): void {
    if (this.#expiry === undefined) this.#armExpiry(this.#settings.deliveryTimeoutMs);
    this.#options.identity?.want();
    this.#outcomes.showRoom();
    const broker = this.#list(queue);
    if (broker !== undefined) this.#wakeFor(broker);
  }

  /** To be called when a batch takes no more records. */
  batchFull(queue: PartitionQueue): void {
    const broker = this.#list(queue);
    if (broker === undefined) return;
    broker.full++;
    const enough = Math.min(FULL_BATCHES_AT_ONCE, broker.lengthMax);
    if (broker.full < enough || this.#isBusy) this.#wakeFor(broker);
    else this.#drain(broker, this.#now());
  }

  /** To be called when partitions have got leaders, or others. */
  leadersChanged(): void {
    // A broker that cannot be reached would not let go of them by itself.
    for (const broker of this.#brokers.values()) broker.dropStrays();
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

  /** Fails what waits; what is on its way may still be acknowledged. */
  failWaiting(error: ClientError): void {
    this.#failThose((batch) => !batch.isInFlight, () => error);
    this.#outcomes.settle();
  }

  /** Fails what waits, and what comes back to be sent again, until `endAbort`. */
  abort(error: ClientError): void {
    this.#aborting = error;
    this.failWaiting(error);
  }

  endAbort(): void {
    this.#aborting = undefined;
  }

  /** Fails what is left; nothing is sent any more. */
  close(error: ClientError): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#expiry?.cancel();
    this.#failThose(() => true, () => error);
    this.#outcomes.settle();
  }

  #now(): number {
    return this.#options.environment.clock.monotonic();
  }

  /** Has the partition among those of its leader; undefined when it has none. */
  #list(queue: PartitionQueue): BrokerQueue | undefined {
    if (queue.leader === NONE) return undefined;
    let broker = this.#brokers.get(queue.leader);
    if (broker === undefined) {
      broker = new BrokerQueue(queue.leader, this.#settings);
      this.#brokers.set(queue.leader, broker);
    }
    if (!queue.isListed) broker.add(queue);
    return broker;
  }

  /** An idle broker is served at the end of the turn; a busy one after more has come together. */
  #wakeFor(broker: BrokerQueue): void {
    if (broker.inFlight === 0) {
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
    for (const broker of this.#brokers.values()) this.#drain(broker, now);
    if (this.#expiry === undefined && this.#options.accumulator.oldest !== undefined) {
      this.#armExpiry(this.#settings.deliveryTimeoutMs);
    }
  }

  #drain(broker: BrokerQueue, now: number): void {
    broker.full = 0;
    if (broker.length === 0) return;
    const link = this.#options.link(broker.node);
    if (link === undefined || !link.isReady) return;
    const hurry = this.#flushes > 0 || this.#options.isShortOfRoom();
    const strays: PartitionQueue[] = [];
    // With all requests under way an answer is what is waited for.
    broker.nextDue = Infinity;
    while (broker.inFlight < this.#settings.maxInFlightRequestsPerConnection) {
      const batches = broker.take(now, hurry, strays);
      if (batches.length === 0) break;
      this.#send(broker, link, batches);
    }
    if (broker.nextDue !== Infinity) this.#arm(broker.nextDue, now);
    for (const queue of strays) if (this.#list(queue) !== undefined) this.#wake();
  }

  #send(broker: BrokerQueue, link: NodeLink, batches: readonly ProducerBatch[]): void {
    broker.inFlight++;
    const { acks, requestTimeoutMs, compression } = this.#settings;
    const { metrics, transactions } = this.#options;
    const isTransactional = transactions !== undefined;
    const bytesOf = (batch: ProducerBatch) => {
      batch.isInFlight = true;
      const bytes = batch.close({ compression, isTransactional });
      metrics.outgoingByteTotal.add(bytes.length);
      return bytes;
    };
    const transactionalId = transactions?.transactionalId ?? null;
    const request = produceRequest(batches, acks, requestTimeoutMs, transactionalId, bytesOf);
    const api = transactions?.addsByProducing === false ? PRODUCE_TRANSACTIONS_1 : PRODUCE;
    metrics.requestTotal.add(1);
    const answered = (result: ProduceResponse | ClientError | undefined) => {
      broker.inFlight--;
      this.#answered(batches, result);
    };
    if (acks === 0) link.sendOneWay(api, request, answered);
    else link.send(api, request, requestTimeoutMs, answered);
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
      for (const batch of batches) this.#outcomes.add(batch, undefined, -1, -1);
    } else {
      matchAnswers(batches, result, (batch, answer) => this.#take(batch, answer));
      const leaders = this.#leadersNamed.splice(0);
      if (leaders.length > 0) this.#options.leadersNamed(leaders, result.nodeEndpoints);
    }
    for (const batch of batches) this.#settleSequences(this.#queueOf(batch));
    this.#outcomes.settle();
    this.#isBusy = false;
    this.#drainAll();
  }

  #take(batch: ProducerBatch, answer: PartitionProduceResponse | undefined): void {
    if (answer?.errorCode === ErrorCode.NONE) {
      this.#stored(batch, answer.baseOffset, answer.logAppendTimeMs);
      return;
    }
    const { topic, partition } = batch;
    if (answer !== undefined && answer.currentLeader.leaderId >= 0) {
      this.#leadersNamed.push({ topic, partition, ...answer.currentLeader });
    }
    const code = answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    const detail = answer === undefined
      ? "The broker did not answer for the partition"
      : answer.errorMessage;
    const action = `Cannot send to ${topic}-${partition}`;
    this.#failed(batch, errorForCode(code, action, detail));
  }

  #stored(batch: ProducerBatch, baseOffset: number, logAppendTime: number): void {
    this.#queueOf(batch).sequences?.stored(batch);
    this.#outcomes.add(batch, undefined, baseOffset, logAppendTime);
  }

  /** The batch is not sent again. */
  #giveUp(batch: ProducerBatch, error: ClientError): void {
    this.#queueOf(batch).sequences?.gaveUp(batch);
    this.#outcomes.add(batch, error, -1, -1);
  }

  #settleSequences(queue: PartitionQueue): void {
    if (queue.inFlight === 0) queue.sequences?.settle();
  }

  /** A batch came back: it goes out again, in parts, or fails. */
  #failed(batch: ProducerBatch, error: ClientError): void {
    const queue = this.#queueOf(batch);
    const verdict = queue.sequences?.refused(batch, error.code);
    // Stored once already, the log has forgotten where.
    if (verdict === "stored" || error.code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      return this.#stored(batch, -1, -1);
    }
    if (error.retriable) this.#options.staleMetadata();
    if (batch.isSettled) return this.#giveUp(batch, error);
    if (this.#aborting !== undefined) return this.#giveUp(batch, this.#aborting);
    batch.attempts++;
    batch.lastError = error;
    if (error.code === ErrorCode.MESSAGE_TOO_LARGE && batch.recordsCount > 1) {
      this.#split(batch);
      return;
    }
    const now = this.#now();
    const mayRetry = verdict === undefined ? error.retriable : verdict === "again";
    const isInTime = now < this.#expiresAt(batch);
    if (!mayRetry || batch.attempts > this.#settings.retries || !isInTime) {
      const isLate = mayRetry && !isInTime;
      return this.#giveUp(batch, isLate ? this.#undelivered(batch) : error);
    }
    this.#options.metrics.recordRetryTotal.add(batch.recordsCount);
    const { retryBackoff } = this.#settings;
    batch.notBefore = now + backoffMs(retryBackoff, batch.attempts, this.#options.random);
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
    queue.sequences?.split(batch, parts);
    queue.putBack(...parts.map((part) => part.batch));
    this.#list(queue);
    this.#options.accumulator.release(batch);
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
    const now = this.#now();
    this.#failThose(
      (batch) => this.#expiresAt(batch) <= now,
      (batch) => this.#undelivered(batch),
    );
    this.#outcomes.settle();
    const { oldest } = this.#options.accumulator;
    if (oldest !== undefined) this.#armExpiry(this.#expiresAt(oldest) - now);
    this.#wake();
  }

  /** Fails batches, oldest first. One that is in flight keeps its memory until its request ends. */
  #failThose(
    isDue: (batch: ProducerBatch) => boolean,
    errorOf: (batch: ProducerBatch) => ClientError,
  ): void {
    const { accumulator } = this.#options;
    const due = [...accumulator.live].filter(isDue);
    for (const batch of due) {
      if (batch.isInFlight) {
        accumulator.abandon(batch);
      } else {
        const queue = this.#queueOf(batch);
        queue.remove(batch);
        queue.sequences?.gaveUp(batch);
        this.#settleSequences(queue);
        this.#outcomes.released(batch);
      }
    }
    for (const batch of due) this.#outcomes.fail(batch, errorOf(batch));
  }

  /** The one sum that deadlines are told by: rounded otherwise, a timer might come too early. */
  #expiresAt({ createdAt }: ProducerBatch): number {
    return createdAt + this.#settings.deliveryTimeoutMs;
  }

  #undelivered({ topic, partition, lastError: cause }: ProducerBatch): ClientError {
    const within = `deliveryTimeoutMs ${this.#settings.deliveryTimeoutMs}`;
    const message = `Cannot send to ${topic}-${partition}: not acknowledged within ${within}`;
    if (cause === undefined) return new TimeoutError(message);
    return new TimeoutError(`${message}, last: ${cause.message}`, { cause });
  }
}
