/**
 * ElectLeaders: decided by the controller; a null list is all partitions.
 *
 * @module
 */

import {
  ELECT_LEADERS,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from "../../../net/messages/elect_leaders.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const electLeaders: ApiHandler<ElectLeadersRequest, ElectLeadersResponse> = {
  api: ELECT_LEADERS,
  access: () => [clusterAccess("alter")],
  handle: (call) => decidedByController(call, electLeaders, call.request.timeoutMs, inVersion),
  failed: ({ topicPartitions }, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode, errorMessage })),
    })),
  }),
};

/** Version 0 has no error of the whole. */
function inVersion(response: ElectLeadersResponse, version: number): ElectLeadersResponse {
  return version === 0 ? { ...response, errorCode: 0 } : response;
}
