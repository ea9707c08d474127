/**
 * The APIs that a node serves, each with its handler: the folder's listing is the coverage.
 *
 * @module
 */

import { PeerRole } from "../../../net/handshake.ts";
import { ADD_RAFT_VOTER } from "../../../net/messages/add_raft_voter.ts";
import { REMOVE_RAFT_VOTER } from "../../../net/messages/remove_raft_voter.ts";
import { NODE_APIS } from "../../../net/messages/table.ts";
import { UNREGISTER_BROKER } from "../../../net/messages/unregister_broker.ts";
import { limitApis, type VersionLimits } from "../../../net/messages/version_limits.ts";
import type { Api, VersionRange } from "../../../net/schema.ts";
import type { AnyApiHandler, Encoding } from "../sessions/call.ts";
import { alterConfigs, incrementalAlterConfigs } from "./alter_configs.ts";
import { apiVersions } from "./api_versions.ts";
import { alterClientQuotas, describeClientQuotas } from "./client_quotas.ts";
import {
  allocateProducerIds,
  alterPartition,
  brokerHeartbeat,
  brokerRegistration,
  failReplicas,
} from "./broker_requests.ts";
import {
  addRaftVoter,
  removeRaftVoter,
  unregisterBroker,
  updateFeatures,
} from "./cluster_changes.ts";
import { consumerGroupDescribe, consumerGroupHeartbeat } from "./consumer_groups.ts";
import { controllerEnvelope } from "./controller_envelope.ts";
import { addOffsetsToTxn } from "./add_offsets_to_txn.ts";
import { addPartitionsToTxn } from "./add_partitions_to_txn.ts";
import { createPartitions } from "./create_partitions.ts";
import { createTopics } from "./create_topics.ts";
import { deleteRecords } from "./delete_records.ts";
import { deleteTopics } from "./delete_topics.ts";
import { describeCluster } from "./describe_cluster.ts";
import { describeConfigs } from "./describe_configs.ts";
import { describeLogDirs } from "./describe_log_dirs.ts";
import { describeProducers } from "./describe_producers.ts";
import { describeQuorum } from "./describe_quorum.ts";
import { describeTopicPartitions } from "./describe_topic_partitions.ts";
import { describeTransactions } from "./describe_transactions.ts";
import { electLeaders } from "./elect_leaders.ts";
import { endTxn } from "./end_txn.ts";
import { fetch } from "./fetch.ts";
import { findCoordinator } from "./find_coordinator.ts";
import { deleteGroups, describeGroups, listGroups, offsetDelete } from "./group_admin.ts";
import { heartbeat, joinGroup, leaveGroup, syncGroup } from "./group_membership.ts";
import { initProducerId } from "./init_producer_id.ts";
import { listConfigResources } from "./list_config_resources.ts";
import { listOffsets } from "./list_offsets.ts";
import { listTransactions } from "./list_transactions.ts";
import { metadata } from "./metadata.ts";
import { offsetCommit } from "./offset_commit.ts";
import { offsetFetch } from "./offset_fetch.ts";
import { offsetForLeaderEpoch } from "./offset_for_leader_epoch.ts";
import {
  alterPartitionReassignments,
  listPartitionReassignments,
} from "./partition_reassignments.ts";
import { produce } from "./produce.ts";
import { txnOffsetCommit } from "./txn_offset_commit.ts";
import { writeTxnMarkers } from "./write_txn_markers.ts";
import { beginQuorumEpoch, endQuorumEpoch, fetchSnapshot, vote } from "./quorum.ts";

const HANDLERS: ReadonlyMap<number, AnyApiHandler> = new Map(
  [
    produce,
    fetch,
    listOffsets,
    metadata,
    offsetCommit,
    offsetFetch,
    findCoordinator,
    joinGroup,
    heartbeat,
    leaveGroup,
    syncGroup,
    describeGroups,
    listGroups,
    apiVersions,
    createTopics,
    deleteTopics,
    deleteRecords,
    initProducerId,
    offsetForLeaderEpoch,
    addPartitionsToTxn,
    addOffsetsToTxn,
    endTxn,
    writeTxnMarkers,
    txnOffsetCommit,
    describeConfigs,
    alterConfigs,
    describeLogDirs,
    createPartitions,
    deleteGroups,
    electLeaders,
    incrementalAlterConfigs,
    alterPartitionReassignments,
    listPartitionReassignments,
    offsetDelete,
    vote,
    beginQuorumEpoch,
    endQuorumEpoch,
    describeClientQuotas,
    alterClientQuotas,
    describeQuorum,
    alterPartition,
    updateFeatures,
    fetchSnapshot,
    describeCluster,
    consumerGroupHeartbeat,
    consumerGroupDescribe,
    describeProducers,
    describeTransactions,
    listTransactions,
    listConfigResources,
    describeTopicPartitions,
    brokerRegistration,
    brokerHeartbeat,
    unregisterBroker,
    allocateProducerIds,
    addRaftVoter,
    removeRaftVoter,
    controllerEnvelope,
    failReplicas,
  ].map((handler) => [handler.api.key, handler]),
);

const NODES_ONLY: ReadonlySet<number> = new Set(NODE_APIS.map(({ key }) => key));

/** How a cluster's nodes are changed: for our own tools, as Kafka's clients do without. */
const NATIVE_ONLY: ReadonlySet<number> = new Set(
  [UNREGISTER_BROKER, ADD_RAFT_VOTER, REMOVE_RAFT_VOTER].map(({ key }) => key),
);

/** An API as a node serves it. */
export interface ServedApi {
  readonly handler: AnyApiHandler;
  readonly versions: VersionRange;
}

/** What a node serves to whom. */
export class ServedApis {
  /** What clients may use, in the order of `HANDLERS`. */
  readonly forClients: readonly Api[];
  /** What is said to be served to clients that speak Kafka's protocol. */
  readonly forKafka: readonly Api[];
  /** What other nodes of the cluster may use. */
  readonly forNodes: readonly Api[];
  readonly #served = new Map<number, ServedApi>();
  readonly #servedToKafka = new Map<number, ServedApi>();

  constructor(limits?: VersionLimits) {
    const handlers = [...HANDLERS.values()];
    this.forNodes = limitApis(handlers.map(({ api }) => api), limits);
    this.forClients = this.forNodes.filter(({ key }) => !NODES_ONLY.has(key));
    this.forKafka = this.forClients.filter(({ key }) => !NATIVE_ONLY.has(key));
    for (const { key, versions } of this.forNodes) {
      this.#served.set(key, { handler: HANDLERS.get(key)!, versions });
    }
    for (const { key, versions: { min }, advertisedVersions: { max } } of this.forKafka) {
      // Versions past those advertised are spoken among brokers.
      this.#servedToKafka.set(key, { handler: HANDLERS.get(key)!, versions: { min, max } });
    }
  }

  /** Every API that peers of the role may use. */
  of(role: PeerRole, encoding: Encoding = "native"): readonly Api[] {
    if (encoding === "kafka") return this.forKafka;
    return role === PeerRole.NODE ? this.forNodes : this.forClients;
  }

  /** The API of a key, or undefined where it is not served to peers of the role. */
  find(apiKey: number, role: PeerRole, encoding: Encoding): ServedApi | undefined {
    if (encoding === "kafka") return this.#servedToKafka.get(apiKey);
    if (role !== PeerRole.NODE && NODES_ONLY.has(apiKey)) return undefined;
    return this.#served.get(apiKey);
  }
}
