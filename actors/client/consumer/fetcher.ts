/**
 * Fetches ahead for a consumer: keeps a request on its way for every partition that has room.
 *
 * Owns when and what is fetched, the answers' errors, and the looking up of positions that are not
 * known. Does not own positions (subscription.ts) nor what becomes of records (record_feed.ts).
 *
 * The next fetch of a partition leaves as soon as the last answer was taken in, before any of its
 * records was looked at: only the batches' headers are, which say where to go on. A request carries
 * all partitions of one broker that are free to be asked for; those of a request that waits for
 * data hold up nobody else's. Where a broker answers in order, only what is known to have more is
 * asked for while another request is under way.
 *
 * Invariants: a partition is in at most one request; none is fetched from a leader that may not
 * have what was read before (position_validation.ts); data are taken in order and only if nothing
 * was sought meanwhile; no more is fetched of a partition that has two fetches' worth of bytes
 * waiting, nor of any while `fetchMaxBytes` wait in all.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { BatchCursor } from "../../../storage/record_batch.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  FETCH,
  type FetchRequest,
  type FetchResponse,
  type PartitionData,
} from "../../../net/messages/fetch.ts";
import { make } from "../../../net/schema/make.ts";
import type { RandomStream, Timer } from "../../runtime/environment.ts";
import { backoffMs } from "../../link/backoff.ts";
import type { Hold } from "../../link/node_link.ts";
import type { Cluster } from "../cluster.ts";
import { CompletedFetch, SharedHold } from "./completed_fetch.ts";
import type { ConsumerSettings } from "../configs.ts";
import type { ConsumerMetrics } from "./consumer_metrics.ts";
import {
  type ClientError,
  CorruptRecordError,
  errorForCode,
  OffsetOutOfRangeError,
} from "../errors.ts";
import type { NamedLeader } from "../metadata.ts";
import type { AssignedState, Subscription } from "./subscription.ts";

export interface FetcherOptions {
  readonly cluster: Cluster;
  readonly settings: ConsumerSettings;
  readonly subscription: Subscription;
  readonly metrics: ConsumerMetrics;
  /** Data of a partition came, or an error for it: see its state. */
  fetched(state: AssignedState): void;
  /** A position must be looked up. */
  positionLost(): void;
  /** A position must be held against the log of a new leader, and nothing is asked of it. */
  unvalidated(): void;
}

/** Fetches of so many partitions' worth may wait for the user in one partition. */
const FETCHES_AHEAD = 2;

/** Fetches under way at a time to one broker. */
const REQUESTS_AHEAD = 3;

/** How long a replica that a leader has named may take to be connected to. */
const CONNECT_PATIENCE_MS = 2000;

/** For how long a leader is to give records itself after a replica that it named did not. */
const AVOID_MS = 10_000;

/** A partition in a request, and which of its generations asked. */
interface Asked {
  readonly state: AssignedState;
  readonly generation: number;
  readonly leaderEpoch: Epoch;
}

/** Keeps data coming. */
export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #settings: ConsumerSettings;
  readonly #random: RandomStream;
  #bufferedBytes = 0;
  /** Fetches that each broker has not answered. */
  readonly #underWay = new Map<NodeId, number>();
  /** What the response that is being taken in says of new leaders. */
  readonly #leadersNamed: NamedLeader[] = [];
  #isWoken = false;
  #timer: Timer | undefined;
  #timerDue = Infinity;
  #isClosed = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#random = options.cluster.environment.random.stream("consumer");
  }

  /** Looks at the end of the turn for what can be fetched. */
  wake(): void {
    if (this.#isWoken || this.#isClosed) return;
    this.#isWoken = true;
    this.#options.cluster.environment.dispatcher.atEndOfTurn(() => {
      this.#isWoken = false;
      if (!this.#isClosed) this.#fetchAll();
    });
  }

  /** To be called when the assignment's metadata may have changed. */
  leadersChanged(): void {
    const { subscription, cluster } = this.#options;
    for (const state of subscription.partitions) {
      const info = cluster.metadata.topic(state.topic)?.partitions[state.partition];
      const leaderEpoch = info?.leaderEpoch ?? NONE;
      // Another leader need not be spared.
      if (leaderEpoch !== state.leaderEpoch) {
        state.notBefore = 0;
        state.preferredReplica = NONE;
      }
      state.leader = info?.leader ?? NONE;
      state.leaderEpoch = leaderEpoch;
    }
    this.wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #fetchAll(): void {
    const now = this.#options.cluster.environment.clock.monotonic();
    const byBroker = new Map<NodeId, AssignedState[]>();
    this.#bufferedBytes = 0;
    let next = Infinity;
    /** Where partitions wait for room, and would be asked for next. */
    const full = new Set<NodeId>();
    for (const state of this.#options.subscription.partitions) {
      // What waits of those that are paused may wait for ever: it is bounded by itself.
      if (!state.isPaused) this.#bufferedBytes += state.fetchedBytes;
      if (!this.#mayFetch(state)) {
        if (!state.isPaused && state.fetchedBytes > 0 && state.isBehind) full.add(state.leader);
        continue;
      }
      if (state.notBefore > now) {
        next = Math.min(next, state.notBefore);
        continue;
      }
      const broker = this.#brokerOf(state, now);
      const states = byBroker.get(broker);
      if (states === undefined) byBroker.set(broker, [state]);
      else states.push(state);
    }
    if (next !== Infinity) this.#arm(next, now);
    if (this.#bufferedBytes >= this.#settings.fetchMaxBytes) return;
    for (const [broker, states] of byBroker) this.#fetchFrom(broker, states, full.has(broker));
  }

  /** Whom to ask: the leader, or the replica that it has named, while that can be asked. */
  #brokerOf(state: AssignedState, now: number): NodeId {
    const { preferredReplica, preferredUntil, reachableUntil, leader } = state;
    if (preferredReplica === NONE) return leader;
    const link = this.#options.cluster.fetchLink(preferredReplica);
    if (now < preferredUntil && link !== undefined) {
      if (link.isReady) return preferredReplica;
      if (now < reachableUntil) {
        this.#arm(reachableUntil, now);
        return preferredReplica;
      }
    }
    this.#avoid(state, now < preferredUntil ? now : -Infinity);
    return leader;
  }

  #fetchFrom(leader: NodeId, states: readonly AssignedState[], isFull: boolean): void {
    const underWay = this.#underWay.get(leader) ?? 0;
    const unused = Math.max(REQUESTS_AHEAD - underWay, 1);
    if (!this.#options.cluster.answersInOrder) {
      return this.#fetchApart(leader, states, [], unused);
    }
    // A request that may wait is sent alone, or it would hold up those that need not.
    const behind = states.filter((state) => state.isBehind);
    const others = states.filter((state) => !state.isBehind);
    if (behind.length > 0) this.#fetchApart(leader, behind, others, unused);
    else if (underWay === 0 && !isFull) this.#fetch(leader, others);
  }

  /**
   * Spreads partitions over a few requests, so that the broker works on one while the answer to
   * another is taken in; what is asked for besides goes with the first.
   */
  #fetchApart(
    leader: NodeId,
    states: readonly AssignedState[],
    besides: readonly AssignedState[],
    requests: number,
  ): void {
    const share = Math.ceil(states.length / requests);
    for (let start = 0; start < states.length; start += share) {
      const some = states.slice(start, start + share);
      this.#fetch(leader, start === 0 ? [...some, ...besides] : some);
    }
  }

  #mayFetch(state: AssignedState): boolean {
    return state.fetchOffset !== NONE && !state.isAsked && !state.isPaused &&
      state.error === undefined && state.leader !== NONE && !state.needsValidation &&
      state.fetchedBytes < FETCHES_AHEAD * this.#settings.maxPartitionFetchBytes;
  }

  #fetch(leader: NodeId, states: readonly AssignedState[]): void {
    const link = this.#options.cluster.fetchLink(leader);
    if (link === undefined || !link.isReady) return;
    const asked = states.map((state): Asked => {
      state.isAsked = true;
      const { generation, leaderEpoch } = state;
      return { state, generation, leaderEpoch };
    });
    const { requestTimeoutMs, fetchMaxWaitMs } = this.#settings;
    this.#options.metrics.fetchTotal.add(1);
    const timeoutMs = Math.max(requestTimeoutMs, fetchMaxWaitMs + requestTimeoutMs / 2);
    this.#underWay.set(leader, (this.#underWay.get(leader) ?? 0) + 1);
    link.sendHolding(FETCH, this.#request(states), timeoutMs, (result) => {
      this.#underWay.set(leader, (this.#underWay.get(leader) ?? 1) - 1);
      for (const { state, generation } of asked) {
        if (state.generation === generation) state.isAsked = false;
      }
      if (result instanceof Error) this.#failed(asked, result);
      else this.#answered(asked, result.response, result.hold);
      // The leader may have changed while it was asked: nobody else looks at that again.
      if (asked.some(({ state }) => state.needsValidation)) this.#options.unvalidated();
      this.wake();
    });
  }

  #request(states: readonly AssignedState[]): FetchRequest {
    const { metadata } = this.#options.cluster;
    const { fetchMaxWaitMs, fetchMinBytes, fetchMaxBytes, maxPartitionFetchBytes } = this.#settings;
    const byTopic = Map.groupBy(states, ({ topic }) => topic);
    const now = this.#options.cluster.environment.clock.monotonic();
    return make(FETCH.request, {
      maxWaitMs: fetchMaxWaitMs,
      minBytes: fetchMinBytes,
      maxBytes: fetchMaxBytes,
      isolationLevel: this.#settings.isReadCommitted ? 1 : 0,
      rackId: states.some(({ avoidsUntil }) => avoidsUntil > now) ? "" : this.#settings.clientRack,
      topics: Array.from(byTopic, ([topic, states]) => ({
        topic,
        topicId: metadata.topic(topic)?.topicId ?? ZERO_UUID,
        partitions: states.map(({ partition, leaderEpoch, fetchOffset }) => ({
          partition,
          currentLeaderEpoch: leaderEpoch,
          fetchOffset,
          partitionMaxBytes: maxPartitionFetchBytes,
        })),
      })),
    });
  }

  #failed(asked: readonly Asked[], error: ClientError): void {
    for (const { state, generation } of asked) {
      if (state.generation !== generation) continue;
      this.#avoid(state);
      if (error.retriable) this.#backOff(state);
      else this.#refuse(state, error);
    }
  }

  #answered(asked: readonly Asked[], response: FetchResponse, hold: Hold): void {
    const shared = new SharedHold(hold);
    const { metadata } = this.#options.cluster;
    const open = new Map(asked.map((entry) => [keyOf(entry.state), entry]));
    if (response.errorCode === ErrorCode.NONE) {
      const names = new Map(
        asked.map(({ state }) => [metadata.topic(state.topic)?.topicId, state.topic]),
      );
      for (const { topic, topicId, partitions } of response.responses) {
        const name = topic === "" ? names.get(topicId) : topic;
        for (const data of partitions) {
          const key = `${name}-${data.partitionIndex}`;
          const entry = open.get(key);
          open.delete(key);
          if (entry?.state.generation === entry?.generation && entry !== undefined) {
            this.#take(entry, data, shared);
          }
        }
      }
    }
    // A broker that leaves partitions out, or refuses all, is asked again a little later.
    for (const { state, generation } of open.values()) {
      if (state.generation === generation) this.#backOff(state);
    }
    shared.release();
    const leaders = this.#leadersNamed.splice(0);
    if (leaders.length > 0) metadata.takeLeaders(leaders, response.nodeEndpoints);
  }

  #take({ state, leaderEpoch }: Asked, data: PartitionData, hold: SharedHold): void {
    if (data.errorCode !== ErrorCode.NONE) return this.#takeError(state, data);
    state.failures = 0;
    state.validatedIn = leaderEpoch;
    state.highWatermark = data.highWatermark;
    state.lastStableOffset = data.lastStableOffset;
    state.logStartOffset = data.logStartOffset;
    if (data.preferredReadReplica >= 0) this.#prefer(state, data.preferredReadReplica);
    const records = data.records;
    if (records === null || records.length === 0) return;
    const cursor = new BatchCursor(records);
    let nextOffset = state.fetchOffset;
    let epoch = NONE;
    while (cursor.next()) {
      nextOffset = Math.max(nextOffset, cursor.batch.nextOffset);
      epoch = cursor.batch.partitionLeaderEpoch;
    }
    const end = cursor.position;
    if (end === 0 || cursor.stoppedBy === "malformed") {
      const where = `${state.topic}-${state.partition} from offset ${state.fetchOffset}`;
      const what = end === 0 ? "the first batch is cut off" : "what follows a batch is none";
      return this.#refuse(state, new CorruptRecordError(`Cannot read ${where}: ${what}`));
    }
    const bytes = end === records.length ? records : records.subarray(0, end);
    this.#options.metrics.bytesConsumedTotal.add(end);
    state.add(new CompletedFetch(bytes, nextOffset, epoch, data.abortedTransactions, hold));
    this.#options.fetched(state);
  }

  /** The leader knows of a replica nearer by; it is asked again in a while. */
  #prefer(state: AssignedState, replica: NodeId): void {
    const now = this.#options.cluster.environment.clock.monotonic();
    state.preferredReplica = replica;
    state.preferredUntil = now + this.#settings.metadataMaxAgeMs;
    state.reachableUntil = now + CONNECT_PATIENCE_MS;
  }

  /** A replica that was named does not serve: its leader is to do so for a while. */
  #avoid(
    state: AssignedState,
    now: number = this.#options.cluster.environment.clock.monotonic(),
  ): void {
    if (state.preferredReplica === NONE) return;
    state.preferredReplica = NONE;
    state.avoidsUntil = now + AVOID_MS;
  }

  #takeError(state: AssignedState, { errorCode, currentLeader }: PartitionData): void {
    const { topic, partition } = state;
    if (currentLeader.leaderId >= 0) {
      this.#leadersNamed.push({ topic, partition, ...currentLeader });
    }
    const action = `Cannot fetch ${topic}-${partition}`;
    const error = errorForCode(errorCode, action);
    // Only the leader's word counts, as of what is out of range.
    const wasPreferred = state.preferredReplica !== NONE;
    this.#avoid(state);
    if (wasPreferred) this.#backOff(state);
    else if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) this.#outOfRange(state);
    else if (error.retriable) this.#backOff(state);
    else this.#refuse(state, error);
  }

  #outOfRange(state: AssignedState): void {
    // What waits is older and comes first; the same answer will come again after it.
    if (state.fetched.length > 0) return this.#backOff(state);
    const { autoOffsetReset } = this.#settings;
    if (autoOffsetReset !== "none") {
      state.reset(autoOffsetReset);
      this.#options.positionLost();
      return;
    }
    const { topic, partition, fetchOffset } = state;
    const message = `Cannot fetch ${topic}-${partition}: offset ${fetchOffset} is out of range`;
    this.#refuse(state, new OffsetOutOfRangeError(message, topic, partition, fetchOffset));
  }

  /** The user is told, after what waits; until then the partition rests. */
  #refuse(state: AssignedState, error: ClientError): void {
    state.error = error;
    this.#backOff(state);
    this.#options.fetched(state);
  }

  #backOff(state: AssignedState): void {
    const { cluster } = this.#options;
    state.failures++;
    const waitMs = backoffMs(this.#settings.retryBackoff, state.failures, this.#random);
    state.notBefore = cluster.environment.clock.monotonic() + waitMs;
    cluster.metadata.requestUpdate();
  }

  #arm(due: number, now: number): void {
    if (this.#timerDue <= due) return;
    this.#timer?.cancel();
    this.#timerDue = due;
    this.#timer = this.#options.cluster.environment.timers.schedule(due - now, () => {
      this.#timerDue = Infinity;
      if (!this.#isClosed) this.#fetchAll();
    });
  }
}

function keyOf({ topic, partition }: AssignedState): string {
  return `${topic}-${partition}`;
}
