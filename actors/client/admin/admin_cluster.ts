/**
 * What the admin client asks about the cluster itself: the metadata quorum, who leads which
 * partition, which replicas they have, how far those are.
 *
 * @module
 */

import type { Epoch, NodeId, Offset, Timestamp, Uuid } from "../../../storage/bytes/ids.ts";
import { ADD_RAFT_VOTER } from "../../../net/messages/add_raft_voter.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../net/messages/alter_partition_reassignments.ts";
import { DESCRIBE_LOG_DIRS } from "../../../net/messages/describe_log_dirs.ts";
import {
  DESCRIBE_QUORUM,
  type ReplicaState as QuorumReplicaState,
} from "../../../net/messages/describe_quorum.ts";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../../../net/messages/list_partition_reassignments.ts";
import { REMOVE_RAFT_VOTER } from "../../../net/messages/remove_raft_voter.ts";
import { UNREGISTER_BROKER } from "../../../net/messages/unregister_broker.ts";
import { UPDATE_FEATURES } from "../../../net/messages/update_features.ts";
import type { SocketAddress } from "../../../net/network.ts";
import { make } from "../../../net/schema/make.ts";
import { type AdminCalls, check } from "./admin_calls.ts";
import { EARLIEST, LATEST } from "../offset_lookup.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** Where a partition's log begins and ends. */
export interface PartitionOffsets extends TopicPartition {
  /** The first offset that can be read. */
  readonly logStartOffset: Offset;
  /** Records below are on all in-sync replicas: consumers see those. */
  readonly highWatermark: Offset;
  /** After the leader's last record. */
  readonly logEndOffset: Offset;
}

/** A log in the data folder of a broker. */
export interface LogDescription extends TopicPartition {
  /** What its segments take. */
  readonly sizeInBytes: number;
  /** How far its end is behind the high watermark that the broker knows. */
  readonly offsetLag: Offset;
}

/** The data folder of a broker (KIP-113). */
export interface LogDirDescription {
  /** Of the broker. */
  readonly nodeId: NodeId;
  /** As the broker names it. */
  readonly path: string;
  /** Of the file system; -1 where the broker does not know. */
  readonly totalBytes: number;
  /** What the broker may still write; -1 where it does not know. */
  readonly usableBytes: number;
  /** What is in it. */
  readonly logs: readonly LogDescription[];
}

/** The replicas that a partition is to have, the preferred leader first. */
export interface Reassignment extends TopicPartition {
  /** Null takes back what is under way. */
  readonly replicas: readonly NodeId[] | null;
}

/** A partition whose replicas are being changed. */
export interface OngoingReassignment extends TopicPartition {
  /** All it has now. */
  readonly replicas: readonly NodeId[];
  /** Those that come. */
  readonly adding: readonly NodeId[];
  /** Those that go. */
  readonly removing: readonly NodeId[];
}

/** How far a node has the metadata log. */
export interface QuorumReplica {
  /** `node.id` */
  readonly nodeId: NodeId;
  /** Of its data folder. */
  readonly directoryId: Uuid;
  /** After its last record; -1 where that is not known. */
  readonly logEndOffset: Offset;
  /** When it fetched last, by the leader's clock; -1 where it has not. */
  readonly lastFetchTimestamp: Timestamp;
  /** When it was last caught up, by the leader's clock; -1 where it never was. */
  readonly lastCaughtUpTimestamp: Timestamp;
}

/** The quorum that keeps the metadata. */
export interface QuorumDescription {
  /** The active controller. */
  readonly leaderId: NodeId;
  /** Rises with each leader. */
  readonly leaderEpoch: Epoch;
  /** Metadata below are committed. */
  readonly highWatermark: Offset;
  /** Nodes whose word counts. */
  readonly voters: readonly QuorumReplica[];
  /** Nodes that only follow. */
  readonly observers: readonly QuorumReplica[];
}

/** A node that is to vote. */
export interface NewVoter {
  /** `node.id` */
  readonly nodeId: NodeId;
  /** Of its data folder, as `describeQuorum` tells it of an observer. */
  readonly directoryId: Uuid;
  /** Where its native listener is. */
  readonly address: SocketAddress;
}

const ELECTION = { preferred: 0, unclean: 1 } as const;
/** Which way a feature's level may go (KIP-778). */
const UPGRADE_TYPE = { upgrade: 1, safeDowngrade: 2 } as const;
const METADATA_TOPIC = "__cluster_metadata";
const LISTENER = "NATIVE";

export async function describeQuorum(calls: AdminCalls): Promise<QuorumDescription> {
  const request = make(DESCRIBE_QUORUM.request, {
    topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }],
  });
  const response = await calls.controller(DESCRIBE_QUORUM, request);
  const action = "Cannot describe the metadata quorum";
  check(response, action);
  const partition = response.topics[0]?.partitions[0];
  check(partition ?? { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }, action);
  const { leaderId, leaderEpoch, highWatermark, currentVoters, observers } = partition!;
  return {
    leaderId,
    leaderEpoch,
    highWatermark,
    voters: currentVoters.map(quorumReplica),
    observers: observers.map(quorumReplica),
  };
}

function quorumReplica(state: QuorumReplicaState): QuorumReplica {
  const { replicaId, replicaDirectoryId, ...progress } = state;
  return { nodeId: replicaId, directoryId: replicaDirectoryId, ...progress };
}

export async function describeOffsets(
  calls: AdminCalls,
  partitions: readonly TopicPartition[],
): Promise<PartitionOffsets[]> {
  const at = (timestamp: number) => partitions.map((partition) => ({ ...partition, timestamp }));
  const [starts, marks, ends] = await Promise.all([
    calls.offsets(at(EARLIEST), "uncommitted"),
    calls.offsets(at(LATEST), "uncommitted"),
    calls.offsets(at(LATEST), "log-end"),
  ]);
  return partitions.map(({ topic, partition }, index) => ({
    topic,
    partition,
    logStartOffset: starts[index]!.offset,
    highWatermark: marks[index]!.offset,
    logEndOffset: ends[index]!.offset,
  }));
}

export async function describeLogDirs(
  calls: AdminCalls,
  nodes: readonly NodeId[],
): Promise<LogDirDescription[]> {
  const request = make(DESCRIBE_LOG_DIRS.request, { topics: null });
  const described = await Promise.all(nodes.map(async (nodeId) => {
    const response = await calls.broker(nodeId, DESCRIBE_LOG_DIRS, request);
    const action = `Cannot describe the log folders of broker ${nodeId}`;
    check(response, action);
    return response.results.map(({ errorCode, logDir, totalBytes, usableBytes, topics }) => {
      check({ errorCode }, `${action}: ${logDir}`);
      const logs = topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, partitionSize, offsetLag }) => ({
          topic: name,
          partition: partitionIndex,
          sizeInBytes: partitionSize,
          offsetLag,
        }))
      );
      return { nodeId, path: logDir, totalBytes, usableBytes, logs };
    });
  }));
  return described.flat();
}

export async function electLeaders(
  calls: AdminCalls,
  timeoutMs: number,
  type: keyof typeof ELECTION,
  partitions: readonly TopicPartition[] | undefined,
): Promise<void> {
  const byTopic = partitions && Map.groupBy(partitions, ({ topic }) => topic);
  const request = make(ELECT_LEADERS.request, {
    electionType: ELECTION[type],
    topicPartitions: byTopic === undefined ? null : Array.from(byTopic, ([topic, items]) => ({
      topic,
      partitions: items.map(({ partition }) => partition),
    })),
    timeoutMs,
  });
  const response = await calls.controller(ELECT_LEADERS, request);
  check(response, "Cannot elect leaders");
  for (const { topic, partitionResult } of response.replicaElectionResults) {
    for (const { partitionId, ...result } of partitionResult) {
      if (result.errorCode === ErrorCode.ELECTION_NOT_NEEDED) continue;
      check(result, `Cannot elect a leader of ${topic}-${partitionId}`);
    }
  }
}

export async function alterReassignments(
  calls: AdminCalls,
  timeoutMs: number,
  reassignments: readonly Reassignment[],
): Promise<void> {
  const byTopic = Map.groupBy(reassignments, ({ topic }) => topic);
  const request = make(ALTER_PARTITION_REASSIGNMENTS.request, {
    timeoutMs,
    topics: Array.from(byTopic, ([name, items]) => ({
      name,
      partitions: items.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas })),
    })),
  });
  const response = await calls.controller(ALTER_PARTITION_REASSIGNMENTS, request);
  check(response, "Cannot reassign partitions");
  for (const { name, partitions } of response.responses) {
    for (const { partitionIndex, ...result } of partitions) {
      check(result, `Cannot reassign ${name}-${partitionIndex}`);
    }
  }
}

export async function listReassignments(
  calls: AdminCalls,
  timeoutMs: number,
): Promise<OngoingReassignment[]> {
  const request = make(LIST_PARTITION_REASSIGNMENTS.request, { timeoutMs, topics: null });
  const response = await calls.controller(LIST_PARTITION_REASSIGNMENTS, request);
  check(response, "Cannot list reassignments");
  return response.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, replicas, addingReplicas, removingReplicas }) => ({
      topic: name,
      partition: partitionIndex,
      replicas,
      adding: addingReplicas,
      removing: removingReplicas,
    }))
  );
}

export async function updateFeatures(
  calls: AdminCalls,
  timeoutMs: number,
  levels: Readonly<Record<string, number>>,
  isDowngrade: boolean,
): Promise<void> {
  const upgradeType = isDowngrade ? UPGRADE_TYPE.safeDowngrade : UPGRADE_TYPE.upgrade;
  const request = make(UPDATE_FEATURES.request, {
    timeoutMs,
    featureUpdates: Object.entries(levels).map(([feature, maxVersionLevel]) => ({
      feature,
      maxVersionLevel,
      upgradeType,
    })),
  });
  const response = await calls.controller(UPDATE_FEATURES, request);
  check(response, "Cannot update features");
  for (const { feature, ...result } of response.results) {
    check(result, `Cannot update feature ${feature}`);
  }
}

export async function unregisterBroker(calls: AdminCalls, nodeId: NodeId): Promise<void> {
  const request = make(UNREGISTER_BROKER.request, { brokerId: nodeId });
  check(await calls.controller(UNREGISTER_BROKER, request), `Cannot unregister broker ${nodeId}`);
}

export async function addVoter(
  calls: AdminCalls,
  timeoutMs: number,
  { nodeId, directoryId, address }: NewVoter,
): Promise<void> {
  const request = make(ADD_RAFT_VOTER.request, {
    clusterId: null,
    timeoutMs,
    voterId: nodeId,
    voterDirectoryId: directoryId,
    listeners: [{ name: LISTENER, ...address }],
  });
  check(await calls.controller(ADD_RAFT_VOTER, request), `Cannot add voter ${nodeId}`);
}

export async function removeVoter(
  calls: AdminCalls,
  { nodeId, directoryId }: { readonly nodeId: NodeId; readonly directoryId: Uuid },
): Promise<void> {
  const request = make(REMOVE_RAFT_VOTER.request, {
    clusterId: null,
    voterId: nodeId,
    voterDirectoryId: directoryId,
  });
  check(await calls.controller(REMOVE_RAFT_VOTER, request), `Cannot remove voter ${nodeId}`);
}
