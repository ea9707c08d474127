/**
 * ListTransactions: the transactions that a broker coordinates (KIP-664).
 *
 * Version 1 filters by how long they have been open (KIP-994).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const LIST_TRANSACTIONS = api({
  key: 66,
  name: "ListTransactions",
  versions: "0-1",
  flexibleVersions: "0+",
  request: struct({
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ versions: "1+", default: -1 }),
    transactionalIdPattern: string({ versions: "2+", nullableVersions: "2+", default: null }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array(struct({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    })),
  }),
});

export type ListTransactionsRequest = Infer<typeof LIST_TRANSACTIONS.request>;
export type ListTransactionsResponse = Infer<typeof LIST_TRANSACTIONS.response>;
export type TransactionState = ListTransactionsResponse["transactionStates"][number];
