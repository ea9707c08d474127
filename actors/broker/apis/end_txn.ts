/**
 * EndTxn: the producer commits or aborts. Answered when the decision is committed; its markers
 * follow.
 *
 * From version 5 on each transaction has an epoch of its own, and the response tells the next one
 * (KIP-890).
 *
 * @module
 */

import { END_TXN, type EndTxnRequest, type EndTxnResponse } from "../../../net/messages/end_txn.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ProducerReply } from "../../coordinator/transaction/requests.ts";
import type { ApiHandler } from "../sessions/call.ts";
import {
  askTransactions,
  producerError,
  transactionAccess,
} from "../transactions/transaction_questions.ts";

/** The first version of transactions with an epoch each. */
const RAISES_EPOCH = 5;

export const endTxn: ApiHandler<EndTxnRequest, EndTxnResponse> = {
  api: END_TXN,
  access: ({ transactionalId }) => [transactionAccess("write", transactionalId)],
  handle(call) {
    const { request, version } = call;
    const { transactionalId, producerId, producerEpoch, committed } = request;
    askTransactions<ProducerReply>(
      call,
      transactionalId,
      (replyTo) => ({
        kind: "end-transaction",
        transactionalId,
        producerId,
        producerEpoch,
        committed,
        clientVersion: version >= RAISES_EPOCH ? 2 : 0,
        replyTo,
      }),
      (reply) => {
        if (reply.error !== ErrorCode.NONE) {
          return call.reply(endTxn.failed(request, producerError(reply.error, version), null));
        }
        const { producerId, producerEpoch } = reply;
        call.reply({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch });
      },
      (error) => call.reply(endTxn.failed(request, error, null)),
    );
  },
  failed: (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    producerId: -1,
    producerEpoch: -1,
  }),
};
