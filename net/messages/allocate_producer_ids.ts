/**
 * AllocateProducerIds: a broker asks the controller for a block of producer ids (KIP-730).
 *
 * @module
 */

import { api, type Infer, int16, int32, int64, struct } from "../schema.ts";

export const ALLOCATE_PRODUCER_IDS = api({
  key: 67,
  name: "AllocateProducerIds",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerIdStart: int64(),
    producerIdLen: int32(),
  }),
});

export type AllocateProducerIdsRequest = Infer<typeof ALLOCATE_PRODUCER_IDS.request>;
export type AllocateProducerIdsResponse = Infer<typeof ALLOCATE_PRODUCER_IDS.response>;
