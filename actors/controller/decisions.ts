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
import { ALTER_CONFIGS, type AlterConfigsRequest } from "../../net/messages/alter_configs.ts";
import {
  ALLOCATE_PRODUCER_IDS,
  type AllocateProducerIdsRequest,
} from "../../net/messages/allocate_producer_ids.ts";
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
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
} from "../../net/messages/incremental_alter_configs.ts";
import type { RandomStream } from "../runtime/environment.ts";
import { allocateProducerIds, registerBroker } from "./brokers.ts";
import type { ClusterImage } from "./cluster_image.ts";
import { alterConfigs, incrementalAlterConfigs } from "./configs.ts";
import { ControllerRules } from "./controller_rules.ts";
import {
  type ControllerDefaults,
  type Decision,
  type DecisionContext,
  type DecisionFacts,
  Refusal,
} from "./decision.ts";
import { initialFeatures } from "./features.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { createPartitions, createTopics, deleteTopics } from "./topics.ts";

export interface ControllerDecisionsOptions {
  readonly image: ClusterImage;
  readonly random: RandomStream;
  /** The configs of the controller's node. */
  readonly defaults: ControllerDefaults;
}

type Decide = (request: never, facts: DecisionFacts) => Decision<unknown>;

export class ControllerDecisions extends ControllerRules {
  readonly #context: DecisionContext;
  readonly #table: ReadonlyMap<number, Decide>;

  constructor({ image, random, defaults }: ControllerDecisionsOptions) {
    super();
    const context: DecisionContext = { image, random, defaults, rules: this };
    this.#context = context;
    const decisions: readonly (readonly [Api, Decide])[] = [
      [CREATE_TOPICS, (request: CreateTopicsRequest) => createTopics(context, request)],
      [DELETE_TOPICS, (request: DeleteTopicsRequest) => deleteTopics(context, request)],
      [CREATE_PARTITIONS, (request: CreatePartitionsRequest) => createPartitions(context, request)],
      [ALTER_CONFIGS, (request: AlterConfigsRequest) => alterConfigs(context, request)],
      [
        INCREMENTAL_ALTER_CONFIGS,
        (request: IncrementalAlterConfigsRequest) => incrementalAlterConfigs(context, request),
      ],
      [
        BROKER_REGISTRATION,
        (request: BrokerRegistrationRequest, facts) => registerBroker(context, request, facts),
      ],
      [
        ALLOCATE_PRODUCER_IDS,
        (request: AllocateProducerIdsRequest) => allocateProducerIds(context, request),
      ],
    ];
    this.#table = new Map(decisions.map(([{ key }, decide]) => [key, decide]));
  }

  /**
   * Decides a request. What is wrong with it is in the response, by the words of its API.
   * @throws {Refusal} where this is no request to the controller
   */
  decide(api: Api, request: unknown, facts: DecisionFacts): Decision<unknown> {
    const decide = this.#table.get(api.key);
    if (decide === undefined) {
      throw new Refusal(
        ErrorCode.UNSUPPORTED_VERSION,
        `Cannot decide ${api.name}: it is no request to the controller`,
      );
    }
    return decide(request as never, facts);
  }

  /**
   * What is to be written because time has passed: at most one broker is fenced at a time. Asks for
   * the same again at the next tick where it was not written.
   */
  tick(_now: number): readonly MetadataRecord[] {
    return [];
  }

  /** In how many milliseconds `tick` is to be called again, counted from its last call. */
  get nextTickMs(): number {
    return this.#context.defaults.brokerSessionTimeoutMs / 6;
  }

  /**
   * Called when this controller begins to decide, the image being all that is committed. What was
   * heard of brokers before does not count: not even that they were silent. Returns what a new log
   * is begun with.
   */
  becameActive(_now: number): readonly MetadataRecord[] {
    return initialFeatures(this.#context.image);
  }
}
