/**
 * Fetch: batches from each of the partitions named, waiting for some where there are too few, for
 * consumers and for followers.
 *
 * Versions 13 and up name topics by id. Whoever fetches the same partitions over and over may have
 * a session: then only what has changed is said, on both sides (KIP-227).
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  FETCH,
  type FetchableTopicResponse,
  type FetchRequest,
  type FetchResponse,
  type LeaderIdAndEpoch,
  type NodeEndpoint,
  type PartitionData,
} from "../../../net/messages/fetch.ts";
import type { Offset } from "../../../storage/bytes/ids.ts";
import type { BrokerConfig } from "../../config/broker_config.ts";
import { withTopicConfigs } from "../../config/topic_config.ts";
import type { ReadReply } from "../../partition/messages.ts";
import { topicAccess } from "../sessions/access.ts";
import type { ApiHandler, Call } from "../sessions/call.ts";
import { FetchOperation, type FetchTarget, refusal } from "../fetching/fetch_operation.ts";
import type { FetchSession, SessionPartition } from "../fetching/fetch_session.ts";
import type { FetchContext } from "../fetching/fetch_sessions.ts";
import { CLUSTER_ACTION } from "../quorum_questions.ts";
import { endPointOf, OFFLINE } from "../services.ts";
import { mayRead } from "../fetching/zstd_versions.ts";
import { fetchMetadataLog, isMetadataFetch } from "./fetch_metadata_log.ts";

/** The first version that names topics by id (KIP-516). */
const TOPIC_IDS = 13;

/** Of `isolationLevel`. */
const READ_COMMITTED = 1;

/** The first version of consumers that may read from followers, and say where they stand. */
const ANY_REPLICA = 11;

/** The first versions that name a partition's leader, and where that is. */
const CURRENT_LEADER = 12;
const NODE_ENDPOINTS = 16;

type FetchCall = Call<FetchRequest, FetchResponse>;
type Answers = ReadonlyMap<SessionPartition, ReadReply>;

export const fetch: ApiHandler<FetchRequest, FetchResponse> = {
  api: FETCH,
  // Whoever reads is refused partition by partition, as sessions name them once only.
  access: (request) => replicaId(request) >= 0 ? CLUSTER_ACTION : [],
  replicaId,
  handle(call) {
    if (isMetadataFetch(call)) return fetchMetadataLog(call, fetch);
    const { request, version, broker } = call;
    const isFollower = replicaId(request) >= 0;
    const context = broker.fetchSessions.open(request, version >= TOPIC_IDS, isFollower);
    if (context.kind === "refused") return call.reply(failed(context.error));
    context.session.run(() => run(call, context));
  },
  failed: (_request, errorCode) => failed(errorCode),
};

function replicaId({ replicaId, replicaState }: FetchRequest): number {
  return Math.max(replicaId, replicaState.replicaId);
}

function failed(errorCode: number): FetchResponse {
  return { throttleTimeMs: 0, errorCode, sessionId: 0, responses: [], nodeEndpoints: [] };
}

/** The turn of a request has come, in its session. */
function run(call: FetchCall, context: Exclude<FetchContext, { kind: "refused" }>): void {
  const { request, broker } = call;
  const { session } = context;
  const { fetchSessions, config, environment } = broker;
  if (call.cancelled) return session.finished();
  const isFull = context.kind === "full";
  if (!isFull) {
    const error = fetchSessions.advance(session, request, environment.clock.monotonic());
    if (error !== ErrorCode.NONE) {
      call.reply(failed(error));
      return session.finished();
    }
  }
  const isKept = !isFull || context.isToBeKept;
  const follower = replicaId(request) < 0 ? undefined : {
    replicaId: replicaId(request),
    brokerEpoch: request.replicaState.replicaEpoch,
    askedAt: environment.clock.monotonic(),
  };
  new FetchOperation({
    call,
    session,
    limits: {
      minBytes: request.minBytes,
      maxBytes: Math.min(request.maxBytes, config.fetchMaxBytes),
      maxWaitMs: request.maxWaitMs,
      readCommitted: request.isolationLevel === READ_COMMITTED,
      follower,
      anyReplica: call.version >= ANY_REPLICA && knowsRacks(config),
      rack: knowsRacks(config) && request.rackId !== "" ? request.rackId : undefined,
    },
    isFull,
    isKept,
    target: (partition) => findTarget(call, partition, follower?.replicaId),
    done: (answers) => {
      if (isFull && isKept) fetchSessions.keep(session, environment.clock.monotonic());
      answer(call, session, isFull, answers);
      if (session.id === 0) session.close();
      session.finished();
    },
    cancelled: () => {
      if (session.id === 0) session.close();
      session.finished();
    },
  }).start();
}

/** Whether consumers are told of a replica near them. */
function knowsRacks({ replicaSelectorClass }: BrokerConfig): boolean {
  return replicaSelectorClass.endsWith(".RackAwareReplicaSelector");
}

function findTarget(
  { broker, allows }: FetchCall,
  { topicId, topic: name, partition, asked }: SessionPartition,
  followerId: number | undefined,
): FetchTarget {
  const byId = name === "";
  const topic = byId ? broker.image.topicById(topicId) : broker.image.topicByName(name);
  const readName = byId ? topic?.name : name;
  if (followerId === undefined && readName !== undefined) {
    const error = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    if (!allows(topicAccess("read", readName))) return { error };
  }
  const held = topic && broker.partitions.find(topic.id, partition);
  if (topic !== undefined && held !== undefined && held !== OFFLINE) {
    if (followerId === undefined) return { partition: held, isThrottled: false };
    const isInSync = topic.partitions[asked.partition]?.isr.includes(followerId) ?? false;
    return { partition: held, isThrottled: !isInSync && isThrottled(topic.id) };
  }
  if (held === OFFLINE) return { error: ErrorCode.KAFKA_STORAGE_ERROR };
  if (topic?.partitions[partition] !== undefined) {
    return { error: ErrorCode.NOT_LEADER_OR_FOLLOWER };
  }
  if (topic === undefined && byId) return { error: ErrorCode.UNKNOWN_TOPIC_ID };
  return { error: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };

  /** Only those who are behind are slowed down (KIP-73). */
  function isThrottled(id: string): boolean {
    const { leader } = broker.replicationQuotas;
    return leader.isThrottled(id, partition) &&
      leader.exceededUntil(broker.environment.clock.monotonic()) !== undefined;
  }
}

/** Replies, with what must be told of the answers; the others are let go of. */
function answer(
  call: FetchCall,
  session: FetchSession,
  isFull: boolean,
  answers: Answers,
): void {
  const told: ReadReply[] = [];
  const endpoints = new Map<number, NodeEndpoint>();
  const responses: FetchableTopicResponse[] = [];
  const topics = new Map<string, PartitionData[]>();
  for (const partition of isFull ? session.partitions : answers.keys()) {
    const reply = answers.get(partition) ?? refusal(ErrorCode.REQUEST_TIMED_OUT);
    if (!isFull && !isNews(partition, reply)) continue;
    note(partition, reply);
    told.push(reply);
    const { topic, topicId } = partition;
    let partitions = topics.get(topicId + topic);
    if (partitions === undefined) {
      topics.set(topicId + topic, partitions = []);
      responses.push({ topic, topicId, partitions });
    }
    partitions.push(partitionData(call, partition, reply, endpoints));
  }
  count(call, session, told, answers);
  call.reply({
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    sessionId: session.id,
    responses,
    nodeEndpoints: [...endpoints.values()],
  }, () => {
    for (const reply of told) reply.release();
  });
}

/** Whether a session's client must hear of an answer. */
function isNews(told: SessionPartition, reply: ReadReply): boolean {
  return reply.records !== null || reply.error !== ErrorCode.NONE ||
    reply.diverging !== undefined || reply.preferredReadReplica !== undefined ||
    reply.highWatermark !== told.toldHighWatermark ||
    reply.lastStableOffset !== told.toldLastStableOffset ||
    reply.logStartOffset !== told.toldLogStartOffset;
}

function note(told: SessionPartition, reply: ReadReply): void {
  const isError = reply.error !== ErrorCode.NONE;
  const unless = (offset: Offset): Offset => isError ? -1 : offset;
  told.toldHighWatermark = unless(reply.highWatermark);
  told.toldLastStableOffset = unless(reply.lastStableOffset);
  told.toldLogStartOffset = unless(reply.logStartOffset);
}

function count(
  call: FetchCall,
  { isFollower }: FetchSession,
  told: readonly ReadReply[],
  answers: Answers,
): void {
  const { metrics, replicationQuotas, environment } = call.broker;
  let bytes = 0;
  for (const { error, records } of told) {
    if (error !== ErrorCode.NONE && !isFollower) metrics.failedFetchRequestsTotal.add(1);
    else if (records !== null) bytes += records.length;
  }
  if (bytes === 0) return;
  if (!isFollower) {
    metrics.bytesOutTotal.add(bytes);
    return call.charge("fetch", bytes);
  }
  metrics.replicationBytesOutTotal.add(bytes);
  const { leader } = replicationQuotas;
  if (!leader.isUsed) return;
  let throttledBytes = 0;
  for (const [{ topicId, partition }, { records }] of answers) {
    if (leader.isThrottled(topicId, partition)) throttledBytes += records?.length ?? 0;
  }
  if (throttledBytes > 0) leader.record(throttledBytes, environment.clock.monotonic());
}

const NO_RECORDS = new Uint8Array(0);
const NONE = { epoch: -1, endOffset: -1, leaderId: -1, leaderEpoch: -1 } as const;

function partitionData(
  call: FetchCall,
  partition: SessionPartition,
  reply: ReadReply,
  endpoints: Map<number, NodeEndpoint>,
): PartitionData {
  const isReadable = mayRead(call.version, () => compressionOf(call, partition));
  const records = isReadable ? reply.records : null;
  return {
    partitionIndex: partition.partition,
    errorCode: isReadable ? reply.error : ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    highWatermark: reply.highWatermark,
    lastStableOffset: reply.lastStableOffset,
    logStartOffset: reply.logStartOffset,
    divergingEpoch: reply.diverging ?? NONE,
    currentLeader: currentLeader(call, partition, reply.error, endpoints),
    snapshotId: NONE,
    abortedTransactions: abortedTransactions(call, reply),
    preferredReadReplica: reply.preferredReadReplica ?? -1,
    records: records ?? noRecords(call),
  };
}

/** How a topic's batches are stored, as it is configured. */
function compressionOf({ broker }: FetchCall, { topic }: SessionPartition) {
  const own = broker.image.configs(CONFIG_RESOURCE.topic, topic);
  return withTopicConfigs(broker.config.topicDefaults, own).compressionType;
}

/** Clients of Kafka take null for a broken response. */
function noRecords({ encoding }: FetchCall): Uint8Array | null {
  return encoding === "kafka" ? NO_RECORDS : null;
}

/** What the client must leave out; null where it did not ask for committed records only. */
function abortedTransactions(
  { request }: FetchCall,
  { abortedTransactions = [] }: ReadReply,
): PartitionData["abortedTransactions"] {
  if (request.isolationLevel !== READ_COMMITTED) return null;
  return abortedTransactions.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
}

/** Whom to ask instead, and where that is (KIP-951), as far as the version can say so. */
function currentLeader(
  { broker, listener, version }: FetchCall,
  { topicId, topic: name, partition }: SessionPartition,
  error: ErrorCode,
  endpoints: Map<number, NodeEndpoint>,
): LeaderIdAndEpoch {
  const isElsewhere = error === ErrorCode.NOT_LEADER_OR_FOLLOWER ||
    error === ErrorCode.FENCED_LEADER_EPOCH;
  if (!isElsewhere || version < CURRENT_LEADER) return NONE;
  const { image } = broker;
  const topic = name === "" ? image.topicById(topicId) : image.topicByName(name);
  const { leader, leaderEpoch } = topic?.partitions[partition] ?? { leader: -1, leaderEpoch: -1 };
  if (leader < 0) return NONE;
  const address = endPointOf(image, leader, listener);
  if (address !== undefined && version >= NODE_ENDPOINTS) {
    const { host, port } = address;
    const rack = image.brokers.get(leader)?.rack ?? null;
    endpoints.set(leader, { nodeId: leader, host, port, rack });
  }
  return { leaderId: leader, leaderEpoch };
}
