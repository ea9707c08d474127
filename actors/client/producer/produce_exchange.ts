/**
 * Batches as a produce request, and its response as what became of each.
 *
 * @module
 */

import type {
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
} from "../../../net/messages/produce.ts";
import type { ProducerBatch } from "./producer_batch.ts";

/** Puts batches, at most one of a partition, into a request, each as `bytesOf` gives it. */
export function produceRequest(
  batches: readonly ProducerBatch[],
  acks: number,
  timeoutMs: number,
  transactionalId: string | null,
  bytesOf: (batch: ProducerBatch) => Uint8Array,
): ProduceRequest {
  const byTopic = new Map<string, { index: number; records: Uint8Array }[]>();
  for (const batch of batches) {
    let partitions = byTopic.get(batch.topic);
    if (partitions === undefined) byTopic.set(batch.topic, partitions = []);
    partitions.push({ index: batch.partition, records: bytesOf(batch) });
  }
  return {
    transactionalId,
    acks,
    timeoutMs,
    topicData: Array.from(byTopic, ([name, partitionData]) => ({ name, partitionData })),
  };
}

/**
 * Calls `answered` once for each of the batches of a request: with what the broker says of its
 * partition, or undefined where it says nothing.
 */
export function matchAnswers(
  batches: readonly ProducerBatch[],
  response: ProduceResponse,
  answered: (batch: ProducerBatch, answer: PartitionProduceResponse | undefined) => void,
): void {
  const waiting = new Set(batches);
  // Brokers answer in the order of the request; any other order costs a search.
  let next = 0;
  for (const { name, partitionResponses } of response.responses) {
    for (const answer of partitionResponses) {
      const { index } = answer;
      const isNext = batches[next]?.topic === name && batches[next]?.partition === index;
      const batch = isNext
        ? batches[next]
        : batches.find((batch) => batch.topic === name && batch.partition === index);
      next++;
      if (batch !== undefined && waiting.delete(batch)) answered(batch, answer);
    }
  }
  for (const batch of waiting) answered(batch, undefined);
}
