/**
 * The producer's id and epoch (KIP-98, KIP-360).
 *
 * Owns the asking for an id and the raising of the epoch, which the producer does by itself. Does
 * not own which batches bear it (sequences.ts).
 *
 * Invariants: one request at a time, and none within the backoff of the last; an id and epoch, once
 * left, do not come back; `current` is the same object until it changes.
 *
 * @module
 */

import type { ProducerId } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  INIT_PRODUCER_ID,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../../../net/messages/init_producer_id.ts";
import { make } from "../../../net/schema/make.ts";
import { type BackoffBounds, backoffMs } from "../../link/backoff.ts";
import type { Environment, RandomStream, Timer } from "../../runtime/environment.ts";
import { type ClientError, errorForCode } from "../errors.ts";

/** Who a batch is from. */
export interface ProducerIdAndEpoch {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** What the numbering of batches hangs on. */
export interface Identity {
  /** What batches that are numbered now bear; undefined while there is none. */
  readonly current: ProducerIdAndEpoch | undefined;
  /** Asks for an id, unless there is one or it is on its way. */
  want(): void;
  /** To be called when a broker was connected to. */
  connected(): void;
  /** Leaves an id and epoch for the next, unless that was done already. */
  bump(from: ProducerIdAndEpoch): void;
  close(): void;
}

export interface ProducerIdentityOptions {
  readonly environment: Environment;
  readonly random: RandomStream;
  readonly retryBackoff: BackoffBounds;
  /**
   * Sends a request to any broker and calls back later; false when none is connected, and then
   * `connected` is to be called when one is.
   */
  ask(
    request: InitProducerIdRequest,
    done: (result: InitProducerIdResponse | ClientError) => void,
  ): boolean;
  /** There is an id now. */
  changed(): void;
  /** There will be none before `want` is called again. */
  failed(error: ClientError): void;
}

const PRODUCER_EPOCH_MAX = 0x7fff;

/** The id and epoch. */
export class ProducerIdentity implements Identity {
  readonly #options: ProducerIdentityOptions;
  #current: ProducerIdAndEpoch | undefined;
  #isWanted = false;
  #isAsking = false;
  #failures = 0;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: ProducerIdentityOptions) {
    this.#options = options;
  }

  /** What batches that are numbered now bear; undefined while there is none. */
  get current(): ProducerIdAndEpoch | undefined {
    return this.#current;
  }

  /** Asks for an id, unless there is one or it is on its way. */
  want(): void {
    if (this.#current !== undefined) return;
    this.#isWanted = true;
    this.#maybeAsk();
  }

  /** To be called when a broker was connected to. */
  connected(): void {
    this.#maybeAsk();
  }

  /** Leaves an id and epoch for the next, unless that was done already. */
  bump(from: ProducerIdAndEpoch): void {
    if (this.#current !== from) return;
    const { producerId, producerEpoch } = from;
    if (producerEpoch < PRODUCER_EPOCH_MAX) {
      this.#current = { producerId, producerEpoch: producerEpoch + 1 };
    } else {
      this.#current = undefined;
      this.want();
    }
    const { logger } = this.#options.environment;
    logger.log("debug", "producer epoch raised", { producerId, producerEpoch: producerEpoch + 1 });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #maybeAsk(): void {
    if (!this.#isWanted || this.#isAsking || this.#isClosed || this.#timer !== undefined) return;
    // Without a transactional id the timeout counts for nothing: Kafka's client sends this.
    const request = make(INIT_PRODUCER_ID.request, {
      transactionalId: null,
      transactionTimeoutMs: 0x7fffffff,
    });
    this.#isAsking = this.#options.ask(request, (result) => this.#answered(result));
  }

  #answered(result: InitProducerIdResponse | ClientError): void {
    this.#isAsking = false;
    if (this.#isClosed) return;
    const error = result instanceof Error ? result : errorOf(result);
    if (error === undefined) {
      const { producerId, producerEpoch } = result as InitProducerIdResponse;
      this.#isWanted = false;
      this.#failures = 0;
      this.#current = { producerId, producerEpoch };
      this.#options.changed();
    } else if (error.retriable) {
      this.#retryLater();
    } else {
      this.#isWanted = false;
      this.#failures = 0;
      this.#options.failed(error);
    }
  }

  #retryLater(): void {
    const { retryBackoff, random, environment } = this.#options;
    const delayMs = backoffMs(retryBackoff, ++this.#failures, random);
    this.#timer = environment.timers.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#maybeAsk();
    });
  }
}

function errorOf({ errorCode }: InitProducerIdResponse): ClientError | undefined {
  if (errorCode === ErrorCode.NONE) return undefined;
  return errorForCode(errorCode, "Cannot get a producer id");
}
