/**
 * The admin client: topics, configs, offsets and the cluster itself.
 *
 * Owns the public face: a promise for each operation, and errors with their names. Operations that
 * a broker answers item by item reject with the first item's error; which items that concerns is in
 * the message. Does not own the asking (admin_calls.ts).
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_RECORDS } from "../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_CLUSTER } from "../../../net/messages/describe_cluster.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { make } from "../../../net/schema/make.ts";
import { AdminCalls, check } from "./admin_calls.ts";
import { alterConfigs, describeConfigs } from "./admin_configs.ts";
import {
  type AlterClientQuotas,
  alterClientQuotas,
  type ClientQuotas,
  describeClientQuotas,
  type QuotaEntity,
} from "./admin_quotas.ts";
import {
  addVoter,
  alterReassignments,
  describeLogDirs,
  describeOffsets,
  describeQuorum,
  electLeaders,
  listReassignments,
  type LogDirDescription,
  type NewVoter,
  type OngoingReassignment,
  type PartitionOffsets,
  type QuorumDescription,
  type Reassignment,
  removeVoter,
  unregisterBroker,
  updateFeatures,
} from "./admin_cluster.ts";
import {
  alterConsumerGroupOffsets,
  deleteConsumerGroupOffsets,
  deleteGroups,
  describeGroups,
  type GroupDescription,
  type GroupListing,
  listConsumerGroupOffsets,
  listGroups,
} from "./admin_groups.ts";
import {
  type AbortTransaction,
  abortTransaction,
  describeProducers,
  describeTransactions,
  fenceProducers,
  listTransactions,
  type ListTransactionsOptions,
  type PartitionProducers,
  type TransactionDescription,
  type TransactionListing,
} from "./admin_transactions.ts";
import {
  type AlterConfigs,
  type ClusterDescription,
  type ConfigResource,
  configsOf,
  type DescribedConfigs,
  type NewPartitions,
  type NewTopic,
  type OffsetSpec,
  type RecordsToDelete,
  timestampOf,
  type TopicDescription,
  topicDescription,
} from "./admin_types.ts";
import { OwnChanges } from "./own_changes.ts";
import { type Bootstrap, parseBootstrap } from "../bootstrap.ts";
import { Cluster } from "../cluster.ts";
import { type AdminConfig, adminSettings } from "../configs.ts";
import { defaultEnvironment } from "../default_environment.ts";
import { errorForCode } from "../errors.ts";
import type { CommittedOffset, OffsetToCommit } from "../consumer/group_offsets.ts";
import type { OffsetAnswer } from "../offset_lookup.ts";
import type { TopicPartition } from "../topic_partition.ts";

/** Of a request's time, for the broker to say for itself what it did not get done in it. */
const BROKER_SHARE = 0.9;

/** Looks after a cluster. Made by `Admin.connect`. */
export class Admin implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #calls: AdminCalls;
  readonly #timeoutMs: number;
  readonly #brokerTimeoutMs: number;
  readonly #own: OwnChanges;
  #closing: Promise<void> | undefined;

  /** Not to be called: `Admin.connect` makes admin clients. */
  constructor(cluster: Cluster, timeoutMs: number) {
    this.#cluster = cluster;
    this.#calls = new AdminCalls(cluster, timeoutMs);
    this.#timeoutMs = timeoutMs;
    this.#own = new OwnChanges(() => cluster.environment.clock.monotonic());
    const { requestTimeoutMs } = cluster.settings;
    this.#brokerTimeoutMs = Math.ceil(BROKER_SHARE * Math.min(timeoutMs, requestTimeoutMs));
  }

  /**
   * Connects to a cluster by any of its brokers.
   * @throws {BrokerNotAvailableError} when none of the addresses can be connected to.
   * @throws {InvalidConfigError} when an address or a config cannot be used.
   */
  static async connect(bootstrap: Bootstrap, config: AdminConfig = {}): Promise<Admin> {
    const settings = adminSettings(config);
    const cluster = new Cluster({
      environment: config.environment ?? defaultEnvironment(),
      settings,
      bootstrap: parseBootstrap(bootstrap),
      allowAutoTopicCreation: false,
    });
    await cluster.connect();
    return new Admin(cluster, settings.defaultApiTimeoutMs);
  }

  /** Creates topics; with `validateOnly` it only says whether that would succeed. */
  async createTopics(
    topics: readonly NewTopic[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const results = await this.#calls.change({
      api: CREATE_TOPICS,
      items: topics,
      request: (topics) =>
        make(CREATE_TOPICS.request, {
          topics: topics.map(creatableTopic),
          timeoutMs: this.#brokerTimeoutMs,
          validateOnly: options.validateOnly ?? false,
        }),
      results: ({ topics }) => topics,
      doneBefore: ErrorCode.TOPIC_ALREADY_EXISTS,
    });
    for (const [{ name }, { errorCode }] of results) {
      if (errorCode === ErrorCode.NONE && options.validateOnly !== true) {
        this.#own.noteCreated(name);
      }
    }
    for (const [topic, result] of results) check(result, `Cannot create topic ${topic.name}`);
  }

  /** Deletes topics and everything in them. */
  async deleteTopics(names: readonly string[]): Promise<void> {
    const results = await this.#calls.change({
      api: DELETE_TOPICS,
      items: names.map((name) => ({ name })),
      request: (topics) =>
        make(DELETE_TOPICS.request, {
          topics,
          topicNames: topics.map(({ name }) => name),
          timeoutMs: this.#brokerTimeoutMs,
        }),
      results: ({ responses }) => responses,
      doneBefore: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    for (const [{ name }, { errorCode, topicId }] of results) {
      if (errorCode === ErrorCode.NONE) this.#own.noteDeleted(name, topicId);
    }
    for (const [topic, result] of results) check(result, `Cannot delete topic ${topic.name}`);
  }

  /** The names of all topics, sorted; those that brokers keep for themselves only if asked for. */
  async listTopics(options: { readonly internal?: boolean } = {}): Promise<string[]> {
    const { topics } = await this.#metadata();
    return topics
      .filter(({ isInternal }) => options.internal === true || !isInternal)
      .map(({ name }) => name ?? "")
      .sort();
  }

  /** Partitions, leaders and replicas of topics, in the order given; of all when none are named. */
  async describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    const response = await this.#metadata(names);
    const byName = new Map(response.topics.map((topic) => [topic.name ?? "", topic]));
    return (names ?? [...byName.keys()].sort()).map((name) => {
      const topic = byName.get(name);
      const errorCode = topic?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (topic === undefined || errorCode !== ErrorCode.NONE) {
        const isMissing = errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        const detail = isMissing ? `There is no topic ${name}` : undefined;
        throw errorForCode(errorCode, `Cannot describe topic ${name}`, detail);
      }
      return topicDescription(topic);
    });
  }

  /** Raises the number of partitions of topics. Keys then go elsewhere than before. */
  async createPartitions(topics: readonly NewPartitions[]): Promise<void> {
    const request = make(CREATE_PARTITIONS.request, {
      topics: topics.map(({ name, count, assignments }) => ({
        name,
        count,
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      })),
      timeoutMs: this.#brokerTimeoutMs,
    });
    const { results } = await this.#calls.controller(CREATE_PARTITIONS, request);
    for (const topic of results) check(topic, `Cannot add partitions to ${topic.name}`);
  }

  /** The configs of topics and brokers, in the order given, and where each value comes from. */
  describeConfigs(resources: readonly ConfigResource[]): Promise<DescribedConfigs[]> {
    return describeConfigs(this.#calls, resources, this.#own);
  }

  /** The quotas that concern an entity, or all (KIP-546). */
  describeClientQuotas(entity: QuotaEntity = {}): Promise<ClientQuotas[]> {
    return describeClientQuotas(this.#calls, entity);
  }

  /** Changes single quotas of clients and leaves the others (KIP-546). */
  alterClientQuotas(
    changes: readonly AlterClientQuotas[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    return alterClientQuotas(this.#calls, changes, options.validateOnly ?? false);
  }

  /** Changes single configs and leaves the others (KIP-339). */
  alterConfigs(
    changes: readonly AlterConfigs[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    return alterConfigs(this.#calls, changes, options.validateOnly ?? false);
  }

  /** Deletes the records before an offset; resolves with the new first offsets. */
  async deleteRecords(
    partitions: readonly RecordsToDelete[],
  ): Promise<{ topic: string; partition: number; lowWatermark: Offset }[]> {
    const results = await this.#calls.leaders({
      api: DELETE_RECORDS,
      items: partitions,
      request: (items) =>
        make(DELETE_RECORDS.request, {
          topics: Array.from(Map.groupBy(items, ({ topic }) => topic), ([name, items]) => ({
            name,
            partitions: items.map(({ partition, beforeOffset }) => ({
              partitionIndex: partition,
              offset: beforeOffset,
            })),
          })),
          timeoutMs: this.#brokerTimeoutMs,
        }),
      results: ({ topics }) =>
        topics.flatMap(({ name: topic, partitions }) =>
          partitions.map((result) => ({ topic, partition: result.partitionIndex, result }))
        ),
    });
    return partitions.map(({ topic, partition }, index) => {
      const { errorCode, lowWatermark } = results[index]!;
      check({ errorCode }, `Cannot delete records of ${topic}-${partition}`);
      return { topic, partition, lowWatermark };
    });
  }

  /** The first, the last, or a time's offsets of partitions, in the order given. */
  listOffsets(
    specs: readonly OffsetSpec[],
    options: { readonly isolationLevel?: "read_uncommitted" | "read_committed" } = {},
  ): Promise<OffsetAnswer[]> {
    const queries = specs.map(({ topic, partition, at }) => ({
      topic,
      partition,
      timestamp: timestampOf(at),
    }));
    const { isolationLevel = "read_uncommitted" } = options;
    return this.#calls.offsets(
      queries,
      isolationLevel === "read_committed" ? "committed" : "uncommitted",
    );
  }

  /** The brokers, also those that are fenced, the controller and the cluster's id. */
  async describeCluster(): Promise<ClusterDescription> {
    const request = make(DESCRIBE_CLUSTER.request, { includeFencedBrokers: true });
    const response = await this.#calls.any(DESCRIBE_CLUSTER, request);
    check(response, "Cannot describe the cluster");
    const { clusterId, controllerId, brokers } = response;
    return {
      clusterId,
      controllerId,
      brokers: brokers.map(({ brokerId, host, port, rack, isFenced }) => ({
        nodeId: brokerId,
        host,
        port,
        rack,
        isFenced,
      })),
    };
  }

  /** Where each replica of the metadata log is: leader, epoch, high watermark, voters. */
  describeQuorum(): Promise<QuorumDescription> {
    return describeQuorum(this.#calls);
  }

  /** The data folders of brokers, and the size of each log in them; of all brokers when absent. */
  async describeLogDirs(nodes?: readonly NodeId[]): Promise<LogDirDescription[]> {
    if (nodes !== undefined) return await describeLogDirs(this.#calls, nodes);
    const { brokers } = await this.describeCluster();
    const live = brokers.filter(({ isFenced }) => !isFenced);
    return await describeLogDirs(this.#calls, live.map(({ nodeId }) => nodeId));
  }

  /** Where logs begin and end and how far they are visible, in the order given. */
  describeOffsets(partitions: readonly TopicPartition[]): Promise<PartitionOffsets[]> {
    return describeOffsets(this.#calls, partitions);
  }

  /**
   * Has partitions led by their preferred replica, or, `unclean`, by any that lives, which may lose
   * records; of all partitions when none are named. Those that need no election are passed over.
   */
  electLeaders(
    type: "preferred" | "unclean",
    partitions?: readonly TopicPartition[],
  ): Promise<void> {
    return electLeaders(this.#calls, this.#brokerTimeoutMs, type, partitions);
  }

  /** Gives partitions other replicas; null takes back what is under way. */
  alterPartitionReassignments(reassignments: readonly Reassignment[]): Promise<void> {
    return alterReassignments(this.#calls, this.#brokerTimeoutMs, reassignments);
  }

  /** Partitions whose replicas are being changed. */
  listPartitionReassignments(): Promise<OngoingReassignment[]> {
    return listReassignments(this.#calls, this.#brokerTimeoutMs);
  }

  /** Raises the finalized levels of features, as `metadata.version`; lowers them if told so. */
  updateFeatures(
    levels: Readonly<Record<string, number>>,
    options: { readonly downgrade?: boolean } = {},
  ): Promise<void> {
    return updateFeatures(this.#calls, this.#brokerTimeoutMs, levels, options.downgrade ?? false);
  }

  /** Forgets a broker that will not come back. */
  unregisterBroker(nodeId: NodeId): Promise<void> {
    return unregisterBroker(this.#calls, nodeId);
  }

  /** Lets a node that follows the metadata log vote in their quorum (KIP-853). */
  addVoter(voter: NewVoter): Promise<void> {
    return addVoter(this.#calls, this.#brokerTimeoutMs, voter);
  }

  /** Takes a voter out of the metadata quorum (KIP-853). */
  removeVoter(voter: { readonly nodeId: NodeId; readonly directoryId: Uuid }): Promise<void> {
    return removeVoter(this.#calls, voter);
  }

  /** The groups that there are, by their ids. */
  listGroups(): Promise<GroupListing[]> {
    return listGroups(this.#calls);
  }

  /** State and members of groups, in the order given. */
  describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return describeGroups(this.#calls, groupIds);
  }

  /** What a group has committed of these partitions, in their order; all when none are named. */
  listConsumerGroupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    return listConsumerGroupOffsets(this.#calls, groupId, partitions);
  }

  /** Commits offsets for a group that has no members. */
  alterConsumerGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return alterConsumerGroupOffsets(this.#calls, groupId, offsets);
  }

  /** Forgets what a group has committed of partitions that it does not subscribe to. */
  deleteConsumerGroupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    return deleteConsumerGroupOffsets(this.#calls, groupId, partitions);
  }

  /** Forgets groups that have no members, and what they have committed. */
  deleteGroups(groupIds: readonly string[]): Promise<void> {
    return deleteGroups(this.#calls, groupIds);
  }

  /** The transactional ids that are in use, by name, and how their transactions stand. */
  listTransactions(options: ListTransactionsOptions = {}): Promise<TransactionListing[]> {
    return listTransactions(this.#calls, options);
  }

  /** The transactions of transactional ids, in the order given. */
  describeTransactions(transactionalIds: readonly string[]): Promise<TransactionDescription[]> {
    return describeTransactions(this.#calls, transactionalIds);
  }

  /** The producers that partitions know of, in the order given. */
  describeProducers(partitions: readonly TopicPartition[]): Promise<PartitionProducers[]> {
    return describeProducers(this.#calls, partitions);
  }

  /** Ends a transaction in a partition that its coordinator has forgotten: it counts as aborted. */
  abortTransaction(transaction: AbortTransaction): Promise<void> {
    return abortTransaction(this.#calls, transaction);
  }

  /** Puts out the producers that have these transactional ids; open transactions are aborted. */
  fenceProducers(transactionalIds: readonly string[]): Promise<void> {
    return fenceProducers(this.#calls, transactionalIds);
  }

  /** Ends the connections. */
  close(): Promise<void> {
    return this.#closing ??= this.#cluster.close();
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The topics with these names, or all, as they are after what this client has changed. */
  #metadata(names?: readonly string[]) {
    const topics = names?.map((name) => ({ name })) ?? null;
    const request = make(METADATA.request, { topics, allowAutoTopicCreation: false });
    return this.#calls.until(
      () => this.#calls.any(METADATA, request),
      ({ topics }) => !this.#own.isOlder(topics, names),
    );
  }
}

function creatableTopic({ name, assignments, partitions, replicationFactor, configs }: NewTopic) {
  return {
    name,
    numPartitions: assignments === undefined ? partitions ?? -1 : -1,
    replicationFactor: assignments === undefined ? replicationFactor ?? -1 : -1,
    assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({
      partitionIndex,
      brokerIds,
    })),
    configs: configsOf(configs ?? {}),
  };
}
