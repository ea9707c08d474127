/**
 * AlterPartitionReassignments, decided by the controller; ListPartitionReassignments, answered from
 * what this broker knows of the metadata (KIP-455).
 *
 * @module
 */

import {
  ALTER_PARTITION_REASSIGNMENTS,
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
} from "../../../net/messages/alter_partition_reassignments.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  LIST_PARTITION_REASSIGNMENTS,
  type ListPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse,
} from "../../../net/messages/list_partition_reassignments.ts";
import type { TopicImage } from "../../controller/cluster_image.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const alterPartitionReassignments: ApiHandler<
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse
> = {
  api: ALTER_PARTITION_REASSIGNMENTS,
  access: () => [clusterAccess("alter")],
  handle: (call) => decidedByController(call, alterPartitionReassignments, call.request.timeoutMs),
  failed: (_request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    responses: [],
  }),
};

export const listPartitionReassignments: ApiHandler<
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse
> = {
  api: LIST_PARTITION_REASSIGNMENTS,
  access: () => [clusterAccess("describe")],
  handle(call) {
    const { request, broker: { image } } = call;
    const topics = request.topics === null
      ? [...image.topics.values()].map((topic) => reassigned(topic, undefined))
      : request.topics.flatMap(({ name, partitionIndexes }) => {
        const topic = image.topicByName(name);
        return topic === undefined ? [] : [reassigned(topic, new Set(partitionIndexes))];
      });
    call.reply({
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topics: topics.filter(({ partitions }) => partitions.length > 0),
    });
  },
  failed: (_request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    topics: [],
  }),
};

/** The partitions asked for, of all when undefined, that are given other replicas now. */
function reassigned({ name, partitions }: TopicImage, asked: ReadonlySet<number> | undefined) {
  return {
    name,
    partitions: partitions.flatMap(({ replicas, adding, removing }, partitionIndex) => {
      if (asked?.has(partitionIndex) === false) return [];
      if (adding.length === 0 && removing.length === 0) return [];
      return [{
        partitionIndex,
        replicas,
        addingReplicas: adding,
        removingReplicas: removing,
      }];
    }),
  };
}
