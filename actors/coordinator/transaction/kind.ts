/**
 * Transaction coordinators as the shell of coordinators knows them.
 *
 * @module
 */

import { TRANSACTION_RECORDS } from "../../../net/messages/records/coordinator_records.ts";
import { TRANSACTION_TOPIC } from "../internal_topics.ts";
import type { CoordinatorKind } from "../machine.ts";
import { recordCodec } from "../record_codec.ts";
import { refuseTransactionRequest, type TransactionRequest } from "./requests.ts";
import type { TransactionLogRecord } from "./transaction.ts";
import { TransactionCoordinator, type TransactionServices } from "./transaction_coordinator.ts";

/** Coordinators of transactions, each of one partition of `__transaction_state`. */
export function transactionCoordinatorKind(
  services: TransactionServices,
): CoordinatorKind<TransactionRequest, TransactionLogRecord> {
  return {
    name: "transaction-coordinator",
    topic: TRANSACTION_TOPIC,
    codec: recordCodec<TransactionLogRecord>(TRANSACTION_RECORDS),
    make: (context) => new TransactionCoordinator(context, services),
    refuse: refuseTransactionRequest,
  };
}
