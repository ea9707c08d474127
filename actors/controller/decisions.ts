/**
 * All that the active controller decides: by request, by time, and when it begins to lead. It reads
 * the image and says what to write; whoever holds the log replays that into the image, or does not.
 *
 * Owns which request is decided where, and what only a leader knows: when it last heard of each
 * broker. Does not own the log, nor the image.
 *
 * Invariants: deciding changes no image; what is written for one request is one batch.
 *
 * @module
 */

import type { Api } from "../../net/schema.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import {
  ALTER_CLIENT_QUOTAS,
  type AlterClientQuotasRequest,
} from "../../net/messages/alter_client_quotas.ts";
import { ALTER_CONFIGS, type AlterConfigsRequest } from "../../net/messages/alter_configs.ts";
import {
  ALLOCATE_PRODUCER_IDS,
  type AllocateProducerIdsRequest,
} from "../../net/messages/allocate_producer_ids.ts";
import { ALTER_PARTITION, type AlterPartitionRequest } from "../../net/messages/alter_partition.ts";
import {
  ALTER_PARTITION_REASSIGNMENTS,
  type AlterPartitionReassignmentsRequest,
} from "../../net/messages/alter_partition_reassignments.ts";
import {
  BROKER_HEARTBEAT,
  type BrokerHeartbeatRequest,
} from "../../net/messages/broker_heartbeat.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationRequest,
} from "../../net/messages/broker_registration.ts";
import {
  CREATE_PARTITIONS,
  type CreatePartitionsRequest,
} from "../../net/messages/create_partitions.ts";
import { CREATE_TOPICS, type CreateTopicsRequest } from "../../net/messages/create_topics.ts";
import { DELETE_TOPICS, type DeleteTopicsRequest } from "../../net/messages/delete_topics.ts";
import { ELECT_LEADERS, type ElectLeadersRequest } from "../../net/messages/elect_leaders.ts";
import { FAIL_REPLICAS, type FailReplicasRequest } from "../../net/messages/fail_replicas.ts";
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
} from "../../net/messages/incremental_alter_configs.ts";
import {
  LIST_PARTITION_REASSIGNMENTS,
  type ListPartitionReassignmentsRequest,
} from "../../net/messages/list_partition_reassignments.ts";
import {
  UNREGISTER_BROKER,
  type UnregisterBrokerRequest,
} from "../../net/messages/unregister_broker.ts";
import { UPDATE_FEATURES, type UpdateFeaturesRequest } from "../../net/messages/update_features.ts";
import type { RandomStream } from "../runtime/environment.ts";
import { alterPartition } from "./alter_partition.ts";
import { BrokerHeartbeats } from "./broker_heartbeats.ts";
import { fenceSilent, handleHeartbeat, registerBroker, unregisterBroker } from "./brokers.ts";
import { alterClientQuotas } from "./client_quotas.ts";
import type { ClusterImage } from "./cluster_image.ts";
import { alterConfigs, fixedMinInsyncReplicas, incrementalAlterConfigs } from "./configs.ts";
import { ControllerRules } from "./controller_rules.ts";
import {
  type ControllerDefaults,
  type Decision,
  type DecisionContext,
  type DecisionFacts,
  Refusal,
} from "./decision.ts";
import { electLeaders, rebalanceLeaders } from "./elect_leaders.ts";
import { failReplicas } from "./fail_replicas.ts";
import { initialFeatures, updateFeatures } from "./features.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { allocateProducerIds } from "./producer_ids.ts";
import { alterReassignments, listReassignments } from "./reassignments.ts";
import { createPartitions, createTopics, deleteTopics } from "./topics.ts";

export interface ControllerDecisionsOptions {
  readonly image: ClusterImage;
  readonly random: RandomStream;
  /** The configs of the controller's node. */
  readonly defaults: ControllerDefaults;
}

/** How one API is decided; the request is one of that API. */
type Handler = (request: never, facts: DecisionFacts) => Decision<unknown>;

/** After a tick that may have left something to do, the next comes so soon. */
const MORE_TO_DO_MS = 10;

export class ControllerDecisions extends ControllerRules {
  readonly #context: DecisionContext;
  readonly #heartbeats: BrokerHeartbeats;
  readonly #handlers: ReadonlyMap<number, Handler>;
  /** When leadership was last seen in balance, or this controller began. */
  #balancedAt = 0;
  #hasMoreToDo = false;

  constructor({ image, random, defaults }: ControllerDecisionsOptions) {
    super();
    this.#context = { image, random, defaults, rules: this };
    this.#heartbeats = new BrokerHeartbeats(defaults.brokerSessionTimeoutMs);
    this.#handlers = new Map(
      handlers(this.#context, this.#heartbeats).map(([{ key }, handler]) => [key, handler]),
    );
  }

  /**
   * Decides a request. What is wrong with it is in the response, by the words of its API.
   * @throws {Refusal} where this is no request to the controller
   */
  decide(api: Api, request: unknown, facts: DecisionFacts): Decision<unknown> {
    this.#heartbeats.advance(facts.now);
    const handler = this.#handlers.get(api.key);
    if (handler === undefined) {
      throw new Refusal(
        ErrorCode.UNSUPPORTED_VERSION,
        `Cannot decide ${api.name}: it is no request to the controller`,
      );
    }
    return handler(request as never, facts);
  }

  /**
   * What is to be written because time has passed: one broker is fenced at a time, or leadership
   * brought nearer to balance. Asks for the same at the next tick where it was not written.
   */
  tick(now: number): readonly MetadataRecord[] {
    this.#heartbeats.advance(now);
    const fenced = fenceSilent(this.#context, this.#heartbeats);
    const records = fenced.length > 0 ? fenced : this.#rebalance(now);
    this.#hasMoreToDo = records.length > 0;
    return records;
  }

  /** In how many milliseconds `tick` is to be called again, counted from its last call. */
  get nextTickMs(): number {
    if (this.#hasMoreToDo) return MORE_TO_DO_MS;
    const { image, defaults } = this.#context;
    const unfenced = [...image.brokers.values()].filter(({ fenced }) => !fenced);
    const ids = unfenced.map(({ id }) => id);
    return this.#heartbeats.nextLookMs(ids, defaults.brokerSessionTimeoutMs);
  }

  /**
   * Called when this controller begins to decide, the image being all that is committed. What was
   * heard of brokers before does not count: not even that they were silent. Returns what a new log
   * is begun with.
   */
  becameActive(now: number): readonly MetadataRecord[] {
    this.#heartbeats.reset(now, this.#context.image.brokers.keys());
    this.#balancedAt = now;
    this.#hasMoreToDo = false;
    return [...initialFeatures(this.#context.image), ...fixedMinInsyncReplicas(this.#context)];
  }

  #rebalance(now: number): MetadataRecord[] {
    const { autoLeaderRebalanceEnable, leaderImbalanceCheckIntervalSeconds } =
      this.#context.defaults;
    const isDue = now - this.#balancedAt >= leaderImbalanceCheckIntervalSeconds * 1000;
    if (!autoLeaderRebalanceEnable || !isDue) return [];
    const records = rebalanceLeaders(this.#context);
    if (records.length === 0) this.#balancedAt = now;
    return records;
  }
}

/** Who decides what. */
function handlers(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
): (readonly [Api, Handler])[] {
  return [
    [CREATE_TOPICS, (request: CreateTopicsRequest) => createTopics(context, request)],
    [DELETE_TOPICS, (request: DeleteTopicsRequest) => deleteTopics(context, request)],
    [CREATE_PARTITIONS, (request: CreatePartitionsRequest) => createPartitions(context, request)],
    [
      ALTER_CLIENT_QUOTAS,
      (request: AlterClientQuotasRequest) => alterClientQuotas(context, request),
    ],
    [ALTER_CONFIGS, (request: AlterConfigsRequest) => alterConfigs(context, request)],
    [
      INCREMENTAL_ALTER_CONFIGS,
      (request: IncrementalAlterConfigsRequest) => incrementalAlterConfigs(context, request),
    ],
    [
      BROKER_REGISTRATION,
      (request: BrokerRegistrationRequest, facts) =>
        registerBroker(context, heartbeats, request, facts),
    ],
    [
      BROKER_HEARTBEAT,
      (request: BrokerHeartbeatRequest, facts) =>
        handleHeartbeat(context, heartbeats, request, facts),
    ],
    [
      UNREGISTER_BROKER,
      (request: UnregisterBrokerRequest) => unregisterBroker(context, heartbeats, request),
    ],
    [
      ALLOCATE_PRODUCER_IDS,
      (request: AllocateProducerIdsRequest) => allocateProducerIds(context, request),
    ],
    [ALTER_PARTITION, (request: AlterPartitionRequest) => alterPartition(context, request)],
    [FAIL_REPLICAS, (request: FailReplicasRequest) => failReplicas(context, request)],
    [ELECT_LEADERS, (request: ElectLeadersRequest) => electLeaders(context, request)],
    [
      ALTER_PARTITION_REASSIGNMENTS,
      (request: AlterPartitionReassignmentsRequest) => alterReassignments(context, request),
    ],
    [
      LIST_PARTITION_REASSIGNMENTS,
      (request: ListPartitionReassignmentsRequest) => listReassignments(context, request),
    ],
    [UPDATE_FEATURES, (request: UpdateFeaturesRequest) => updateFeatures(context, request)],
  ];
}
