/**
 * The fetch sessions that a broker keeps, by Kafka's rules (KIP-227).
 *
 * Owns their ids, their epochs, and who has to go when there is no slot for another: whoever was
 * not used for two minutes; else a session of fewer partitions, if it is older than that or a
 * consumer's and a follower needs the slot. A client whose session went is told so and begins anew;
 * without a slot it is served all the same, in full.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { FetchRequest } from "../../../net/messages/fetch.ts";
import type { RandomStream } from "../../runtime/environment.ts";
import type { BrokerMetrics } from "../broker_metrics.ts";
import type { Budget } from "../sessions/budget.ts";
import { FetchSession } from "./fetch_session.ts";
import { nextSessionEpoch } from "../replicas/fetch_state.ts";

/** `max.incremental.fetch.session.cache.slots` */
const FETCH_SESSION_SLOTS = 1000;

/** A session that was not used for so long may go for any other. */
export const FETCH_SESSION_EVICTION_MS = 120_000;

/** The epochs of requests that name every partition: the first of a session, or of none. */
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;

export interface FetchSessionsOptions {
  readonly slots?: number;
  readonly random: RandomStream;
  readonly metrics: BrokerMetrics;
  /** Counts the partitions that were asked to tell of records. */
  readonly places: Budget;
}

/** What a request is about. */
export type FetchContext =
  /** Every partition is answered; the session is kept afterwards if the client wants one. */
  | { readonly kind: "full"; readonly session: FetchSession; readonly isToBeKept: boolean }
  /** What is new is answered, as the session has it once the request has taken its turn. */
  | { readonly kind: "incremental"; readonly session: FetchSession }
  | { readonly kind: "refused"; readonly error: ErrorCode };

interface Kept {
  readonly session: FetchSession;
  readonly createdAt: number;
  usedAt: number;
  /** As counted. */
  size: number;
}

export class FetchSessions {
  readonly #options: FetchSessionsOptions;
  readonly #slots: number;
  /** The one used longest ago first. */
  readonly #kept = new Map<number, Kept>();
  #partitions = 0;

  constructor(options: FetchSessionsOptions) {
    this.#options = options;
    this.#slots = options.slots ?? FETCH_SESSION_SLOTS;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Finds or makes the session of a request; `now` is monotonic. */
  open(request: FetchRequest, usesTopicIds: boolean, isFollower: boolean): FetchContext {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      const before = this.#kept.get(sessionId);
      if (before !== undefined) this.remove(before.session);
      const session = this.#make(usesTopicIds, isFollower);
      session.update(request);
      return { kind: "full", session, isToBeKept: sessionEpoch === INITIAL_EPOCH };
    }
    const kept = this.#kept.get(sessionId);
    if (kept === undefined || kept.session.isFollower !== isFollower) {
      return { kind: "refused", error: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
    }
    if (kept.session.usesTopicIds !== usesTopicIds) {
      return { kind: "refused", error: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR };
    }
    return { kind: "incremental", session: kept.session };
  }

  /**
   * The turn of an incremental request has come: takes what it says. Returns why it is refused, or
   * NONE. A session that is left without partitions is kept no more.
   */
  advance(session: FetchSession, request: FetchRequest, now: number): ErrorCode {
    if (session.isClosed) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
    if (session.epoch !== request.sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    session.epoch = nextSessionEpoch(session.epoch);
    session.update(request);
    if (session.size === 0) this.remove(session);
    else this.#touch(session, now);
    return ErrorCode.NONE;
  }

  /** Keeps a session from now on, if there is a slot for it. */
  keep(session: FetchSession, now: number): void {
    if (session.size === 0 || session.isClosed) return;
    if (this.#kept.size >= this.#slots && !this.#evict(session, now)) return;
    session.id = this.#newId();
    session.epoch = nextSessionEpoch(INITIAL_EPOCH);
    this.#kept.set(session.id, { session, createdAt: now, usedAt: now, size: session.size });
    this.#partitions += session.size;
    this.#count();
  }

  remove(session: FetchSession): void {
    const kept = this.#kept.get(session.id);
    if (kept?.session !== session) return;
    this.#kept.delete(session.id);
    this.#partitions -= kept.size;
    session.id = 0;
    session.close();
    this.#count();
  }

  #make(usesTopicIds: boolean, isFollower: boolean): FetchSession {
    return new FetchSession({
      usesTopicIds,
      isFollower,
      places: this.#options.places,
      // A consumer may go on by another connection; a follower begins anew.
      disconnected: (session) => {
        if (session.isFollower) this.remove(session);
      },
    });
  }

  #touch(session: FetchSession, now: number): void {
    const kept = this.#kept.get(session.id);
    if (kept === undefined) return;
    this.#kept.delete(session.id);
    this.#kept.set(session.id, kept);
    kept.usedAt = now;
    this.#partitions += session.size - kept.size;
    kept.size = session.size;
    this.#count();
  }

  /** Makes room for a session, if another is worth less. */
  #evict(session: FetchSession, now: number): boolean {
    const [oldest] = this.#kept.values();
    if (oldest === undefined) return false;
    let victim: Kept | undefined = oldest;
    if (now - oldest.usedAt <= FETCH_SESSION_EVICTION_MS) {
      victim = this.#leastWorth(session.isFollower, now);
      if (victim === undefined || !isWorthLess(victim, session)) return false;
    }
    this.remove(victim.session);
    this.#options.metrics.incrementalFetchSessionEvictionsTotal.add(1);
    return true;
  }

  #leastWorth(isFollower: boolean, now: number): Kept | undefined {
    let least: Kept | undefined;
    for (const kept of this.#kept.values()) {
      const isOld = now - kept.createdAt > FETCH_SESSION_EVICTION_MS;
      if (!isOld && (kept.session.isFollower || !isFollower)) continue;
      if (least === undefined || isWorthLess(kept, least.session)) least = kept;
    }
    return least;
  }

  #newId(): number {
    for (;;) {
      const id = this.#options.random.integer(0x7fffffff) + 1;
      if (!this.#kept.has(id)) return id;
    }
  }

  #count(): void {
    const { incrementalFetchSessions, incrementalFetchPartitionsCached } = this.#options.metrics;
    incrementalFetchSessions.set(this.#kept.size);
    incrementalFetchPartitionsCached.set(this.#partitions);
  }
}

/** Followers are worth more than consumers, and more partitions more than fewer. */
function isWorthLess({ session, size }: Kept, other: FetchSession): boolean {
  if (session.isFollower !== other.isFollower) return other.isFollower;
  return size < other.size;
}
