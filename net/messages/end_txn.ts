/**
 * EndTxn: commits or aborts a transaction.
 *
 * Version 3 is flexible; 4 may answer TRANSACTION_ABORTABLE; 5 raises the producer's epoch with
 * each transaction (KIP-890).
 *
 * @module
 */

import { api, bool, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const END_TXN = api({
  key: 26,
  name: "EndTxn",
  versions: "0-5",
  flexibleVersions: "3+",
  request: struct({
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ versions: "5+", default: -1, ignorable: true }),
    producerEpoch: int16({ versions: "5+", default: -1, ignorable: true }),
  }),
});

export type EndTxnRequest = Infer<typeof END_TXN.request>;
export type EndTxnResponse = Infer<typeof END_TXN.response>;
