/**
 * DescribeQuorum: the state of the metadata quorum, as its leader sees it.
 *
 * A node that does not lead hands the question on, so that any may be asked (KIP-836).
 *
 * @module
 */

import {
  DESCRIBE_QUORUM,
  type DescribeQuorumRequest,
  type DescribeQuorumResponse,
  type ReplicaState,
} from "../../../net/messages/describe_quorum.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const describeQuorum: ApiHandler<DescribeQuorumRequest, DescribeQuorumResponse> = {
  api: DESCRIBE_QUORUM,
  access: () => [clusterAccess("describe")],
  handle: (call) =>
    decidedByController(call, describeQuorum, call.broker.config.requestTimeoutMs, inVersion),
  failed: (_request, errorCode, errorMessage) => ({
    errorCode,
    errorMessage,
    topics: [],
    nodes: [],
  }),
};

/** Version 2 brought directory ids and the endpoints of voters. */
function inVersion(response: DescribeQuorumResponse, version: number): DescribeQuorumResponse {
  if (version >= 2) return response;
  const withoutDirectory = (replica: ReplicaState) => ({
    ...replica,
    replicaDirectoryId: ZERO_UUID,
  });
  const topics = response.topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => ({
      ...partition,
      currentVoters: partition.currentVoters.map(withoutDirectory),
      observers: partition.observers.map(withoutDirectory),
    })),
  }));
  return { ...response, topics, nodes: [] };
}
