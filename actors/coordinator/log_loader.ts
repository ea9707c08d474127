/**
 * Reads a partition of an internal topic from its beginning to its end, by messages to the
 * partition's actor, and hands on each record and each transaction marker.
 *
 * Owns how far it has come, and trying again. Done only when everything that was in the log when
 * this broker became its leader, or was left there by an earlier life of the coordinator, is
 * committed and read: a leader whose high watermark is behind the start of its epoch serves nobody.
 *
 * @module
 */

import type { Epoch, Offset } from "../../storage/bytes/ids.ts";
import { decodeControlRecord } from "../../storage/control_record.ts";
import { RecordCursor } from "../../storage/record.ts";
import { type BatchView, walkBatches } from "../../storage/record_batch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { ListOffsetReply, PartitionRequest, ReadReply } from "../partition/messages.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { WriteProducer } from "./machine.ts";

/** Takes what the log holds, in its order. Keys and values are valid during the call. */
export interface LoadedRecords {
  /** The producer is that of a transactional batch. */
  record(
    offset: Offset,
    key: Uint8Array,
    value: Uint8Array | null,
    producer: WriteProducer | undefined,
  ): void;
  marker(
    offset: Offset,
    producer: WriteProducer,
    outcome: "commit" | "abort",
    coordinatorEpoch: Epoch,
  ): void;
  /** All is read; the log ends there. */
  loaded(endOffset: Offset): void;
}

export interface LogLoaderOptions {
  readonly partition: Ref<PartitionRequest>;
  readonly leaderEpoch: Epoch;
  readonly into: LoadedRecords;
  ask<Reply>(
    question: (replyTo: Ref<Reply>) => PartitionRequest,
    answered: (result: AskResult<Reply>) => void,
  ): void;
  after(delayMs: number, run: () => void): void;
}

/** ListOffsets' name for the end. */
const LATEST = -1;

/** A slice of reading: what it holds is replayed in one turn, in a few milliseconds. */
const READ_BYTES_MAX = 256 * 1024;

/** Between two looks at a log that cannot be read yet, or is not committed to its end: at first. */
const RETRY_MS = 10;
/** It may be long until replicas are back, and a broker has many coordinators. */
const RETRY_MS_MAX = 250;

export class LogLoader {
  readonly #options: LogLoaderOptions;
  readonly #cursor = new RecordCursor();
  #position: Offset = 0;
  /** The log must be read up to here; -1 while that is not known. */
  #target: Offset = -1;
  #retryMs = RETRY_MS;

  constructor(options: LogLoaderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.ask<ListOffsetReply>(
      (replyTo) => ({
        kind: "list-offset",
        timestamp: LATEST,
        currentLeaderEpoch: this.#options.leaderEpoch,
        readCommitted: false,
        // As a follower sees it: to the end, whatever is committed.
        follower: true,
        replyTo,
      }),
      (result) => {
        if (result.kind !== "reply" || result.reply.error !== ErrorCode.NONE) {
          return this.#options.after(this.#nextRetryMs(), () => this.start());
        }
        this.#target = result.reply.offset;
        this.#read();
      },
    );
  }

  #read(): void {
    if (this.#position >= this.#target) return this.#options.into.loaded(this.#position);
    this.#options.ask<ReadReply>(
      (replyTo) => ({
        kind: "read",
        fetchOffset: this.#position,
        maxBytes: READ_BYTES_MAX,
        atLeastOneBatch: true,
        currentLeaderEpoch: this.#options.leaderEpoch,
        readCommitted: false,
        replyTo,
      }),
      (result) => {
        if (result.kind === "reply" && this.#take(result.reply)) return this.#read();
        this.#options.after(this.#nextRetryMs(), () => this.#read());
      },
    );
  }

  #nextRetryMs(): number {
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
    return retryMs;
  }

  /** Whether that was a step forward. */
  #take(reply: ReadReply): boolean {
    const { error, logStartOffset, highWatermark, records } = reply;
    if (error === ErrorCode.OFFSET_OUT_OF_RANGE && logStartOffset > this.#position) {
      this.#position = logStartOffset;
      return true;
    }
    if (error !== ErrorCode.NONE) return false;
    if (records === null) {
      if (highWatermark < this.#target) return false;
      // The cleaner has left nothing at the end.
      this.#position = this.#target;
      return true;
    }
    try {
      for (const batch of walkBatches(records)) {
        this.#takeBatch(batch);
        this.#position = batch.nextOffset;
      }
    } finally {
      reply.release();
    }
    this.#retryMs = RETRY_MS;
    return true;
  }

  #takeBatch(batch: BatchView): void {
    const { into } = this.#options;
    const { producerId, producerEpoch } = batch;
    const producer = batch.isTransactional ? { producerId, producerEpoch } : undefined;
    const cursor = this.#cursor.open(batch);
    while (cursor.next()) {
      if (cursor.offset < this.#position) continue;
      if (batch.isControl) {
        if (producer === undefined) continue;
        const control = decodeControlRecord(cursor.toRecord());
        if (control.kind !== "COMMIT" && control.kind !== "ABORT") continue;
        const outcome = control.kind === "COMMIT" ? "commit" : "abort";
        into.marker(cursor.offset, producer, outcome, control.coordinatorEpoch);
      } else if (cursor.key !== null) {
        into.record(cursor.offset, cursor.key, cursor.value, producer);
      }
    }
  }
}
