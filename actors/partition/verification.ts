/**
 * Holding records of a transaction back until its coordinator has said that this partition is a
 * part of it (KIP-890). Without that a late record would open a transaction that nobody ever ends.
 *
 * Owns the attempts, one a producer: who is being asked about, what waits for the answer, and the
 * lowest sequence number that was refused. It does not own what is asked of whom: the broker's
 * verifier does, which knows where coordinators are.
 *
 * Invariants:
 * - records of a producer that has no open transaction here are appended only after an answer to a
 *   question that was put after the last marker of that producer stood in the log;
 * - what waits keeps its order, also among itself and what comes later;
 * - each append that waits is gone on with once, or refused once.
 *
 * @module
 */

import type { ProducerId, Timestamp } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";

/** Asks whether a partition is part of an open transaction, or makes it one. */
export interface VerifyTransaction {
  readonly kind: "verify-transaction";
  readonly transactionalId: string;
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly topic: string;
  readonly partition: number;
  /** Whether to add the partition where it is missing, as for clients of transaction version 2. */
  readonly add: boolean;
  readonly replyTo: Ref<TransactionVerified>;
}

export interface TransactionVerified {
  readonly kind: "transaction-verified";
  /** NONE where it is part of the transaction; else Kafka's error for the coordinator's reason. */
  readonly error: ErrorCode;
}

/** What a batch of a transaction says of itself, and of whom it comes from. */
export interface TransactionalBatch {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export interface VerificationOptions<Append> {
  /** Asks the verifier; `done` is called in the turn of whoever appends. */
  ask(
    append: Append,
    batch: TransactionalBatch,
    done: (result: AskResult<TransactionVerified>) => void,
  ): void;
  /** Appends what was held back. */
  resume(append: Append): void;
  /** Answers what was held back, and lets go of its records. */
  refuse(append: Append, error: ErrorCode, reason: string): void;
}

/** What may become of an append. */
export type Admission =
  | { readonly kind: "admitted" }
  /** It is gone on with later, or refused. */
  | { readonly kind: "held" }
  | { readonly kind: "refused"; readonly error: ErrorCode; readonly reason: string };

interface Held<Append> {
  readonly append: Append;
  readonly batch: TransactionalBatch;
}

interface Attempt<Append> {
  readonly producerEpoch: number;
  /** Refused or held, and not appended since: none above it may come first. */
  lowestSequence: number;
  lastUsed: Timestamp;
  /** Tells the question that counts from those before. */
  question: number;
  waiting: Held<Append>[];
}

const ADMITTED: Admission = { kind: "admitted" };
const HELD: Admission = { kind: "held" };

/** Attempts that are remembered; beyond, the oldest goes. */
const ATTEMPTS_MAX = 10_000;

/** For appends of a kind: batches of producers, or the offsets that groups commit. */
export class Verification<Append> {
  readonly #options: VerificationOptions<Append>;
  readonly #attempts = new Map<ProducerId, Attempt<Append>>();
  #questions = 0;
  /** The append that is gone on with: it has been verified. */
  #resuming: Append | undefined;

  constructor(options: VerificationOptions<Append>) {
    this.#options = options;
  }

  /** Whether records may be appended now, of a producer whose transaction is `open` here or not. */
  admit(append: Append, batch: TransactionalBatch, open: boolean, now: Timestamp): Admission {
    const attempt = this.#attempts.get(batch.producerId);
    if (append === this.#resuming) return this.#checkSequence(attempt, batch);
    if (attempt === undefined || attempt.producerEpoch < batch.producerEpoch) {
      if (open) return ADMITTED;
      if (attempt !== undefined) this.#end(batch.producerId, ErrorCode.INVALID_PRODUCER_EPOCH);
      return this.#hold(this.#begin(batch, now), append, batch);
    }
    if (attempt.producerEpoch > batch.producerEpoch) {
      const reason = `epoch ${batch.producerEpoch} is older than ${attempt.producerEpoch}`;
      return { kind: "refused", error: ErrorCode.INVALID_PRODUCER_EPOCH, reason };
    }
    attempt.lastUsed = now;
    if (open && attempt.waiting.length === 0) return ADMITTED;
    return this.#hold(attempt, append, batch);
  }

  /** Records of a producer are in the log: the next ones need no answer. */
  appended(producerId: ProducerId): void {
    const attempt = this.#attempts.get(producerId);
    if (attempt === undefined || attempt.waiting.length > 0) return;
    this.#attempts.delete(producerId);
  }

  /** A marker of a producer is in the log: whatever was answered was about a transaction before. */
  marked(producerId: ProducerId): void {
    const attempt = this.#attempts.get(producerId);
    if (attempt === undefined) return;
    if (attempt.waiting.length > 0) this.#ask(attempt);
    else this.#attempts.delete(producerId);
  }

  /** Refuses all that waits, and forgets everything: this replica leads no more. */
  fail(): void {
    for (const producerId of [...this.#attempts.keys()]) {
      this.#end(producerId, ErrorCode.NOT_LEADER_OR_FOLLOWER);
    }
  }

  /** Forgets what nobody came back to. */
  removeExpired(before: Timestamp): void {
    for (const [producerId, { waiting, lastUsed }] of this.#attempts) {
      if (waiting.length === 0 && lastUsed < before) this.#attempts.delete(producerId);
    }
  }

  #begin(
    { producerId, producerEpoch, baseSequence }: TransactionalBatch,
    now: Timestamp,
  ): Attempt<Append> {
    if (this.#attempts.size >= ATTEMPTS_MAX) this.#forgetOne();
    const attempt: Attempt<Append> = {
      producerEpoch,
      lowestSequence: baseSequence,
      lastUsed: now,
      question: 0,
      waiting: [],
    };
    this.#attempts.set(producerId, attempt);
    return attempt;
  }

  #hold(attempt: Attempt<Append>, append: Append, batch: TransactionalBatch): Admission {
    attempt.lowestSequence = Math.min(attempt.lowestSequence, batch.baseSequence);
    attempt.waiting.push({ append, batch });
    if (attempt.waiting.length === 1) this.#ask(attempt);
    return HELD;
  }

  /** One question for all that waits. */
  #ask(attempt: Attempt<Append>): void {
    const question = ++this.#questions;
    attempt.question = question;
    const { append, batch } = attempt.waiting[0] as Held<Append>;
    this.#options.ask(append, batch, (result) => {
      if (this.#attempts.get(batch.producerId) !== attempt || attempt.question !== question) return;
      this.#answered(attempt, result);
    });
  }

  #answered(attempt: Attempt<Append>, result: AskResult<TransactionVerified>): void {
    const waiting = attempt.waiting;
    attempt.waiting = [];
    const error = result.kind === "reply" ? result.reply.error : ErrorCode.NOT_ENOUGH_REPLICAS;
    for (const { append } of waiting) {
      if (error === ErrorCode.NONE) this.#resume(append);
      else {this.#options.refuse(
          append,
          error,
          "the partition is not verified to be in a transaction",
        );}
    }
  }

  #resume(append: Append): void {
    this.#resuming = append;
    try {
      this.#options.resume(append);
    } finally {
      this.#resuming = undefined;
    }
  }

  /** What was refused for a time must not be overtaken, or it could never be appended. */
  #checkSequence(
    attempt: Attempt<Append> | undefined,
    { baseSequence }: TransactionalBatch,
  ): Admission {
    if (attempt === undefined || baseSequence <= attempt.lowestSequence) return ADMITTED;
    const reason = `sequence ${baseSequence} before ${attempt.lowestSequence}`;
    return { kind: "refused", error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, reason };
  }

  #end(producerId: ProducerId, error: ErrorCode): void {
    const attempt = this.#attempts.get(producerId);
    this.#attempts.delete(producerId);
    for (const { append } of attempt?.waiting ?? []) {
      this.#options.refuse(append, error, "the attempt to verify the transaction has ended");
    }
  }

  #forgetOne(): void {
    for (const [producerId, { waiting }] of this.#attempts) {
      if (waiting.length > 0) continue;
      this.#attempts.delete(producerId);
      return;
    }
  }
}
