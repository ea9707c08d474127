/**
 * Produce: appends one batch to each of the partitions named.
 *
 * acks=0 gets no answer at all; an error then closes the connection, so that the client refreshes
 * its metadata. Each partition appends or refuses by itself.
 *
 * @module
 */

import { BATCH_HEADER_BYTES, BatchView } from "../../../storage/record_batch.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type NodeEndpoint,
  type PartitionProduceData,
  type PartitionProduceResponse,
  PRODUCE,
  type ProduceRequest,
  type ProduceResponse,
} from "../../../net/messages/produce.ts";
import { isInternalTopic } from "../../coordinator/internal_topics.ts";
import type { AppendReply, PartitionRequest, RequiredAcks } from "../../partition/messages.ts";
import type { AskResult } from "../../runtime/actor.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { Gather } from "../gather.ts";
import { namedLeader, NO_LEADER } from "../fetching/named_leader.ts";
import { findPartition, unansweredError } from "../partition_questions.ts";
import { maySend } from "../fetching/zstd_versions.ts";

/** The first version of a response that names leaders (KIP-951). */
const NAMES_LEADERS = 10;

/** The first version whose clients know TRANSACTION_ABORTABLE (KIP-890). */
const TRANSACTION_ABORTABLE = 11;

/** The first version by which partitions are added to transactions (KIP-890). */
const ADDS_TO_TRANSACTION = 12;

const ACKS: ReadonlyMap<number, RequiredAcks> = new Map([[0, "none"], [1, "leader"], [-1, "all"]]);

export const produce: ApiHandler<ProduceRequest, ProduceResponse> = {
  api: PRODUCE,
  access: (request) => request.topicData.map(({ name }) => topicAccess("write", name)),
  elements: { of: ["topicData"], results: "responses" },
  handle(call) {
    const { request } = call;
    const acks = ACKS.get(request.acks);
    if (acks === undefined) {
      const reason = `acks ${request.acks} is none of -1, 0 and 1`;
      return call.reply(produce.failed(request, ErrorCode.INVALID_REQUIRED_ACKS, reason));
    }
    if (!mayTransact(call)) {
      const error = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
      return call.reply(produce.failed(request, error, null));
    }
    call.charge("produce", bytesOf(request));
    const count = request.topicData.reduce((sum, topic) => sum + topic.partitionData.length, 0);
    const gather = new Gather<PartitionProduceResponse>(
      count,
      (responses) => answer(call, responses),
    );
    let slot = 0;
    for (const topic of request.topicData) {
      for (const data of topic.partitionData) {
        const filled = slot++;
        append(call, acks, topic.name, data, (response) => gather.fill(filled, response));
      }
    }
  },
  failed: (request, errorCode, message) => ({
    responses: request.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index }) => failure(index, errorCode, message)),
    })),
    throttleTimeMs: 0,
    nodeEndpoints: [],
  }),
};

function bytesOf({ topicData }: ProduceRequest): number {
  let bytes = 0;
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) bytes += records?.length ?? 0;
  }
  return bytes;
}

type ProduceCall = Call<ProduceRequest, ProduceResponse>;

/** Whether the producer may write for its transactional id, if it does. */
function mayTransact({ request: { transactionalId, topicData }, allows }: ProduceCall): boolean {
  const transacts = topicData.some(({ partitionData }) =>
    partitionData.some(({ records }) => records !== null && isTransactional(records))
  );
  return !transacts || (transactionalId !== null && allows({
    operation: "write",
    resourceType: "transactional-id",
    resourceName: transactionalId,
  }));
}

/** Whether bytes that should be a batch say so: they have not been looked at yet. */
function isTransactional(records: Uint8Array): boolean {
  return records.length >= BATCH_HEADER_BYTES && new BatchView(records).isTransactional;
}

function append(
  call: ProduceCall,
  acks: RequiredAcks,
  topicName: string,
  { index, records }: PartitionProduceData,
  done: (response: PartitionProduceResponse) => void,
): void {
  if (isInternalTopic(topicName)) {
    const reason = `${topicName} is for coordinators to write`;
    return done(failure(index, ErrorCode.INVALID_TOPIC_EXCEPTION, reason));
  }
  const partition = findPartition(call, topicName, index);
  if (typeof partition === "number") {
    const offline = partition === ErrorCode.KAFKA_STORAGE_ERROR;
    const message = offline ? `Partition ${topicName}-${index} is offline` : null;
    return done(failure(index, partition, message));
  }
  if (records === null || records.length === 0) {
    return done(failure(index, ErrorCode.INVALID_RECORD, "A produce request holds no batch"));
  }
  if (!maySend(records, call.version)) {
    const reason = `Version ${call.version} of Produce knows no zstd`;
    return done(failure(index, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, reason));
  }
  // Released by the partition, which may come to it after the call has timed out.
  const release = call.hold();
  const { transactionalId } = call.request;
  const transaction = transactionalId === null ? undefined : {
    transactionalId,
    addsToTransaction: call.version >= ADDS_TO_TRANSACTION,
  };
  call.ask<PartitionRequest, AppendReply>(
    partition,
    acks === "all" ? call.request.timeoutMs : call.broker.config.requestTimeoutMs,
    (replyTo) => ({ kind: "append", records, acks, ...transaction, replyTo, release }),
    (result) => {
      if (result.kind === "terminated" || result.kind === "refused") release();
      const response = partitionResponse(index, call.version, result);
      const { bytesInTotal, failedProduceRequestsTotal } = call.broker.metrics;
      if (response.errorCode === ErrorCode.NONE) bytesInTotal.add(records.length);
      else failedProduceRequestsTotal.add(1);
      done(response);
    },
  );
}

function partitionResponse(
  index: number,
  version: number,
  result: AskResult<AppendReply>,
): PartitionProduceResponse {
  if (result.kind !== "reply") return failure(index, unansweredError(result.kind), null);
  const { error, errorMessage, baseOffset, logAppendTime, logStartOffset } = result.reply;
  const { recordErrors = [] } = result.reply;
  return {
    index,
    errorCode: error === ErrorCode.TRANSACTION_ABORTABLE && version < TRANSACTION_ABORTABLE
      ? ErrorCode.INVALID_TXN_STATE
      : error,
    baseOffset,
    logAppendTimeMs: logAppendTime,
    logStartOffset,
    recordErrors: recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    })),
    errorMessage,
    currentLeader: NO_LEADER,
  };
}

function failure(
  index: number,
  errorCode: number,
  errorMessage: string | null,
): PartitionProduceResponse {
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage,
    currentLeader: NO_LEADER,
  };
}

function answer(call: ProduceCall, responses: readonly PartitionProduceResponse[]): void {
  const { request } = call;
  if (request.acks === 0) {
    const failed = responses.find(({ errorCode }) => errorCode !== ErrorCode.NONE);
    if (failed === undefined) return call.finish();
    const reason = `produce without acks failed on partition ${failed.index}: error ` +
      `${failed.errorCode}`;
    return call.disconnect(reason);
  }
  let slot = 0;
  const endpoints = new Map<number, NodeEndpoint>();
  call.reply({
    responses: request.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: responses.slice(slot, slot += partitionData.length).map((response) =>
        response.errorCode === ErrorCode.NONE
          ? response
          : withLeader(call, name, response, endpoints)
      ),
    })),
    throttleTimeMs: 0,
    nodeEndpoints: [...endpoints.values()],
  });
}

/** A response that says besides whom to ask instead, where its version can. */
function withLeader(
  call: ProduceCall,
  topic: string,
  response: PartitionProduceResponse,
  endpoints: Map<number, NodeEndpoint>,
): PartitionProduceResponse {
  if (call.version < NAMES_LEADERS) return response;
  const partition = call.broker.image.topicByName(topic)?.partitions[response.index];
  const currentLeader = namedLeader(call, partition, response.errorCode, endpoints);
  return { ...response, currentLeader };
}
