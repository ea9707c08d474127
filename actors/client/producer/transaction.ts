/**
 * A transaction while it is open: what a producer's `transaction` hands to its body.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import { errorForCode } from "../errors.ts";
import type { OffsetToCommit } from "../consumer/group_offsets.ts";
import type { GroupMetadata } from "../consumer/membership/membership.ts";
import type { BatchRecord, Data, ProducerRecord, RecordMetadata } from "../records.ts";
import type { SentRecords } from "./send_group.ts";
import { PartitionSequences, type SequencedBatch } from "./sequences.ts";
import type { TransactionManager } from "./transaction_manager.ts";

/** What a transaction sends by. */
export interface TransactionSends<K, V> {
  /** Sends a record. */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata>;
  /** Sends many records of one topic. */
  sendBatch(topic: string, records: readonly BatchRecord<K, V>[]): Promise<SentRecords>;
  /** Adds offsets of a group. */
  sendOffsets(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void>;
}

/**
 * An open transaction. What is sent in it is seen by readers of committed records all together,
 * once it is committed, or never. Promises need not be awaited: whatever fails aborts it.
 */
export class Transaction<K = Data, V = Data> {
  readonly #sends: TransactionSends<K, V>;
  readonly #pending = new Set<Promise<unknown>>();
  #failure: { readonly error: unknown } | undefined;
  #isOver = false;

  /** Made by `Producer.transaction`. */
  constructor(sends: TransactionSends<K, V>) {
    this.#sends = sends;
  }

  /** As the producer's, as part of the transaction. */
  send(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    return this.#part(() => this.#sends.send(record));
  }

  /** As the producer's, as part of the transaction. */
  sendBatch(topic: string, records: readonly BatchRecord<K, V>[]): Promise<SentRecords> {
    return this.#part(() => this.#sends.sendBatch(topic, records));
  }

  /**
   * Commits offsets of a group with the transaction, each that of the next record to be processed;
   * `group` is the consumer's `groupMetadata()`.
   */
  sendOffsets(offsets: readonly OffsetToCommit[], group: GroupMetadata): Promise<void> {
    return this.#part(() => this.#sends.sendOffsets(offsets, group));
  }

  /** @ignore Takes no more, and resolves once offsets have settled. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#pending);
  }

  /** @ignore What failed first, if anything did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  #part<T>(send: () => Promise<T>): Promise<T> {
    if (this.#isOver) {
      const action = "Cannot send in a transaction";
      return Promise.reject(errorForCode(ErrorCode.INVALID_TXN_STATE, action, "It is over"));
    }
    const sent = send();
    this.#pending.add(sent);
    sent.then(
      () => this.#pending.delete(sent),
      (error) => {
        this.#failure ??= { error };
        this.#pending.delete(sent);
      },
    );
    return sent;
  }
}

/** Numbers batches that go only as part of an open transaction. */
export class TransactionSequences extends PartitionSequences {
  readonly #manager: TransactionManager;
  readonly #topic: string;
  readonly #partition: number;

  constructor(manager: TransactionManager, topic: string, partition: number) {
    super(manager);
    this.#manager = manager;
    this.#topic = topic;
    this.#partition = partition;
  }

  override mayTake(batch: SequencedBatch): boolean {
    return this.#manager.mayProduce(this.#topic, this.#partition) && super.mayTake(batch);
  }
}
