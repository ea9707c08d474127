/**
 * AddOffsetsToTxn: adds a group's offsets to a transaction.
 *
 * Version 3 is flexible; 4 may answer TRANSACTION_ABORTABLE (KIP-890).
 *
 * @module
 */

import { api, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const ADD_OFFSETS_TO_TXN = api({
  key: 25,
  name: "AddOffsetsToTxn",
  versions: "0-4",
  flexibleVersions: "3+",
  request: struct({
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
  }),
});

export type AddOffsetsToTxnRequest = Infer<typeof ADD_OFFSETS_TO_TXN.request>;
export type AddOffsetsToTxnResponse = Infer<typeof ADD_OFFSETS_TO_TXN.response>;
