/**
 * The APIs that a broker serves, each with its handler: the folder's listing is the coverage.
 *
 * @module
 */

import type { AnyApiHandler } from "../call.ts";
import { alterConfigs, incrementalAlterConfigs } from "./alter_configs.ts";
import { apiVersions } from "./api_versions.ts";
import { createPartitions } from "./create_partitions.ts";
import { createTopics } from "./create_topics.ts";
import { deleteRecords } from "./delete_records.ts";
import { deleteTopics } from "./delete_topics.ts";
import { describeCluster } from "./describe_cluster.ts";
import { describeConfigs } from "./describe_configs.ts";
import { fetch } from "./fetch.ts";
import { listOffsets } from "./list_offsets.ts";
import { metadata } from "./metadata.ts";
import { offsetForLeaderEpoch } from "./offset_for_leader_epoch.ts";
import { produce } from "./produce.ts";

const HANDLERS: ReadonlyMap<number, AnyApiHandler> = new Map(
  [
    produce,
    fetch,
    listOffsets,
    metadata,
    apiVersions,
    createTopics,
    deleteTopics,
    deleteRecords,
    offsetForLeaderEpoch,
    describeConfigs,
    alterConfigs,
    createPartitions,
    incrementalAlterConfigs,
    describeCluster,
  ].map((handler) => [handler.api.key, handler]),
);

/** The handler of an API, or undefined where it is not served. */
export function handlerOf(apiKey: number): AnyApiHandler | undefined {
  return HANDLERS.get(apiKey);
}

/** What is served, by key. */
export function servedApis(): AnyApiHandler[] {
  return [...HANDLERS.values()];
}
