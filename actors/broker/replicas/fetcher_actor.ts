/**
 * Fetches from one leader all partitions that follow it.
 *
 * Owns the connection to the leader and the memory of responses until every partition has taken in
 * its part: the partitions get views of the frame that the response came in. What to ask and which
 * answers count is in fetch_state.ts.
 *
 * A fetch that finds nothing new is answered when something comes, or after
 * `replica.fetch.wait.max.ms`; so one request is always with the leader, and nothing polls. What
 * has changed meanwhile (a partition that took long to take in, one that is followed anew) leaves
 * in a second request at once, which ends the leader's wait with the first.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import type { BufferPool } from "../../../net/buffer_pool.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { FETCH, type FetchResponse } from "../../../net/messages/fetch.ts";
import { LIST_OFFSETS, type ListOffsetsResponse } from "../../../net/messages/list_offsets.ts";
import type { SocketAddress } from "../../../net/network.ts";
import { make } from "../../../net/schema/make.ts";
import type { BrokerConfig } from "../../config/broker_config.ts";
import type { ClientError } from "../../link/errors.ts";
import type { Fellow } from "../../link/fellow.ts";
import type { Hold } from "../../link/node_link.ts";
import { type Held, Peer } from "../../link/peer.ts";
import type {
  FetchedOutcome,
  FetchPosition,
  Follow,
  TakeFetched,
  Unfollow,
} from "../../partition/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../../runtime/actor.ts";
import type { Gauge } from "../../runtime/metrics.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { BrokerMetrics } from "../broker_metrics.ts";
import { type FetchedPart, FetchState, type Followed } from "./fetch_state.ts";
import type { ReplicationQuota } from "./replication_quota.ts";

/** What fetchers share. */
export interface FetchingOptions {
  readonly nodeId: NodeId;
  /** As it stands now. */
  config(): BrokerConfig;
  /** What this broker is to those that it connects to. */
  readonly fellow: Fellow;
  readonly buffers: BufferPool;
  readonly quota: ReplicationQuota;
  readonly metrics: BrokerMetrics;
  /** The class that holds the rules, for tests that break one on purpose. */
  readonly FetchState?: typeof FetchState | undefined;
}

export interface FetcherOptions extends FetchingOptions {
  readonly leader: NodeId;
  readonly address: SocketAddress;
  /** Of this broker's registration, -1 while there is none. */
  readonly brokerEpoch: Offset;
}

export type FetcherRequest =
  | Omit<Unfollow, "replica">
  | {
    readonly kind: "follow";
    readonly follow: Follow;
    /** Whether the position in it is the partition's still, as when it has just told it. */
    readonly isPositionKnown: boolean;
  }
  /** This broker was registered anew. */
  | { readonly kind: "broker-epoch"; readonly brokerEpoch: Offset };

type FetcherMessage =
  | FetcherRequest
  | { readonly kind: "send" }
  | { readonly kind: "grace" | "grace-over" }
  | { readonly kind: "resume" }
  | { readonly kind: "fetched"; readonly number: number; readonly result: Held<FetchResponse> }
  | {
    readonly kind: "took";
    readonly followed: Followed;
    readonly result: AskResult<FetchPosition>;
    release(): void;
  }
  | {
    readonly kind: "range-start";
    readonly followed: Followed;
    readonly result: ListOffsetsResponse | ClientError;
  }
  | {
    readonly kind: "range-end";
    readonly followed: Followed;
    readonly logStartOffset: Offset;
    readonly result: ListOffsetsResponse | ClientError;
  };

/** Partitions have this long to take in what was fetched before the next fetch leaves without. */
const TAKE_GRACE_MS = 2;

/** How often the largest lag is looked for. */
const LAG_INTERVAL_MS = 1000;

const EARLIEST = -2;
const LATEST = -1;

const nothing = () => {};

export function fetcherActor(options: FetcherOptions): Behaviour<FetcherRequest> {
  return (context) => new Fetcher(context as unknown as ActorContext<FetcherMessage>, options);
}

class Fetcher implements Actor<FetcherMessage> {
  readonly #context: ActorContext<FetcherMessage>;
  readonly #options: FetcherOptions;
  readonly #state: FetchState;
  readonly #peer: Peer<FetcherMessage>;
  readonly #replicas = new Map<Followed, Ref<TakeFetched>>();
  #isSendPlanned = false;
  /** The time that partitions had to take in what was fetched is over. */
  #isGraceOver = false;
  #isGraceTimed = false;
  readonly #graceBegins: () => void;
  /** Nothing is sent before, in monotonic ms. */
  #restUntil = 0;
  #resumeDue = Infinity;
  readonly #maxLag: Gauge;
  #lagSeenAt = -Infinity;

  constructor(context: ActorContext<FetcherMessage>, options: FetcherOptions) {
    this.#context = context;
    this.#options = options;
    this.#graceBegins = context.callback(() => ({ kind: "grace" }));
    const { nodeId, fellow, leader, address, buffers, quota, config } = options;
    this.#state = new (options.FetchState ?? FetchState)({
      nodeId,
      settings: config,
      throttledUntil: ({ topicId, partition, lag }, now) =>
        lag !== 0 && quota.isThrottled(topicId, partition) ? quota.exceededUntil(now) : undefined,
    });
    this.#state.setBrokerEpoch(options.brokerEpoch);
    this.#maxLag = options.metrics.replicaFetcherMaxLag(leader);
    this.#peer = new Peer<FetcherMessage>(context, {
      ...fellow,
      expectedNodeId: leader,
      random: context.environment.random.stream("fetcher"),
      pool: buffers,
      address,
      mayConnect: () => ({ kind: "send" }),
    });
  }

  receive(message: FetcherMessage): void {
    switch (message.kind) {
      case "follow":
        return this.#follow(message.follow, message.isPositionKnown);
      case "unfollow":
        return this.#unfollow(message.topicId, message.partition);
      case "broker-epoch":
        this.#state.setBrokerEpoch(message.brokerEpoch);
        return this.#planSend();
      case "send":
        this.#isSendPlanned = false;
        return this.#maybeSend();
      case "grace":
        if (this.#state.takingCount === 0) this.#isGraceTimed = false;
        else this.#context.startTimer("grace", TAKE_GRACE_MS, { kind: "grace-over" });
        return;
      case "grace-over":
        this.#isGraceTimed = false;
        this.#isGraceOver = true;
        return this.#maybeSend();
      case "resume":
        return this.#resume();
      case "fetched":
        return this.#fetched(message.number, message.result);
      case "took":
        return this.#took(message.followed, message.result, message.release);
      case "range-start":
        return this.#rangeStart(message.followed, message.result);
      case "range-end":
        return this.#rangeEnd(message.followed, message.logStartOffset, message.result);
    }
  }

  stopped(): void {
    this.#peer.close();
    this.#maxLag.set(0);
  }

  #now(): number {
    return this.#context.environment.clock.monotonic();
  }

  #follow(follow: Follow, isPositionKnown: boolean): void {
    const { topicId, topic, partition, position, replica } = follow;
    this.#unfollow(topicId, partition);
    const known = isPositionKnown ? position : undefined;
    const followed = this.#state.follow(topicId, topic, partition, known);
    this.#replicas.set(followed, replica);
    if (known === undefined) this.#askPosition(followed);
    this.#planSend();
  }

  #unfollow(topicId: Uuid, partition: number): void {
    const before = this.#state.unfollow(topicId, partition);
    if (before !== undefined) this.#replicas.delete(before);
  }

  /** Whatever is about to change is said in one request. */
  #planSend(): void {
    if (this.#isSendPlanned) return;
    this.#isSendPlanned = true;
    this.#context.self.tell({ kind: "send" });
  }

  #maybeSend(): void {
    const now = this.#now();
    if (now < this.#restUntil) return this.#resumeAt(this.#restUntil);
    if (this.#peer.isBackingOff) return;
    if (this.#state.takingCount > 0 && !this.#isGraceOver) return this.#startGrace();
    const { replicaFetchWaitMaxMs, requestTimeoutMs } = this.#options.config();
    const planned = this.#state.nextRequest(now);
    if (planned !== undefined) {
      const { number, request } = planned;
      this.#isGraceOver = false;
      this.#peer.sendHolding(
        FETCH,
        request,
        replicaFetchWaitMaxMs + requestTimeoutMs,
        (result) => ({ kind: "fetched", number, result }),
      );
    }
    this.#resumeAt(this.#state.nextDue);
  }

  /** Most partitions are done within this turn; for the others a timer runs. */
  #startGrace(): void {
    if (this.#isGraceTimed) return;
    this.#isGraceTimed = true;
    this.#context.environment.dispatcher.atEndOfTurn(this.#graceBegins);
  }

  /** Looks after what waits, at that time at the latest. */
  #resumeAt(due: number): void {
    if (due >= this.#resumeDue) return;
    this.#resumeDue = due;
    const delayMs = Math.max(0, due - this.#now());
    this.#context.startTimer("resume", delayMs, { kind: "resume" });
  }

  #resume(): void {
    // Also where the timer was early by the clock: what is not due yet has another started.
    this.#resumeDue = Infinity;
    this.#state.resume(this.#now());
    for (const followed of this.#state.unplaced()) this.#askPosition(followed);
    this.#maybeSend();
  }

  #fetched(number: number, result: Held<FetchResponse>): void {
    if (!("hold" in result)) {
      this.#state.failed(number);
      this.#rest(result.message);
      return this.#planSend();
    }
    const { response, hold } = result;
    const now = this.#now();
    const { parts, outOfRange, refused, error } = this.#state.answered(number, response, now);
    this.#giveAll(parts, hold);
    for (const followed of outOfRange) this.#askRange(followed);
    for (const { followed, error } of refused) this.#log(followed, error);
    if (error !== ErrorCode.NONE && !isOfSession(error)) this.#rest(errorName(error));
    if (now >= this.#lagSeenAt + LAG_INTERVAL_MS) {
      this.#lagSeenAt = now;
      this.#maxLag.set(this.#state.maxLag);
    }
    this.#planSend();
  }

  /** The frame is let go of when each partition has let go of its part. */
  #giveAll(parts: readonly FetchedPart[], hold: Hold): void {
    const { quota, metrics } = this.#options;
    let holders = 1;
    const release = (): void => {
      if (--holders === 0) hold.release();
    };
    let bytes = 0;
    let throttledBytes = 0;
    for (const { followed, outcome } of parts) {
      const length = outcome.kind === "records" ? outcome.records?.length ?? 0 : 0;
      if (length > 0) holders++;
      bytes += length;
      if (quota.isThrottled(followed.topicId, followed.partition)) throttledBytes += length;
      this.#give(followed, outcome, length > 0 ? release : nothing);
    }
    release();
    if (bytes > 0) metrics.replicationBytesInTotal.add(bytes);
    if (throttledBytes > 0) quota.record(throttledBytes, this.#now());
  }

  #give(followed: Followed, outcome: FetchedOutcome, release: () => void): void {
    const { leaderEpoch, fetchOffset } = followed.position;
    this.#ask(followed, leaderEpoch, fetchOffset, outcome, release);
  }

  /** A partition answers what it cannot take with where it is. */
  #askPosition(followed: Followed): void {
    const outcome = { kind: "diverging", epoch: -1, endOffset: -1 } as const;
    this.#ask(followed, -1, -1, outcome, nothing);
  }

  #ask(
    followed: Followed,
    leaderEpoch: number,
    fetchOffset: Offset,
    outcome: FetchedOutcome,
    release: () => void,
  ): void {
    let isHeld = true;
    const releaseOnce = (): void => {
      if (!isHeld) return;
      isHeld = false;
      release();
    };
    const replica = this.#replicas.get(followed);
    // Unfollowed within this turn.
    if (replica === undefined) return releaseOnce();
    this.#context.ask<TakeFetched, FetchPosition>(
      replica,
      Infinity,
      (replyTo) => ({
        kind: "take-fetched",
        leaderEpoch,
        fetchOffset,
        outcome,
        replyTo,
        release: releaseOnce,
      }),
      (result) => ({ kind: "took", followed, result, release: releaseOnce }),
    );
  }

  #took(followed: Followed, result: AskResult<FetchPosition>, release: () => void): void {
    // A partition that never saw the records, or that has failed with them, lets go of nothing.
    if (result.kind !== "reply") release();
    const position = result.kind === "reply" ? result.reply : undefined;
    this.#state.took(followed, position, this.#now());
    if (this.#state.takingCount === 0) this.#maybeSend();
    else this.#resumeAt(this.#state.nextDue);
  }

  #askRange(followed: Followed): void {
    this.#askOffset(followed, EARLIEST, (result) => ({ kind: "range-start", followed, result }));
  }

  #rangeStart(followed: Followed, result: ListOffsetsResponse | ClientError): void {
    const logStartOffset = offsetIn(result);
    if (logStartOffset === undefined) return this.#range(followed, undefined);
    this.#askOffset(
      followed,
      LATEST,
      (result) => ({ kind: "range-end", followed, logStartOffset, result }),
    );
  }

  #rangeEnd(
    followed: Followed,
    logStartOffset: Offset,
    result: ListOffsetsResponse | ClientError,
  ): void {
    const logEndOffset = offsetIn(result);
    this.#range(
      followed,
      logEndOffset === undefined ? undefined : { logStartOffset, logEndOffset },
    );
  }

  #range(
    followed: Followed,
    range: { readonly logStartOffset: Offset; readonly logEndOffset: Offset } | undefined,
  ): void {
    const part = this.#state.outOfRange(followed, range, this.#now());
    if (part !== undefined) this.#give(part.followed, part.outcome, nothing);
    else this.#resumeAt(this.#state.nextDue);
  }

  #askOffset(
    { topic, partition, position }: Followed,
    timestamp: number,
    done: (result: ListOffsetsResponse | ClientError) => FetcherMessage,
  ): void {
    const { nodeId, config } = this.#options;
    const currentLeaderEpoch = position.leaderEpoch;
    const request = make(LIST_OFFSETS.request, {
      replicaId: nodeId,
      topics: [{
        name: topic,
        partitions: [{ partitionIndex: partition, currentLeaderEpoch, timestamp }],
      }],
    });
    this.#peer.send(LIST_OFFSETS, request, config().requestTimeoutMs, done);
  }

  /** The leader does not serve this broker now. */
  #rest(reason: string): void {
    this.#restUntil = this.#now() + this.#options.config().replicaFetchBackoffMs;
    // What a lost connection waits for is its own affair.
    if (this.#peer.isBackingOff || !this.#peer.isReady) this.#restUntil = 0;
    const { leader } = this.#options;
    this.#context.environment.logger.log("debug", "fetch from leader failed", { leader, reason });
  }

  #log({ topic, partition }: Followed, error: ErrorCode): void {
    this.#context.environment.logger.log("debug", "replica not fetched", {
      partition: `${topic}-${partition}`,
      leader: this.#options.leader,
      reason: errorName(error),
    });
  }
}

/** Errors after which the next request begins a new session, at once. */
function isOfSession(error: ErrorCode): boolean {
  return error === ErrorCode.FETCH_SESSION_ID_NOT_FOUND ||
    error === ErrorCode.INVALID_FETCH_SESSION_EPOCH ||
    error === ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR;
}

/** The one offset that was asked for; undefined where the leader does not tell it now. */
function offsetIn(result: ListOffsetsResponse | ClientError): Offset | undefined {
  if (result instanceof Error) return undefined;
  const answer = result.topics[0]?.partitions[0];
  return answer?.errorCode === ErrorCode.NONE ? answer.offset : undefined;
}
