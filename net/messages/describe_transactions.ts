/**
 * DescribeTransactions: state, producer and partitions of transactions (KIP-664).
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const DESCRIBE_TRANSACTIONS = api({
  key: 65,
  name: "DescribeTransactions",
  versions: "0",
  flexibleVersions: "0+",
  request: struct({
    transactionalIds: array(string()),
  }),
  response: struct({
    throttleTimeMs: int32(),
    transactionStates: array(struct({
      errorCode: int16(),
      transactionalId: string(),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64(),
      producerEpoch: int16(),
      topics: array(struct({
        topic: string(),
        partitions: array(int32()),
      })),
    })),
  }),
});

export type DescribeTransactionsRequest = Infer<typeof DESCRIBE_TRANSACTIONS.request>;
export type DescribeTransactionsResponse = Infer<typeof DESCRIBE_TRANSACTIONS.response>;
export type TransactionState = DescribeTransactionsResponse["transactionStates"][number];
export type TopicData = TransactionState["topics"][number];
