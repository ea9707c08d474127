/**
 * Vote, BeginQuorumEpoch, EndQuorumEpoch and FetchSnapshot: what voters and observers of the
 * metadata quorum ask each other (KIP-595, KIP-630), answered by this node's controller.
 *
 * @module
 */

import {
  BEGIN_QUORUM_EPOCH,
  type BeginQuorumEpochRequest,
  type BeginQuorumEpochResponse,
} from "../../../net/messages/begin_quorum_epoch.ts";
import {
  END_QUORUM_EPOCH,
  type EndQuorumEpochRequest,
  type EndQuorumEpochResponse,
} from "../../../net/messages/end_quorum_epoch.ts";
import {
  FETCH_SNAPSHOT,
  type FetchSnapshotRequest,
  type FetchSnapshotResponse,
} from "../../../net/messages/fetch_snapshot.ts";
import { VOTE, type VoteRequest, type VoteResponse } from "../../../net/messages/vote.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { answeredByQuorum, CLUSTER_ACTION } from "../quorum_questions.ts";

const SINCE_KIP_853 = { endpointsSince: 1 };

export const vote: ApiHandler<VoteRequest, VoteResponse> = {
  api: VOTE,
  access: () => CLUSTER_ACTION,
  handle: (call) => answeredByQuorum(call, vote, SINCE_KIP_853),
  failed: (_request, errorCode) => ({ errorCode, topics: [], nodeEndpoints: [] }),
};

export const beginQuorumEpoch: ApiHandler<BeginQuorumEpochRequest, BeginQuorumEpochResponse> = {
  api: BEGIN_QUORUM_EPOCH,
  access: () => CLUSTER_ACTION,
  handle: (call) => answeredByQuorum(call, beginQuorumEpoch, SINCE_KIP_853),
  failed: (_request, errorCode) => ({ errorCode, topics: [], nodeEndpoints: [] }),
};

export const endQuorumEpoch: ApiHandler<EndQuorumEpochRequest, EndQuorumEpochResponse> = {
  api: END_QUORUM_EPOCH,
  access: () => CLUSTER_ACTION,
  handle: (call) => answeredByQuorum(call, endQuorumEpoch, SINCE_KIP_853),
  failed: (_request, errorCode) => ({ errorCode, topics: [], nodeEndpoints: [] }),
};

export const fetchSnapshot: ApiHandler<FetchSnapshotRequest, FetchSnapshotResponse> = {
  api: FETCH_SNAPSHOT,
  access: () => CLUSTER_ACTION,
  replicaId: ({ replicaId }) => replicaId,
  handle: (call) => answeredByQuorum(call, fetchSnapshot, SINCE_KIP_853),
  failed: (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    topics: [],
    nodeEndpoints: [],
  }),
};
