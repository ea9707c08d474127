/**
 * TransactionLogValue: state, producer and partitions of a transaction.
 *
 * @module
 */

import {
  array,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  string,
  struct,
  table,
} from "../../schema.ts";

export const TRANSACTION_LOG_VALUE = table({
  name: "TransactionLogValue",
  versions: "0-1",
  flexibleVersions: "1+",
  fields: struct({
    producerId: int64(),
    previousProducerId: int64({ versions: "1+", default: -1, tag: 0, taggedVersions: "1+" }),
    nextProducerId: int64({ versions: "1+", default: -1, tag: 1, taggedVersions: "1+" }),
    producerEpoch: int16(),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array(
      struct({
        topic: string(),
        partitionIds: array(int32()),
      }),
      { nullableVersions: "0+" },
    ),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ versions: "1+", tag: 2, taggedVersions: "1+" }),
  }),
});

export type TransactionLogValue = Infer<typeof TRANSACTION_LOG_VALUE>;
export type PartitionsSchema = NonNullable<TransactionLogValue["transactionPartitions"]>[number];
