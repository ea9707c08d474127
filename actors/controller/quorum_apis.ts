/**
 * The APIs of the quorum: which part of its state machine answers which.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import { ADD_RAFT_VOTER, type AddRaftVoterRequest } from "../../net/messages/add_raft_voter.ts";
import {
  BEGIN_QUORUM_EPOCH,
  type BeginQuorumEpochRequest,
} from "../../net/messages/begin_quorum_epoch.ts";
import { DESCRIBE_QUORUM } from "../../net/messages/describe_quorum.ts";
import {
  END_QUORUM_EPOCH,
  type EndQuorumEpochRequest,
} from "../../net/messages/end_quorum_epoch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FETCH, type FetchRequest } from "../../net/messages/fetch.ts";
import { FETCH_SNAPSHOT, type FetchSnapshotRequest } from "../../net/messages/fetch_snapshot.ts";
import {
  REMOVE_RAFT_VOTER,
  type RemoveRaftVoterRequest,
} from "../../net/messages/remove_raft_voter.ts";
import { VOTE, type VoteRequest } from "../../net/messages/vote.ts";
import type { Clock } from "../runtime/environment.ts";
import { describeQuorum } from "./describe_quorum.ts";
import type { Decide, QuorumRequest } from "./messages.ts";
import { QUORUM_LISTENER } from "./quorum_messages.ts";
import type { QuorumReplica } from "./quorum_replica.ts";
import type { ChangeDone } from "./voter_changes.ts";

/** How long the removal of a voter may take: its request has no time-out of its own. */
const REMOVAL_MS = 30_000;

/** Why a request is not decided here. */
const NO_LEADER = "This node does not lead the metadata quorum";

/** Answers a request of the quorum's protocol, or has it answered later. */
export function answerQuorumRequest(
  quorum: QuorumReplica,
  clock: Clock,
  { api, request, replyTo }: QuorumRequest,
): void {
  const now = clock.monotonic();
  const reply = (response: unknown) => void replyTo.tell({ kind: "quorum-response", response });
  switch (api.key) {
    case VOTE.key:
      return reply(quorum.handleVote(now, request as VoteRequest));
    case BEGIN_QUORUM_EPOCH.key:
      return reply(quorum.handleBeginQuorumEpoch(now, request as BeginQuorumEpochRequest));
    case END_QUORUM_EPOCH.key:
      return reply(quorum.handleEndQuorumEpoch(now, request as EndQuorumEpochRequest));
    case FETCH.key:
      return quorum.handleFetch(now, request as FetchRequest, reply);
    case FETCH_SNAPSHOT.key:
      return reply(quorum.handleFetchSnapshot(now, request as FetchSnapshotRequest));
    case DESCRIBE_QUORUM.key:
      return reply(describeQuorum(quorum, now, clock.wall()));
    default:
      throw new Error(`Cannot answer ${api.name}: it is no request of the quorum`);
  }
}

/** Decides a request that is about the quorum itself; false where it is about something else. */
export function decideOnQuorum(
  quorum: QuorumReplica,
  clock: Clock,
  { api, request, replyTo }: Decide,
  endOffset: () => Offset,
): boolean {
  const now = clock.monotonic();
  const answer = (response: unknown) =>
    void replyTo.tell({
      response,
      error: ErrorCode.NONE,
      errorMessage: null,
      endOffset: endOffset(),
    });
  const done: ChangeDone = (errorCode, errorMessage) => {
    if (errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) {
      return answer({ throttleTimeMs: 0, errorCode, errorMessage });
    }
    const error = ErrorCode.NOT_CONTROLLER;
    const refused = { response: undefined, error, errorMessage: NO_LEADER };
    replyTo.tell({ ...refused, endOffset: endOffset() });
  };
  switch (api.key) {
    case DESCRIBE_QUORUM.key:
      answer(describeQuorum(quorum, now, clock.wall()));
      return true;
    case ADD_RAFT_VOTER.key:
      addVoter(quorum, now, request as AddRaftVoterRequest, done);
      return true;
    case REMOVE_RAFT_VOTER.key:
      removeVoter(quorum, now, request as RemoveRaftVoterRequest, done);
      return true;
    default:
      return false;
  }
}

function addVoter(
  quorum: QuorumReplica,
  now: number,
  { clusterId, voterId, voterDirectoryId, listeners, timeoutMs }: AddRaftVoterRequest,
  done: ChangeDone,
): void {
  if (isOther(quorum, clusterId)) return done(ErrorCode.INCONSISTENT_CLUSTER_ID, null);
  const found = listeners.find(({ name }) => name === QUORUM_LISTENER);
  if (found === undefined) {
    return done(ErrorCode.INVALID_REQUEST, `There is no listener ${QUORUM_LISTENER}`);
  }
  const { host, port } = found;
  const voter = { id: voterId, directoryId: voterDirectoryId, address: { host, port } };
  quorum.addVoter(now, voter, timeoutMs, done);
}

function removeVoter(
  quorum: QuorumReplica,
  now: number,
  { clusterId, voterId, voterDirectoryId }: RemoveRaftVoterRequest,
  done: ChangeDone,
): void {
  if (isOther(quorum, clusterId)) return done(ErrorCode.INCONSISTENT_CLUSTER_ID, null);
  const key = { id: voterId, directoryId: voterDirectoryId };
  quorum.removeVoter(now, key, REMOVAL_MS, done);
}

function isOther(quorum: QuorumReplica, clusterId: string | null): boolean {
  return clusterId !== null && clusterId !== quorum.options.clusterId;
}
