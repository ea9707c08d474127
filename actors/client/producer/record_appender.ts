/**
 * Puts a record into a batch: chooses its partition and finds the batch, or begins one.
 *
 * Owns the choice. Does not own waiting: when the memory does not suffice it says so.
 *
 * @module
 */

import { NONE, type Timestamp } from "../../../storage/bytes/ids.ts";
import { BATCH_HEADER_BYTES } from "../../../storage/record_batch.ts";
import type { HeaderContent, RecordContent } from "../../../storage/record_batch_builder.ts";
import type { Clock, RandomStream } from "../../runtime/environment.ts";
import type { Accumulator, PartitionQueue, TopicQueues } from "./accumulator.ts";
import { RecordTooLargeError, SerializationError, UnknownTopicError } from "../errors.ts";
import {
  murmur2,
  murmur2Ascii,
  nextStickyPartition,
  type Partitioner,
  partitionOfHash,
} from "./partitioners.ts";
import type { ProducerBatch } from "./producer_batch.ts";
import { contentBytes, recordBytesMax } from "./record_size.ts";

export interface RecordAppenderOptions {
  readonly accumulator: Accumulator;
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly partitioner: Partitioner | undefined;
  readonly batchSize: number;
  readonly maxRequestSize: number;
  readonly bufferMemory: number;
}

/** Appends records to the batches of topics whose partitions are known. */
export class RecordAppender {
  readonly #options: RecordAppenderOptions;
  readonly #accumulator: Accumulator;

  constructor(options: RecordAppenderOptions) {
    this.#options = options;
    this.#accumulator = options.accumulator;
  }

  /**
   * Appends a record; undefined when the buffer has no room. What it is given is copied.
   * @throws {ClientError} when the record can never be appended.
   */
  append(
    topic: TopicQueues,
    partition: number | undefined,
    timestamp: Timestamp,
    key: RecordContent,
    value: RecordContent,
    headers: readonly HeaderContent[] | undefined,
  ): ProducerBatch | undefined {
    if (partition === undefined && key === null && this.#options.partitioner === undefined) {
      return this.#appendSticky(topic, timestamp, value, headers);
    }
    const chosen = partition === undefined ? this.#choose(topic, key, value) : partition;
    const queue = topic.partitions[chosen];
    if (queue === undefined) this.#refusePartition(topic, chosen, partition !== undefined);
    return this.#accumulator.tryAppend(queue, timestamp, key, value, headers) ??
      this.#begin(queue, timestamp, key, value, headers);
  }

  #appendSticky(
    topic: TopicQueues,
    timestamp: Timestamp,
    value: RecordContent,
    headers: readonly HeaderContent[] | undefined,
  ): ProducerBatch | undefined {
    const sticky = topic.partitions[topic.sticky];
    if (sticky !== undefined) {
      const batch = this.#accumulator.tryAppend(sticky, timestamp, null, value, headers);
      if (batch !== undefined) return batch;
    }
    // The batch ended: the next one is where there is least to do.
    topic.sticky = nextStickyPartition(topic, topic.sticky, this.#options.random);
    const queue = topic.partitions[topic.sticky]!;
    const batch = queue === sticky
      ? undefined
      : this.#accumulator.tryAppend(queue, timestamp, null, value, headers);
    return batch ?? this.#begin(queue, timestamp, null, value, headers);
  }

  #choose(topic: TopicQueues, key: RecordContent, value: RecordContent): number {
    const { partitioner } = this.#options;
    const count = topic.partitionCount;
    if (partitioner !== undefined) {
      try {
        return partitioner(topic.name, contentBytes(key), contentBytes(value), count);
      } catch (cause) {
        throw new SerializationError(`Cannot send to ${topic.name}: the partitioner threw`, {
          cause,
        });
      }
    }
    return partitionOfHash(hashOf(key), count);
  }

  #begin(
    queue: PartitionQueue,
    timestamp: Timestamp,
    key: RecordContent,
    value: RecordContent,
    headers: readonly HeaderContent[] | undefined,
  ): ProducerBatch | undefined {
    const { batchSize, clock } = this.#options;
    let size = recordBytesMax(key, value, headers);
    if (size > batchSize / 2) {
      // Worth knowing exactly: text is counted at three bytes a character until it is bytes.
      key = contentBytes(key);
      value = contentBytes(value);
      size = recordBytesMax(key, value, headers);
      this.#checkSize(queue, size);
    }
    const batch = this.#accumulator.begin(queue, size, clock.monotonic());
    if (batch === undefined) return undefined;
    batch.tryAppend(timestamp, key, value, headers);
    // A record that no ordinary batch may hold travels alone.
    if (BATCH_HEADER_BYTES + size > batchSize) batch.isFull = true;
    return batch;
  }

  #checkSize(queue: PartitionQueue, size: number): void {
    const { maxRequestSize, bufferMemory } = this.#options;
    const [name, limit] = maxRequestSize <= bufferMemory
      ? ["maxRequestSize", maxRequestSize]
      : ["bufferMemory", bufferMemory];
    if (size <= limit) return;
    const target = `${queue.topic}-${queue.partition}`;
    throw new RecordTooLargeError(
      `Cannot send to ${target}: the record takes up to ${size} bytes, ${name} is ${limit}`,
    );
  }

  #refusePartition(topic: TopicQueues, partition: number, isExplicit: boolean): never {
    const count = topic.partitionCount;
    const message = `Cannot send to partition ${partition} of ${topic.name}: it has ${count}`;
    if (isExplicit) throw new UnknownTopicError(message);
    throw new SerializationError(`${message}, which the partitioner was told`);
  }
}

/** The hash that chooses a key's partition; none counts as an empty key. */
function hashOf(key: RecordContent): number {
  if (typeof key !== "string") return key === null ? NONE : murmur2(key);
  return murmur2Ascii(key) ?? murmur2(contentBytes(key)!);
}
