/**
 * InitProducerId: gives a producer an id that nobody else has, or the next epoch of the id that its
 * transactional id has (KIP-98).
 *
 * A producer without a transactional id that names its former id and epoch (KIP-360) is given a new
 * id: nobody keeps its epochs, the producer raises its own.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  INIT_PRODUCER_ID,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../../../net/messages/init_producer_id.ts";
import type { ProducerReply } from "../../coordinator/transaction/requests.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import type { ProducerIdReply, ProducerIdsRequest } from "../transactions/producer_ids.ts";
import { askTransactions, producerError } from "../transactions/transaction_questions.ts";

export const initProducerId: ApiHandler<InitProducerIdRequest, InitProducerIdResponse> = {
  api: INIT_PRODUCER_ID,
  access: ({ transactionalId }) => [
    transactionalId === null
      ? clusterAccess("idempotent-write")
      : { operation: "write", resourceType: "transactional-id", resourceName: transactionalId },
  ],
  handle(call) {
    const { request, broker } = call;
    const refuse = (error: ErrorCode) => call.reply(initProducerId.failed(request, error, null));
    const { transactionalId } = request;
    if (transactionalId !== null) return initTransactional(call, transactionalId);
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

/** The first version whose clients know PRODUCER_FENCED (KIP-588). */
const FENCED_SINCE = 4;

function initTransactional(
  call: Call<InitProducerIdRequest, InitProducerIdResponse>,
  transactionalId: string,
): void {
  const { request, version } = call;
  const { transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = request;
  const refuse = (error: ErrorCode) =>
    call.reply(
      initProducerId.failed(request, producerError(error, version, FENCED_SINCE), null),
    );
  // One without the other makes no sense.
  if ((producerId < 0) !== (producerEpoch < 0)) return refuse(ErrorCode.INVALID_REQUEST);
  const expected = producerId < 0 ? undefined : { producerId, producerEpoch };
  askTransactions<ProducerReply>(
    call,
    transactionalId,
    (replyTo) => ({ kind: "init-producer", transactionalId, timeoutMs, expected, replyTo }),
    ({ error, producerId, producerEpoch }) => {
      if (error !== ErrorCode.NONE) return refuse(error);
      call.reply({ throttleTimeMs: 0, errorCode: error, producerId, producerEpoch });
    },
    refuse,
  );
}
