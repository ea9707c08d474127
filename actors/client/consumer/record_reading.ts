/**
 * From a batch's records to those that users get, and from what is wrong with them to errors.
 *
 * @module
 */

import type { BatchView } from "../../../storage/record_batch.ts";
import type { RecordCursor } from "../../../storage/record.ts";
import { ConsumerRecord } from "./consumer_record.ts";
import { ClientError, CorruptRecordError, SerializationError } from "../errors.ts";
import type { Deserializer } from "../serializers.ts";

/** How keys and values are made. */
export interface RecordReadingOptions<K, V> {
  readonly keyDeserializer: Deserializer<K> | undefined;
  readonly valueDeserializer: Deserializer<V> | undefined;
}

/** Whose records they are. */
interface Origin {
  readonly topic: string;
  readonly partition: number;
}

/** The record that the cursor stands at. */
export function recordOf<K, V>(
  { topic, partition }: Origin,
  records: RecordCursor,
  { keyDeserializer, valueDeserializer }: RecordReadingOptions<K, V>,
): ConsumerRecord<K, V> {
  const { offset, key, value } = records;
  return new ConsumerRecord(
    topic,
    partition,
    offset,
    records.timestamp,
    // Without a deserializer the types are those of bytes: see `Consumer.connect`.
    keyDeserializer === undefined ? key as K : made(topic, key, keyDeserializer),
    valueDeserializer === undefined ? value as V : made(topic, value, valueDeserializer),
    records.headers,
  );
}

/** Null stays null: there is nothing to make something of. */
function made<T>(topic: string, bytes: Uint8Array | null, deserializer: Deserializer<T>): T {
  if (bytes === null) return null as T;
  try {
    return deserializer(topic, bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SerializationError(`Cannot make a key or value: ${reason}`, { cause });
  }
}

/** @throws {CorruptRecordError} when the batch is not what its producer sealed. */
export function checkCrc({ topic, partition }: Origin, batch: BatchView): void {
  if (batch.computeCrc() === batch.crc) return;
  throw new CorruptRecordError(
    `Cannot read ${topic}-${partition}: the batch at offset ${batch.baseOffset} fails its checksum`,
  );
}

/** What a step of reading threw, in the form that users are told it. */
export function readError(origin: Origin | undefined, error: unknown): unknown {
  if (error instanceof ClientError || origin === undefined || !(error instanceof Error)) {
    return error;
  }
  const { topic, partition } = origin;
  return new CorruptRecordError(`Cannot read ${topic}-${partition}: ${error.message}`, {
    cause: error,
  });
}
