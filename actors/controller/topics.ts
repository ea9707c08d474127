/**
 * The controller's decisions on topics: create, delete, add partitions.
 *
 * @module
 */

import { type NodeId, NONE, type Uuid, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { CONFIG_RESOURCE } from "../../net/messages/config_resources.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  CreatableTopic,
  CreatableTopicResult,
  CreateTopicsRequest,
  CreateTopicsResponse,
} from "../../net/messages/create_topics.ts";
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  CreatePartitionsTopic,
  CreatePartitionsTopicResult,
} from "../../net/messages/create_partitions.ts";
import type {
  DeletableTopicResult,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
  DeleteTopicState,
} from "../../net/messages/delete_topics.ts";
import { checkTopicConfig } from "../config/topic_config.ts";
import type { ClusterImage, TopicImage } from "./cluster_image.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import { METADATA_TOPIC } from "./metadata_log.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { eachOnce, namedTwice, refuseTwice } from "./named_twice.ts";
import { checkPlacement, placeReplicas } from "./placement.ts";

/** Partitions that one request may make: they are written as one batch. */
const NEW_PARTITIONS_MAX = 10_000;

/** CreateTopics: each topic by itself, in the order asked. */
export function createTopics(
  context: DecisionContext,
  request: CreateTopicsRequest,
): Decision<CreateTopicsResponse> {
  const records: MetadataRecord[] = [];
  const twice = namedTwice(request.topics.map(({ name }) => name));
  const created: string[] = [];
  let room = NEW_PARTITIONS_MAX;
  const topics = eachOnce(request.topics, ({ name }) => name).map((topic) =>
    orRefuse(() => {
      refuseTwice(twice, topic.name, `Topic ${topic.name}`);
      const { result, records: written } = createTopic(context, topic, room, created);
      room -= result.numPartitions;
      created.push(topic.name);
      records.push(...written);
      return result;
    }, (refusal) => refusedTopic(topic.name, refusal))
  );
  return {
    records: request.validateOnly ? [] : records,
    response: { throttleTimeMs: 0, topics },
  };
}

function createTopic(
  context: DecisionContext,
  topic: CreatableTopic,
  room: number,
  created: readonly string[],
): { records: MetadataRecord[]; result: CreatableTopicResult } {
  const { image, random } = context;
  checkTopicName(topic.name);
  if (image.topicByName(topic.name) !== undefined) {
    throw new Refusal(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic ${topic.name} exists`);
  }
  const colliding = collidingTopic(topic.name, image.topics.keys()) ??
    collidingTopic(topic.name, created);
  if (colliding !== undefined) {
    throw new Refusal(
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      `Topic ${topic.name} collides with ${colliding}: a dot and an underscore are the same in ` +
        `metric names`,
    );
  }
  const configs = checkConfigs(topic);
  const replicas = chooseReplicas(context, topic, room);
  const topicId = random.uuid();
  const records: MetadataRecord[] = [
    { kind: "TopicRecord", value: { name: topic.name, topicId } },
    ...replicas.map((brokers, partition) => newPartition(context, topicId, partition, brokers)),
    ...configs.map(([name, value]): MetadataRecord => ({
      kind: "ConfigRecord",
      value: {
        resourceType: CONFIG_RESOURCE.topic,
        resourceName: topic.name,
        name,
        value,
      },
    })),
  ];
  return {
    records,
    result: {
      name: topic.name,
      topicId,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topicConfigErrorCode: ErrorCode.NONE,
      numPartitions: replicas.length,
      replicationFactor: replicas[0]?.length ?? -1,
      // The broker that was asked adds them: what holds rests on its own as well.
      configs: null,
    },
  };
}

function checkConfigs(topic: CreatableTopic): [name: string, value: string][] {
  return topic.configs.map(({ name, value }) => {
    if (value === null) {
      throw new Refusal(ErrorCode.INVALID_CONFIG, `Config ${name} has no value`);
    }
    const problem = checkTopicConfig(name, value);
    if (problem !== undefined) throw new Refusal(ErrorCode.INVALID_CONFIG, problem);
    return [name, value];
  });
}

function chooseReplicas(
  context: DecisionContext,
  topic: CreatableTopic,
  room: number,
): readonly (readonly NodeId[])[] {
  const { image, defaults } = context;
  if (topic.assignments.length > 0) {
    if (topic.numPartitions !== -1 || topic.replicationFactor !== -1) {
      throw new Refusal(
        ErrorCode.INVALID_REQUEST,
        `Topic ${topic.name} has an assignment and also numbers of partitions or replicas`,
      );
    }
    checkRoom(topic.assignments.length, room);
    const sorted = topic.assignments.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
    return sorted.map(({ partitionIndex, brokerIds }, index) => {
      if (partitionIndex !== index) {
        throw new Refusal(
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          `Assignment of ${topic.name} is not of the partitions 0 to ${sorted.length - 1}`,
        );
      }
      checkPlacement(image, brokerIds);
      return brokerIds;
    });
  }
  const partitions = topic.numPartitions === -1 ? defaults.numPartitions : topic.numPartitions;
  if (partitions < 1) {
    throw new Refusal(ErrorCode.INVALID_PARTITIONS, `${partitions} partitions are less than 1`);
  }
  checkRoom(partitions, room);
  const factor = topic.replicationFactor === -1
    ? defaults.replicationFactor
    : topic.replicationFactor;
  return placeReplicas(context, partitions, factor);
}

function checkRoom(partitions: number, room: number): void {
  if (partitions > room) {
    throw new Refusal(
      ErrorCode.INVALID_PARTITIONS,
      `One request may make at most ${NEW_PARTITIONS_MAX} partitions`,
    );
  }
}

/** A partition that begins with those of its replicas in sync that are up. */
function newPartition(
  { image, rules }: DecisionContext,
  topicId: Uuid,
  partitionId: number,
  replicas: readonly NodeId[],
): MetadataRecord {
  const isr = replicas.filter((id) => rules.isActive(image.brokers.get(id)));
  const [leader] = isr;
  if (leader === undefined) {
    throw new Refusal(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `Assignment ${replicas.join(",")}: all brokers are fenced or shutting down`,
    );
  }
  return {
    kind: "PartitionRecord",
    value: {
      partitionId,
      topicId,
      replicas,
      isr,
      removingReplicas: [],
      addingReplicas: [],
      leader,
      leaderRecoveryState: 0,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: replicas.map(() => ZERO_UUID),
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  };
}

function refusedTopic(name: string, refusal: Refusal): CreatableTopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode: refusal.code,
    errorMessage: refusal.message,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: null,
  };
}

/** DeleteTopics, by names (versions to 5) or by names or ids (6). */
export function deleteTopics(
  { image, defaults }: DecisionContext,
  request: DeleteTopicsRequest,
): Decision<DeleteTopicsResponse> {
  const asked: readonly DeleteTopicState[] = [
    ...request.topics,
    ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })),
  ];
  // By its name and by its id it is the same topic; one that is not there goes by what was asked.
  const keyOf = (state: DeleteTopicState) =>
    findTopic(image, state)?.id ?? state.name ?? state.topicId;
  const twice = namedTwice(asked.map(keyOf));
  const removed: Uuid[] = [];
  const responses = eachOnce(asked, keyOf).map((state) =>
    orRefuse<DeletableTopicResult>(() => {
      const { name, topicId } = state;
      if (!defaults.deleteTopicEnable) {
        throw new Refusal(ErrorCode.TOPIC_DELETION_DISABLED, "delete.topic.enable is false");
      }
      if ((name === null) === (topicId === ZERO_UUID)) {
        throw new Refusal(ErrorCode.INVALID_REQUEST, "A topic is deleted by its name or its id");
      }
      refuseTwice(twice, keyOf(state), `Topic ${name ?? topicId}`);
      const topic = findTopic(image, state);
      if (topic === undefined) {
        throw name === null
          ? new Refusal(ErrorCode.UNKNOWN_TOPIC_ID, `There is no topic with id ${topicId}`)
          : new Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic ${name}`);
      }
      removed.push(topic.id);
      return { name: topic.name, topicId: topic.id, errorCode: ErrorCode.NONE, errorMessage: null };
    }, ({ code, message }) => ({ ...state, errorCode: code, errorMessage: message }))
  );
  const records = removed.map((topicId): MetadataRecord => ({
    kind: "RemoveTopicRecord",
    value: { topicId },
  }));
  return { records, response: { throttleTimeMs: 0, responses } };
}

function findTopic(
  image: ClusterImage,
  { name, topicId }: DeleteTopicState,
): TopicImage | undefined {
  return name === null ? image.topicById(topicId) : image.topicByName(name);
}

/** CreatePartitions: raises the number of partitions of topics. */
export function createPartitions(
  context: DecisionContext,
  request: CreatePartitionsRequest,
): Decision<CreatePartitionsResponse> {
  const records: MetadataRecord[] = [];
  const twice = namedTwice(request.topics.map(({ name }) => name));
  const results = eachOnce(request.topics, ({ name }) => name).map((topic) =>
    orRefuse<CreatePartitionsTopicResult>(() => {
      refuseTwice(twice, topic.name, `Topic ${topic.name}`);
      records.push(...addPartitions(context, topic));
      return { name: topic.name, errorCode: ErrorCode.NONE, errorMessage: null };
    }, ({ code, message }) => ({ name: topic.name, errorCode: code, errorMessage: message }))
  );
  return {
    records: request.validateOnly ? [] : records,
    response: { throttleTimeMs: 0, results },
  };
}

function addPartitions(
  context: DecisionContext,
  { name, count, assignments }: CreatePartitionsTopic,
): MetadataRecord[] {
  const { image } = context;
  const topic = image.topicByName(name);
  if (topic === undefined) {
    throw new Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `There is no topic ${name}`);
  }
  const present = topic.partitions.length;
  const added = count - present;
  if (added <= 0) {
    throw new Refusal(
      ErrorCode.INVALID_PARTITIONS,
      `Topic ${name} has ${present} partitions: ${count} would not be more`,
    );
  }
  checkRoom(added, NEW_PARTITIONS_MAX);
  const [{ replicas: of, removing } = { replicas: [NONE], removing: [] }] = topic.partitions;
  const factor = of.length - removing.length;
  const replicas = assignments === null
    ? placeReplicas(context, added, factor)
    : assignments.map(({ brokerIds }) => brokerIds);
  if (replicas.length !== added) {
    throw new Refusal(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `${replicas.length} assignments were given for ${added} new partitions of ${name}`,
    );
  }
  return replicas.map((brokers, index) => {
    checkPlacement(image, brokers);
    return newPartition(context, topic.id, present + index, brokers);
  });
}

/** Kafka's rule for topic names: why it is none, or undefined. */
export function whyNoTopicName(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return `may not be ${name}`;
  if (name.length > 249) return `is ${name.length} characters long: at most 249 are allowed`;
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return undefined;
  return `${JSON.stringify(name)} has characters other than a-z A-Z 0-9 . _ -`;
}

function checkTopicName(name: string): void {
  const reason = whyNoTopicName(name);
  if (reason !== undefined) {
    throw new Refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name ${reason}`);
  }
  // Its folder would be that of the metadata log, which would have to go. Kafka's error for it.
  if (name === METADATA_TOPIC) {
    throw new Refusal(ErrorCode.TOPIC_AUTHORIZATION_FAILED, `Topic ${name} is the metadata log`);
  }
}

/** One of the topics `others` that differs from `name` only where dots and underscores are one. */
function collidingTopic(name: string, others: Iterable<string>): string | undefined {
  if (!/[._]/.test(name)) return undefined;
  const key = name.replaceAll(".", "_");
  for (const other of others) {
    if (other.length !== name.length || other === name) continue;
    if (other.replaceAll(".", "_") === key) return other;
  }
  return undefined;
}
