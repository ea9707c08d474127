/**
 * The rules of transactions (KIP-98, KIP-360, KIP-588, KIP-890): what a request makes of a
 * transaction, or with which of Kafka's errors it is refused.
 *
 * Plain: a transaction and a request in, the next transaction or an error out. Whoever calls writes
 * the next one down, and acts upon it once that is committed.
 *
 * Invariants:
 * - a decision is never taken back: from PrepareCommit there is only CompleteCommit, from
 *   PrepareAbort only CompleteAbort;
 * - the epoch of a producer id never falls, and rises whenever somebody else takes over;
 * - with client version 2 each transaction has an epoch of its own, so that nothing late of one can
 *   be taken for a part of the next.
 *
 * Each deliberate rule is a method of its own that a subclass can replace.
 *
 * @module
 */

import { NONE, type ProducerId, type Timestamp } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type ClientVersion,
  EPOCH_MAX,
  includesPartitions,
  isEpochExhausted,
  isPrepared,
  newTransaction,
  NO_PARTITIONS,
  type TopicPartitions,
  type Transaction,
  withPartitions,
} from "./transaction.ts";

/** A producer with its epoch. */
export interface ProducerIdAndEpoch {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

export interface InitProducer {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What the producer had before, where it wants to go on (KIP-360). */
  readonly expected: ProducerIdAndEpoch | undefined;
}

export interface EndTransaction extends ProducerIdAndEpoch {
  readonly committed: boolean;
  readonly clientVersion: ClientVersion;
}

/** What comes of a request. */
export type Ruling =
  /** To be written; the request is answered with it when that is committed. */
  | { readonly kind: "next"; readonly next: Transaction; readonly answer: ProducerIdAndEpoch }
  /** To be written; the request is then answered with CONCURRENT_TRANSACTIONS. */
  | { readonly kind: "fence"; readonly next: Transaction }
  /** It is so already. */
  | { readonly kind: "done"; readonly answer: ProducerIdAndEpoch }
  /** The same again, with a producer id that nobody has had. */
  | { readonly kind: "new-producer-id" }
  | { readonly kind: "refused"; readonly error: ErrorCode };

type Known = Transaction | undefined;

export class TransactionRules {
  /**
   * InitProducerId: a producer takes the transactional id over, from one that is fenced by it, or
   * from itself.
   *
   * @param lastEpoch the epoch that the producer had before its last InitProducerId, by which that
   *     is known if it comes again; -1 for none
   * @param newProducerId one that nobody has had, once it was asked for
   */
  initProducer(
    known: Known,
    request: InitProducer,
    lastEpoch: number,
    newProducerId: ProducerId | undefined,
    now: Timestamp,
  ): Ruling {
    const { transactionalId, timeoutMs, expected } = request;
    if (known === undefined) {
      if (newProducerId === undefined) return { kind: "new-producer-id" };
      return next(newTransaction(transactionalId, newProducerId, timeoutMs, now));
    }
    if (expected !== undefined && !isExpected(known, expected)) {
      return refused(ErrorCode.PRODUCER_FENCED);
    }
    if (isPrepared(known)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS);
    const isCurrent = expected === undefined || isSame(known, expected);
    if (known.status === "Ongoing") {
      // Else whoever was fenced could end the transaction of whoever fenced it.
      if (!isCurrent) return refused(ErrorCode.PRODUCER_FENCED);
      return { kind: "fence", next: this.fence(known, now) };
    }
    const empty: Transaction = {
      ...known,
      status: "Empty",
      nextProducerId: NONE,
      partitions: NO_PARTITIONS,
      timeoutMs,
      startedAt: NONE,
      updatedAt: now,
      clientVersion: 0,
    };
    const { producerId, producerEpoch } = known;
    if (isEpochExhausted(producerEpoch) && isCurrent) {
      if (newProducerId === undefined) return { kind: "new-producer-id" };
      return next({
        ...empty,
        producerId: newProducerId,
        previousProducerId: producerId,
        producerEpoch: 0,
      });
    }
    if (isCurrent) return next({ ...empty, producerEpoch: producerEpoch + 1 });
    // It has heard nothing of the time before: nobody else can have come in between.
    const isAgain = lastEpoch >= 0 && expected.producerEpoch === lastEpoch;
    if (isAgain || hasEndedBy(known, expected)) return next(empty);
    return refused(ErrorCode.PRODUCER_FENCED);
  }

  /** AddPartitionsToTxn and AddOffsetsToTxn: a transaction begins, or reaches further. */
  addPartitions(
    known: Known,
    { producerId, producerEpoch }: ProducerIdAndEpoch,
    added: readonly TopicPartitions[],
    clientVersion: ClientVersion,
    now: Timestamp,
  ): Ruling {
    const error = this.checkProducer(known, producerId, producerEpoch);
    if (known === undefined || error !== ErrorCode.NONE) return refused(error);
    if (isPrepared(known)) return refused(ErrorCode.CONCURRENT_TRANSACTIONS);
    const isOngoing = known.status === "Ongoing";
    if (isOngoing && includesPartitions(known.partitions, added)) {
      return { kind: "done", answer: known };
    }
    return next({
      ...known,
      status: "Ongoing",
      partitions: withPartitions(known.partitions, added),
      startedAt: isOngoing ? known.startedAt : now,
      updatedAt: now,
      clientVersion,
    });
  }

  /** Whether partitions are part of the open transaction of a producer; the error that says no. */
  verifyProducer(known: Known, { producerId, producerEpoch }: ProducerIdAndEpoch): ErrorCode {
    const error = this.checkProducer(known, producerId, producerEpoch);
    if (error !== ErrorCode.NONE) return error;
    return isPrepared(known!) ? ErrorCode.CONCURRENT_TRANSACTIONS : ErrorCode.NONE;
  }

  /** Whether a partition is part of a transaction that `verifyProducer` says nothing against. */
  verifyPartition(
    { status, partitions }: Transaction,
    topic: string,
    partition: number,
  ): ErrorCode {
    const isPart = status === "Ongoing" && partitions.get(topic)?.has(partition) === true;
    return isPart ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE;
  }

  /** EndTxn: the producer decides. */
  endTransaction(
    known: Known,
    request: EndTransaction,
    newProducerId: ProducerId | undefined,
    now: Timestamp,
  ): Ruling {
    if (known === undefined) return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    const { committed, clientVersion } = request;
    const isRepeated = clientVersion === 2 ? hasEndedBy(known, request) : isSame(known, request);
    const isNew = isSame(known, request);
    if (!isRepeated && known.producerId !== request.producerId) {
      return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    }
    if (!isRepeated && !isNew) return refused(ErrorCode.PRODUCER_FENCED);
    switch (known.status) {
      case "Ongoing":
        if (!isNew) return refused(ErrorCode.PRODUCER_FENCED);
        return this.decide(known, committed, clientVersion, newProducerId, now);
      case "PrepareCommit":
      case "PrepareAbort":
        // The transaction to be ended is the next one, which has not begun: it is to ask again.
        if (!isRepeated) return refused(ErrorCode.CONCURRENT_TRANSACTIONS);
        return refused(
          committed === (known.status === "PrepareCommit")
            ? ErrorCode.CONCURRENT_TRANSACTIONS
            : ErrorCode.INVALID_TXN_STATE,
        );
      default:
        if (isRepeated && isOutcome(known, committed)) return { kind: "done", answer: known };
        // Whoever of version 2 does not know whether it has begun aborts, and has a new epoch.
        if (clientVersion < 2 || isRepeated || committed) {
          return refused(ErrorCode.INVALID_TXN_STATE);
        }
        return this.decide(known, false, clientVersion, newProducerId, now);
    }
  }

  /** The transaction has been open for too long. */
  isTimedOut({ status, startedAt, timeoutMs }: Transaction, now: Timestamp): boolean {
    return status === "Ongoing" && startedAt + timeoutMs < now;
  }

  /**
   * Aborts an open transaction on behalf of nobody, so that its producer is fenced: with an epoch
   * that no producer has, nor is told.
   */
  fence(known: Transaction, now: Timestamp): Transaction {
    const producerEpoch = Math.min(known.producerEpoch + 1, EPOCH_MAX);
    return { ...known, status: "PrepareAbort", producerEpoch, updatedAt: now, clientVersion: 0 };
  }

  /** All markers are written. */
  complete(known: Transaction, now: Timestamp): Transaction {
    const { nextProducerId } = known;
    const completed: Transaction = {
      ...known,
      status: known.status === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort",
      partitions: NO_PARTITIONS,
      updatedAt: now,
    };
    if (nextProducerId < 0) return completed;
    return {
      ...completed,
      producerId: nextProducerId,
      previousProducerId: known.producerId,
      nextProducerId: NONE,
      producerEpoch: 0,
    };
  }

  /** Whether nobody has used the transactional id for `transactional.id.expiration.ms`. */
  isExpired({ status, updatedAt }: Transaction, now: Timestamp, expirationMs: number): boolean {
    const isAtRest = status === "Empty" || status === "CompleteCommit" ||
      status === "CompleteAbort";
    return isAtRest && updatedAt <= now - expirationMs;
  }

  /** The error that refuses a producer which has not got the transactional id, or NONE. */
  protected checkProducer(known: Known, producerId: ProducerId, producerEpoch: number): ErrorCode {
    if (known === undefined || known.producerId !== producerId) {
      return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    }
    return known.producerEpoch === producerEpoch ? ErrorCode.NONE : ErrorCode.PRODUCER_FENCED;
  }

  /** The outcome, with the epoch that the producer has from then on. */
  protected decide(
    known: Transaction,
    committed: boolean,
    clientVersion: ClientVersion,
    newProducerId: ProducerId | undefined,
    now: Timestamp,
  ): Ruling {
    const { producerId, producerEpoch } = known;
    const decided: Transaction = {
      ...known,
      status: committed ? "PrepareCommit" : "PrepareAbort",
      startedAt: known.startedAt < 0 ? now : known.startedAt,
      updatedAt: now,
      clientVersion,
    };
    if (clientVersion < 2) return next(decided);
    const raised = { ...decided, producerEpoch: producerEpoch + 1 };
    if (!isEpochExhausted(producerEpoch)) return next(raised);
    if (newProducerId === undefined) return { kind: "new-producer-id" };
    return {
      kind: "next",
      next: { ...raised, producerId, nextProducerId: newProducerId },
      answer: { producerId: newProducerId, producerEpoch: 0 },
    };
  }
}

/** Whether the producer may be the one that has the transactional id now. */
function isExpected(known: Transaction, expected: ProducerIdAndEpoch): boolean {
  return expected.producerId === known.producerId ||
    (expected.producerId === known.previousProducerId && isEpochExhausted(expected.producerEpoch));
}

function isSame(known: Transaction, { producerId, producerEpoch }: ProducerIdAndEpoch): boolean {
  return known.producerId === producerId && known.producerEpoch === producerEpoch;
}

/** Whether the last transaction was ended by a producer of version 2 that had this epoch. */
function hasEndedBy(
  known: Transaction,
  { producerId, producerEpoch }: ProducerIdAndEpoch,
): boolean {
  if (known.clientVersion < 2 || known.status === "Ongoing") return false;
  if (known.producerId === producerId) return known.producerEpoch === producerEpoch + 1;
  return known.previousProducerId === producerId && known.producerEpoch === 0 &&
    isEpochExhausted(producerEpoch);
}

function isOutcome({ status }: Transaction, committed: boolean): boolean {
  return status === (committed ? "CompleteCommit" : "CompleteAbort");
}

function next(transaction: Transaction): Ruling {
  return { kind: "next", next: transaction, answer: transaction };
}

function refused(error: ErrorCode): Ruling {
  return { kind: "refused", error };
}
