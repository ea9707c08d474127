/**
 * Appending what producers send, and telling them when as many hold it as they asked for.
 *
 * Owns the appends that wait: those with acks=all for the high watermark, and where nothing is
 * acknowledged before it is durable, those with acks=1 for the leader's own flush. Those that begin
 * a transaction here wait before, for its coordinator's word (verification.ts).
 *
 * Invariant: each append gets one reply, and its bytes are given back once.
 *
 * @module
 */

import type { Offset, Timestamp } from "../../storage/bytes/ids.ts";
import { CorruptLogError } from "../../storage/corrupt_log_error.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { AppendRefused } from "../../storage/log_append.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { validateProducedBatch } from "../../storage/record_batch_validation.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { type PreparedBatch, prepareProducedBatch } from "../../storage/produced_records.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import { appendFailure } from "./log_questions.ts";
import type { Append, AppendReply } from "./messages.ts";
import { PendingAcks } from "./pending_acks.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "../runtime/troubles.ts";
import { type Admission, Verification, type VerificationOptions } from "./verification.ts";

/** Finds out whether this partition is part of a transaction; `done` is called in its turn. */
export type AskVerification = VerificationOptions<Append>["ask"];

export interface PartitionAppenderOptions {
  readonly replica: Replica;
  readonly troubles: Troubles;
  /** Absent where transactions are taken on trust. */
  readonly verification: AskVerification | undefined;
  now(): Timestamp;
  /** So many bytes are in the log. */
  appended(bytes: number): void;
}

type RefusedRecords = Extract<PreparedBatch, { readonly kind: "refused" }>;

/** What came of an append: it was answered, or waits for an acknowledgement, or is held back. */
type Outcome = "ended" | "held";

export class PartitionAppender {
  readonly #options: PartitionAppenderOptions;
  readonly #forHighWatermark = new PendingAcks();
  readonly #forFlush = new PendingAcks();
  readonly #batch = new BatchView();
  /** Undefined where transactions are taken on trust. */
  readonly #verification: Verification<Append> | undefined;
  /** For what is held back: the log and settings of the last append. */
  #last: { readonly log: Log; readonly config: PartitionConfig } | undefined;

  constructor(options: PartitionAppenderOptions) {
    this.#options = options;
    const ask = options.verification;
    this.#verification = ask && new Verification({
      ask,
      resume: (append) => {
        const { log, config } = this.#last!;
        this.append(append, log, config);
      },
      refuse: (append, error, reason) => {
        append.release();
        append.replyTo.tell(appendFailure(error, reason));
      },
    });
  }

  append(message: Append, log: Log, config: PartitionConfig): void {
    let outcome: Outcome = "ended";
    try {
      outcome = this.#append(message, log, config);
    } finally {
      if (outcome === "ended") message.release();
    }
  }

  /** Forgets producers that nobody speaks of any more. */
  removeExpired(before: Timestamp): void {
    this.#verification?.removeExpired(before);
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
    this.#verification?.fail();
  }

  #append(message: Append, log: Log, config: PartitionConfig): Outcome {
    const { acks, replyTo, origin = "leader", transactionVersion = 0 } = message;
    let { records } = message;
    const { replica, troubles, now, appended } = this.#options;
    const refusal = replica.checkAppend(acks);
    if (refusal !== ErrorCode.NONE) return refuse(message, refusal, null);
    if (origin === "leader") {
      const fault = validateProducedBatch(records, 0, records.length, {
        batchBytesMax: log.config.maxMessageBytes,
      });
      if (fault !== null) return refuse(message, ErrorCode[fault.kind], fault.reason);
    }
    const { isTransactional, isControl } = this.#batch.moveTo(records, 0);
    if (isTransactional && origin === "leader") {
      const admission = this.#admit(message, this.#batch, log, config);
      if (admission.kind === "held") return "held";
      if (admission.kind === "refused") return refuse(message, admission.error, admission.reason);
    }
    if (origin === "leader") {
      const prepared = prepareProducedBatch(records, config.produced, now());
      if (prepared.kind === "refused") return refuseRecords(message, prepared);
      if (prepared.kind === "recoded") records = prepared.records;
    }
    const { leaderEpoch } = replica;
    const result = log.append(records, { origin, leaderEpoch, now: now(), transactionVersion });
    if (result.kind === "refused") return this.#refused(result, message);
    troubles.end("appends fail");
    if (isTransactional) this.#noteTransaction(records, isControl);
    const reply: AppendReply = {
      error: ErrorCode.NONE,
      errorMessage: null,
      baseOffset: result.firstOffset,
      logAppendTime: result.logAppendTime,
      logStartOffset: log.logStartOffset,
    };
    const endOffset = result.lastOffset + 1;
    if (acks === "all") this.#forHighWatermark.add(endOffset, reply, replyTo);
    else if (acks === "leader" && config.flushBeforeAck) {
      this.#forFlush.add(endOffset, reply, replyTo);
    } else replyTo.tell(reply);
    appended(result.duplicate ? 0 : records.length);
    return "ended";
  }

  /** Whether records of a transaction may be appended now. */
  #admit(message: Append, batch: BatchView, log: Log, config: PartitionConfig): Admission {
    if (this.#verification === undefined) return { kind: "admitted" };
    this.#last = { log, config };
    const { producerId, producerEpoch, baseSequence } = batch;
    const now = this.#options.now();
    try {
      const known = log.producers(now).get(producerId);
      const isOpen = known !== undefined && known.currentTransactionFirstOffset >= 0 &&
        known.producerEpoch === producerEpoch;
      const told = { producerId, producerEpoch, baseSequence };
      const admission = this.#verification.admit(message, told, isOpen, now);
      const isFirst = known === undefined && message.addsToTransaction === true;
      if (admission.kind !== "admitted" || !isFirst || baseSequence === 0) return admission;
      // With version 2 each transaction begins with sequence 0: what was before this is lost.
      const reason = `sequence ${baseSequence} of a producer that is not known`;
      return { kind: "refused", error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, reason };
    } catch (error) {
      if (!(error instanceof DiskError) && !(error instanceof CorruptLogError)) throw error;
      const { message: reason } = error;
      return { kind: "refused", error: ErrorCode.KAFKA_STORAGE_ERROR, reason };
    }
  }

  /** A transaction is open in the log now, or has ended. */
  #noteTransaction(records: Uint8Array, isMarker: boolean): void {
    const { producerId } = this.#batch.moveTo(records, 0);
    if (isMarker) this.#verification?.marked(producerId);
    else this.#verification?.appended(producerId);
  }

  #refused({ error, reason, failure }: AppendRefused, message: Append): Outcome {
    if (failure !== undefined) this.#options.troubles.begin("appends fail", reason, failure);
    // A leader's batches are never refused for a follower's reasons.
    const code = error === "UNEXPECTED_APPEND_OFFSET" || error === "UNEXPECTED_LEADER_EPOCH"
      ? ErrorCode.UNKNOWN_SERVER_ERROR
      : ErrorCode[error];
    return refuse(message, code, reason);
  }
}

function refuseRecords({ replyTo }: Append, refused: RefusedRecords): Outcome {
  const { error, reason, recordErrors } = refused;
  replyTo.tell({ ...appendFailure(ErrorCode[error], reason), recordErrors });
  return "ended";
}

function refuse({ replyTo }: Append, error: ErrorCode, reason: string | null): Outcome {
  replyTo.tell(appendFailure(error, reason));
  return "ended";
}
