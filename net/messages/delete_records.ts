/**
 * DeleteRecords: raises the log start offset of partitions; -1 stands for the high watermark
 * (KIP-107).
 *
 * Version 2 is flexible.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, string, struct } from "../schema.ts";

export const DELETE_RECORDS = api({
  key: 21,
  name: "DeleteRecords",
  versions: "0-2",
  flexibleVersions: "2+",
  request: struct({
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        offset: int64(),
      })),
    })),
    timeoutMs: int32(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    topics: array(struct({
      name: string(),
      partitions: array(struct({
        partitionIndex: int32(),
        lowWatermark: int64(),
        errorCode: int16(),
      })),
    })),
  }),
});

export type DeleteRecordsRequest = Infer<typeof DELETE_RECORDS.request>;
export type DeleteRecordsResponse = Infer<typeof DELETE_RECORDS.response>;
export type DeleteRecordsTopic = DeleteRecordsRequest["topics"][number];
export type DeleteRecordsPartition = DeleteRecordsTopic["partitions"][number];
export type DeleteRecordsTopicResult = DeleteRecordsResponse["topics"][number];
export type DeleteRecordsPartitionResult = DeleteRecordsTopicResult["partitions"][number];
