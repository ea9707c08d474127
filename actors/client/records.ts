/**
 * The records that a producer takes and what it says of each that was stored.
 *
 * @module
 */

import type { Offset, Timestamp } from "../../storage/bytes/ids.ts";

/** Content of a key, a value or a header: text is stored as UTF-8; null is Kafka's null. */
export type Data = string | Uint8Array | null;

/** Headers by name, or as a list where a name may come twice and order counts. */
export type RecordHeaders =
  | Readonly<Record<string, Data>>
  | readonly { readonly key: string; readonly value: Data }[];

/** A record to be sent by `sendBatch`, which names the topic once for all. */
export interface BatchRecord<K = Data, V = Data> {
  /** Records of one key go to one partition, in order. */
  readonly key?: K | null;
  /** Null is a tombstone: it removes the key from a compacted topic. */
  readonly value: V | null;
  /** What travels with the record. */
  readonly headers?: RecordHeaders | undefined;
  /** Milliseconds since 1970-01-01 UTC; the time of the call when absent. */
  readonly timestamp?: Timestamp | undefined;
  /** The partition, when it is not to be chosen. */
  readonly partition?: number | undefined;
}

/** A record to be sent. */
export interface ProducerRecord<K = Data, V = Data> extends BatchRecord<K, V> {
  /** Where it goes. */
  readonly topic: string;
}

/** Where and when a record was stored. */
export class RecordMetadata {
  /** Made by the producer. */
  constructor(
    readonly topic: string,
    readonly partition: number,
    /** -1 when `acks` is 0: nobody said. */
    readonly offset: Offset,
    /** The record's own, or the broker's when the topic has LogAppendTime. */
    readonly timestamp: Timestamp,
  ) {}
}

/** Told of one record: what it became, or why it failed. Never called inside `send`. */
export type SendCallback = (
  metadata: RecordMetadata | undefined,
  error: Error | undefined,
) => void;
