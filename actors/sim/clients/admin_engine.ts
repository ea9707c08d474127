/**
 * An administrator of a simulated cluster: makes topics, deletes and remakes them, moves replicas
 * and leaders, changes configs, in drawn order.
 *
 * Nothing is promised about the outcome of any of it; what comes of them is for the checkers.
 *
 * @module
 */

import type { NodeId } from "../../../storage/bytes/ids.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../../net/messages/alter_partition_reassignments.ts";
import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { ELECT_LEADERS } from "../../../net/messages/elect_leaders.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import { pick } from "../random.ts";
import type { ClusterLink } from "./cluster_link.ts";
import type { TopicPlan } from "./topic_plan.ts";

/** What an administrator does by itself. */
export const ADMIN_ACTIONS: readonly AdminAction[] = [
  "reassign",
  "elect-preferred",
  "alter-config",
  "remake-topic",
  "add-partition",
];

/** One of them. */
export type AdminAction =
  | "reassign"
  | "elect-preferred"
  | "alter-config"
  | "remake-topic"
  | "add-partition";

export interface AdminEngineOptions {
  readonly link: ClusterLink;
  readonly topics: readonly TopicPlan[];
  readonly nodes: readonly NodeId[];
  readonly actions: readonly AdminAction[];
  /** The mean time between two actions. */
  readonly everyMs: number;
  isStopped(): boolean;
  /** Partitions that wait for a decision of people: nobody may lead them by himself. */
  abandoned(): readonly { readonly topic: string; readonly partition: number }[];
  /** Told of each thing that is asked for. */
  asked(what: string): void;
}

const RETRY_MS = 300;
const KEEP_MS = 5000;
const TIMEOUT_MS = 5000;
const SET = 0;
const PREFERRED = 0;
const UNCLEAN = 1;

export class AdminEngine {
  readonly #options: AdminEngineOptions;
  readonly #link: ClusterLink;

  constructor(options: AdminEngineOptions) {
    this.#options = options;
    this.#link = options.link;
    for (const topic of options.topics) this.#create(topic);
    this.#keepTopics();
    if (options.actions.length > 0) this.#next();
  }

  /** Moves leadership of a drawn partition: another replica order, and an election by it. */
  moveLeader(drawn: number, round: number): void {
    const { topics } = this.#options;
    const topic = topics[drawn % topics.length]!;
    const partition = (drawn >>> 8) % topic.partitions;
    const replicas = this.#replicasOf(topic, drawn, round);
    this.#reassign(topic, partition, replicas, () => this.#elect(topic, partition));
    // The order is a decision of its own; the election need not wait for its answer.
    this.#elect(topic, partition);
  }

  #next(): void {
    const { everyMs, isStopped, actions } = this.#options;
    this.#link.later(1 + this.#link.random.integer(2 * everyMs), () => {
      if (!isStopped()) this.#do(pick(this.#link.random, actions));
      this.#next();
    });
  }

  #do(action: AdminAction): void {
    const { topics } = this.#options;
    const { random } = this.#link;
    const topic = pick(random, topics);
    const partition = random.integer(topic.partitions);
    switch (action) {
      case "reassign": {
        const replicas = this.#replicasOf(topic, random.integer(2 ** 31), 0);
        return this.#reassign(topic, partition, replicas, () => {});
      }
      case "elect-preferred":
        return this.#elect(topic, partition);
      case "alter-config":
        return this.#configure(topic);
      case "remake-topic":
        return topic.isVolatile ? this.#remake(topic) : undefined;
      case "add-partition":
        return this.#ask(action, CREATE_PARTITIONS, {
          topics: [{ name: topic.name, count: topic.partitions + 1, assignments: null }],
          timeoutMs: TIMEOUT_MS,
        });
    }
  }

  #create(topic: TopicPlan): void {
    const { name, partitions, replicationFactor, configs } = topic;
    const request = make(CREATE_TOPICS.request, {
      topics: [{
        name,
        numPartitions: partitions,
        replicationFactor,
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      }],
      timeoutMs: TIMEOUT_MS,
    });
    this.#options.asked("create-topic");
    this.#link.sendAny(CREATE_TOPICS, request, TIMEOUT_MS, (response) => {
      const code = response instanceof Error ? -1 : response.topics[0]?.errorCode;
      if (code === ErrorCode.NONE || code === ErrorCode.TOPIC_ALREADY_EXISTS) {
        return this.#link.refresh();
      }
      this.#link.later(RETRY_MS, () => this.#create(topic));
    });
  }

  /** A deletion may come to pass after the topic was found to be there still. */
  #keepTopics(): void {
    this.#link.later(KEEP_MS, () => {
      for (const topic of this.#options.topics) {
        if (this.#link.topic(topic.name) === undefined) this.#create(topic);
      }
      if (this.#options.isStopped()) this.#electAny();
      this.#keepTopics();
    });
  }

  /** What an operator does once all nodes are back, and only then. */
  #electAny(): void {
    for (const { topic, partition } of this.#options.abandoned()) {
      this.#ask("elect-unclean", ELECT_LEADERS, {
        electionType: UNCLEAN,
        topicPartitions: [{ topic, partitions: [partition] }],
        timeoutMs: TIMEOUT_MS,
      });
    }
  }

  #remake(topic: TopicPlan): void {
    this.#ask("delete-topic", DELETE_TOPICS, {
      topics: [{ name: topic.name }],
      topicNames: [topic.name],
      timeoutMs: TIMEOUT_MS,
    });
    this.#link.later(this.#link.random.integer(1000), () => this.#create(topic));
  }

  #configure(topic: TopicPlan): void {
    const { random } = this.#link;
    const [name, value] = pick(random, [
      ["segment.bytes", String(pick(random, [2000, 20_000, 1_000_000]))],
      ["index.interval.bytes", String(pick(random, [100, 4096]))],
      ["max.message.bytes", String(pick(random, [100_000, 1_000_000]))],
    ]);
    this.#ask("alter-config", INCREMENTAL_ALTER_CONFIGS, {
      resources: [{
        resourceType: CONFIG_RESOURCE.topic,
        resourceName: topic.name,
        configs: [{ name, configOperation: SET, value }],
      }],
    });
  }

  #replicasOf(topic: TopicPlan, drawn: number, round: number): readonly NodeId[] {
    const { nodes } = this.#options;
    const first = (drawn + round) % nodes.length;
    return Array.from(
      { length: topic.replicationFactor },
      (_, index) => nodes[(first + index) % nodes.length]!,
    );
  }

  #reassign(
    topic: TopicPlan,
    partitionIndex: number,
    replicas: readonly NodeId[],
    done: () => void,
  ): void {
    this.#ask("reassign", ALTER_PARTITION_REASSIGNMENTS, {
      topics: [{ name: topic.name, partitions: [{ partitionIndex, replicas }] }],
      timeoutMs: TIMEOUT_MS,
    }, done);
  }

  #elect(topic: TopicPlan, partition: number): void {
    this.#ask("elect-preferred", ELECT_LEADERS, {
      electionType: PREFERRED,
      topicPartitions: [{ topic: topic.name, partitions: [partition] }],
      timeoutMs: TIMEOUT_MS,
    });
  }

  #ask<Request, Response>(
    what: string,
    api: Api<Request, Response>,
    draft: Draft<Request>,
    done: () => void = () => {},
  ): void {
    this.#options.asked(what);
    this.#link.sendAny(api, make(api.request, draft), TIMEOUT_MS, done);
  }
}
