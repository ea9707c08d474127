/**
 * What became of batches, until their users are told: only after all state was brought up to date,
 * so that what they do in a callback finds it so.
 *
 * @module
 */

import type { Accumulator } from "./accumulator.ts";
import type { ClientError } from "../errors.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import type { ProducerMetrics } from "./producer_metrics.ts";

export interface ProduceOutcomesOptions {
  readonly accumulator: Accumulator;
  readonly metrics: ProducerMetrics;
  /** Memory was given back. */
  roomMade(): void;
  /** A callback of the user threw. */
  thrown(error: unknown): void;
}

interface Outcome {
  readonly batch: ProducerBatch;
  readonly error: ClientError | undefined;
  readonly baseOffset: number;
  readonly logAppendTime: number;
}

/** Outcomes that nobody was told of yet. */
export class ProduceOutcomes {
  readonly #options: ProduceOutcomesOptions;
  readonly #outcomes: Outcome[] = [];
  /** Memory came back of a batch whose users were told before. */
  #hasRoomToTell = false;

  constructor(options: ProduceOutcomesOptions) {
    this.#options = options;
    this.showRoom();
  }

  /** Shows in the metrics what the buffer has left. */
  showRoom(): void {
    const { metrics, accumulator } = this.#options;
    metrics.bufferAvailableBytes.set(accumulator.freeBytes);
  }

  /** Has the batch's users told at the next `settle`, and gives its memory back. */
  add(
    batch: ProducerBatch,
    error: ClientError | undefined,
    baseOffset: number,
    logAppendTime: number,
  ): void {
    this.#options.accumulator.release(batch);
    if (batch.isSettled) this.#hasRoomToTell = true;
    else this.#outcomes.push({ batch, error, baseOffset, logAppendTime });
  }

  /** The memory of a batch comes back whose users are told by `fail`. */
  released(batch: ProducerBatch): void {
    this.#hasRoomToTell = true;
    this.#options.accumulator.release(batch);
  }

  /** Tells the users of a batch at once that it failed. */
  fail(batch: ProducerBatch, error: ClientError): void {
    this.#options.metrics.recordErrorTotal.add(batch.recordsCount);
    batch.fail(error, this.#options.thrown);
  }

  /** Tells everybody. */
  settle(): void {
    if (this.#outcomes.length === 0 && !this.#hasRoomToTell) return;
    this.#hasRoomToTell = false;
    const { thrown, roomMade, metrics } = this.#options;
    this.showRoom();
    for (const { batch, error, baseOffset, logAppendTime } of this.#outcomes.splice(0)) {
      if (error === undefined) {
        metrics.recordSendTotal.add(batch.recordsCount);
        batch.complete(baseOffset, logAppendTime, thrown);
      } else {
        this.fail(batch, error);
      }
    }
    roomMade();
  }
}
