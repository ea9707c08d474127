/**
 * What one node fetches from one leader, without connection, clock or message: from where each
 * partition is fetched next, what the leader's fetch session knows of that, and which answers still
 * count.
 *
 * Owns the positions and the session (KIP-227): the first request names every partition, later ones
 * only those whose position has changed. A partition is out of the requests while what was fetched
 * of it is being taken in, while it waits after an error, and while it is throttled; the others go
 * on. Up to two requests are under way: the second says what has changed since the first, which the
 * leader then answers at once.
 *
 * Invariants: an answer counts for a partition only if the request that it answers, or one before
 * it, told the leader the position that the partition still has, in the same session; of what
 * counts, a partition takes one answer at a time. An answer to a question of its own (B11) or about
 * another leader epoch is never taken in. What a request costs grows with what has changed.
 *
 * @module
 */

import {
  type Epoch,
  type NodeId,
  NONE,
  type Offset,
  type Uuid,
} from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  FETCH,
  type FetchPartition,
  type FetchRequest,
  type FetchResponse,
  type PartitionData,
} from "../../../net/messages/fetch.ts";
import { make } from "../../../net/schema/make.ts";
import type { FetchedOutcome, FetchPosition } from "../../partition/messages.ts";

/** Where a follower's log ends, and in which leader epoch it follows. */
export type Position = Omit<FetchPosition, "kind" | "failed">;

/**
 * - ready: in the requests, or about to be
 * - taking: what was fetched is with the partition
 * - asking: the leader is asked where its log begins and ends
 * - delayed: waits until `dueAt`
 * - waiting: for metadata, or for its position
 */
export type FollowedStatus = "ready" | "taking" | "asking" | "delayed" | "waiting";

/** One partition that is fetched. */
export interface Followed {
  readonly topicId: Uuid;
  readonly topic: string;
  readonly partition: number;
  readonly position: Position;
  readonly status: FollowedStatus;
  /** How far it was behind the leader's high watermark when that last answered; -1 unknown. */
  readonly lag: number;
}

interface Entry extends Followed {
  readonly key: string;
  position: Position;
  status: FollowedStatus;
  lag: number;
  /** The number of the request that told the leader this position; 0 where none has. */
  sentIn: number;
  /** Whether the leader's session names the partition. */
  inSession: boolean;
  /** When a delayed one is fetched again. */
  dueAt: number;
  /** Fetches that failed in a row. */
  failures: number;
}

/** A request and the number to hand its response in by. */
export interface PlannedFetch {
  readonly number: number;
  readonly request: FetchRequest;
}

/** What a response brings for one partition. */
export interface FetchedPart {
  readonly followed: Followed;
  readonly outcome: FetchedOutcome;
}

/** What a response brings. */
export interface FetchedParts {
  /** To be taken in; each ends with `took`. */
  readonly parts: readonly FetchedPart[];
  /** The leader has nothing where these fetch from; each ends with `outOfRange`. */
  readonly outOfRange: readonly Followed[];
  /** Those that the leader refuses for now, with why. */
  readonly refused: readonly { readonly followed: Followed; readonly error: ErrorCode }[];
  /** Why the whole request was refused; the session was given up, or the leader needs a rest. */
  readonly error: ErrorCode;
}

/** Of the configs of the broker. */
export interface FetchSettings {
  readonly replicaFetchMaxBytes: number;
  readonly replicaFetchResponseMaxBytes: number;
  readonly replicaFetchMinBytes: number;
  readonly replicaFetchWaitMaxMs: number;
  readonly replicaFetchBackoffMs: number;
}

export interface FetchStateOptions {
  readonly nodeId: NodeId;
  settings(): FetchSettings;
  /** Until when, in monotonic ms, a partition is throttled; undefined where it is not (KIP-73). */
  throttledUntil?(followed: Followed, now: number): number | undefined;
}

/** The first wait after an error, doubled with each up to `replica.fetch.backoff.ms`. */
const FIRST_BACKOFF_MS = 20;

const NO_PARTS: readonly never[] = [];

export class FetchState {
  readonly #options: FetchStateOptions;
  readonly #topics = new Map<Uuid, Map<number, Entry>>();
  #count = 0;
  /** Those that are ready and whose position the leader does not know. */
  readonly #changed = new Set<Entry>();
  /** Those that the leader's session names and that are not ready. */
  readonly #toForget = new Map<string, Entry>();
  readonly #delayed = new Set<Entry>();
  #readyCount = 0;
  #takingCount = 0;
  #sessionId = 0;
  #sessionEpoch = 0;
  #lastNumber = 0;
  /** Answers to requests before this one belong to a session that was given up. */
  #firstOfSession = 1;
  #underWay = 0;
  #brokerEpoch: Offset = NONE;

  constructor(options: FetchStateOptions) {
    this.#options = options;
  }

  /** Partitions that are followed here. */
  get count(): number {
    return this.#count;
  }

  /** Partitions that are taking in what was fetched. */
  get takingCount(): number {
    return this.#takingCount;
  }

  /** Requests that are not answered. */
  get underWay(): number {
    return this.#underWay;
  }

  /** The session with the leader; 0 is none. */
  get sessionId(): number {
    return this.#sessionId;
  }

  /** When the first of the delayed is due, in monotonic ms; Infinity for none. */
  get nextDue(): number {
    let due = Infinity;
    for (const { dueAt } of this.#delayed) due = Math.min(due, dueAt);
    return due;
  }

  /** How far the partition is behind that is furthest behind. */
  get maxLag(): number {
    let lag = 0;
    for (const partitions of this.#topics.values()) {
      for (const entry of partitions.values()) lag = Math.max(lag, entry.lag);
    }
    return lag;
  }

  /** All that is followed. */
  *followed(): Iterable<Followed> {
    for (const partitions of this.#topics.values()) yield* partitions.values();
  }

  /** The epoch of this broker's registration: leaders must hear of a new one for each replica. */
  setBrokerEpoch(brokerEpoch: Offset): void {
    if (brokerEpoch === this.#brokerEpoch) return;
    this.#brokerEpoch = brokerEpoch;
    this.resetSession();
  }

  /**
   * Follows from a position on, in place of any before; without one it waits for `took`.
   */
  follow(
    topicId: Uuid,
    topic: string,
    partition: number,
    position: Position | undefined,
  ): Followed {
    const key = `${topicId}/${partition}`;
    this.unfollow(topicId, partition);
    const entry: Entry = {
      key,
      topicId,
      topic,
      partition,
      position: position ?? NO_POSITION,
      status: "waiting",
      lag: NONE,
      sentIn: 0,
      inSession: this.#toForget.has(key),
      dueAt: 0,
      failures: 0,
    };
    if (entry.inSession) this.#toForget.set(key, entry);
    let partitions = this.#topics.get(topicId);
    if (partitions === undefined) this.#topics.set(topicId, partitions = new Map());
    partitions.set(partition, entry);
    this.#count++;
    if (position !== undefined) this.#ready(entry);
    return entry;
  }

  /** Follows no more; what is under way for it no longer counts. Returns what it was. */
  unfollow(topicId: Uuid, partition: number): Followed | undefined {
    const entry = this.#find(topicId, partition);
    if (entry === undefined) return undefined;
    this.#become(entry, "waiting");
    this.#count--;
    const partitions = this.#topics.get(topicId)!;
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topicId);
    return entry;
  }

  /** Whether this is what is followed now, and not what was before. */
  isFollowed(followed: Followed): boolean {
    return this.#find(followed.topicId, followed.partition) === followed;
  }

  /**
   * The next request, or undefined while there is nothing to say, or two are under way.
   */
  nextRequest(now: number): PlannedFetch | undefined {
    if (this.#brokerEpoch === NONE || !this.#mayAsk()) return undefined;
    this.#throttle(now);
    if (this.#readyCount === 0 || (this.#underWay > 0 && this.#changed.size === 0)) {
      return undefined;
    }
    const number = ++this.#lastNumber;
    const isFull = this.#sessionEpoch === 0;
    const request = this.#request(isFull);
    for (const entry of this.#changed) {
      entry.sentIn = number;
      entry.inSession = true;
    }
    this.#changed.clear();
    for (const entry of this.#toForget.values()) entry.inSession = false;
    this.#toForget.clear();
    this.#sessionEpoch = nextSessionEpoch(this.#sessionEpoch);
    this.#underWay++;
    return { number, request };
  }

  /** A request has no response, and never will: the connection was lost, or it came too late. */
  failed(number: number): void {
    this.#underWay--;
    if (number >= this.#firstOfSession) this.resetSession();
  }

  /** Sorts what a response brings, and changes the state of the partitions by it. */
  answered(number: number, response: FetchResponse, now: number): FetchedParts {
    this.#underWay--;
    const { sessionId } = response;
    const error = response.errorCode as ErrorCode;
    const isOld = number < this.#firstOfSession;
    if (error !== ErrorCode.NONE) {
      if (!isOld) this.resetSession();
      return { parts: NO_PARTS, outOfRange: NO_PARTS, refused: NO_PARTS, error };
    }
    if (isOld) return { parts: NO_PARTS, outOfRange: NO_PARTS, refused: NO_PARTS, error };
    this.#sessionId = sessionId;
    const sorted = this.#sort(number, response, now);
    // Without a session each request is the first of one.
    if (sessionId === 0) this.resetSession();
    return { ...sorted, error: ErrorCode.NONE };
  }

  /**
   * A partition has taken in what it was given, or says where it is; undefined where it gave no
   * answer and may be asked again.
   */
  took(followed: Followed, position: FetchPosition | undefined, now: number): void {
    if (!this.isFollowed(followed)) return;
    const entry = followed as Entry;
    const before = entry.position;
    if (position === undefined) return this.#delay(entry, now);
    if (position.leaderEpoch === NONE) return this.#become(entry, "waiting");
    if (before.leaderEpoch !== NONE && position.leaderEpoch !== before.leaderEpoch) {
      // It has been told of another epoch, and tells from whom it fetches then.
      return this.#become(entry, "waiting");
    }
    const { leaderEpoch, fetchOffset, lastFetchedEpoch, logStartOffset } = position;
    entry.position = { leaderEpoch, fetchOffset, lastFetchedEpoch, logStartOffset };
    if (entry.lag > 0) entry.lag = Math.max(0, entry.lag - (fetchOffset - before.fetchOffset));
    if (!samePosition(before, entry.position)) entry.sentIn = 0;
    if (position.failed) return this.#delay(entry, now);
    entry.failures = 0;
    this.#ready(entry);
  }

  /** The leader said where its log begins and ends, or it did not. */
  outOfRange(
    followed: Followed,
    range: { readonly logStartOffset: Offset; readonly logEndOffset: Offset } | undefined,
    now: number,
  ): FetchedPart | undefined {
    if (!this.isFollowed(followed) || followed.status !== "asking") return undefined;
    const entry = followed as Entry;
    if (range === undefined) {
      this.#delay(entry, now);
      return undefined;
    }
    this.#become(entry, "taking");
    return { followed, outcome: { kind: "out-of-range", ...range } };
  }

  /** Fetches again what has waited long enough. */
  resume(now: number): void {
    for (const entry of this.#delayed) {
      if (entry.dueAt > now) continue;
      if (entry.position.leaderEpoch === NONE) this.#become(entry, "waiting");
      else this.#ready(entry);
    }
  }

  /** The partitions that wait to tell their position. */
  *unplaced(): Iterable<Followed> {
    for (const followed of this.followed()) {
      if (followed.status === "waiting" && followed.position.leaderEpoch === NONE) yield followed;
    }
  }

  /** Gives the session up: the next request names everything; answers under way count no more. */
  resetSession(): void {
    this.#sessionEpoch = 0;
    this.#firstOfSession = this.#lastNumber + 1;
    this.#toForget.clear();
    this.#changed.clear();
    for (const partitions of this.#topics.values()) {
      for (const entry of partitions.values()) {
        entry.inSession = false;
        entry.sentIn = 0;
        if (entry.status === "ready") this.#changed.add(entry);
      }
    }
  }

  /** Whether what a response says of a partition still fits what the partition holds (B11). */
  protected counts(followed: Followed, sentIn: number, number: number): boolean {
    return followed.status === "ready" && sentIn > 0 && sentIn <= number;
  }

  #mayAsk(): boolean {
    if (this.#underWay === 0) return true;
    // The session is not known before its first answer.
    return this.#underWay === 1 && this.#sessionEpoch > 1;
  }

  #find(topicId: Uuid, partition: number): Entry | undefined {
    return this.#topics.get(topicId)?.get(partition);
  }

  #become(entry: Entry, status: FollowedStatus): void {
    if (entry.status === status) return;
    if (entry.status === "ready") this.#readyCount--;
    if (entry.status === "taking") this.#takingCount--;
    if (entry.status === "delayed") this.#delayed.delete(entry);
    entry.status = status;
    if (status === "taking") this.#takingCount++;
    if (status === "delayed") this.#delayed.add(entry);
    if (status === "ready") {
      this.#readyCount++;
      this.#toForget.delete(entry.key);
      if (entry.sentIn === 0 || !entry.inSession) this.#changed.add(entry);
    } else {
      this.#changed.delete(entry);
      if (entry.inSession) this.#toForget.set(entry.key, entry);
    }
  }

  #ready(entry: Entry): void {
    // What waited may have been refused for what the leader knows: it is told anew.
    if (entry.status === "delayed") entry.sentIn = 0;
    this.#become(entry, "ready");
  }

  #delay(entry: Entry, now: number): void {
    const { replicaFetchBackoffMs } = this.#options.settings();
    const backoff = FIRST_BACKOFF_MS * 2 ** Math.min(entry.failures++, 20);
    entry.dueAt = now + Math.min(backoff, replicaFetchBackoffMs);
    this.#become(entry, "delayed");
  }

  #throttle(now: number): void {
    const { throttledUntil } = this.#options;
    if (throttledUntil === undefined) return;
    for (const entry of this.#changed) {
      const until = throttledUntil(entry, now);
      if (until === undefined) continue;
      entry.dueAt = until;
      this.#become(entry, "delayed");
    }
  }

  #request(isFull: boolean): FetchRequest {
    const settings = this.#options.settings();
    return make(FETCH.request, {
      replicaState: { replicaId: this.#options.nodeId, replicaEpoch: this.#brokerEpoch },
      maxWaitMs: settings.replicaFetchWaitMaxMs,
      minBytes: settings.replicaFetchMinBytes,
      maxBytes: settings.replicaFetchResponseMaxBytes,
      sessionId: this.#sessionId,
      sessionEpoch: this.#sessionEpoch,
      topics: byTopic(this.#changed, (entry) => askedPartition(entry, settings)),
      forgottenTopicsData: isFull
        ? []
        : byTopic(this.#toForget.values(), ({ partition }) => partition),
    });
  }

  #sort(number: number, response: FetchResponse, now: number): Omit<FetchedParts, "error"> {
    const parts: FetchedPart[] = [];
    const outOfRange: Followed[] = [];
    const refused: { followed: Followed; error: ErrorCode }[] = [];
    for (const { topicId, partitions } of response.responses) {
      for (const data of partitions) {
        const entry = this.#find(topicId, data.partitionIndex);
        if (entry === undefined || !this.counts(entry, entry.sentIn, number)) continue;
        const error = data.errorCode as ErrorCode;
        if (error === ErrorCode.NONE) {
          entry.lag = Math.max(0, data.highWatermark - entry.position.fetchOffset);
          this.#become(entry, "taking");
          parts.push({ followed: entry, outcome: outcomeOf(data) });
        } else if (error === ErrorCode.OFFSET_OUT_OF_RANGE) {
          this.#become(entry, "asking");
          outOfRange.push(entry);
        } else {
          this.#delay(entry, now);
          refused.push({ followed: entry, error });
        }
      }
    }
    return { parts, outOfRange, refused };
  }
}

const NO_POSITION: Position = {
  leaderEpoch: NONE as Epoch,
  fetchOffset: NONE,
  lastFetchedEpoch: NONE,
  logStartOffset: NONE,
};

/** Session epochs go from 1 on, and after the largest int from 1 again. */
export function nextSessionEpoch(epoch: number): number {
  return epoch === 0x7fffffff ? 1 : epoch + 1;
}

function samePosition(a: Position, b: Position): boolean {
  return a.leaderEpoch === b.leaderEpoch && a.fetchOffset === b.fetchOffset &&
    a.lastFetchedEpoch === b.lastFetchedEpoch && a.logStartOffset === b.logStartOffset;
}

function askedPartition(
  { partition, position }: Followed,
  { replicaFetchMaxBytes }: FetchSettings,
): Partial<FetchPartition> {
  return {
    partition,
    currentLeaderEpoch: position.leaderEpoch,
    fetchOffset: position.fetchOffset,
    lastFetchedEpoch: position.lastFetchedEpoch,
    logStartOffset: position.logStartOffset,
    partitionMaxBytes: replicaFetchMaxBytes,
  };
}

function byTopic<Item>(
  entries: Iterable<Followed>,
  itemOf: (followed: Followed) => Item,
): { topicId: Uuid; partitions: Item[] }[] {
  const topics = new Map<Uuid, Item[]>();
  for (const followed of entries) {
    const partitions = topics.get(followed.topicId);
    if (partitions === undefined) topics.set(followed.topicId, [itemOf(followed)]);
    else partitions.push(itemOf(followed));
  }
  return Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions }));
}

function outcomeOf(data: PartitionData): FetchedOutcome {
  const { divergingEpoch, records, highWatermark, logStartOffset } = data;
  if (divergingEpoch.epoch !== NONE || divergingEpoch.endOffset !== NONE) {
    return { kind: "diverging", epoch: divergingEpoch.epoch, endOffset: divergingEpoch.endOffset };
  }
  return { kind: "records", records, highWatermark, logStartOffset };
}
