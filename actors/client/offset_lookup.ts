/**
 * Asks the leaders of partitions for offsets: the first, the last, or that of a time.
 *
 * Owns one question about any number of partitions: which broker to ask, and asking again. Used for
 * a consumer's positions and for whoever wants to know.
 *
 * Invariant: `done` is called once, later, with an answer for each partition, or an error.
 *
 * @module
 */

import {
  type Epoch,
  type NodeId,
  NONE,
  type Offset,
  type Timestamp,
} from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import {
  LIST_OFFSETS,
  type ListOffsetsPartitionResponse,
  type ListOffsetsResponse,
} from "../../net/messages/list_offsets.ts";
import { make } from "../../net/schema/make.ts";
import type { Timer } from "../runtime/environment.ts";
import { backoffMs } from "../link/backoff.ts";
import type { Cluster } from "./cluster.ts";
import {
  type ClientError,
  ClosedError,
  errorForCode,
  TimeoutError,
  UnknownTopicError,
} from "./errors.ts";

/** Named positions, in the place of a time. */
export const LATEST = -1;
export const EARLIEST = -2;
export const MAX_TIMESTAMP = -3;

/** A partition and what is asked of it: a time in milliseconds, or one of the names. */
export interface OffsetQuery {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Milliseconds, or -1 for the end, -2 for the start, -3 for the latest time. */
  readonly timestamp: Timestamp;
}

/** The answer: offset and time are -1 where no record is as late as the time asked for. */
export interface OffsetAnswer {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
  /** Of the first record that is as late. */
  readonly offset: Offset;
  /** Of that record. */
  readonly timestamp: Timestamp;
  /** Of the leader that appended it. */
  readonly leaderEpoch: Epoch;
}

export interface OffsetLookupOptions {
  readonly cluster: Cluster;
  readonly isReadCommitted: boolean;
  /** Whether "latest" is where the log ends, not where readers' view of it does. */
  readonly toLogEnd?: boolean;
  /** How long all of it may take. */
  readonly timeoutMs: number;
}

/** Kafka's replica id of somebody who looks at a log as a replica would, and is none. */
const DEBUGGING_REPLICA = -2;

/** A lookup under way. */
export interface OffsetLookup {
  /** Ends it; `done` is not called any more. */
  cancel(): void;
}

/** Begins a lookup. */
export function lookUpOffsets(
  queries: readonly OffsetQuery[],
  options: OffsetLookupOptions,
  done: (result: readonly OffsetAnswer[] | ClientError) => void,
): OffsetLookup {
  const lookup = new RunningLookup(queries, options, done);
  lookup.start();
  return lookup;
}

class RunningLookup implements OffsetLookup {
  readonly #options: OffsetLookupOptions;
  readonly #done: (result: readonly OffsetAnswer[] | ClientError) => void;
  readonly #deadline: number;
  readonly #open: Set<OffsetQuery>;
  readonly #queries: readonly OffsetQuery[];
  readonly #answers = new Map<OffsetQuery, OffsetAnswer>();
  #asked = 0;
  #failures = 0;
  #lastError: ClientError | undefined;
  #timer: Timer | undefined;
  #isEnded = false;

  constructor(
    queries: readonly OffsetQuery[],
    options: OffsetLookupOptions,
    done: (result: readonly OffsetAnswer[] | ClientError) => void,
  ) {
    this.#queries = queries;
    this.#open = new Set(queries);
    this.#options = options;
    this.#done = done;
    this.#deadline = this.#now() + options.timeoutMs;
  }

  start(): void {
    const { environment, metadata } = this.#options.cluster;
    for (const { topic } of this.#queries) metadata.want(topic);
    environment.dispatcher.atEndOfTurn(() => this.#ask());
  }

  cancel(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
  }

  #now(): number {
    return this.#options.cluster.environment.clock.monotonic();
  }

  #ask(): void {
    if (this.#isEnded) return;
    if (this.#options.cluster.isClosed) {
      return this.#end(new ClosedError("Cannot look up offsets: the client is closed"));
    }
    const byLeader = new Map<NodeId, OffsetQuery[]>();
    for (const query of this.#open) {
      const leader = this.#leaderOf(query)?.leader ?? NONE;
      const queries = byLeader.get(leader);
      if (queries === undefined) byLeader.set(leader, [query]);
      else queries.push(query);
    }
    for (const [leader, queries] of byLeader) {
      const link = leader === NONE ? undefined : this.#options.cluster.link(leader);
      if (link === undefined) continue;
      this.#asked++;
      const { requestTimeoutMs } = this.#options.cluster.settings;
      const timeoutMs = Math.min(requestTimeoutMs, Math.max(1, this.#deadline - this.#now()));
      link.send(LIST_OFFSETS, this.#request(queries), timeoutMs, (result) => {
        this.#answered(queries, result);
      });
    }
    if (this.#asked === 0) this.#endRound();
  }

  #leaderOf({ topic, partition }: OffsetQuery) {
    return this.#options.cluster.metadata.topic(topic)?.partitions[partition];
  }

  #request(queries: readonly OffsetQuery[]) {
    const byTopic = Map.groupBy(queries, ({ topic }) => topic);
    return make(LIST_OFFSETS.request, {
      replicaId: this.#options.toLogEnd === true ? DEBUGGING_REPLICA : NONE,
      isolationLevel: this.#options.isReadCommitted ? 1 : 0,
      topics: Array.from(byTopic, ([name, queries]) => ({
        name,
        partitions: queries.map((query) => ({
          partitionIndex: query.partition,
          currentLeaderEpoch: this.#leaderOf(query)?.leaderEpoch ?? NONE,
          timestamp: query.timestamp,
        })),
      })),
    });
  }

  #answered(queries: readonly OffsetQuery[], result: ListOffsetsResponse | ClientError): void {
    this.#asked--;
    if (this.#isEnded) return;
    if (result instanceof Error) {
      this.#lastError = result;
      if (!result.retriable) return this.#end(result);
    } else {
      const asked = new Map(queries.map((query) => [`${query.topic}-${query.partition}`, query]));
      for (const { name, partitions } of result.topics) {
        for (const answer of partitions) {
          const query = asked.get(`${name}-${answer.partitionIndex}`);
          if (query !== undefined) this.#take(query, answer);
        }
      }
    }
    if (this.#asked === 0 && !this.#isEnded) this.#endRound();
  }

  #take(query: OffsetQuery, answer: ListOffsetsPartitionResponse): void {
    const { topic, partition } = query;
    if (answer.errorCode !== ErrorCode.NONE) {
      const action = `Cannot look up an offset of ${topic}-${partition}`;
      this.#lastError = errorForCode(answer.errorCode, action);
      if (!this.#lastError.retriable) this.#end(this.#lastError);
      return;
    }
    const { offset, timestamp, leaderEpoch } = answer;
    this.#open.delete(query);
    this.#answers.set(query, { topic, partition, offset, timestamp, leaderEpoch });
  }

  /** Every broker asked has answered, or none could be asked. */
  #endRound(): void {
    if (this.#open.size === 0) {
      return this.#end(this.#queries.map((query) => this.#answers.get(query)!));
    }
    const { cluster, timeoutMs } = this.#options;
    const now = this.#now();
    if (now >= this.#deadline) {
      return this.#end(this.#lastError ?? this.#unfinished(timeoutMs));
    }
    cluster.metadata.requestUpdate();
    this.#failures++;
    const random = cluster.environment.random.stream("client");
    const waitMs = backoffMs(cluster.settings.retryBackoff, this.#failures, random);
    const delayMs = Math.min(waitMs, this.#deadline - now);
    this.#timer = cluster.later(delayMs, () => this.#ask());
  }

  #unfinished(timeoutMs: number): ClientError {
    const [{ topic, partition }] = this.#open as Iterable<OffsetQuery> as [OffsetQuery];
    const action = `Cannot look up an offset of ${topic}-${partition}`;
    const info = this.#options.cluster.metadata.topic(topic);
    if (info?.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
      return new UnknownTopicError(`${action}: there is no such topic`);
    }
    if (info !== undefined && info.partitions[partition] === undefined) {
      return new UnknownTopicError(`${action}: the topic has ${info.partitions.length}`);
    }
    return new TimeoutError(`${action}: no leader answered within ${timeoutMs} ms`);
  }

  #end(result: readonly OffsetAnswer[] | ClientError): void {
    this.cancel();
    this.#done(result);
  }
}
