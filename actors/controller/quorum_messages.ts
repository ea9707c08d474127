/**
 * The quorum's requests and responses as the wire has them: each wraps one partition, that of the
 * metadata log, in lists of topics and partitions.
 *
 * @module
 */

import {
  type Epoch,
  type NodeId,
  type Offset,
  type Uuid,
  ZERO_UUID,
} from "../../storage/bytes/ids.ts";
import type {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from "../../net/messages/begin_quorum_epoch.ts";
import type {
  EndQuorumEpochRequest,
  EndQuorumEpochResponse,
} from "../../net/messages/end_quorum_epoch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { FetchRequest, FetchResponse } from "../../net/messages/fetch.ts";
import type {
  FetchSnapshotRequest,
  FetchSnapshotResponse,
} from "../../net/messages/fetch_snapshot.ts";
import type { VoteRequest, VoteResponse } from "../../net/messages/vote.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { QuorumPeer } from "./messages.ts";
import { METADATA_TOPIC, METADATA_TOPIC_ID } from "./metadata_topic.ts";
import type { SnapshotId } from "./quorum_log.ts";
import type { ReplicaKey } from "./voters.ts";

/** The name of the listener that nodes reach each other by. */
export const QUORUM_LISTENER = "NATIVE";

/** What every answer says of the leader. */
export interface LeaderHint {
  readonly leaderId: NodeId;
  readonly epoch: Epoch;
  readonly endpoints: readonly QuorumPeer[];
}

interface NamedTopic<Partition> {
  readonly topicName: string;
  readonly partitions: readonly Partition[];
}

/** The one partition that a request is about; undefined where it is about another. */
export function onlyPartition<Partition>(
  topics: readonly NamedTopic<Partition>[],
): Partition | undefined {
  const [topic] = topics;
  return topics.length === 1 && topic?.topicName === METADATA_TOPIC &&
      topic.partitions.length === 1
    ? topic.partitions[0]
    : undefined;
}

function wrap<Partition>(partition: Partition) {
  return [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0, ...partition }] }];
}

function endpoints(peers: readonly QuorumPeer[]) {
  return peers.map(({ id, address }) => ({ nodeId: id, ...address }));
}

/** The nodes that a response tells the addresses of. */
export function peersOf(
  nodes: readonly { readonly nodeId: NodeId; readonly host: string; readonly port: number }[],
): QuorumPeer[] {
  return nodes.map(({ nodeId, host, port }) => ({ id: nodeId, address: { host, port } }));
}

/** Where a request says that its leader is reached. */
export function leaderPeer(
  leaderId: NodeId,
  listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[],
): QuorumPeer[] {
  const found = listeners.find(({ name }) => name === QUORUM_LISTENER);
  if (found === undefined) return [];
  return [{ id: leaderId, address: { host: found.host, port: found.port } }];
}

function listeners(address: SocketAddress | undefined) {
  return address === undefined ? [] : [{ name: QUORUM_LISTENER, ...address }];
}

export interface VoteQuestion {
  readonly clusterId: string;
  readonly voter: ReplicaKey;
  readonly candidate: ReplicaKey;
  readonly epoch: Epoch;
  readonly lastEpoch: Epoch;
  readonly lastOffset: Offset;
  readonly preVote: boolean;
}

export function voteRequest(question: VoteQuestion): VoteRequest {
  const { clusterId, voter, candidate, epoch, lastEpoch, lastOffset, preVote } = question;
  return {
    clusterId,
    voterId: voter.id,
    topics: wrap({
      candidateEpoch: epoch,
      candidateId: candidate.id,
      candidateDirectoryId: candidate.directoryId,
      voterDirectoryId: voter.directoryId,
      lastOffsetEpoch: lastEpoch,
      lastOffset,
      preVote,
    }),
  };
}

export function voteResponse(
  errorCode: ErrorCode,
  voteGranted: boolean,
  { leaderId, epoch, endpoints: peers }: LeaderHint,
): VoteResponse {
  return {
    errorCode: ErrorCode.NONE,
    topics: wrap({ errorCode, leaderId, leaderEpoch: epoch, voteGranted }),
    nodeEndpoints: endpoints(peers),
  };
}

export function beginRequest(
  clusterId: string,
  voter: ReplicaKey,
  leaderId: NodeId,
  leaderEpoch: Epoch,
  address: SocketAddress | undefined,
): BeginQuorumEpochRequest {
  return {
    clusterId,
    voterId: voter.id,
    topics: wrap({ voterDirectoryId: voter.directoryId, leaderId, leaderEpoch }),
    leaderEndpoints: listeners(address),
  };
}

export function endRequest(
  clusterId: string,
  leaderId: NodeId,
  leaderEpoch: Epoch,
  successors: readonly ReplicaKey[],
  address: SocketAddress | undefined,
): EndQuorumEpochRequest {
  return {
    clusterId,
    topics: wrap({
      leaderId,
      leaderEpoch,
      preferredSuccessors: successors.map(({ id }) => id),
      preferredCandidates: successors.map(({ id, directoryId }) => ({
        candidateId: id,
        candidateDirectoryId: directoryId,
      })),
    }),
    leaderEndpoints: listeners(address),
  };
}

/** The response to BeginQuorumEpoch and to EndQuorumEpoch. */
export function epochResponse(
  errorCode: ErrorCode,
  { leaderId, epoch, endpoints: peers }: LeaderHint,
): BeginQuorumEpochResponse & EndQuorumEpochResponse {
  return {
    errorCode: ErrorCode.NONE,
    topics: wrap({ errorCode, leaderId, leaderEpoch: epoch }),
    nodeEndpoints: endpoints(peers),
  };
}

export interface FetchQuestion {
  readonly clusterId: string;
  readonly self: ReplicaKey;
  readonly epoch: Epoch;
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: Epoch;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

export function fetchRequest(question: FetchQuestion): FetchRequest {
  const { clusterId, self, epoch, fetchOffset, lastFetchedEpoch, maxWaitMs, maxBytes } = question;
  return {
    clusterId,
    replicaId: -1,
    replicaState: { replicaId: self.id, replicaEpoch: -1 },
    maxWaitMs,
    minBytes: 0,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{
      topic: METADATA_TOPIC,
      topicId: METADATA_TOPIC_ID,
      partitions: [{
        partition: 0,
        currentLeaderEpoch: epoch,
        fetchOffset,
        lastFetchedEpoch,
        logStartOffset: -1,
        partitionMaxBytes: maxBytes,
        replicaDirectoryId: self.directoryId,
      }],
    }],
    forgottenTopicsData: [],
    rackId: "",
  };
}

/** Whether a fetch is one of the metadata log, and so for the quorum. */
export function isMetadataFetch(request: FetchRequest): boolean {
  const [topic] = request.topics;
  return topic !== undefined &&
    (topic.topicId === METADATA_TOPIC_ID || topic.topic === METADATA_TOPIC);
}

export type FetchedPartition = FetchResponse["responses"][number]["partitions"][number];

/** What an answer to a fetch says besides of the leader; what is absent is not in it. */
export interface FetchAnswer {
  readonly errorCode?: ErrorCode;
  readonly highWatermark?: Offset;
  readonly logStartOffset?: Offset;
  readonly diverging?: { readonly epoch: Epoch; readonly offset: Offset };
  readonly snapshot?: SnapshotId;
  readonly records?: Uint8Array;
}

const NO_RECORDS = new Uint8Array(0);

export function fetchResponse(answer: FetchAnswer, hint: LeaderHint): FetchResponse {
  const { diverging, snapshot } = answer;
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    sessionId: 0,
    responses: [{
      topic: METADATA_TOPIC,
      topicId: METADATA_TOPIC_ID,
      partitions: [{
        partitionIndex: 0,
        errorCode: answer.errorCode ?? ErrorCode.NONE,
        highWatermark: answer.highWatermark ?? -1,
        lastStableOffset: -1,
        logStartOffset: answer.logStartOffset ?? -1,
        divergingEpoch: { epoch: diverging?.epoch ?? -1, endOffset: diverging?.offset ?? -1 },
        currentLeader: { leaderId: hint.leaderId, leaderEpoch: hint.epoch },
        snapshotId: snapshot ?? { endOffset: -1, epoch: -1 },
        abortedTransactions: null,
        preferredReadReplica: -1,
        records: answer.records ?? NO_RECORDS,
      }],
    }],
    nodeEndpoints: endpoints(hint.endpoints).map((node) => ({ ...node, rack: null })),
  };
}

/** The response that says that the whole fetch failed so. */
export function failedFetch(errorCode: ErrorCode): FetchResponse {
  return { throttleTimeMs: 0, errorCode, sessionId: 0, responses: [], nodeEndpoints: [] };
}

export function fetchedPartition(response: FetchResponse): FetchedPartition | undefined {
  return response.responses[0]?.partitions[0];
}

export interface SnapshotQuestion {
  readonly clusterId: string;
  readonly self: ReplicaKey;
  readonly epoch: Epoch;
  readonly snapshotId: SnapshotId;
  readonly position: number;
  readonly maxBytes: number;
}

export function snapshotRequest(question: SnapshotQuestion): FetchSnapshotRequest {
  const { clusterId, self, epoch, snapshotId, position, maxBytes } = question;
  return {
    clusterId,
    replicaId: self.id,
    maxBytes,
    topics: [{
      name: METADATA_TOPIC,
      partitions: [{
        partition: 0,
        currentLeaderEpoch: epoch,
        snapshotId,
        position,
        replicaDirectoryId: self.directoryId,
      }],
    }],
  };
}

export interface SnapshotAnswer {
  readonly errorCode: ErrorCode;
  readonly snapshotId: SnapshotId;
  readonly size?: number;
  readonly position?: number;
  readonly bytes?: Uint8Array;
}

export function snapshotResponse(answer: SnapshotAnswer, hint: LeaderHint): FetchSnapshotResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    topics: [{
      name: METADATA_TOPIC,
      partitions: [{
        index: 0,
        errorCode: answer.errorCode,
        snapshotId: answer.snapshotId,
        currentLeader: { leaderId: hint.leaderId, leaderEpoch: hint.epoch },
        size: answer.size ?? 0,
        position: answer.position ?? 0,
        unalignedRecords: answer.bytes ?? NO_RECORDS,
      }],
    }],
    nodeEndpoints: endpoints(hint.endpoints),
  };
}

/** The response that says that the whole request failed so. */
export function failedSnapshot(errorCode: ErrorCode): FetchSnapshotResponse {
  return { throttleTimeMs: 0, errorCode, topics: [], nodeEndpoints: [] };
}

/** The directory that a request names as its receiver's fits, or is not named. */
export function isMeant(self: ReplicaKey, voterId: NodeId, directoryId: Uuid): boolean {
  if (voterId >= 0 && voterId !== self.id) return false;
  return directoryId === ZERO_UUID || directoryId === self.directoryId;
}
