/**
 * All APIs, by key and by name: the protocol at a glance.
 *
 * @module
 */

import type { Api } from "../schema.ts";
import { ADD_OFFSETS_TO_TXN } from "./add_offsets_to_txn.ts";
import { ADD_PARTITIONS_TO_TXN } from "./add_partitions_to_txn.ts";
import { ADD_RAFT_VOTER } from "./add_raft_voter.ts";
import { ALLOCATE_PRODUCER_IDS } from "./allocate_producer_ids.ts";
import { ALTER_CLIENT_QUOTAS } from "./alter_client_quotas.ts";
import { ALTER_CONFIGS } from "./alter_configs.ts";
import { ALTER_PARTITION } from "./alter_partition.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "./alter_partition_reassignments.ts";
import { ALTER_USER_SCRAM_CREDENTIALS } from "./alter_user_scram_credentials.ts";
import { API_VERSIONS } from "./api_versions.ts";
import { BEGIN_QUORUM_EPOCH } from "./begin_quorum_epoch.ts";
import { BROKER_HEARTBEAT } from "./broker_heartbeat.ts";
import { BROKER_REGISTRATION } from "./broker_registration.ts";
import { CONSUMER_GROUP_DESCRIBE } from "./consumer_group_describe.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "./consumer_group_heartbeat.ts";
import { CONTROLLER_ENVELOPE } from "./controller_envelope.ts";
import { CREATE_ACLS } from "./create_acls.ts";
import { CREATE_PARTITIONS } from "./create_partitions.ts";
import { CREATE_TOPICS } from "./create_topics.ts";
import { DELETE_ACLS } from "./delete_acls.ts";
import { DELETE_GROUPS } from "./delete_groups.ts";
import { DELETE_RECORDS } from "./delete_records.ts";
import { DELETE_TOPICS } from "./delete_topics.ts";
import { DESCRIBE_ACLS } from "./describe_acls.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "./describe_client_quotas.ts";
import { DESCRIBE_CLUSTER } from "./describe_cluster.ts";
import { DESCRIBE_CONFIGS } from "./describe_configs.ts";
import { DESCRIBE_GROUPS } from "./describe_groups.ts";
import { DESCRIBE_LOG_DIRS } from "./describe_log_dirs.ts";
import { DESCRIBE_PRODUCERS } from "./describe_producers.ts";
import { DESCRIBE_QUORUM } from "./describe_quorum.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "./describe_topic_partitions.ts";
import { DESCRIBE_TRANSACTIONS } from "./describe_transactions.ts";
import { DESCRIBE_USER_SCRAM_CREDENTIALS } from "./describe_user_scram_credentials.ts";
import { ELECT_LEADERS } from "./elect_leaders.ts";
import { END_QUORUM_EPOCH } from "./end_quorum_epoch.ts";
import { END_TXN } from "./end_txn.ts";
import { FAIL_REPLICAS } from "./fail_replicas.ts";
import { FETCH } from "./fetch.ts";
import { FETCH_SNAPSHOT } from "./fetch_snapshot.ts";
import { FIND_COORDINATOR } from "./find_coordinator.ts";
import { HEARTBEAT } from "./heartbeat.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "./incremental_alter_configs.ts";
import { INIT_PRODUCER_ID } from "./init_producer_id.ts";
import { JOIN_GROUP } from "./join_group.ts";
import { LEAVE_GROUP } from "./leave_group.ts";
import { LIST_CONFIG_RESOURCES } from "./list_config_resources.ts";
import { LIST_GROUPS } from "./list_groups.ts";
import { LIST_OFFSETS } from "./list_offsets.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "./list_partition_reassignments.ts";
import { LIST_TRANSACTIONS } from "./list_transactions.ts";
import { METADATA } from "./metadata.ts";
import { OFFSET_COMMIT } from "./offset_commit.ts";
import { OFFSET_DELETE } from "./offset_delete.ts";
import { OFFSET_FETCH } from "./offset_fetch.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "./offset_for_leader_epoch.ts";
import { PRODUCE } from "./produce.ts";
import { REMOVE_RAFT_VOTER } from "./remove_raft_voter.ts";
import { SASL_AUTHENTICATE } from "./sasl_authenticate.ts";
import { SASL_HANDSHAKE } from "./sasl_handshake.ts";
import { SYNC_GROUP } from "./sync_group.ts";
import { TXN_OFFSET_COMMIT } from "./txn_offset_commit.ts";
import { UNREGISTER_BROKER } from "./unregister_broker.ts";
import { UPDATE_FEATURES } from "./update_features.ts";
import { VOTE } from "./vote.ts";
import { WRITE_TXN_MARKERS } from "./write_txn_markers.ts";

/** Every API that clients may use, in the order of keys. */
export const APIS: readonly Api[] = [
  PRODUCE,
  FETCH,
  LIST_OFFSETS,
  METADATA,
  OFFSET_COMMIT,
  OFFSET_FETCH,
  FIND_COORDINATOR,
  JOIN_GROUP,
  HEARTBEAT,
  LEAVE_GROUP,
  SYNC_GROUP,
  DESCRIBE_GROUPS,
  LIST_GROUPS,
  SASL_HANDSHAKE,
  API_VERSIONS,
  CREATE_TOPICS,
  DELETE_TOPICS,
  DELETE_RECORDS,
  INIT_PRODUCER_ID,
  OFFSET_FOR_LEADER_EPOCH,
  ADD_PARTITIONS_TO_TXN,
  ADD_OFFSETS_TO_TXN,
  END_TXN,
  WRITE_TXN_MARKERS,
  TXN_OFFSET_COMMIT,
  DESCRIBE_ACLS,
  CREATE_ACLS,
  DELETE_ACLS,
  DESCRIBE_CONFIGS,
  ALTER_CONFIGS,
  DESCRIBE_LOG_DIRS,
  SASL_AUTHENTICATE,
  CREATE_PARTITIONS,
  DELETE_GROUPS,
  ELECT_LEADERS,
  INCREMENTAL_ALTER_CONFIGS,
  ALTER_PARTITION_REASSIGNMENTS,
  LIST_PARTITION_REASSIGNMENTS,
  OFFSET_DELETE,
  DESCRIBE_CLIENT_QUOTAS,
  ALTER_CLIENT_QUOTAS,
  DESCRIBE_USER_SCRAM_CREDENTIALS,
  ALTER_USER_SCRAM_CREDENTIALS,
  DESCRIBE_QUORUM,
  UPDATE_FEATURES,
  DESCRIBE_CLUSTER,
  DESCRIBE_PRODUCERS,
  UNREGISTER_BROKER,
  DESCRIBE_TRANSACTIONS,
  LIST_TRANSACTIONS,
  CONSUMER_GROUP_HEARTBEAT,
  CONSUMER_GROUP_DESCRIBE,
  LIST_CONFIG_RESOURCES,
  DESCRIBE_TOPIC_PARTITIONS,
  ADD_RAFT_VOTER,
  REMOVE_RAFT_VOTER,
];

/** Every API that only the nodes of a cluster use among themselves, in the order of keys. */
export const NODE_APIS: readonly Api[] = [
  VOTE,
  BEGIN_QUORUM_EPOCH,
  END_QUORUM_EPOCH,
  ALTER_PARTITION,
  FETCH_SNAPSHOT,
  BROKER_REGISTRATION,
  BROKER_HEARTBEAT,
  ALLOCATE_PRODUCER_IDS,
  CONTROLLER_ENVELOPE,
  FAIL_REPLICAS,
];

const byKey: ReadonlyMap<number, Api> = new Map(
  [...APIS, ...NODE_APIS].map((api) => [api.key, api]),
);

/** The API of a key, or undefined. */
export function apiByKey(key: number): Api | undefined {
  return byKey.get(key);
}
