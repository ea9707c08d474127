/**
 * All APIs, by key and by name: the protocol at a glance.
 *
 * @module
 */

import type { Api } from "../schema.ts";
import { ALTER_CONFIGS } from "./alter_configs.ts";
import { API_VERSIONS } from "./api_versions.ts";
import { CREATE_PARTITIONS } from "./create_partitions.ts";
import { CREATE_TOPICS } from "./create_topics.ts";
import { DELETE_RECORDS } from "./delete_records.ts";
import { DELETE_TOPICS } from "./delete_topics.ts";
import { DESCRIBE_CLUSTER } from "./describe_cluster.ts";
import { DESCRIBE_CONFIGS } from "./describe_configs.ts";
import { FETCH } from "./fetch.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "./incremental_alter_configs.ts";
import { INIT_PRODUCER_ID } from "./init_producer_id.ts";
import { LIST_OFFSETS } from "./list_offsets.ts";
import { METADATA } from "./metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "./offset_for_leader_epoch.ts";
import { PRODUCE } from "./produce.ts";

/** Every API of the protocol, in the order of keys. */
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
  INCREMENTAL_ALTER_CONFIGS,
  DESCRIBE_CLUSTER,
];

const byKey: ReadonlyMap<number, Api> = new Map(APIS.map((api) => [api.key, api]));

/** The API of a key, or undefined. */
export function apiByKey(key: number): Api | undefined {
  return byKey.get(key);
}
