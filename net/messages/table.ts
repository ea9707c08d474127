/**
 * All APIs, by key and by name: the protocol at a glance.
 *
 * @module
 */

import type { Api } from "../schema.ts";
import { ADD_RAFT_VOTER } from "./add_raft_voter.ts";
import { ALLOCATE_PRODUCER_IDS } from "./allocate_producer_ids.ts";
import { ALTER_CONFIGS } from "./alter_configs.ts";
import { ALTER_PARTITION } from "./alter_partition.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "./alter_partition_reassignments.ts";
import { API_VERSIONS } from "./api_versions.ts";
import { BEGIN_QUORUM_EPOCH } from "./begin_quorum_epoch.ts";
import { BROKER_HEARTBEAT } from "./broker_heartbeat.ts";
import { BROKER_REGISTRATION } from "./broker_registration.ts";
import { CONTROLLER_ENVELOPE } from "./controller_envelope.ts";
import { CREATE_PARTITIONS } from "./create_partitions.ts";
import { CREATE_TOPICS } from "./create_topics.ts";
import { DELETE_RECORDS } from "./delete_records.ts";
import { DELETE_TOPICS } from "./delete_topics.ts";
import { DESCRIBE_CLUSTER } from "./describe_cluster.ts";
import { DESCRIBE_CONFIGS } from "./describe_configs.ts";
import { DESCRIBE_QUORUM } from "./describe_quorum.ts";
import { ELECT_LEADERS } from "./elect_leaders.ts";
import { END_QUORUM_EPOCH } from "./end_quorum_epoch.ts";
import { FAIL_REPLICAS } from "./fail_replicas.ts";
import { FETCH } from "./fetch.ts";
import { FETCH_SNAPSHOT } from "./fetch_snapshot.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "./incremental_alter_configs.ts";
import { INIT_PRODUCER_ID } from "./init_producer_id.ts";
import { LIST_OFFSETS } from "./list_offsets.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "./list_partition_reassignments.ts";
import { METADATA } from "./metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "./offset_for_leader_epoch.ts";
import { PRODUCE } from "./produce.ts";
import { REMOVE_RAFT_VOTER } from "./remove_raft_voter.ts";
import { UNREGISTER_BROKER } from "./unregister_broker.ts";
import { UPDATE_FEATURES } from "./update_features.ts";
import { VOTE } from "./vote.ts";

/** Every API that clients may use, in the order of keys. */
export const APIS: readonly Api[] = [
  PRODUCE,
  FETCH,
  LIST_OFFSETS,
  METADATA,
  API_VERSIONS,
  CREATE_TOPICS,
  DELETE_TOPICS,
  DELETE_RECORDS,
  INIT_PRODUCER_ID,
  OFFSET_FOR_LEADER_EPOCH,
  DESCRIBE_CONFIGS,
  ALTER_CONFIGS,
  CREATE_PARTITIONS,
  ELECT_LEADERS,
  INCREMENTAL_ALTER_CONFIGS,
  ALTER_PARTITION_REASSIGNMENTS,
  LIST_PARTITION_REASSIGNMENTS,
  DESCRIBE_QUORUM,
  UPDATE_FEATURES,
  DESCRIBE_CLUSTER,
  UNREGISTER_BROKER,
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
