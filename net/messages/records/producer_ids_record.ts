/**
 * ProducerIdsRecord: a block of producer ids was given to a broker; `nextProducerId` is the first
 * of the next block.
 *
 * @module
 */

import { type Infer, int32, int64, record, struct } from "../../schema.ts";

export const PRODUCER_IDS_RECORD = record({
  type: 15,
  name: "ProducerIdsRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    nextProducerId: int64(),
  }),
});

export type ProducerIdsRecord = Infer<typeof PRODUCER_IDS_RECORD>;
