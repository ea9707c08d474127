/**
 * DeleteRecords: moves the log start offset up; -1 means up to the high watermark.
 *
 * @module
 */

import {
  DELETE_RECORDS,
  type DeleteRecordsPartition,
  type DeleteRecordsPartitionResult,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
} from "../../../net/messages/delete_records.ts";
import type { DeleteRecordsReply } from "../../partition/messages.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { askPartitions } from "../partition_questions.ts";

export const deleteRecords: ApiHandler<DeleteRecordsRequest, DeleteRecordsResponse> = {
  api: DELETE_RECORDS,
  access: (request) => request.topics.map(({ name }) => topicAccess("delete", name)),
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    const { request } = call;
    askPartitions<DeleteRecordsPartition, DeleteRecordsReply, DeleteRecordsPartitionResult>(call, {
      topics: request.topics,
      partitionOf: ({ partitionIndex }) => partitionIndex,
      timeoutMs: request.timeoutMs,
      question: ({ offset }, replyTo) => ({ kind: "delete-records", before: offset, replyTo }),
      answered: ({ partitionIndex }, { error, lowWatermark }) => ({
        partitionIndex,
        lowWatermark,
        errorCode: error,
      }),
      failed: ({ partitionIndex }, errorCode) => ({ partitionIndex, lowWatermark: -1, errorCode }),
    }, (topics) => call.reply({ throttleTimeMs: 0, topics }));
  },
  failed: (request, errorCode) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        lowWatermark: -1,
        errorCode,
      })),
    })),
  }),
};
