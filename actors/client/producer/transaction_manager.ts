/**
 * The transactions of one producer (KIP-98, KIP-447, KIP-890): its id and epoch, which partitions
 * and groups are part of the open transaction, and how that ends.
 *
 * Owns what is asked of the coordinators and the state of the transaction. Does not own records:
 * the sender asks whether those of a partition may go, and says when it has lost count of them.
 *
 * Where `transaction.version` 2 is finalized, what is produced to is part of the transaction by
 * that, and each transaction has an epoch of its own; else partitions and groups are added before,
 * and an epoch lasts until something goes wrong.
 *
 * ```
 * new ──init──▶ ready ──begin──▶ open ──end──▶ ending ──▶ ready
 *                 ▲                              │ the epoch is used up or uncertain
 *                 └───────────init───────────────┘
 * any ──fenced, or not allowed──▶ failed
 * ```
 *
 * Invariants: nothing is produced but in an open transaction, and by its epoch; one thing is asked
 * at a time, but for the adding of partitions; after an end that nobody answered the producer ends
 * that transaction for certain and takes its place anew before it begins another.
 *
 * @module
 */

import { ADD_OFFSETS_TO_TXN } from "../../../net/messages/add_offsets_to_txn.ts";
import { API_VERSIONS, type ApiVersionsResponse } from "../../../net/messages/api_versions.ts";
import { END_TXN, type EndTxnResponse } from "../../../net/messages/end_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { TXN_OFFSET_COMMIT } from "../../../net/messages/txn_offset_commit.ts";
import type { Api } from "../../../net/schema.ts";
import { make } from "../../../net/schema/make.ts";
import { backoffMs } from "../../link/backoff.ts";
import { CLIENT_SOFTWARE } from "../../link/greeting.ts";
import type { Cluster } from "../cluster.ts";
import { CoordinatorLink } from "../coordinator_link.ts";
import {
  type ClientError,
  CommitFailedError,
  errorForCode,
  ProducerFencedError,
  TimeoutError,
  TransactionAbortedError,
} from "../errors.ts";
import type { OffsetToCommit } from "../consumer/group_offsets.ts";
import { type GroupMetadata, losesCoordinator } from "../consumer/membership/membership.ts";
import type { Identity, ProducerIdAndEpoch } from "./producer_identity.ts";
import { capped, TransactionPartitions } from "./transaction_partitions.ts";

export interface TransactionManagerOptions {
  readonly cluster: Cluster;
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  /** How long each step of a transaction may take. */
  readonly maxBlockMs: number;
  /** Records of partitions may go that might not before. */
  wake(): void;
  /** Records that wait cannot go. */
  refused(error: ClientError): void;
}

type State = "new" | "ready" | "open" | "ending" | "failed";

/** The feature whose level says how transactions are done. */
const TRANSACTION_VERSION = "transaction.version";

/** The last versions of requests that do not add to the transaction by themselves. */
const END_TXN_1 = capped(END_TXN, 4);
const TXN_OFFSET_COMMIT_1 = capped(TXN_OFFSET_COMMIT, 4);

/** Refusals after which this producer can do nothing more. */
const FENCED: ReadonlySet<number> = new Set([
  ErrorCode.PRODUCER_FENCED,
  ErrorCode.INVALID_PRODUCER_EPOCH,
]);
const FATAL: ReadonlySet<number> = new Set([
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  ErrorCode.INVALID_TRANSACTION_TIMEOUT,
  ErrorCode.UNSUPPORTED_VERSION,
]);
const GROUP_REFUSALS: ReadonlySet<number> = new Set([
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.STALE_MEMBER_EPOCH,
  ErrorCode.REBALANCE_IN_PROGRESS,
]);

/** Runs transactions. */
export class TransactionManager implements Identity {
  readonly #options: TransactionManagerOptions;
  readonly #coordinator: CoordinatorLink;
  readonly #groups = new Map<string, CoordinatorLink>();
  readonly #partitions: TransactionPartitions;
  #state: State = "new";
  /** Of this epoch is what is produced; undefined where it is used up. */
  #current: ProducerIdAndEpoch | undefined;
  /** The last that there was. */
  #last: ProducerIdAndEpoch | undefined;
  #usesEpochs = true;
  /** A transaction is to be opened as soon as there is an id. */
  #isBeginning = false;
  /** The coordinator may know of the transaction. */
  #isBegun = false;
  #failure: ClientError | undefined;
  /** Nobody has heard how the last transaction ended, or whether it has. */
  #isUndecided = false;
  /** Resolves when the end that is under way has come. */
  #ending: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  constructor(options: TransactionManagerOptions) {
    this.#options = options;
    const { cluster, transactionalId } = options;
    this.#coordinator = new CoordinatorLink(cluster, "transaction", transactionalId);
    this.#partitions = new TransactionPartitions({
      cluster,
      coordinator: this.#coordinator,
      transactionalId,
      producer: () => this.#current,
      added: () => options.wake(),
      failed: (error) => {
        if (error instanceof ProducerFencedError) this.#fail(error);
        else options.refused(error);
      },
    });
  }

  get transactionalId(): string {
    return this.#options.transactionalId;
  }

  /** Whether a transaction was begun and not ended. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Whether partitions are added by producing to them. */
  get addsByProducing(): boolean {
    return this.#usesEpochs;
  }

  /** Who batches are from now; undefined while nothing may be produced. */
  get current(): ProducerIdAndEpoch | undefined {
    return this.#current;
  }

  /** The producer has lost count: the transaction must end, and the next has another epoch. */
  bump(from: ProducerIdAndEpoch): void {
    if (this.#current !== from) return;
    this.#current = undefined;
    const { cluster: { environment }, refused } = this.#options;
    const error = new TransactionAbortedError("Cannot go on: records of the transaction were lost");
    environment.dispatcher.atEndOfTurn(() => refused(error));
  }

  /** There is an id from the start. */
  want(): void {}

  connected(): void {}

  /** Whether records of a partition may be produced now; else `wake` follows when they may. */
  mayProduce(topic: string, partition: number): boolean {
    if (this.#state !== "open" || this.#current === undefined) return false;
    if (!this.#usesEpochs && !this.#partitions.has(topic, partition)) return false;
    this.#isBegun = true;
    return true;
  }

  /**
   * Takes the transactional id: whoever had it is fenced, and its transaction ended.
   * @throws {ClientError}
   */
  async init(): Promise<void> {
    const { cluster, transactionalId, transactionTimeoutMs } = this.#options;
    const action = `Cannot take transactional id ${transactionalId}`;
    if (this.#isUndecided) await this.#decide(action);
    const versions = await this.#until(action, () => this.#askVersions(action));
    const level = versions.finalizedFeatures.find(({ name }) => name === TRANSACTION_VERSION);
    this.#usesEpochs = (level?.maxVersionLevel ?? 0) >= 2;
    const last = this.#last;
    const request = make(INIT_PRODUCER_ID.request, {
      transactionalId,
      transactionTimeoutMs,
      producerId: last?.producerId,
      producerEpoch: last?.producerEpoch,
    });
    const answer = await this.#until(action, () => this.#ask(INIT_PRODUCER_ID, request, action));
    const { producerId, producerEpoch } = answer;
    this.#current = this.#last = { producerId, producerEpoch };
    this.#isBegun = false;
    this.#partitions.clear();
    this.#state = "ready";
    cluster.environment.logger.log("debug", "transactional id taken", {
      transactionalId,
      producerId,
      producerEpoch,
    });
  }

  /**
   * Aborts the transaction of which it is not known how it ended. Taking the id while it is open
   * would fence whoever has it: this very producer.
   */
  async #decide(action: string): Promise<void> {
    try {
      const answer = await this.#askToEnd(false, action);
      const { producerId, producerEpoch } = answer;
      // Not to be produced with: whether the id is taken with it is yet to be heard.
      if (this.#usesEpochs && producerId >= 0) this.#last = { producerId, producerEpoch };
    } catch (error) {
      // It was committed.
      if ((error as ClientError).code !== ErrorCode.INVALID_TXN_STATE) throw error;
    }
    this.#isUndecided = false;
  }

  /** @throws {ClientError} where a transaction is open, or none can be */
  async begin(): Promise<void> {
    const action = "Cannot begin a transaction";
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isBeginning || this.#state === "open" || this.#state === "ending") {
      throw errorForCode(ErrorCode.INVALID_TXN_STATE, action, "Another is open");
    }
    this.#isBeginning = true;
    try {
      if (this.#state === "new" || this.#current === undefined) await this.init();
      this.#state = "open";
    } finally {
      this.#isBeginning = false;
    }
  }

  /**
   * Makes offsets of a group part of the transaction: they are committed with it.
   * @throws {CommitFailedError} where the member is no longer part of the group as it was
   */
  async sendOffsets(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void> {
    const { groupId } = group;
    const action = `Cannot add offsets of group ${groupId} to the transaction`;
    if (this.#state !== "open") {
      throw errorForCode(ErrorCode.INVALID_TXN_STATE, action, "No transaction is open");
    }
    if (offsets.length === 0) return;
    const { transactionalId } = this.#options;
    const producer = this.#producer(action);
    this.#isBegun = true;
    if (!this.#usesEpochs) {
      const request = make(ADD_OFFSETS_TO_TXN.request, { transactionalId, groupId, ...producer });
      await this.#until(action, () => this.#ask(ADD_OFFSETS_TO_TXN, request, action));
    }
    const byTopic = Map.groupBy(offsets, ({ topic }) => topic);
    const request = make(TXN_OFFSET_COMMIT.request, {
      transactionalId,
      ...group,
      ...producer,
      topics: Array.from(byTopic, ([name, offsets]) => ({
        name,
        partitions: offsets.map(({ partition, offset, leaderEpoch, metadata }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadata ?? "",
        })),
      })),
    });
    const api = this.#usesEpochs ? TXN_OFFSET_COMMIT : TXN_OFFSET_COMMIT_1;
    await this.#until(action, async () => {
      const answer = await this.#askOnce(this.#groupLink(groupId), api, request);
      if (answer instanceof Error) return answer;
      const refused = answer.topics.flatMap(({ partitions }) => partitions)
        .find(({ errorCode }) => errorCode !== ErrorCode.NONE);
      if (refused === undefined) return answer;
      const error = errorForCode(refused.errorCode, action);
      if (losesCoordinator(error.code)) this.#groupLink(groupId).forget();
      return GROUP_REFUSALS.has(error.code)
        ? new CommitFailedError(error.code, error.message)
        : error;
    });
  }

  /**
   * Ends the transaction. All that was sent in it must have settled.
   * @throws {TransactionAbortedError} where it can only be aborted, and is still open
   * @throws {ClientError} where nobody knows how it ended, or somebody else has the id now
   */
  async end(isCommitted: boolean): Promise<void> {
    const action = `Cannot ${isCommitted ? "commit" : "abort"} the transaction`;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state !== "open") {
      throw errorForCode(ErrorCode.INVALID_TXN_STATE, action, "No transaction is open");
    }
    this.#state = "ending";
    this.#ending = Promise.withResolvers();
    const isLost = this.#current === undefined;
    const isNothing = !this.#isBegun && !this.#partitions.mayBeBegun;
    try {
      if (!isNothing) {
        const answer = await this.#askToEnd(isCommitted, action);
        if (this.#usesEpochs && answer.producerId >= 0) this.#enter(answer);
      }
      if (isLost && !this.#usesEpochs) this.#current = undefined;
      this.#ended();
    } catch (error) {
      const { code, message } = error as ClientError;
      if (isCommitted && code === ErrorCode.TRANSACTION_ABORTABLE) {
        this.#state = "open";
        throw new TransactionAbortedError(message, { cause: error });
      }
      this.#current = undefined;
      this.#isUndecided = true;
      this.#ended();
      throw error;
    } finally {
      this.#ending.resolve();
    }
  }

  #askToEnd(committed: boolean, action: string): Promise<EndTxnResponse> {
    const { transactionalId } = this.#options;
    const request = make(END_TXN.request, { transactionalId, ...this.#last!, committed });
    const api = this.#usesEpochs ? END_TXN : END_TXN_1;
    return this.#until(action, () => this.#ask(api, request, action));
  }

  #ended(): void {
    if (this.#failure === undefined) this.#state = "ready";
    this.#isBegun = false;
    this.#partitions.clear();
  }

  /** Aborts the transaction that is open; resolves once none is, or its end is not known. */
  async finish(): Promise<void> {
    // A commit under way may turn out to be none: then the transaction is open again.
    if (this.#state === "ending") await this.#ending?.promise;
    if (this.#state === "open") {
      await this.end(false).catch((error) => {
        const { logger } = this.#options.cluster.environment;
        logger.log("warn", "transaction not aborted", { error: String(error) });
      });
    }
    // Whoever tried to commit may have begun to abort in the meantime.
    if (this.#state === "ending") await this.#ending?.promise;
  }

  close(): void {
    this.#isClosed = true;
    this.#coordinator.close();
    for (const link of this.#groups.values()) link.close();
  }

  /** Takes over the epoch of the next transaction. */
  #enter({ producerId, producerEpoch }: ProducerIdAndEpoch): void {
    this.#current = this.#last = { producerId, producerEpoch };
  }

  #producer(action: string): ProducerIdAndEpoch {
    if (this.#current !== undefined) return this.#current;
    throw errorForCode(ErrorCode.TRANSACTION_ABORTABLE, action);
  }

  #fail(error: ClientError): void {
    this.#failure ??= error;
    this.#state = "failed";
    this.#current = undefined;
    this.#options.refused(error);
  }

  #groupLink(groupId: string): CoordinatorLink {
    let link = this.#groups.get(groupId);
    if (link === undefined) {
      this.#groups.set(
        groupId,
        link = new CoordinatorLink(this.#options.cluster, "group", groupId),
      );
    }
    return link;
  }

  async #ask<Request, Response extends { readonly errorCode: number }>(
    api: Api<Request, Response>,
    request: Request,
    action: string,
  ): Promise<Response | ClientError> {
    const answer = await this.#askOnce(this.#coordinator, api, request);
    if (answer instanceof Error || answer.errorCode === ErrorCode.NONE) return answer;
    if (losesCoordinator(answer.errorCode)) this.#coordinator.forget();
    return errorForCode(answer.errorCode, action);
  }

  #askOnce<Request, Response>(
    link: CoordinatorLink,
    api: Api<Request, Response>,
    request: Request,
  ): Promise<Response | ClientError> {
    const { maxBlockMs, cluster } = this.#options;
    const timeoutMs = Math.min(maxBlockMs, cluster.settings.requestTimeoutMs);
    return new Promise((resolve) => link.ask(api, request, timeoutMs, resolve));
  }

  /** Any broker knows what the cluster has agreed on. */
  async #askVersions(action: string): Promise<ApiVersionsResponse | ClientError> {
    const { cluster } = this.#options;
    const link = cluster.anyLink();
    if (link === undefined) {
      return new TimeoutError("Cannot ask ApiVersions: no broker is connected");
    }
    const request = make(API_VERSIONS.request, CLIENT_SOFTWARE);
    const answer = await new Promise<ApiVersionsResponse | ClientError>((resolve) =>
      link.send(API_VERSIONS, request, cluster.settings.requestTimeoutMs, resolve)
    );
    if (answer instanceof Error || answer.errorCode === ErrorCode.NONE) return answer;
    return errorForCode(answer.errorCode, action);
  }

  /** Asks again while the error may pass, for as long as a step may take. */
  async #until<Answer>(
    action: string,
    ask: () => Promise<Answer | ClientError>,
  ): Promise<Answer> {
    const { cluster, maxBlockMs } = this.#options;
    const { environment, settings } = cluster;
    const random = environment.random.stream("transactions");
    const deadline = environment.clock.monotonic() + maxBlockMs;
    for (let failures = 1;; failures++) {
      const answer = await ask();
      if (!(answer instanceof Error)) return answer;
      if (FENCED.has(answer.code)) {
        const fenced = new ProducerFencedError(answer.code, answer.message, { cause: answer });
        this.#fail(fenced);
        throw fenced;
      }
      if (FATAL.has(answer.code)) this.#fail(answer);
      if (!answer.retriable || this.#isClosed) throw answer;
      const waitMs = backoffMs(settings.retryBackoff, failures, random);
      if (environment.clock.monotonic() + waitMs >= deadline) {
        throw new TimeoutError(
          `${action}: not within maxBlockMs ${maxBlockMs}, last: ${answer.message}`,
          {
            cause: answer,
          },
        );
      }
      await new Promise<void>((resolve) => {
        cluster.later(waitMs, resolve);
      });
    }
  }
}
