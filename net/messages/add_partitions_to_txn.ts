/**
 * AddPartitionsToTxn: adds partitions to a transaction before anything is produced to them.
 *
 * Version 3 is flexible; 4 takes several transactions and can verify only, for brokers (KIP-890); 5
 * may answer TRANSACTION_ABORTABLE.
 *
 * @module
 */

import { api, array, bool, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

const ADD_PARTITIONS_TO_TXN_PARTITION_RESULT = struct({
  partitionIndex: int32(),
  partitionErrorCode: int16(),
});

const ADD_PARTITIONS_TO_TXN_TOPIC = struct({
  name: string(),
  partitions: array(int32()),
});

const ADD_PARTITIONS_TO_TXN_TOPIC_RESULT = struct({
  name: string(),
  resultsByPartition: array(ADD_PARTITIONS_TO_TXN_PARTITION_RESULT),
});

export const ADD_PARTITIONS_TO_TXN = api({
  key: 24,
  name: "AddPartitionsToTxn",
  versions: "0-5",
  advertisedVersions: "0-3",
  flexibleVersions: "3+",
  request: struct({
    transactions: array(
      struct({
        transactionalId: string({ versions: "4+" }),
        producerId: int64({ versions: "4+" }),
        producerEpoch: int16({ versions: "4+" }),
        verifyOnly: bool({ versions: "4+" }),
        topics: array(ADD_PARTITIONS_TO_TXN_TOPIC, { versions: "4+" }),
      }),
      { versions: "4+" },
    ),
    v3AndBelowTransactionalId: string({ versions: "0-3" }),
    v3AndBelowProducerId: int64({ versions: "0-3" }),
    v3AndBelowProducerEpoch: int16({ versions: "0-3" }),
    v3AndBelowTopics: array(ADD_PARTITIONS_TO_TXN_TOPIC, { versions: "0-3" }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16({ versions: "4+", ignorable: true }),
    resultsByTransaction: array(
      struct({
        transactionalId: string({ versions: "4+" }),
        topicResults: array(ADD_PARTITIONS_TO_TXN_TOPIC_RESULT, { versions: "4+" }),
      }),
      { versions: "4+" },
    ),
    resultsByTopicV3AndBelow: array(ADD_PARTITIONS_TO_TXN_TOPIC_RESULT, { versions: "0-3" }),
  }),
});

export type AddPartitionsToTxnRequest = Infer<typeof ADD_PARTITIONS_TO_TXN.request>;
export type AddPartitionsToTxnResponse = Infer<typeof ADD_PARTITIONS_TO_TXN.response>;
export type AddPartitionsToTxnPartitionResult =
  AddPartitionsToTxnTopicResult["resultsByPartition"][number];
export type AddPartitionsToTxnTransaction = AddPartitionsToTxnRequest["transactions"][number];
export type AddPartitionsToTxnTopic = AddPartitionsToTxnTransaction["topics"][number];
export type AddPartitionsToTxnResult = AddPartitionsToTxnResponse["resultsByTransaction"][number];
export type AddPartitionsToTxnTopicResult = AddPartitionsToTxnResult["topicResults"][number];
