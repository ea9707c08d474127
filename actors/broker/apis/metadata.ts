/**
 * Metadata: the brokers, and of the topics asked for who leads which partition.
 *
 * Null topics are all of them, an empty list is none (version 0: empty is all). A topic that is not
 * there is created where the request and `auto.create.topics.enable` allow it.
 *
 * @module
 */

import { type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { CREATE_TOPICS, type CreateTopicsResponse } from "../../../net/messages/create_topics.ts";
import {
  METADATA,
  type MetadataRequest,
  type MetadataRequestTopic,
  type MetadataResponse,
  type MetadataResponseTopic,
} from "../../../net/messages/metadata.ts";
import type { TopicImage } from "../../controller/cluster_image.ts";
import { decide } from "../../controller/messages.ts";
import type { ApiHandler, Call } from "../call.ts";
import { askController } from "../controller_questions.ts";
import { type BrokerServices, endPointOf, OFFLINE } from "../services.ts";

/** Kafka's number for "no operations were asked for". */
const NO_OPERATIONS = -2147483648;

export const metadata: ApiHandler<MetadataRequest, MetadataResponse> = {
  api: METADATA,
  access: (request) =>
    (request.topics ?? []).map(({ name, topicId }) => ({
      operation: "describe",
      resourceType: "topic",
      resourceName: name ?? topicId,
    })),
  handle(call) {
    const missing = missingTopics(call);
    if (missing.length === 0) return call.reply(response(call, new Map()));
    const { requestTimeoutMs } = call.broker.config;
    askController<CreateTopicsResponse>(
      call,
      requestTimeoutMs,
      (replyTo) =>
        decide(
          CREATE_TOPICS,
          { topics: missing.map(newTopic), timeoutMs: requestTimeoutMs, validateOnly: false },
          replyTo,
        ),
      {
        answered: (created) => call.reply(response(call, creationErrors(created))),
        failed: () => call.reply(response(call, sameError(missing))),
      },
    );
  },
  failed: (request, errorCode) => ({
    throttleTimeMs: 0,
    brokers: [],
    clusterId: null,
    controllerId: -1,
    topics: (request.topics ?? []).map(({ name, topicId }) => unknown(name, topicId, errorCode)),
    clusterAuthorizedOperations: NO_OPERATIONS,
  }),
};

type MetadataCall = Call<MetadataRequest, MetadataResponse>;

/** The names asked for that are to be created. */
function missingTopics({ request, broker }: MetadataCall): string[] {
  if (!request.allowAutoTopicCreation || !broker.config.autoCreateTopicsEnable) return [];
  const names = (request.topics ?? []).flatMap(({ name }) => name === null ? [] : [name]);
  return [...new Set(names)].filter((name) => broker.image.topicByName(name) === undefined);
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

function response(
  { request, version, broker, listener }: MetadataCall,
  errors: ReadonlyMap<string, number>,
): MetadataResponse {
  const { image } = broker;
  const all = request.topics === null || version === 0 && request.topics.length === 0;
  const brokers = [...image.brokers.values()].filter(({ fenced }) => !fenced)
    .sort((a, b) => a.id - b.id);
  return {
    throttleTimeMs: 0,
    brokers: brokers.flatMap(({ id, rack }) => {
      const endPoint = endPointOf(image, id, listener);
      return endPoint === undefined
        ? []
        : [{ nodeId: id, host: endPoint.host, port: endPoint.port, rack }];
    }),
    clusterId: broker.clusterId,
    controllerId: broker.nodeId,
    topics: all
      ? [...image.topics.values()].map((topic) => describe(broker, topic))
      : (request.topics ?? []).map((topic) => describeAsked(broker, topic, errors)),
    clusterAuthorizedOperations: NO_OPERATIONS,
  };
}

function describeAsked(
  broker: BrokerServices,
  { name, topicId }: MetadataRequestTopic,
  errors: ReadonlyMap<string, number>,
): MetadataResponseTopic {
  const { image } = broker;
  const topic = name === null ? image.topicById(topicId) : image.topicByName(name);
  if (topic !== undefined) return describe(broker, topic);
  if (name === null) return unknown(null, topicId, ErrorCode.UNKNOWN_TOPIC_ID);
  return unknown(name, ZERO_UUID, errors.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
}

function describe(
  { partitions, nodeId }: BrokerServices,
  topic: TopicImage,
): MetadataResponseTopic {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.name === "__consumer_offsets" || topic.name === "__transaction_state",
    partitions: topic.partitions.map((partition, partitionIndex) => ({
      errorCode: partition.leader < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
      partitionIndex,
      leaderId: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      offlineReplicas: partitions.find(topic.id, partitionIndex) === OFFLINE ? [nodeId] : [],
    })),
    topicAuthorizedOperations: NO_OPERATIONS,
  };
}

function unknown(name: string | null, topicId: Uuid, errorCode: number): MetadataResponseTopic {
  return {
    errorCode,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NO_OPERATIONS,
  };
}
