/**
 * InitProducerId: gives an idempotent or transactional producer its id and epoch (KIP-98).
 *
 * Versions: 2 is flexible; 3 carries the id and epoch to be bumped (KIP-360); 4 lets
 * PRODUCER_FENCED be returned (KIP-588); 5 TRANSACTION_ABORTABLE (KIP-890).
 *
 * @module
 */

import { api, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const INIT_PRODUCER_ID = api({
  key: 22,
  name: "InitProducerId",
  versions: "0-5",
  flexibleVersions: "2+",
  request: struct({
    transactionalId: string({ nullableVersions: "0+" }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: "3+", default: -1 }),
    producerEpoch: int16({ versions: "3+", default: -1 }),
  }),
  response: struct({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  }),
});

export type InitProducerIdRequest = Infer<typeof INIT_PRODUCER_ID.request>;
export type InitProducerIdResponse = Infer<typeof INIT_PRODUCER_ID.response>;
