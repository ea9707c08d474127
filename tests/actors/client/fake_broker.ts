/**
 * A cluster that answers clients through the real tables and frames, and otherwise does as it is
 * told: topics are lists of batches in memory, and a test may break any answer.
 */

import { BufferPool } from "../../../net/buffer_pool.ts";
import type { Frame } from "../../../net/frame_reader.ts";
import { FramedConnection } from "../../../net/framed_connection.ts";
import { NATIVE_HANDSHAKE, servedVersions } from "../../../net/handshake.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { FETCH, type FetchRequest } from "../../../net/messages/fetch.ts";
import { INIT_PRODUCER_ID } from "../../../net/messages/init_producer_id.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA, type MetadataRequest } from "../../../net/messages/metadata.ts";
import {
  OFFSET_FOR_LEADER_EPOCH,
  type OffsetForLeaderEpochRequest,
} from "../../../net/messages/offset_for_leader_epoch.ts";
import { PRODUCE, type ProduceRequest } from "../../../net/messages/produce.ts";
import { apiByKey, APIS } from "../../../net/messages/table.ts";
import { encodeResponse, EnvelopeReader } from "../../../net/msgpack.ts";
import type { Listener } from "../../../net/network.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import type { Environment, Timer } from "../../../actors/runtime/environment.ts";
import { ProducerState } from "../../../storage/producer_state.ts";
import {
  BatchView,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from "../../../storage/record_batch.ts";
import { type DecodedRecord, decodeRecords } from "../../../storage/record.ts";

export const PORT = 9192;

/** A partition of a fake topic. */
export class FakePartition {
  leader: number;
  leaderEpoch = 0;
  logStartOffset = 0;
  highWatermark = 0;
  readonly batches: Uint8Array[] = [];
  producers = new ProducerState();
  /** Batches that a client was told are stored. */
  #committed = 0;

  constructor(leader: number) {
    this.leader = leader;
  }

  append(batch: Uint8Array): number {
    const copy = batch.slice();
    const baseOffset = this.highWatermark;
    setBaseOffset(copy, 0, baseOffset);
    const view = new BatchView(copy);
    if (view.partitionLeaderEpoch < 0) setPartitionLeaderEpoch(copy, 0, this.leaderEpoch);
    this.batches.push(copy);
    if (!view.isControl) this.producers.apply(view);
    this.highWatermark = view.nextOffset;
    return baseOffset;
  }

  /** Appends a batch as a log does: once, and in sequence. */
  produce(batch: Uint8Array): { readonly errorCode: number; readonly baseOffset: number } {
    const found = this.producers.check(new BatchView(batch));
    if (typeof found === "string") return { errorCode: ErrorCode[found], baseOffset: -1 };
    const baseOffset = found === undefined
      ? this.append(batch)
      : found.lastOffset - found.offsetDelta;
    return { errorCode: 0, baseOffset };
  }

  /** A client was told that the batch at the offset is stored. */
  told(baseOffset: number): void {
    const index = this.batches.findIndex((batch) => new BatchView(batch).baseOffset === baseOffset);
    this.#committed = Math.max(this.#committed, index + 1);
  }

  /** Another leader, which has what is committed and some of what is not. */
  move(leader: number, kept: number): void {
    this.leader = leader;
    this.leaderEpoch++;
    this.truncate(this.#committed + kept);
  }

  /** Cuts the log to its first batches, and what it knows of producers with it. */
  truncate(batches: number): void {
    this.batches.length = Math.min(batches, this.batches.length);
    this.producers = new ProducerState();
    for (const batch of this.batches) this.producers.apply(new BatchView(batch));
    const last = this.batches.at(-1);
    this.highWatermark = last === undefined ? 0 : new BatchView(last).nextOffset;
  }

  /** Where an epoch ends, with the epoch that was found, as a log says it. */
  endOf(epoch: number): { readonly leaderEpoch: number; readonly endOffset: number } {
    if (epoch === this.leaderEpoch) return { leaderEpoch: epoch, endOffset: this.highWatermark };
    const views = this.batches.map((batch) => new BatchView(batch));
    const next = views.find((view) => view.partitionLeaderEpoch > epoch);
    const last = views.findLast((view) => view.partitionLeaderEpoch <= epoch);
    if (epoch > this.leaderEpoch) return { leaderEpoch: -1, endOffset: -1 };
    return {
      leaderEpoch: last?.partitionLeaderEpoch ?? epoch,
      endOffset: next?.baseOffset ?? this.highWatermark,
    };
  }

  /** What is wrong with the leader epoch that a client believes in, if anything is. */
  epochError(claimed: number): number {
    if (claimed < 0 || claimed === this.leaderEpoch) return 0;
    return claimed < this.leaderEpoch
      ? ErrorCode.FENCED_LEADER_EPOCH
      : ErrorCode.UNKNOWN_LEADER_EPOCH;
  }

  get records(): DecodedRecord[] {
    return this.batches.flatMap((batch) => decodeRecords(new BatchView(batch)));
  }
}

export interface FakeTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: FakePartition[];
}

/** What a test does to a request: let it be, answer otherwise or later, say nothing, or hang up. */
export type Verdict =
  | undefined
  | { readonly kind: "reply"; readonly response: unknown; readonly afterMs?: number }
  | { readonly kind: "silence" }
  | { readonly kind: "close"; readonly afterHandling?: boolean }
  /** Hangs up, and handles the request some time later, as one that lay in a paused broker. */
  | { readonly kind: "late"; readonly afterMs: number };

type AnyResponse = Record<string, unknown>;
type Handler = (
  // deno-lint-ignore no-explicit-any -- one table of handlers for requests of many types
  request: any,
  broker: FakeBroker,
  reply: (response: AnyResponse) => void,
) => void;

/** The state of the cluster and what it is told to do. */
export class FakeCluster {
  readonly topics = new Map<string, FakeTopic>();
  readonly brokers = new Map<number, FakeBroker>();
  /** Looked at for each request, before it is handled. */
  intercept: (api: Api, request: unknown, broker: FakeBroker) => Verdict = () => undefined;
  /** An error for a partition of a produce request, before it is appended. */
  produceError: (topic: string, partition: number, batch: Uint8Array) => number = () => 0;
  /** An error for a partition of a produce request, after it was appended. */
  produceErrorAfter: (topic: string, partition: number, batch: Uint8Array) => number = () => 0;
  /** An error for a partition of a fetch request. */
  fetchError: (topic: string, partition: number, offset: number) => number = () => 0;
  autoCreatePartitions = 0;
  nextProducerId = 1000;
  /** What a produce response says of the leader, beside an error. */
  namesLeaders = false;
  readonly requests: {
    readonly api: string;
    readonly broker: number;
    readonly request: unknown;
  }[] = [];
  readonly waiters = new Set<() => void>();
  readonly handlers = new Map<Api, Handler>();

  createTopic(name: string, partitions: number): FakeTopic {
    const leaders = [...this.brokers.keys()];
    const topic = {
      name,
      topicId: `topic-${name}`.padEnd(21, "A").slice(0, 21) + "A",
      partitions: Array.from(
        { length: partitions },
        (_, index) => new FakePartition(leaders[index % leaders.length]!),
      ),
    };
    this.topics.set(name, topic);
    return topic;
  }

  partition(topic: string, partition: number): FakePartition | undefined {
    return this.topics.get(topic)?.partitions[partition];
  }

  /** How often an API was asked for. */
  count(api: Api): number {
    return this.requests.filter((request) => request.api === api.name).length;
  }

  wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }
}

/** One broker of the cluster, on a host of its own. */
export class FakeBroker {
  readonly cluster: FakeCluster;
  readonly nodeId: number;
  readonly host: string;
  readonly environment: Environment;
  readonly pool = new BufferPool();
  readonly sessions = new Set<FramedConnection>();
  readonly listener: Listener;
  /** Sessions that were closed: what they still receive is as if it had not come. */
  readonly #ended = new WeakSet<FramedConnection>();

  constructor(cluster: FakeCluster, nodeId: number, host: string, environment: Environment) {
    this.cluster = cluster;
    this.nodeId = nodeId;
    this.host = host;
    this.environment = environment;
    cluster.brokers.set(nodeId, this);
    this.listener = environment.network.listen({ host, port: PORT }, (connection) => {
      const reader = new EnvelopeReader();
      const session: FramedConnection = new FramedConnection(
        connection,
        this.pool,
        { frameBytesMax: 256 * 1024 * 1024 },
        {
          received: (frames) => {
            for (const frame of frames) this.#receive(session, reader, frame);
          },
          closed: () => this.sessions.delete(session),
        },
      );
      this.sessions.add(session);
      session.start();
    });
  }

  /** Ends all connections. */
  hangUp(): void {
    for (const session of this.sessions) {
      this.#ended.add(session);
      session.close("told to");
    }
  }

  #receive(session: FramedConnection, reader: EnvelopeReader, frame: Frame): void {
    if (this.#ended.has(session)) return frame.release();
    const { apiKey, apiVersion, correlationId } = reader.open(frame);
    const api = apiKey === NATIVE_HANDSHAKE.key ? NATIVE_HANDSHAKE as Api : apiByKey(apiKey)!;
    const request = reader.message(api.request);
    const reply = (response: AnyResponse) => {
      frame.release();
      if (!this.sessions.has(session)) return;
      const whole = make(api.response, response as Draft<unknown>);
      encodeResponse(session.writer, api, apiVersion, correlationId, whole);
      session.flush();
    };
    if (api !== NATIVE_HANDSHAKE) {
      this.cluster.requests.push({ api: api.name, broker: this.nodeId, request });
    }
    const verdict = this.cluster.intercept(api, request, this);
    switch (verdict?.kind) {
      case "reply":
        return this.#after(verdict.afterMs, () => reply(verdict.response as AnyResponse));
      case "silence":
        return frame.release();
      case "close":
        if (verdict.afterHandling === true) this.#handle(api, request, () => frame.release());
        else frame.release();
        this.#ended.add(session);
        return session.close("told to");
      case "late": {
        const kept = structuredClone(request);
        frame.release();
        this.#ended.add(session);
        session.close("told to");
        const { timers } = this.environment;
        timers.schedule(verdict.afterMs, () => this.#handle(api, kept, () => {}));
        return;
      }
      default:
        return this.#handle(api, request, reply);
    }
  }

  #handle(api: Api, request: unknown, reply: (response: AnyResponse) => void): void {
    const own = this.cluster.handlers.get(api);
    if (own !== undefined) return own(request, this, reply);
    switch (api.key) {
      case NATIVE_HANDSHAKE.key:
        return reply({
          apiKeys: servedVersions(APIS),
          clusterId: "fake",
          nodeId: this.nodeId,
          maxFrameBytes: 100 * 1024 * 1024,
        });
      case METADATA.key:
        return reply(this.#metadata(request as MetadataRequest));
      case PRODUCE.key:
        return this.#produce(request as ProduceRequest, reply);
      case FETCH.key:
        return this.#fetch(request as FetchRequest, reply);
      case INIT_PRODUCER_ID.key:
        return reply({ producerId: this.cluster.nextProducerId++, producerEpoch: 0 });
      case OFFSET_FOR_LEADER_EPOCH.key:
        return reply(this.#endOffsets(request as OffsetForLeaderEpochRequest));
      case LIST_OFFSETS.key:
        return reply(this.#listOffsets(request as never));
      default:
        throw new Error(`The fake broker does not serve ${api.name}`);
    }
  }

  #metadata(request: MetadataRequest): AnyResponse {
    const { topics, autoCreatePartitions } = this.cluster;
    const names = request.topics?.map(({ name }) => name ?? "") ?? [...topics.keys()];
    return {
      clusterId: "fake",
      controllerId: this.nodeId,
      brokers: this.#endpoints(),
      topics: names.map((name) => {
        if (!topics.has(name) && autoCreatePartitions > 0 && request.allowAutoTopicCreation) {
          this.cluster.createTopic(name, autoCreatePartitions);
        }
        const topic = topics.get(name);
        if (topic === undefined) return { name, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
        return {
          name,
          topicId: topic.topicId,
          partitions: topic.partitions.map(({ leader, leaderEpoch }, partitionIndex) => ({
            partitionIndex,
            leaderId: leader,
            leaderEpoch,
            errorCode: leader < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : 0,
            replicaNodes: [leader],
            isrNodes: [leader],
          })),
        };
      }),
    };
  }

  /** What a client is told is stored is committed. */
  #told(
    responses: readonly {
      name: string;
      partitionResponses: readonly { index: number; errorCode: number; baseOffset?: number }[];
    }[],
  ): void {
    for (const { name, partitionResponses } of responses) {
      for (const { index, errorCode, baseOffset } of partitionResponses) {
        if (errorCode === 0) this.cluster.partition(name, index)!.told(baseOffset!);
      }
    }
  }

  #endpoints() {
    const brokers = [...this.cluster.brokers.values()];
    return brokers.map(({ nodeId, host }) => ({ nodeId, host, port: PORT }));
  }

  #produce(request: ProduceRequest, reply: (response: AnyResponse) => void): void {
    const responses = request.topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index, records }) => {
        const partition = this.cluster.partition(name, index);
        let errorCode = this.cluster.produceError(name, index, records!);
        if (errorCode === 0 && partition === undefined) {
          errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        }
        if (errorCode === 0 && partition!.leader !== this.nodeId) {
          errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER;
        }
        if (errorCode === 0) {
          const appended = partition!.produce(records!);
          errorCode = this.cluster.produceErrorAfter(name, index, records!);
          if (appended.errorCode !== 0 || errorCode === 0) return { index, ...appended };
          return { index, errorCode };
        }
        if (!this.cluster.namesLeaders || partition === undefined) return { index, errorCode };
        const { leader: leaderId, leaderEpoch } = partition;
        return { index, errorCode, currentLeader: { leaderId, leaderEpoch } };
      }),
    }));
    this.cluster.wake();
    if (request.acks === 0) return;
    this.#told(responses);
    reply(
      this.cluster.namesLeaders ? { responses, nodeEndpoints: this.#endpoints() } : { responses },
    );
  }

  #after(delayMs: number | undefined, run: () => void): void {
    if (delayMs === undefined) run();
    else this.environment.timers.schedule(delayMs, run);
  }

  #fetch(request: FetchRequest, reply: (response: AnyResponse) => void): void {
    let timer: Timer | undefined;
    const attempt = (isLast: boolean) => {
      const { bytes, hasError, response } = this.#fetchNow(request);
      if (!isLast && !hasError && bytes < request.minBytes) return;
      this.cluster.waiters.delete(wake);
      timer?.cancel();
      reply(response);
    };
    const wake = () => attempt(false);
    this.cluster.waiters.add(wake);
    attempt(request.maxWaitMs === 0);
    if (this.cluster.waiters.has(wake)) {
      timer = this.environment.timers.schedule(request.maxWaitMs, () => attempt(true));
    }
  }

  #fetchNow(request: FetchRequest) {
    let bytes = 0;
    let hasError = false;
    const responses = request.topics.map(({ topic: givenName, topicId, partitions }) => {
      const topic = [...this.cluster.topics.values()].find((topic) =>
        topic.name === givenName || topic.topicId === topicId
      );
      const name = topic?.name ?? givenName;
      return {
        topic: name,
        topicId,
        partitions: partitions.map(
          ({ partition: partitionIndex, fetchOffset, partitionMaxBytes, currentLeaderEpoch }) => {
            const partition = topic?.partitions[partitionIndex];
            let errorCode = this.cluster.fetchError(name, partitionIndex, fetchOffset);
            if (partition === undefined) errorCode = ErrorCode.UNKNOWN_TOPIC_ID;
            else if (partition.leader !== this.nodeId) errorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER;
            else if (partition.epochError(currentLeaderEpoch) !== 0) {
              errorCode = partition.epochError(currentLeaderEpoch);
            } else if (
              fetchOffset < partition.logStartOffset || fetchOffset > partition.highWatermark
            ) {
              errorCode = ErrorCode.OFFSET_OUT_OF_RANGE;
            }
            if (errorCode !== 0) {
              hasError = true;
              const none = { partitionIndex, highWatermark: -1, records: new Uint8Array(0) };
              if (!this.cluster.namesLeaders || partition === undefined) {
                return { ...none, errorCode };
              }
              const { leader: leaderId, leaderEpoch } = partition;
              return { ...none, errorCode, currentLeader: { leaderId, leaderEpoch } };
            }
            const { batches, highWatermark, logStartOffset } = partition!;
            const chosen: Uint8Array[] = [];
            let size = 0;
            for (const batch of batches) {
              if (new BatchView(batch).nextOffset <= fetchOffset) continue;
              const room = Math.min(partitionMaxBytes, request.maxBytes - bytes) - size;
              if (batch.length > room && (size > 0 || bytes > 0)) break;
              chosen.push(batch);
              size += batch.length;
            }
            bytes += size;
            const records = new Uint8Array(size);
            let at = 0;
            for (const batch of chosen) {
              records.set(batch, at);
              at += batch.length;
            }
            return {
              partitionIndex,
              errorCode,
              highWatermark,
              lastStableOffset: highWatermark,
              logStartOffset,
              records,
            };
          },
        ),
      };
    });
    const { namesLeaders } = this.cluster;
    const response = namesLeaders ? { responses, nodeEndpoints: this.#endpoints() } : { responses };
    return { bytes, hasError, response };
  }

  #endOffsets(request: OffsetForLeaderEpochRequest): AnyResponse {
    return {
      topics: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
          const partition = this.cluster.partition(topic, index);
          if (partition === undefined || partition.leader !== this.nodeId) {
            return { partition: index, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER };
          }
          const errorCode = partition.epochError(currentLeaderEpoch);
          if (errorCode !== 0) return { partition: index, errorCode };
          return { partition: index, errorCode, ...partition.endOf(leaderEpoch) };
        }),
      })),
    };
  }

  #listOffsets(
    request: {
      topics: { name: string; partitions: { partitionIndex: number; timestamp: number }[] }[];
    },
  ): AnyResponse {
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => {
          const partition = this.cluster.partition(name, partitionIndex);
          if (partition === undefined || partition.leader !== this.nodeId) {
            return { partitionIndex, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER };
          }
          if (timestamp === -1) return { partitionIndex, offset: partition.highWatermark };
          if (timestamp === -2) return { partitionIndex, offset: partition.logStartOffset };
          const found = partition.records.find((record) => record.timestamp >= timestamp);
          return { partitionIndex, offset: found?.offset ?? -1, timestamp: found?.timestamp ?? -1 };
        }),
      })),
    };
  }
}
