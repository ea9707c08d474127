/**
 * The partitions that were added to an open transaction, where that is done before anything is
 * produced to them (before KIP-890).
 *
 * Invariants: one request is under way at a time; those that are wanted meanwhile go with the next.
 *
 * @module
 */

import {
  ADD_PARTITIONS_TO_TXN,
  type AddPartitionsToTxnResponse,
} from "../../../net/messages/add_partitions_to_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import type { Api } from "../../../net/schema.ts";
import { make } from "../../../net/schema/make.ts";
import { backoffMs } from "../../link/backoff.ts";
import type { Timer } from "../../runtime/environment.ts";
import type { Cluster } from "../cluster.ts";
import type { CoordinatorLink } from "../coordinator_link.ts";
import { ClientError, errorForCode, ProducerFencedError } from "../errors.ts";
import { losesCoordinator } from "../consumer/membership/membership.ts";
import type { ProducerIdAndEpoch } from "./producer_identity.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** An API of which no version above `max` is used. */
export function capped<Request, Response>(
  api: Api<Request, Response>,
  max: number,
): Api<Request, Response> {
  return { ...api, versions: { ...api.versions, max } };
}

/** Produce of transactions whose partitions are added before. */
export const PRODUCE_TRANSACTIONS_1 = capped(PRODUCE, 11);

/** Later versions are for brokers. */
const ADD_PARTITIONS = capped(ADD_PARTITIONS_TO_TXN, 3);

export interface TransactionPartitionsOptions {
  readonly cluster: Cluster;
  readonly coordinator: CoordinatorLink;
  readonly transactionalId: string;
  /** Who adds; undefined while nobody may. */
  producer(): ProducerIdAndEpoch | undefined;
  /** Partitions were added. */
  added(): void;
  /** A partition cannot be added; where the producer is fenced that is for good. */
  failed(error: ClientError): void;
}

/** Adds partitions. */
export class TransactionPartitions {
  readonly #options: TransactionPartitionsOptions;
  readonly #added = new Set<string>();
  readonly #wanted = new Map<string, TopicPartition>();
  #isAsking = false;
  #mayBeBegun = false;
  #failures = 0;
  #timer: Timer | undefined;

  constructor(options: TransactionPartitionsOptions) {
    this.#options = options;
  }

  /** Whether the coordinator may have been told of a partition. */
  get mayBeBegun(): boolean {
    return this.#mayBeBegun;
  }

  /** Whether the partition was added; if not, that is seen to. */
  has(topic: string, partition: number): boolean {
    const key = `${topic}-${partition}`;
    if (this.#added.has(key)) return true;
    this.#wanted.set(key, { topic, partition });
    this.#askSoon(0);
    return false;
  }

  /** The transaction is over. */
  clear(): void {
    this.#added.clear();
    this.#wanted.clear();
    this.#mayBeBegun = false;
    this.#failures = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #askSoon(delayMs: number): void {
    if (this.#isAsking || this.#timer !== undefined) return;
    this.#timer = this.#options.cluster.environment.timers.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#ask();
    });
  }

  #ask(): void {
    const { coordinator, transactionalId, cluster } = this.#options;
    const producer = this.#options.producer();
    if (producer === undefined || this.#wanted.size === 0) return;
    const wanted = [...this.#wanted];
    const byTopic = Map.groupBy(wanted, ([, { topic }]) => topic);
    const request = make(ADD_PARTITIONS_TO_TXN.request, {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: Array.from(byTopic, ([name, entries]) => ({
        name,
        partitions: entries.map(([, { partition }]) => partition),
      })),
    });
    this.#isAsking = true;
    this.#mayBeBegun = true;
    coordinator.ask(ADD_PARTITIONS, request, cluster.settings.requestTimeoutMs, (result) => {
      this.#isAsking = false;
      if (this.#options.producer() === producer) this.#answered(wanted.map(([key]) => key), result);
      if (this.#wanted.size > 0) this.#askSoon(0);
    });
  }

  #answered(keys: readonly string[], result: AddPartitionsToTxnResponse | ClientError): void {
    const error = result instanceof ClientError ? result : refusalOf(result);
    if (error === undefined) {
      this.#failures = 0;
      for (const key of keys) {
        if (this.#wanted.delete(key)) this.#added.add(key);
      }
      return this.#options.added();
    }
    const { coordinator, cluster, failed } = this.#options;
    if (losesCoordinator(error.code)) coordinator.forget();
    const { code, message } = error;
    const isFenced = code === ErrorCode.INVALID_PRODUCER_EPOCH ||
      error instanceof ProducerFencedError;
    if (isFenced) return failed(new ProducerFencedError(code, message, { cause: error }));
    if (!error.retriable) return failed(error);
    const random = cluster.environment.random.stream("transactions");
    this.#askSoon(backoffMs(cluster.settings.retryBackoff, ++this.#failures, random));
  }
}

/** Where one partition is refused, none was added: what is said of others counts for nothing. */
function refusalOf(response: AddPartitionsToTxnResponse): ClientError | undefined {
  for (const { name, resultsByPartition } of response.resultsByTopicV3AndBelow) {
    for (const { partitionIndex, partitionErrorCode: code } of resultsByPartition) {
      if (code === ErrorCode.NONE || code === ErrorCode.OPERATION_NOT_ATTEMPTED) continue;
      return errorForCode(code, `Cannot add ${name}-${partitionIndex} to the transaction`);
    }
  }
  return undefined;
}
