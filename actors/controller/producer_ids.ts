/**
 * The controller's decision on producer ids: brokers get them in blocks (KIP-730).
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from "../../net/messages/allocate_producer_ids.ts";
import { currentBroker } from "./brokers.ts";
import { type Decision, type DecisionContext, orRefuse } from "./decision.ts";

/** Producer ids that a broker gets at once. */
export const PRODUCER_ID_BLOCK = 1000;

/** AllocateProducerIds: the next block, never given again. */
export function allocateProducerIds(
  context: DecisionContext,
  { brokerId, brokerEpoch }: AllocateProducerIdsRequest,
): Decision<AllocateProducerIdsResponse> {
  return orRefuse<Decision<AllocateProducerIdsResponse>>(() => {
    currentBroker(context, brokerId, brokerEpoch);
    const producerIdStart = context.image.nextProducerId;
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
  }, ({ code }) => ({
    records: [],
    response: { throttleTimeMs: 0, errorCode: code, producerIdStart: -1, producerIdLen: 0 },
  }));
}
