/**
 * DescribeQuorum: who leads the metadata quorum, who votes, and how far each is (KIP-595, KIP-836).
 *
 * @module
 */

import { NONE, type Timestamp } from "../../storage/bytes/ids.ts";
import type { DescribeQuorumResponse, ReplicaState } from "../../net/messages/describe_quorum.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { METADATA_TOPIC } from "./metadata_topic.ts";
import { QUORUM_LISTENER } from "./quorum_messages.ts";
import type { QuorumReplica } from "./quorum_replica.ts";
import type { ReplicaProgress } from "./replication.ts";
import { sameReplica } from "./voters.ts";

/** Answers from what the leader knows; another node says that it does not lead. */
export function describeQuorum(
  quorum: QuorumReplica,
  now: number,
  wall: Timestamp,
): DescribeQuorumResponse {
  const { leading, state, voters, options: { self, log } } = quorum;
  const timeOf = (at: number) => at < 0 ? NONE : Math.round(wall - (now - at));
  const describe = (progress: ReplicaProgress): ReplicaState => ({
    replicaId: progress.key.id,
    replicaDirectoryId: progress.key.directoryId,
    logEndOffset: progress.endOffset,
    lastFetchTimestamp: timeOf(progress.fetchedAt),
    lastCaughtUpTimestamp: timeOf(progress.caughtUpAt),
  });
  const own: ReplicaState = {
    replicaId: self.id,
    replicaDirectoryId: self.directoryId,
    logEndOffset: log.endOffset,
    lastFetchTimestamp: wall,
    lastCaughtUpTimestamp: wall,
  };
  const currentVoters = leading === undefined ? [] : voters.voters.map((voter): ReplicaState => {
    if (sameReplica(voter, self)) return own;
    const progress = leading.progressOf(voter);
    return progress === undefined
      ? {
        replicaId: voter.id,
        replicaDirectoryId: voter.directoryId,
        logEndOffset: NONE,
        lastFetchTimestamp: NONE,
        lastCaughtUpTimestamp: NONE,
      }
      : describe(progress);
  });
  const observers = [...leading?.replicas ?? []].filter(({ key }) => !voters.has(key));
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topics: [{
      topicName: METADATA_TOPIC,
      partitions: [{
        partitionIndex: 0,
        errorCode: leading === undefined ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE,
        errorMessage: null,
        leaderId: state.leaderId,
        leaderEpoch: state.epoch,
        highWatermark: quorum.highWatermark,
        currentVoters,
        observers: observers.map(describe),
      }],
    }],
    nodes: voters.voters.flatMap(({ id }) => {
      const peer = id === self.id ? quorum.ownPeer : quorum.peer(id);
      if (peer === undefined) return [];
      return [{ nodeId: id, listeners: [{ name: QUORUM_LISTENER, ...peer.address }] }];
    }),
  };
}
