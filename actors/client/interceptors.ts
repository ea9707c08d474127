/**
 * Hooks into the path of records, for tracing, auditing and the like (KIP-42).
 *
 * They run in the order of the list. One that throws is logged and passed over: it must never lose
 * a record or break the caller.
 *
 * @module
 */

import type { Logger } from "../runtime/environment.ts";
import type { ConsumerRecord } from "./consumer/consumer_record.ts";
import type { Data, ProducerRecord, RecordMetadata } from "./records.ts";

/** Sees each record before it is serialized, and what became of it. */
export interface ProducerInterceptor<K = Data, V = Data> {
  /** May give another record in its place. */
  onSend?(record: ProducerRecord<K, V>): ProducerRecord<K, V>;
  /** Called before the record's promise or callback settles; one of the two is undefined. */
  onAcknowledgement?(metadata: RecordMetadata | undefined, error: Error | undefined): void;
}

/** Sees records after they were fetched, before the caller gets them. */
export interface ConsumerInterceptor<K = Uint8Array | null, V = Uint8Array | null> {
  /** May give other records in their place, of the same partition, or fewer. */
  onConsume?(records: readonly ConsumerRecord<K, V>[]): readonly ConsumerRecord<K, V>[];
}

/** Runs a producer's interceptors. */
export class ProducerInterceptors<K, V> {
  readonly #interceptors: readonly ProducerInterceptor<K, V>[];
  readonly #logger: Logger;

  constructor(interceptors: readonly ProducerInterceptor<K, V>[], logger: Logger) {
    this.#interceptors = interceptors;
    this.#logger = logger;
  }

  /** The record after all of them. */
  onSend(record: ProducerRecord<K, V>): ProducerRecord<K, V> {
    let current = record;
    for (const interceptor of this.#interceptors) {
      try {
        current = interceptor.onSend?.(current) ?? current;
      } catch (error) {
        logFailure(this.#logger, "onSend", error);
      }
    }
    return current;
  }

  onAcknowledgement(metadata: RecordMetadata | undefined, error: Error | undefined): void {
    for (const interceptor of this.#interceptors) {
      try {
        interceptor.onAcknowledgement?.(metadata, error);
      } catch (thrown) {
        logFailure(this.#logger, "onAcknowledgement", thrown);
      }
    }
  }
}

/** Runs a consumer's interceptors. */
export class ConsumerInterceptors<K, V> {
  readonly #interceptors: readonly ConsumerInterceptor<K, V>[];
  readonly #logger: Logger;

  constructor(interceptors: readonly ConsumerInterceptor<K, V>[], logger: Logger) {
    this.#interceptors = interceptors;
    this.#logger = logger;
  }

  /** The records after all of them. */
  onConsume(records: readonly ConsumerRecord<K, V>[]): readonly ConsumerRecord<K, V>[] {
    let current = records;
    for (const interceptor of this.#interceptors) {
      try {
        current = interceptor.onConsume?.(current) ?? current;
      } catch (error) {
        logFailure(this.#logger, "onConsume", error);
      }
    }
    return current;
  }
}

function logFailure(logger: Logger, hook: string, error: unknown): void {
  logger.log("warn", "interceptor failed", { hook, error: String(error) });
}
