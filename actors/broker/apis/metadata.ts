/**
 * Metadata: the brokers, and of the topics asked for who leads which partition.
 *
 * Null topics are all of them, an empty list is none (version 0: empty is all). A topic that is not
 * there is created where the request and `auto.create.topics.enable` allow it.
 *
 * @module
 */

import { type NodeId, NONE, type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { CREATE_TOPICS, type CreateTopicsResponse } from "../../../net/messages/create_topics.ts";
import {
  METADATA,
  type MetadataRequest,
  type MetadataRequestTopic,
  type MetadataResponse,
  type MetadataResponsePartition,
  type MetadataResponseTopic,
} from "../../../net/messages/metadata.ts";
import type { PartitionImage, TopicImage } from "../../controller/cluster_image.ts";
import { whyNoTopicName } from "../../controller/topics.ts";
import { isInternalTopic } from "../../coordinator/internal_topics.ts";
import { clusterAccess, maybeTopicAccess, topicAccess } from "../sessions/access.ts";
import { clusterOperations, withTopicOperations } from "../sessions/authorized_operations.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { askController } from "../controller_questions.ts";
import { controllerOf, reachableBrokers } from "../reachable_brokers.ts";
import { type BrokerServices, OFFLINE } from "../services.ts";

/** The first version that tells a leader without the listener used from none. */
const LISTENER_ERRORS = 6;
/** The first version that can ask for a topic by its id. */
const TOPIC_IDS = 12;
const NO_NODES: readonly NodeId[] = [];

export const metadata: ApiHandler<MetadataRequest, MetadataResponse> = {
  api: METADATA,
  access: (request, image) =>
    (request.topics ?? []).map(({ name, topicId }) =>
      maybeTopicAccess("describe", name ?? image.topicById(topicId)?.name)
    ),
  elements: { of: ["topics"], results: "topics" },
  handle(call) {
    if (call.version < TOPIC_IDS && call.request.topics?.some(isById) === true) {
      // The form of these versions has ids; as in Kafka nobody is asked for by them.
      return call.reply(metadata.failed(call.request, ErrorCode.INVALID_REQUEST, null));
    }
    const absent = missingTopics(call);
    const missing = absent.filter((name) => mayCreate(call, name));
    const refused = new Map<string, number>(
      absent.filter((name) => !mayCreate(call, name))
        .map((name) => [name, ErrorCode.TOPIC_AUTHORIZATION_FAILED]),
    );
    if (missing.length === 0) return call.reply(response(call, refused));
    const { requestTimeoutMs } = call.broker.config;
    const creation = {
      topics: missing.map(newTopic),
      timeoutMs: requestTimeoutMs,
      validateOnly: false,
    };
    askController(call, CREATE_TOPICS, creation, requestTimeoutMs, {
      answered: (created) =>
        call.reply(response(call, new Map([...refused, ...creationErrors(created)]))),
      failed: () => call.reply(response(call, new Map([...refused, ...sameError(missing)]))),
    });
  },
  failed: (request, errorCode) => ({
    throttleTimeMs: 0,
    brokers: [],
    clusterId: null,
    controllerId: -1,
    // Not every version can write a topic without a name.
    topics: (request.topics ?? []).map(({ name, topicId }) =>
      unknown(name ?? "", topicId, errorCode)
    ),
    clusterAuthorizedOperations: OPERATIONS_NOT_ASKED,
  }),
};

type MetadataCall = Call<MetadataRequest, MetadataResponse>;

function isById({ name, topicId }: MetadataRequestTopic): boolean {
  return name === null || topicId !== ZERO_UUID;
}

/** The names asked for that are to be created. */
function missingTopics({ request, broker }: MetadataCall): string[] {
  if (!request.allowAutoTopicCreation || !broker.config.autoCreateTopicsEnable) return [];
  const names = (request.topics ?? []).flatMap(({ name }) => name === null ? [] : [name]);
  return [...new Set(names)].filter((name) =>
    // Coordinators make theirs, as they need them.
    broker.image.topicByName(name) === undefined && !isInternalTopic(name)
  );
}

/** As in Kafka, whoever may create topics of the cluster may create each. */
function mayCreate(call: MetadataCall, name: string): boolean {
  return call.allows(clusterAccess("create")) || call.allows(topicAccess("create", name));
}

function newTopic(name: string) {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
}

/** None of them could be created now: worth another try. */
function sameError(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name) => [name, ErrorCode.LEADER_NOT_AVAILABLE]));
}

/** What went wrong with each topic that could not be created. */
function creationErrors(created: CreateTopicsResponse): Map<string, number> {
  const failed = created.topics.filter(({ errorCode }) =>
    errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS
  );
  return new Map(failed.map(({ name, errorCode }) => [name, errorCode]));
}

function response(call: MetadataCall, errors: ReadonlyMap<string, number>): MetadataResponse {
  const { request, version, broker, listener } = call;
  const { image } = broker;
  const all = request.topics === null || version === 0 && request.topics.length === 0;
  const brokers = reachableBrokers(image, listener);
  const cluster = reachableFrom(call, version);
  const mayDescribe = ({ name }: TopicImage) => call.allows(topicAccess("describe", name));
  const topics = all
    ? [...image.topics.values()].filter(mayDescribe).map((topic) => describe(cluster, topic))
    : eachOnce(request.topics ?? []).map((topic) => describeAsked(cluster, topic, errors));
  return {
    throttleTimeMs: 0,
    brokers: brokers.map(({ id, rack, host, port }) => ({ nodeId: id, host, port, rack })),
    clusterId: broker.clusterId,
    controllerId: controllerOf(brokers, broker.nodeId),
    topics: request.includeTopicAuthorizedOperations
      ? topics.map((topic) => withTopicOperations(call, topic))
      : topics,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? clusterOperations(call)
      : OPERATIONS_NOT_ASKED,
  };
}

/** The brokers that a client can reach, and in which version's words it is told of them. */
export interface Reachable {
  readonly ids: ReadonlySet<NodeId>;
  readonly broker: BrokerServices;
  readonly version: number;
}

export function reachableFrom(
  { broker, listener }: Pick<Call<unknown, never>, "broker" | "listener">,
  version: number,
): Reachable {
  const brokers = reachableBrokers(broker.image, listener);
  return { ids: new Set(brokers.map(({ id }) => id)), broker, version };
}

/** Who asks for a topic twice is told of it once. */
function eachOnce(topics: readonly MetadataRequestTopic[]): readonly MetadataRequestTopic[] {
  if (topics.length < 2) return topics;
  return [...new Map(topics.map((topic) => [topic.name ?? topic.topicId, topic])).values()];
}

function describeAsked(
  cluster: Reachable,
  { name, topicId }: MetadataRequestTopic,
  errors: ReadonlyMap<string, number>,
): MetadataResponseTopic {
  const { image } = cluster.broker;
  const topic = name === null ? image.topicById(topicId) : image.topicByName(name);
  if (topic !== undefined) return describe(cluster, topic);
  if (name === null) return unknown(null, topicId, ErrorCode.UNKNOWN_TOPIC_ID);
  return unknown(name, ZERO_UUID, errors.get(name) ?? absence(name));
}

/** Why there is no such topic: clients ask again for one that may come. */
export function absence(name: string): ErrorCode {
  return whyNoTopicName(name) === undefined
    ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    : ErrorCode.INVALID_TOPIC_EXCEPTION;
}

function describe(cluster: Reachable, topic: TopicImage): MetadataResponseTopic {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition, index) =>
      describePartition(cluster, topic.id, index, partition)
    ),
    topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
  };
}

/** A partition as the client sees it. */
export function describePartition(
  { ids, broker, version }: Reachable,
  topicId: Uuid,
  partitionIndex: number,
  { leader, leaderEpoch, replicas, isr }: PartitionImage,
): MetadataResponsePartition {
  const isOffline = (id: NodeId) =>
    !ids.has(id) ||
    id === broker.nodeId && broker.partitions.find(topicId, partitionIndex) === OFFLINE;
  const isReachable = ids.has(leader);
  return {
    errorCode: isReachable ? ErrorCode.NONE : leaderError(leader, broker, version),
    partitionIndex,
    leaderId: isReachable ? leader : NONE,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: isr,
    offlineReplicas: replicas.some(isOffline) ? replicas.filter(isOffline) : NO_NODES,
  };
}

/** Why a client cannot go to the leader, in the words that its version knows. */
function leaderError(leader: NodeId, { image }: BrokerServices, version: number): ErrorCode {
  const isThere = image.brokers.get(leader)?.fenced === false;
  return isThere && version >= LISTENER_ERRORS
    ? ErrorCode.LISTENER_NOT_FOUND
    : ErrorCode.LEADER_NOT_AVAILABLE;
}

function unknown(name: string | null, topicId: Uuid, errorCode: number): MetadataResponseTopic {
  return {
    errorCode,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
  };
}
