/**
 * The topics that a producer sends to: their partitions, who leads them, and what to say of those
 * that cannot be had.
 *
 * @module
 */

import { ErrorCode, isRetriable } from "../../../net/messages/errors.ts";
import { type Accumulator, PartitionQueue, type TopicQueues } from "./accumulator.ts";
import type { Cluster } from "../cluster.ts";
import {
  BufferExhaustedError,
  type ClientError,
  errorForCode,
  TimeoutError,
  UnknownTopicError,
} from "../errors.ts";
import type { PartitionSequences } from "./sequences.ts";
import { checkTopicName } from "../topic_name.ts";

export interface ProducerTopicsOptions {
  readonly cluster: Cluster;
  readonly accumulator: Accumulator;
  readonly maxBlockMs: number;
  /** The numbering of a partition's batches; undefined where there is none. */
  sequencesOf(topic: string, partition: number): PartitionSequences | undefined;
  /** What waits for the topic cannot be sent. */
  refused(topic: string, error: ClientError): void;
}

/** The topics. */
export class ProducerTopics {
  readonly #options: ProducerTopicsOptions;
  /** The topic sent to last: most callers stay with one. */
  #last: TopicQueues | undefined;

  constructor(options: ProducerTopicsOptions) {
    this.#options = options;
  }

  /** The topic's queues; without partitions until they are known. @throws {ApiError} */
  get(name: string): TopicQueues {
    const last = this.#last;
    return last !== undefined && last.name === name ? last : this.#find(name);
  }

  /** Takes over what the metadata say. */
  update(): void {
    for (const queues of this.#options.accumulator.topics.values()) {
      this.#update(queues);
      this.#failRefused(queues);
    }
  }

  /** Why records of the topic have waited for too long. */
  waitedTooLong({ name, partitionCount }: TopicQueues): ClientError {
    const { cluster: { metadata }, maxBlockMs } = this.#options;
    const waited = `within maxBlockMs ${maxBlockMs}`;
    if (partitionCount > 0) {
      return new BufferExhaustedError(`Cannot send to ${name}: the buffer had no room ${waited}`);
    }
    const info = metadata.topic(name);
    metadata.unwant(name);
    if (info?.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      return new UnknownTopicError(`Cannot send to ${name}: the topic was not there ${waited}`);
    }
    return new TimeoutError(`Cannot send to ${name}: its partitions were not known ${waited}`);
  }

  #find(name: string): TopicQueues {
    checkTopicName(name, "Cannot send");
    const { accumulator, cluster } = this.#options;
    const queues = accumulator.topic(name);
    if (queues.partitionCount === 0) {
      cluster.metadata.want(name);
      this.#update(queues);
    }
    // One that is not known yet is looked at again.
    if (queues.partitionCount > 0) this.#last = queues;
    return queues;
  }

  #update(queues: TopicQueues): void {
    const { cluster, sequencesOf } = this.#options;
    const { name } = queues;
    const info = cluster.metadata.topic(name);
    if (info === undefined) return;
    for (const { partition, leader, leaderEpoch } of info.partitions) {
      const queue = queues.partitions[partition] ??= new PartitionQueue(
        name,
        partition,
        sequencesOf(name, partition),
      );
      queue.leader = leader;
      queue.leaderEpoch = leaderEpoch;
    }
  }

  /** Fails what waits for a topic that cannot be had. */
  #failRefused({ name }: TopicQueues): void {
    const { cluster: { metadata }, refused } = this.#options;
    const errorCode = metadata.topic(name)?.errorCode ?? ErrorCode.NONE;
    if (errorCode === ErrorCode.NONE || isRetriable(errorCode)) return;
    refused(name, errorForCode(errorCode, `Cannot send to ${name}`));
    metadata.unwant(name);
  }
}
