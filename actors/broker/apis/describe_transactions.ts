/**
 * DescribeTransactions: what the coordinators here know of transactional ids (KIP-664).
 *
 * @module
 */

import {
  DESCRIBE_TRANSACTIONS,
  type DescribeTransactionsRequest,
  type DescribeTransactionsResponse,
  type TransactionState,
} from "../../../net/messages/describe_transactions.ts";
import type { TransactionDescription } from "../../coordinator/transaction/requests.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { Gather } from "../gather.ts";
import { askTransactions, transactionAccess } from "../transactions/transaction_questions.ts";

type DescribeCall = Call<DescribeTransactionsRequest, DescribeTransactionsResponse>;

export const describeTransactions: ApiHandler<
  DescribeTransactionsRequest,
  DescribeTransactionsResponse
> = {
  api: DESCRIBE_TRANSACTIONS,
  access: ({ transactionalIds }) => transactionalIds.map((id) => transactionAccess("describe", id)),
  elements: { of: ["transactionalIds"], results: "transactionStates" },
  handle(call) {
    const { transactionalIds } = call.request;
    const gather = new Gather<TransactionState>(
      transactionalIds.length,
      (transactionStates) => call.reply({ throttleTimeMs: 0, transactionStates }),
    );
    transactionalIds.forEach((transactionalId, slot) => {
      askTransactions<TransactionDescription>(
        call,
        transactionalId,
        (replyTo) => ({ kind: "describe-transaction", transactionalId, replyTo }),
        (description) => gather.fill(slot, stateOf(call, transactionalId, description)),
        (error) => gather.fill(slot, failure(transactionalId, error)),
      );
    });
  },
  failed: ({ transactionalIds }, errorCode) => ({
    throttleTimeMs: 0,
    transactionStates: transactionalIds.map((id) => failure(id, errorCode)),
  }),
};

/** Topics that the asker may not know are left out. */
function stateOf(
  { allows }: DescribeCall,
  transactionalId: string,
  { error, status, timeoutMs, startedAt, partitions, ...producer }: TransactionDescription,
): TransactionState {
  return {
    ...failure(transactionalId, error),
    ...producer,
    transactionState: status,
    transactionTimeoutMs: timeoutMs,
    transactionStartTimeMs: startedAt,
    topics: partitions.filter(({ topic }) => allows(topicAccess("describe", topic))),
  };
}

function failure(transactionalId: string, errorCode: number): TransactionState {
  return {
    errorCode,
    transactionalId,
    transactionState: "",
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  };
}
