/**
 * The transaction coordinator of one partition of `__transaction_state`: the transactional ids
 * whose hash is that partition, and their transactions.
 *
 * Owns the transactions as their records tell, who waits for one to end, and what is done about
 * them over time: markers are written to all partitions of a transaction once its outcome is
 * committed, again after each load; those open for too long are aborted; ids that nobody uses are
 * forgotten. What a request makes of a transaction is in rules.ts; how markers get to partitions is
 * the broker's.
 *
 * Invariants: no marker is sent before its decision is committed; whoever asks is answered once;
 * what is told of a transaction is committed.
 *
 * @module
 */

import { NONE, type ProducerId } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { CoordinatorContext, CoordinatorMachine, Replayed } from "../machine.ts";
import {
  type AddPartitions,
  type DescribeTransaction,
  type EndTransactionRequest,
  type InitTransactions,
  type ListTransactionalIds,
  type MarkersRequest,
  type MarkersWritten,
  refusedProducer,
  refuseTransactionRequest,
  type TransactionRequest,
  undescribed,
  verified,
  type VerifyPartitions,
} from "./requests.ts";
import { type ProducerIdAndEpoch, type Ruling, TransactionRules } from "./rules.ts";
import {
  isPrepared,
  listPartitions,
  recordOf,
  sizeInRecord,
  tombstoneOf,
  type Transaction,
  type TransactionLogRecord,
  transactionOf,
} from "./transaction.ts";

/** What a coordinator needs besides its log. */
export interface TransactionServices {
  /** Asks for a producer id that nobody has had; an error is Kafka's, and retriable. */
  newProducerId(
    context: CoordinatorContext<TransactionLogRecord>,
    answered: (result: { readonly error: ErrorCode; readonly producerId: ProducerId }) => void,
  ): void;
  /** Writes markers to wherever the partitions are. */
  readonly markers: Ref<MarkersRequest>;
  /** Transactional ids, at most; for tests. */
  readonly transactionalIdsMax?: number;
  /** The rules, for tests that break one on purpose. */
  readonly Rules?: typeof TransactionRules | undefined;
}

/** Ids that are gone through in one turn when old ones are looked for. */
const EXPIRED_AT_ONCE = 1000;

/**
 * So many bytes of partitions, at most, in one transaction: some 100,000. Its record must fit into
 * a batch, also with what is added to it in the end.
 */
const PARTITIONS_BYTES_MAX = 512 * 1024;

/**
 * Transactional ids of one coordinator, at most: beyond, new ones are to wait for old to expire.
 */
const TRANSACTIONAL_IDS_MAX = 100_000;

/** Before the end of a transaction is written down again. */
const COMPLETE_AGAIN_MS = 100;

/** Who wants to begin a transaction waits so long for the markers of the one before. */
const CONCURRENT_WAIT_MS = 2000;

interface Waiting {
  readonly request: AddPartitions;
  readonly number: number;
}

/** The last InitProducerId of a producer, by which it is known if it comes again. */
interface LastInit extends ProducerIdAndEpoch {
  readonly lastEpoch: number;
}

type Reply = (error: ErrorCode, answer: ProducerIdAndEpoch) => void;

export class TransactionCoordinator
  implements CoordinatorMachine<TransactionRequest, TransactionLogRecord> {
  readonly #context: CoordinatorContext<TransactionLogRecord>;
  readonly #services: TransactionServices;
  readonly #rules: TransactionRules;
  readonly #idsMax: number;
  readonly #transactions = new Map<string, Transaction>();
  readonly #lastInits = new Map<string, LastInit>();
  /** Who waits for a transaction to be complete, to begin the next. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitNumber = 0;
  /** The markers under way, by transactional id. */
  readonly #markers = new Map<string, Ref<MarkersWritten>>();
  /** Whoever waits for a producer id. */
  readonly #awaitIds = new Set<Reply>();
  /** Since when those that are open are known to be, in monotonic ms. */
  readonly #openSince = new Map<string, number>();
  #watchesTime = false;

  constructor(
    context: CoordinatorContext<TransactionLogRecord>,
    services: TransactionServices,
  ) {
    this.#context = context;
    this.#services = services;
    this.#rules = new (services.Rules ?? TransactionRules)();
    this.#idsMax = services.transactionalIdsMax ?? TRANSACTIONAL_IDS_MAX;
  }

  /** As known now, whether committed yet or not; for tests, and whoever looks on. */
  get transactions(): ReadonlyMap<string, Transaction> {
    return this.#transactions;
  }

  // The log.

  replay({ key: { transactionalId }, value }: TransactionLogRecord, { undo }: Replayed): void {
    const before = this.#transactions.get(transactionalId);
    const after = value === null ? undefined : transactionOf(transactionalId, value);
    this.#set(transactionalId, after);
    undo?.push(() => {
      this.#set(transactionalId, before);
      // Its time may have run out meanwhile, when nobody looked.
      if (before?.status === "Ongoing") this.#watchTime();
    });
  }

  /** Nobody writes transactions to the log of transactions. */
  replayMarker(): void {}

  #set(transactionalId: string, transaction: Transaction | undefined): void {
    if (transaction === undefined) this.#transactions.delete(transactionalId);
    else this.#transactions.set(transactionalId, transaction);
    if (transaction?.status !== "Ongoing") this.#openSince.delete(transactionalId);
    else if (!this.#openSince.has(transactionalId)) {
      this.#openSince.set(transactionalId, this.#context.monotonic());
    }
  }

  /** Whoever led before may not have come to write its markers. */
  loaded(): void {
    for (const transaction of this.#transactions.values()) {
      if (isPrepared(transaction)) this.#writeMarkers(transaction.transactionalId);
    }
    if (this.#isAnyOngoing()) this.#watchTime();
    this.#expireLater();
  }

  /** The broker's marker writer sees to topics that are deleted, and leaders that change. */
  metadataChanged(): void {}

  unloaded(): void {
    for (const replyTo of this.#markers.values()) {
      this.#services.markers.tell({ kind: "forget-markers", replyTo });
    }
    this.#markers.clear();
    for (const waiting of this.#waiting.values()) {
      for (const { request } of waiting) {
        refuseTransactionRequest(request, ErrorCode.NOT_COORDINATOR);
      }
    }
    this.#waiting.clear();
    for (const reply of this.#awaitIds) reply(ErrorCode.NOT_COORDINATOR, NOBODY);
    this.#awaitIds.clear();
  }

  // Requests.

  handle(request: TransactionRequest): void {
    switch (request.kind) {
      case "init-producer":
        return this.#initProducer(request, undefined);
      case "add-partitions":
        return this.#addPartitions(request, CONCURRENT_WAIT_MS);
      case "verify-partitions":
        return this.#verifyPartitions(request);
      case "end-transaction":
        return this.#endTransaction(request, undefined);
      case "describe-transaction":
        return this.#describe(request);
      case "list-transactions":
        return this.#list(request);
    }
  }

  #initProducer(request: InitTransactions, newProducerId: ProducerId | undefined): void {
    const { transactionalId, timeoutMs, expected, replyTo } = request;
    const refuse = (error: ErrorCode) => void replyTo.tell(refusedProducer(error));
    if (transactionalId === "") return refuse(ErrorCode.INVALID_REQUEST);
    if (timeoutMs <= 0 || timeoutMs > this.#context.config.transactionMaxTimeoutMs) {
      return refuse(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    }
    const known = this.#transactions.get(transactionalId);
    if (known === undefined && this.#transactions.size >= this.#idsMax) {
      return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    const lastEpoch = this.#lastEpochOf(known);
    const now = this.#context.now();
    const ruling = this.#rules.initProducer(known, request, lastEpoch, newProducerId, now);
    const forget = ruling.kind === "next" && known !== undefined
      ? this.#noteInit(ruling.next, expected?.producerEpoch ?? NONE)
      : undefined;
    this.#follow(
      ruling,
      (error, answer) => {
        if (error !== ErrorCode.NONE) forget?.();
        replyTo.tell(replyOf(error, answer));
      },
      (id) => this.#initProducer(request, id),
    );
  }

  /** Notes which epoch its producer had before; returns what takes that back. */
  #noteInit(
    { transactionalId, producerId, producerEpoch }: Transaction,
    lastEpoch: number,
  ): () => void {
    const before = this.#lastInits.get(transactionalId);
    const noted: LastInit = { producerId, producerEpoch, lastEpoch };
    this.#lastInits.set(transactionalId, noted);
    return () => {
      if (this.#lastInits.get(transactionalId) !== noted) return;
      if (before === undefined) this.#lastInits.delete(transactionalId);
      else this.#lastInits.set(transactionalId, before);
    };
  }

  #lastEpochOf(known: Transaction | undefined): number {
    if (known === undefined) return NONE;
    const last = this.#lastInits.get(known.transactionalId);
    const isLast = last?.producerId === known.producerId &&
      last.producerEpoch === known.producerEpoch;
    return isLast ? last.lastEpoch : NONE;
  }

  /** Where the markers of the last transaction are under way, waits a little for their end. */
  #addPartitions(request: AddPartitions, waitMs: number): void {
    const { transactionalId, partitions, clientVersion, replyTo } = request;
    if (transactionalId === "") {
      return void replyTo.tell({ error: ErrorCode.INVALID_REQUEST });
    }
    const known = this.#transactions.get(transactionalId);
    const now = this.#context.now();
    const ruling = this.#rules.addPartitions(known, request, partitions, clientVersion, now);
    const isConcurrent = ruling.kind === "refused" &&
      ruling.error === ErrorCode.CONCURRENT_TRANSACTIONS;
    if (isConcurrent && waitMs > 0) return this.#await(request, waitMs);
    if (ruling.kind === "next" && sizeInRecord(ruling.next.partitions) > PARTITIONS_BYTES_MAX) {
      return this.#whenKnown(ErrorCode.UNKNOWN_SERVER_ERROR, (error) => replyTo.tell({ error }));
    }
    this.#follow(ruling, (error) => replyTo.tell({ error }));
    if (ruling.kind === "next") this.#watchTime();
  }

  #verifyPartitions(request: VerifyPartitions): void {
    const known = this.#transactions.get(request.transactionalId);
    const ruling = this.#rules.verifyProducer(known, request);
    // What is not committed may yet be undone, and then somebody has appended for nobody. When this
    // is committed more may have been written, which is not: what counts is what was known before.
    this.#whenCommitted((failure) => {
      const verdict = failure === ErrorCode.NONE ? ruling : failure;
      request.replyTo.tell(verified(
        request,
        (topic, partition) =>
          verdict === ErrorCode.NONE
            ? this.#rules.verifyPartition(known!, topic, partition)
            : verdict,
      ));
    });
  }

  #endTransaction(request: EndTransactionRequest, newProducerId: ProducerId | undefined): void {
    const { transactionalId, replyTo } = request;
    if (transactionalId === "") {
      return void replyTo.tell(refusedProducer(ErrorCode.INVALID_REQUEST));
    }
    const known = this.#transactions.get(transactionalId);
    const now = this.#context.now();
    const ruling = this.#rules.endTransaction(known, request, newProducerId, now);
    this.#follow(
      ruling,
      (error, answer) => replyTo.tell(replyOf(error, answer)),
      (id) => this.#endTransaction(request, id),
    );
  }

  #describe({ transactionalId, replyTo }: DescribeTransaction): void {
    if (transactionalId === "") return void replyTo.tell(undescribed(ErrorCode.INVALID_REQUEST));
    const known = this.#transactions.get(transactionalId);
    this.#whenCommitted((failure) => {
      const error = failure !== ErrorCode.NONE
        ? failure
        : known === undefined
        ? ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        : ErrorCode.NONE;
      if (known === undefined || error !== ErrorCode.NONE) {
        return void replyTo.tell(undescribed(error));
      }
      const { producerId, producerEpoch, status, timeoutMs, startedAt } = known;
      const partitions = listPartitions(known.partitions);
      replyTo.tell({ error, producerId, producerEpoch, status, timeoutMs, startedAt, partitions });
    });
  }

  #list({ replyTo }: ListTransactionalIds): void {
    const transactions = [...this.#transactions.values()].map(
      ({ transactionalId, producerId, status, startedAt }) => ({
        transactionalId,
        producerId,
        status,
        startedAt,
      }),
    );
    this.#whenCommitted((error) => {
      replyTo.tell({ error, transactions: error === ErrorCode.NONE ? transactions : [] });
    });
  }

  #whenCommitted(run: (error: ErrorCode) => void): void {
    this.#context.write({ records: [], done: run });
  }

  // What rulings lead to.

  #follow(ruling: Ruling, reply: Reply, again?: (producerId: ProducerId) => void): void {
    switch (ruling.kind) {
      case "refused":
        return this.#whenKnown(ruling.error, reply);
      case "done":
        return this.#whenCommitted((error) => reply(error, ruling.answer));
      case "new-producer-id":
        this.#awaitIds.add(reply);
        return this.#services.newProducerId(this.#context, ({ error, producerId }) => {
          this.#awaitIds.delete(reply);
          if (error === ErrorCode.NONE) again?.(producerId);
          else reply(error, NOBODY);
        });
      case "next":
        return this.#write(ruling.next, (error) => reply(error, ruling.answer));
      case "fence":
        return this.#write(ruling.next, (error) => {
          reply(error === ErrorCode.NONE ? ErrorCode.CONCURRENT_TRANSACTIONS : error, NOBODY);
        });
    }
  }

  /** A refusal for good may come of what is not committed yet, and then nobody must hear of it. */
  #whenKnown(error: ErrorCode, reply: Reply): void {
    this.#whenCommitted((failure) => {
      reply(failure === ErrorCode.NONE ? error : failure, NOBODY);
    });
  }

  #write(next: Transaction, done: (error: ErrorCode) => void): void {
    this.#context.write({
      records: [recordOf(next)],
      done: (error) => {
        done(error);
        if (error === ErrorCode.NONE && isPrepared(next)) this.#writeMarkers(next.transactionalId);
      },
    });
  }

  // The end of a transaction.

  /** The decision is committed: tells all partitions, and then writes down that it is done. */
  #writeMarkers(transactionalId: string): void {
    const transaction = this.#transactions.get(transactionalId);
    if (transaction === undefined || !isPrepared(transaction)) return;
    if (this.#markers.has(transactionalId)) return;
    const { producerId, producerEpoch, partitions, status, clientVersion } = transaction;
    if (partitions.size === 0) return this.#complete(transaction);
    const replyTo = this.#context.adapt<MarkersWritten>(({ error }) => {
      this.#markers.delete(transactionalId);
      // Somebody newer has it in hand; this coordinator will hear that it is none any more.
      if (error === ErrorCode.NONE) this.#complete(transaction);
    });
    this.#markers.set(transactionalId, replyTo);
    this.#services.markers.tell({
      kind: "write-markers",
      transactionalId,
      producerId,
      producerEpoch,
      committed: status === "PrepareCommit",
      coordinatorEpoch: this.#context.coordinatorEpoch,
      transactionVersion: clientVersion,
      partitions: listPartitions(partitions),
      replyTo,
    });
  }

  #complete(prepared: Transaction): void {
    const { transactionalId } = prepared;
    if (this.#transactions.get(transactionalId) !== prepared) return;
    const completed = this.#rules.complete(prepared, this.#context.now());
    this.#context.write({
      records: [recordOf(completed)],
      done: (error) => {
        if (error === ErrorCode.NONE) return this.#goOn(transactionalId);
        // Whatever clients are told: nobody else sees to it while this one is the coordinator.
        const key = `complete ${transactionalId}`;
        this.#context.startTimer(key, COMPLETE_AGAIN_MS, () => this.#complete(prepared));
      },
    });
  }

  #await(request: AddPartitions, waitMs: number): void {
    const { transactionalId } = request;
    const number = ++this.#waitNumber;
    const waiting = this.#waiting.get(transactionalId) ?? [];
    this.#waiting.set(transactionalId, [...waiting, { request, number }]);
    this.#context.startTimer(`wait ${number}`, waitMs, () => {
      const all = this.#waiting.get(transactionalId) ?? [];
      const left = all.filter((each) => each.number !== number);
      if (left.length === all.length) return;
      if (left.length > 0) this.#waiting.set(transactionalId, left);
      else this.#waiting.delete(transactionalId);
      this.#addPartitions(request, 0);
    });
  }

  /** The transaction is complete: whoever wants to begin the next may. */
  #goOn(transactionalId: string): void {
    const waiting = this.#waiting.get(transactionalId);
    if (waiting === undefined) return;
    this.#waiting.delete(transactionalId);
    for (const { request, number } of waiting) {
      this.#context.cancelTimer(`wait ${number}`);
      this.#addPartitions(request, 0);
    }
  }

  // Time.

  /** A timer runs only while there is a transaction that may take too long. */
  #watchTime(): void {
    if (this.#watchesTime) return;
    this.#watchesTime = true;
    const { transactionAbortTimedOutIntervalMs } = this.#context.config;
    this.#context.startTimer("timeouts", transactionAbortTimedOutIntervalMs, () => {
      this.#watchesTime = false;
      this.#abortTimedOut();
      if (this.#isAnyOngoing()) this.#watchTime();
    });
  }

  #isAnyOngoing(): boolean {
    for (const { status } of this.#transactions.values()) if (status === "Ongoing") return true;
    return false;
  }

  #abortTimedOut(): void {
    const now = this.#context.now();
    for (const transaction of [...this.#transactions.values()]) {
      if (!this.#rules.isTimedOut(transaction, now) && !this.#isOpenTooLong(transaction)) continue;
      const { transactionalId, producerId, producerEpoch } = transaction;
      this.#context.environment.logger.log("info", "transaction timed out", {
        transactionalId,
        producerId,
        producerEpoch,
        openMs: now - transaction.startedAt,
      });
      this.#write(this.#rules.fence(transaction, now), () => {});
    }
  }

  /** The clock may have been set back since it began, or be behind that of another node. */
  #isOpenTooLong({ transactionalId, timeoutMs }: Transaction): boolean {
    const since = this.#openSince.get(transactionalId) ?? Infinity;
    return this.#context.monotonic() - since > timeoutMs;
  }

  #expireLater(): void {
    const { transactionRemoveExpiredIntervalMs } = this.#context.config;
    this.#context.startTimer("expire", transactionRemoveExpiredIntervalMs, () => {
      this.#expire();
      this.#expireLater();
    });
  }

  #expire(): void {
    const { transactionalIdExpirationMs } = this.#context.config;
    const now = this.#context.now();
    const expired: TransactionLogRecord[] = [];
    for (const transaction of this.#transactions.values()) {
      if (expired.length === EXPIRED_AT_ONCE) break;
      if (!this.#rules.isExpired(transaction, now, transactionalIdExpirationMs)) continue;
      expired.push(tombstoneOf(transaction.transactionalId));
      this.#lastInits.delete(transaction.transactionalId);
    }
    if (expired.length === 0) return;
    this.#context.write({
      records: expired,
      done: (error) => {
        if (error === ErrorCode.NONE && expired.length === EXPIRED_AT_ONCE) this.#expire();
      },
    });
  }
}

const NOBODY: ProducerIdAndEpoch = { producerId: NONE, producerEpoch: NONE };

function replyOf(
  error: ErrorCode,
  { producerId, producerEpoch }: ProducerIdAndEpoch,
): { error: ErrorCode; producerId: ProducerId; producerEpoch: number } {
  return error === ErrorCode.NONE ? { error, producerId, producerEpoch } : refusedProducer(error);
}
