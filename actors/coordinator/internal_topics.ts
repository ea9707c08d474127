/**
 * The topics that coordinators live on: made at first use, and given more replicas when there are
 * brokers for them; what must be in sync for a write rises with them.
 *
 * Owns when that is asked of the controller; one creation of a topic is under way at a time, and
 * everybody who needs it waits for that one. Of two brokers that create it at once one is told that
 * it exists.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import {
  ALTER_PARTITION_REASSIGNMENTS,
  type AlterPartitionReassignmentsResponse,
  type ReassignablePartition,
} from "../../net/messages/alter_partition_reassignments.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { CREATE_TOPICS, type CreateTopicsResponse } from "../../net/messages/create_topics.ts";
import { ErrorCode, errorName } from "../../net/messages/errors.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsResponse,
} from "../../net/messages/incremental_alter_configs.ts";
import type { ClusterImage, TopicImage } from "../controller/cluster_image.ts";
import { type Committed, type Decide, decide } from "../controller/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";

/** Where group coordinators live. */
export const OFFSETS_TOPIC = "__consumer_offsets";
/** Where transaction coordinators live. */
export const TRANSACTION_TOPIC = "__transaction_state";

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([OFFSETS_TOPIC, TRANSACTION_TOPIC]);

/** Whether a topic is a coordinator's: clients only read it. */
export function isInternalTopic(name: string | null): boolean {
  return name !== null && INTERNAL_TOPICS.has(name);
}

/** Asks for an internal topic, which is made where it is missing. */
export interface EnsureTopic {
  readonly kind: "ensure-topic";
  readonly topic: string;
  readonly replyTo: Ref<TopicEnsured>;
}

export interface TopicEnsured {
  readonly kind: "topic-ensured";
  /** NONE: the topic is in this broker's metadata. Else it may be worth another try. */
  readonly error: ErrorCode;
}

export type InternalTopicsRequest =
  | EnsureTopic
  /** The metadata as applied here have changed: topics, or which brokers there are. */
  | { readonly kind: "metadata-changed" };

export interface InternalTopicsOptions {
  readonly nodeId: NodeId;
  readonly image: ClusterImage;
  config(): BrokerConfig;
  /** Has the active controller decide, wherever that is. */
  readonly controller: Ref<Decide>;
}

type Message =
  | InternalTopicsRequest
  | {
    readonly kind: "created";
    readonly topic: string;
    readonly result: AskResult<Committed<CreateTopicsResponse>>;
  }
  | { readonly kind: "late"; readonly topic: string }
  | { readonly kind: "raise" }
  | {
    readonly kind: "raised";
    readonly result: AskResult<Committed<AlterPartitionReassignmentsResponse>>;
  }
  | {
    readonly kind: "configured";
    readonly result: AskResult<Committed<IncrementalAlterConfigsResponse>>;
  };

/** What somebody waits for. */
interface Creation {
  readonly waiting: Ref<TopicEnsured>[];
  isAsked: boolean;
}

/** How a topic is made. */
interface TopicPlan {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly segmentBytes: number;
}

const MIN_INSYNC_REPLICAS = "min.insync.replicas";
/** IncrementalAlterConfigs' operation. */
const SET = 0;

/** Brokers often come together: replicas are placed when no more have come for a while. */
const RAISE_DELAY_MS = 1000;
/** After a try to raise the number of replicas that failed. */
const RAISE_AGAIN_MS = 10_000;

/** The actor. */
export function internalTopicsActor(
  options: InternalTopicsOptions,
): Behaviour<InternalTopicsRequest> {
  return (context) => new InternalTopics(context as unknown as ActorContext<Message>, options);
}

class InternalTopics implements Actor<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: InternalTopicsOptions;
  readonly #creations = new Map<string, Creation>();
  /** For which brokers and topics replicas were last placed, or are going to be. */
  #seen = "";

  constructor(context: ActorContext<Message>, options: InternalTopicsOptions) {
    this.#context = context;
    this.#options = options;
  }

  receive(message: Message): void {
    switch (message.kind) {
      case "ensure-topic":
        return this.#ensure(message);
      case "metadata-changed":
        return this.#metadataChanged();
      case "created":
        return this.#created(message.topic, message.result);
      case "late":
        return this.#answer(message.topic, ErrorCode.COORDINATOR_NOT_AVAILABLE);
      case "raise":
        return this.#raise();
      case "raised":
        return this.#raised(message.result);
      case "configured":
        return this.#configured(message.result);
    }
  }

  // Creating.

  #ensure({ topic, replyTo }: EnsureTopic): void {
    if (this.#options.image.topicByName(topic) !== undefined) return answer(replyTo);
    let creation = this.#creations.get(topic);
    if (creation === undefined) {
      creation = { waiting: [], isAsked: false };
      this.#creations.set(topic, creation);
    }
    creation.waiting.push(replyTo);
    if (!creation.isAsked) this.#create(topic, creation);
  }

  #create(topic: string, creation: Creation): void {
    creation.isAsked = true;
    const { partitions, ...plan } = planOf(topic, this.#options.config());
    const replicationFactor = Math.max(1, Math.min(plan.replicationFactor, this.#alive().length));
    const configs = {
      "cleanup.policy": "compact",
      "compression.type": "producer",
      "segment.bytes": String(plan.segmentBytes),
      ...(plan.minInsyncReplicas > 1
        ? { [MIN_INSYNC_REPLICAS]: String(Math.min(plan.minInsyncReplicas, replicationFactor)) }
        : {}),
    };
    const timeoutMs = this.#options.config().requestTimeoutMs;
    const request = {
      topics: [{
        name: topic,
        numPartitions: partitions,
        replicationFactor,
        assignments: [],
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      }],
      timeoutMs,
      validateOnly: false,
    };
    this.#context.ask<Decide, Committed<CreateTopicsResponse>>(
      this.#options.controller,
      timeoutMs,
      (replyTo) => decide(CREATE_TOPICS, request, replyTo),
      (result) => ({ kind: "created", topic, result }),
    );
  }

  #created(topic: string, result: AskResult<Committed<CreateTopicsResponse>>): void {
    const creation = this.#creations.get(topic);
    if (creation !== undefined) creation.isAsked = false;
    const [created] = result.kind === "reply" ? result.reply.response?.topics ?? [] : [];
    const error = created?.errorCode;
    if (error === ErrorCode.NONE || error === ErrorCode.TOPIC_ALREADY_EXISTS) {
      if (this.#options.image.topicByName(topic) !== undefined) return this.#answer(topic);
      // What the controller has decided is on its way here.
      const { requestTimeoutMs } = this.#options.config();
      return this.#context.startTimer(topic, requestTimeoutMs, { kind: "late", topic });
    }
    const reason = error === undefined ? result.kind : created?.errorMessage ?? errorName(error);
    this.#context.environment.logger.log("warn", "internal topic not created", { topic, reason });
    this.#answer(topic, ErrorCode.COORDINATOR_NOT_AVAILABLE);
  }

  #answer(topic: string, error: ErrorCode = ErrorCode.NONE): void {
    const creation = this.#creations.get(topic);
    if (creation === undefined) return;
    this.#creations.delete(topic);
    this.#context.cancelTimer(topic);
    for (const replyTo of creation.waiting) answer(replyTo, error);
  }

  #metadataChanged(): void {
    for (const topic of [...this.#creations.keys()]) {
      if (this.#options.image.topicByName(topic) !== undefined) this.#answer(topic);
    }
    const seen = this.#look();
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#context.startTimer("raise", RAISE_DELAY_MS, { kind: "raise" });
  }

  /** All that more replicas depend on: which brokers and topics there are, and what is in sync. */
  #look(): string {
    const topics = [...INTERNAL_TOPICS].map((name) => {
      const topic = this.#options.image.topicByName(name);
      return topic === undefined ? "" : `${topic.id} ${fewestInSync(topic)}`;
    });
    return [...this.#alive(), ...topics].join();
  }

  #alive(): NodeId[] {
    return [...this.#options.image.brokers.values()]
      .filter(({ fenced, inControlledShutdown }) => !fenced && !inControlledShutdown)
      .map(({ id }) => id)
      .sort((a, b) => a - b);
  }

  // More replicas.

  /** Each topic is looked after by the leader of its first partition. */
  #raise(): void {
    const { image, nodeId } = this.#options;
    const own = [...INTERNAL_TOPICS].flatMap((name) => {
      const topic = image.topicByName(name);
      return topic?.partitions[0]?.leader === nodeId ? [topic] : [];
    });
    for (const topic of own) this.#raiseMinInsyncReplicas(topic);
    const topics = own.flatMap((topic) => {
      const partitions = this.#lacking(topic);
      return partitions.length === 0 ? [] : [{ name: topic.name, partitions }];
    });
    if (topics.length === 0) return;
    const timeoutMs = this.#options.config().requestTimeoutMs;
    this.#context.ask<Decide, Committed<AlterPartitionReassignmentsResponse>>(
      this.#options.controller,
      timeoutMs,
      (replyTo) => decide(ALTER_PARTITION_REASSIGNMENTS, { timeoutMs, topics }, replyTo),
      (result) => ({ kind: "raised", result }),
    );
  }

  /** A topic that was made with fewer replicas asks for fewer in sync than it should: no longer. */
  #raiseMinInsyncReplicas(topic: TopicImage): void {
    const { image, config: configOf, controller } = this.#options;
    const config = configOf();
    const wanted = Math.min(planOf(topic.name, config).minInsyncReplicas, fewestInSync(topic));
    const own = image.configs(CONFIG_RESOURCE.topic, topic.name).get(MIN_INSYNC_REPLICAS);
    const present = own === undefined ? config.topicDefaults.minInsyncReplicas : Number(own);
    if (wanted <= present) return;
    const request = {
      resources: [{
        resourceType: CONFIG_RESOURCE.topic,
        resourceName: topic.name,
        configs: [{ name: MIN_INSYNC_REPLICAS, configOperation: SET, value: String(wanted) }],
      }],
      validateOnly: false,
    };
    this.#context.ask<Decide, Committed<IncrementalAlterConfigsResponse>>(
      controller,
      config.requestTimeoutMs,
      (replyTo) => decide(INCREMENTAL_ALTER_CONFIGS, request, replyTo),
      (result) => ({ kind: "configured", result }),
    );
  }

  /** The partitions that are to have more replicas: those they have, and others behind them. */
  #lacking({ name, partitions }: TopicImage): ReassignablePartition[] {
    const alive = this.#alive();
    const wanted = Math.min(
      planOf(name, this.#options.config()).replicationFactor,
      alive.length,
    );
    return partitions.flatMap(({ replicas, adding, removing }, partitionIndex) => {
      if (adding.length > 0 || removing.length > 0 || replicas.length >= wanted) return [];
      const turned = alive.map((_, i) => alive[(partitionIndex + i) % alive.length] as NodeId);
      const others = turned.filter((id) => !replicas.includes(id));
      const more = others.slice(0, wanted - replicas.length);
      return [{ partitionIndex, replicas: [...replicas, ...more] }];
    });
  }

  #raised(result: AskResult<Committed<AlterPartitionReassignmentsResponse>>): void {
    const response = result.kind === "reply" ? result.reply.response : undefined;
    const errors = response === undefined ? [ErrorCode.REQUEST_TIMED_OUT] : [
      response.errorCode,
      ...response.responses.flatMap(({ partitions }) => partitions.map((one) => one.errorCode)),
    ];
    this.#again("internal topics not given more replicas", errors);
  }

  #configured(result: AskResult<Committed<IncrementalAlterConfigsResponse>>): void {
    const response = result.kind === "reply" ? result.reply.response : undefined;
    const errors = response?.responses.map(({ errorCode }) => errorCode);
    this.#again("internal topic not configured", errors ?? [ErrorCode.REQUEST_TIMED_OUT]);
  }

  /** Tries later again what has failed. */
  #again(event: string, errors: readonly number[]): void {
    const error = errors.find((one) => one !== ErrorCode.NONE);
    if (error === undefined) return;
    this.#context.environment.logger.log("warn", event, { reason: errorName(error) });
    this.#context.startTimer("raise", RAISE_AGAIN_MS, { kind: "raise" });
  }
}

/** Of the partitions of a topic, how many replicas are in sync where they are fewest. */
function fewestInSync({ partitions }: TopicImage): number {
  return partitions.reduce((fewest, { isr }) => Math.min(fewest, isr.length), Infinity);
}

function answer(replyTo: Ref<TopicEnsured>, error: ErrorCode = ErrorCode.NONE): void {
  replyTo.tell({ kind: "topic-ensured", error });
}

function planOf(topic: string, config: BrokerConfig): TopicPlan {
  if (topic === OFFSETS_TOPIC) {
    return {
      partitions: config.offsetsTopicNumPartitions,
      replicationFactor: config.offsetsTopicReplicationFactor,
      minInsyncReplicas: 1,
      segmentBytes: config.offsetsTopicSegmentBytes,
    };
  }
  return {
    partitions: config.transactionStateLogNumPartitions,
    replicationFactor: config.transactionStateLogReplicationFactor,
    minInsyncReplicas: config.transactionStateLogMinIsr,
    segmentBytes: config.transactionStateLogSegmentBytes,
  };
}
