/**
 * ListTransactions: the transactions that this broker coordinates (KIP-664), from version 1 on also
 * by how long they have been open (KIP-994).
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  LIST_TRANSACTIONS,
  type ListTransactionsRequest,
  type ListTransactionsResponse,
} from "../../../net/messages/list_transactions.ts";
import type { CoordinatorRequest } from "../../coordinator/coordinator_actor.ts";
import { TRANSACTION_TOPIC } from "../../coordinator/internal_topics.ts";
import type {
  TransactionListing,
  TransactionListings,
  TransactionRequest,
} from "../../coordinator/transaction/requests.ts";
import { TRANSACTION_STATUS } from "../../coordinator/transaction/transaction.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { Gather } from "../gather.ts";
import { transactionAccess } from "../transactions/transaction_questions.ts";

type ListCall = Call<ListTransactionsRequest, ListTransactionsResponse>;

export const listTransactions: ApiHandler<ListTransactionsRequest, ListTransactionsResponse> = {
  api: LIST_TRANSACTIONS,
  // Whoever lists is told of what it may describe.
  access: () => [],
  handle(call) {
    const { coordinators, config } = call.broker;
    const refs = coordinators.all<TransactionRequest>(TRANSACTION_TOPIC);
    const gather = new Gather<TransactionListings>(refs.length, (all) => reply(call, all));
    refs.forEach((ref, slot) => {
      call.ask<CoordinatorRequest<TransactionRequest>, TransactionListings>(
        ref,
        config.requestTimeoutMs,
        (replyTo) => ({ kind: "coordinate", request: { kind: "list-transactions", replyTo } }),
        (result) => gather.fill(slot, result.kind === "reply" ? result.reply : UNANSWERED),
      );
    });
  },
  failed: (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    unknownStateFilters: [],
    transactionStates: [],
  }),
};

const UNANSWERED: TransactionListings = {
  error: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  transactions: [],
};

function reply(call: ListCall, all: readonly TransactionListings[]): void {
  const { request } = call;
  const loading = all.find(({ error }) => error === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  if (loading !== undefined) {
    return call.reply(listTransactions.failed(request, loading.error, null));
  }
  call.reply({
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    unknownStateFilters: request.stateFilters.filter((name) => !(name in TRANSACTION_STATUS)),
    transactionStates: all.flatMap(({ transactions }) => transactions)
      .filter((transaction) => isWanted(call, transaction))
      .map(({ transactionalId, producerId, status }) => ({
        transactionalId,
        producerId,
        transactionState: status,
      })),
  });
}

function isWanted(
  { request, allows, broker }: ListCall,
  { transactionalId, producerId, status, startedAt }: TransactionListing,
): boolean {
  const { stateFilters, producerIdFilters, durationFilter } = request;
  if (producerIdFilters.length > 0 && !producerIdFilters.includes(producerId)) return false;
  if (stateFilters.length > 0 && !stateFilters.includes(status)) return false;
  const openMs = broker.environment.clock.wall() - startedAt;
  if (durationFilter >= 0 && openMs <= durationFilter) return false;
  return allows(transactionAccess("describe", transactionalId));
}
