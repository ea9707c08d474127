/**
 * InitProducerId: gives a producer an id that nobody else has (KIP-98).
 *
 * A producer that names its former id and epoch (KIP-360) is given a new id: without a
 * transactional id nobody keeps epochs, the producer raises its own. Transactional ids are refused
 * as UNSUPPORTED_VERSION: there is no coordinator of transactions.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  INIT_PRODUCER_ID,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../../../net/messages/init_producer_id.ts";
import type { ApiHandler } from "../call.ts";
import type { ProducerIdReply, ProducerIdsRequest } from "../producer_ids.ts";

export const initProducerId: ApiHandler<InitProducerIdRequest, InitProducerIdResponse> = {
  api: INIT_PRODUCER_ID,
  access: ({ transactionalId }) => [
    transactionalId === null
      ? { operation: "idempotent-write", resourceType: "cluster", resourceName: "kafka-cluster" }
      : { operation: "write", resourceType: "transactional-id", resourceName: transactionalId },
  ],
  handle(call) {
    const { request, broker } = call;
    const refuse = (error: ErrorCode) => call.reply(initProducerId.failed(request, error, null));
    if (request.transactionalId !== null) {
      broker.environment.logger.log("warn", "transactional producer refused", {
        transactionalId: request.transactionalId,
        clientId: call.clientId,
      });
      return refuse(ErrorCode.UNSUPPORTED_VERSION);
    }
    call.ask<ProducerIdsRequest, ProducerIdReply>(
      broker.producerIds,
      broker.config.requestTimeoutMs,
      (replyTo) => ({ kind: "next-producer-id", replyTo }),
      (result) => {
        // Retriable, here or at another broker, whatever the reason: no id was used.
        if (result.kind !== "reply") return refuse(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
        const { error, producerId } = result.reply;
        if (error !== ErrorCode.NONE) return refuse(error);
        call.reply({ throttleTimeMs: 0, errorCode: error, producerId, producerEpoch: 0 });
      },
    );
  },
  failed: (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    producerId: -1,
    producerEpoch: -1,
  }),
};
