/**
 * WriteTxnMarkers: a transaction coordinator writes the outcome to the partitions of a transaction.
 *
 * @module
 */

import {
  api,
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  string,
  struct,
} from "../schema.ts";

export const WRITE_TXN_MARKERS = api({
  key: 27,
  name: "WriteTxnMarkers",
  versions: "1-2",
  flexibleVersions: "1+",
  request: struct({
    markers: array(struct({
      producerId: int64(),
      producerEpoch: int16(),
      transactionResult: bool(),
      topics: array(struct({
        name: string(),
        partitionIndexes: array(int32()),
      })),
      coordinatorEpoch: int32(),
      /** From 2 on the epoch is higher than that of any record of the transaction (KIP-1228). */
      transactionVersion: int8({ versions: "2+", ignorable: true }),
    })),
  }),
  response: struct({
    markers: array(struct({
      producerId: int64(),
      topics: array(struct({
        name: string(),
        partitions: array(struct({
          partitionIndex: int32(),
          errorCode: int16(),
        })),
      })),
    })),
  }),
});

export type WriteTxnMarkersRequest = Infer<typeof WRITE_TXN_MARKERS.request>;
export type WriteTxnMarkersResponse = Infer<typeof WRITE_TXN_MARKERS.response>;
export type WritableTxnMarker = WriteTxnMarkersRequest["markers"][number];
export type WritableTxnMarkerTopic = WritableTxnMarker["topics"][number];
export type WritableTxnMarkerResult = WriteTxnMarkersResponse["markers"][number];
export type WritableTxnMarkerTopicResult = WritableTxnMarkerResult["topics"][number];
export type WritableTxnMarkerPartitionResult = WritableTxnMarkerTopicResult["partitions"][number];
