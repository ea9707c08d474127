/**
 * Appending what producers send, and telling them when as many hold it as they asked for.
 *
 * Owns the appends that wait: those with acks=all for the high watermark, and where nothing is
 * acknowledged before it is durable, those with acks=1 for the leader's own flush.
 *
 * Invariant: each append gets one reply, and its bytes are given back once.
 *
 * @module
 */

import type { Offset, Timestamp } from "../../storage/bytes/ids.ts";
import type { Log } from "../../storage/log.ts";
import type { AppendRefused } from "../../storage/log_append.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { validateProducedBatch } from "../../storage/record_batch_validation.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Ref } from "../runtime/ref.ts";
import { appendFailure } from "./log_questions.ts";
import type { Append, AppendReply } from "./messages.ts";
import { PendingAcks } from "./pending_acks.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "./troubles.ts";

export interface PartitionAppenderOptions {
  readonly replica: Replica;
  readonly troubles: Troubles;
  now(): Timestamp;
  /** So many bytes are in the log. */
  appended(bytes: number): void;
}

export class PartitionAppender {
  readonly #options: PartitionAppenderOptions;
  readonly #forHighWatermark = new PendingAcks();
  readonly #forFlush = new PendingAcks();

  constructor(options: PartitionAppenderOptions) {
    this.#options = options;
  }

  append(message: Append, log: Log, flushBeforeAck: boolean): void {
    try {
      this.#append(message, log, flushBeforeAck);
    } finally {
      message.release();
    }
  }

  /** Tells whoever's records are held now by as many as was asked for. */
  release(flushedOffset: Offset): void {
    const { replica } = this.#options;
    if (this.#forFlush.size > 0) this.#forFlush.release(flushedOffset);
    if (this.#forHighWatermark.size === 0) return;
    const error = replica.checkAcknowledge();
    const failure = error === ErrorCode.NONE ? undefined : appendFailure(error, null);
    this.#forHighWatermark.release(replica.highWatermark, failure);
  }

  /** This replica leads no more, or has failed: the outcome of what waits is unknown. */
  fail(): void {
    const reply = appendFailure(ErrorCode.NOT_LEADER_OR_FOLLOWER, null);
    this.#forHighWatermark.fail(reply);
    this.#forFlush.fail(reply);
  }

  #append({ records, acks, replyTo }: Append, log: Log, flushBeforeAck: boolean): void {
    const { replica, troubles, now, appended } = this.#options;
    const refusal = replica.checkAppend(acks);
    if (refusal !== ErrorCode.NONE) return void replyTo.tell(appendFailure(refusal, null));
    const fault = validateProducedBatch(records, 0, records.length, {
      batchBytesMax: log.config.maxMessageBytes,
    });
    if (fault !== null) {
      return void replyTo.tell(appendFailure(ErrorCode[fault.kind], fault.reason));
    }
    if (new BatchView(records).isTransactional) {
      const reason = "transactions are not served";
      return void replyTo.tell(appendFailure(ErrorCode.INVALID_TXN_STATE, reason));
    }
    const result = log.append(records, {
      origin: "leader",
      leaderEpoch: replica.leaderEpoch,
      now: now(),
    });
    if (result.kind === "refused") return this.#refused(result, replyTo);
    troubles.end("appends fail");
    const reply: AppendReply = {
      error: ErrorCode.NONE,
      errorMessage: null,
      baseOffset: result.firstOffset,
      logAppendTime: result.logAppendTime,
      logStartOffset: log.logStartOffset,
    };
    const endOffset = result.lastOffset + 1;
    if (acks === "all") this.#forHighWatermark.add(endOffset, reply, replyTo);
    else if (acks === "leader" && flushBeforeAck) this.#forFlush.add(endOffset, reply, replyTo);
    else replyTo.tell(reply);
    appended(result.duplicate ? 0 : records.length);
  }

  #refused({ error, reason, failure }: AppendRefused, replyTo: Ref<AppendReply>): void {
    if (failure !== undefined) this.#options.troubles.begin("appends fail", reason);
    // A leader's batches are never refused for a follower's reasons.
    const code = error === "UNEXPECTED_APPEND_OFFSET" || error === "UNEXPECTED_LEADER_EPOCH"
      ? ErrorCode.UNKNOWN_SERVER_ERROR
      : ErrorCode[error];
    replyTo.tell(appendFailure(code, reason));
  }
}
