/**
 * WriteTxnMarkers: a transaction coordinator, or whoever ends a transaction by hand, has the
 * outcome written to partitions that are led here.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type WritableTxnMarker,
  type WritableTxnMarkerResult,
  WRITE_TXN_MARKERS,
  type WriteTxnMarkersRequest,
  type WriteTxnMarkersResponse,
} from "../../../net/messages/write_txn_markers.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { Gather } from "../gather.ts";
import { appendMarker, type Ask } from "../transactions/marker_append.ts";
import { CLUSTER_ACTION } from "../quorum_questions.ts";

type MarkersCall = Call<WriteTxnMarkersRequest, WriteTxnMarkersResponse>;
type TopicResult = WritableTxnMarkerResult["topics"][number];
type PartitionResult = TopicResult["partitions"][number];

export const writeTxnMarkers: ApiHandler<WriteTxnMarkersRequest, WriteTxnMarkersResponse> = {
  api: WRITE_TXN_MARKERS,
  access: () => CLUSTER_ACTION,
  handle(call) {
    const { markers } = call.request;
    const gather = new Gather<WritableTxnMarkerResult>(
      markers.length,
      (results) => call.reply({ markers: results }),
    );
    markers.forEach((marker, slot) => {
      write(call, marker, (topics) => gather.fill(slot, { producerId: marker.producerId, topics }));
    });
  },
  failed: ({ markers }, errorCode) => ({
    markers: markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode })),
      })),
    })),
  }),
};

function write(
  call: MarkersCall,
  marker: WritableTxnMarker,
  done: (topics: readonly TopicResult[]) => void,
): void {
  const { topics, transactionResult: committed, ...of } = marker;
  const outcome = { ...of, committed };
  const ask: Ask = (other, timeoutMs, question, answered) =>
    call.ask(other, timeoutMs, question, answered);
  const gather = new Gather<TopicResult>(topics.length, done);
  topics.forEach(({ name, partitionIndexes }, slot) => {
    const partitions = new Gather<PartitionResult>(
      partitionIndexes.length,
      (results) => gather.fill(slot, { name, partitions: results }),
    );
    partitionIndexes.forEach((partitionIndex, index) => {
      if (!isSound(marker)) {
        const errorCode = ErrorCode.INVALID_REQUEST;
        return partitions.fill(index, { partitionIndex, errorCode });
      }
      appendMarker(call.broker, ask, outcome, name, partitionIndex, (errorCode) => {
        partitions.fill(index, { partitionIndex, errorCode });
      });
    });
  });
}

function isSound({ producerId, producerEpoch }: WritableTxnMarker): boolean {
  return producerId >= 0 && producerEpoch >= 0;
}
