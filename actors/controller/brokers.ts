/**
 * The controller's decisions on brokers: registration, and the producer ids they hand out.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from "../../net/messages/allocate_producer_ids.ts";
import type {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from "../../net/messages/broker_registration.ts";
import type { Decision, DecisionContext, DecisionFacts } from "./decision.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { noChange } from "./partition_image.ts";

/**
 * Registers a broker under the epoch `nextOffset`, the offset of its registration record. A broker
 * that lost what it had not flushed gets new leader epochs for all that it leads, so that an offset
 * and its epoch never name two records.
 */
export function registerBroker(
  { image }: DecisionContext,
  request: BrokerRegistrationRequest,
  { nextOffset }: DecisionFacts,
): Decision<BrokerRegistrationResponse> {
  const { brokerId, incarnationId, listeners, features, rack, logDirs } = request;
  const records: MetadataRecord[] = [{
    kind: "RegisterBrokerRecord",
    value: {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId,
      brokerEpoch: nextOffset,
      endPoints: listeners,
      features,
      rack,
      fenced: false,
      inControlledShutdown: false,
      logDirs,
    },
  }];
  if (request.previousBrokerEpoch < 0) {
    for (const topic of image.topics.values()) {
      topic.partitions.forEach((partition, partitionId) => {
        if (partition.leader !== brokerId) return;
        const value = { ...noChange(topic.id, partitionId), leader: brokerId };
        records.push({ kind: "PartitionChangeRecord", value });
      });
    }
  }
  const response = { throttleTimeMs: 0, errorCode: ErrorCode.NONE, brokerEpoch: nextOffset };
  return { records, response };
}

/** Producer ids that a broker gets at once. */
export const PRODUCER_ID_BLOCK = 1000;

/** AllocateProducerIds: the next block, never given again. */
export function allocateProducerIds(
  { image }: DecisionContext,
  { brokerId, brokerEpoch }: AllocateProducerIdsRequest,
): Decision<AllocateProducerIdsResponse> {
  const producerIdStart = image.nextProducerId;
  const nextProducerId = producerIdStart + PRODUCER_ID_BLOCK;
  return {
    records: [{ kind: "ProducerIdsRecord", value: { brokerId, brokerEpoch, nextProducerId } }],
    response: {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      producerIdStart,
      producerIdLen: PRODUCER_ID_BLOCK,
    },
  };
}
