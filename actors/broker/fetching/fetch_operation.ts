/**
 * A fetch under way: reads the partitions of a session that are worth a look, and, while they have
 * too little, waits for more.
 *
 * Reads go out in waves, as far as the byte budget reaches, so that partitions are read at the same
 * time and the response stays within its limit. While it waits, nothing is held but a place in each
 * partition's list of those to be told; then those are read that have told of something.
 *
 * Invariants: what was read is given back or in the response, also when the client goes meanwhile;
 * bytes count in the node's budget from before they are read until they are given back. The fetch
 * of a consumer that finds no room there waits for some as it waits for records, but for a little
 * that a connection which holds nothing may always read, so that those who do not read their
 * replies stop nobody; followers, who are few and known, do not wait for consumers. A follower's
 * state reaches each partition that it says something about, whatever the budget.
 *
 * @module
 */

import type { Offset } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { FollowerState, PartitionRequest, ReadReply } from "../../partition/messages.ts";
import type { AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { Call } from "../sessions/call.ts";
import type { FetchSession, SessionPartition } from "./fetch_session.ts";
import { unansweredError } from "../partition_questions.ts";

export interface FetchLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted: boolean;
  /** Who follows, where a follower fetches. */
  readonly follower?: Pick<FollowerState, "replicaId" | "brokerEpoch" | "askedAt"> | undefined;
  /** Whether a consumer may read from followers, too. */
  readonly anyReplica?: boolean;
  /** Where the consumer stands, if it is to be told of a replica there (KIP-392). */
  readonly rack?: string | undefined;
}

/** Who serves a partition, or why nobody does. */
export type FetchTarget =
  | { readonly partition: Ref<PartitionRequest>; readonly isThrottled: boolean }
  | { readonly error: ErrorCode };

export interface FetchOperationOptions {
  readonly call: Call<unknown, never>;
  readonly session: FetchSession;
  readonly limits: FetchLimits;
  /** Whether each partition must be answered. */
  readonly isFull: boolean;
  /** Whether the session is for later fetches, too. */
  readonly isKept: boolean;
  target(partition: SessionPartition): FetchTarget;
  /** Called once, with the last answer of each partition that was looked at. */
  done(answers: ReadonlyMap<SessionPartition, ReadReply>): void;
  /** Called instead when the client has gone. */
  cancelled(): void;
}

/**
 * A connection that holds no records may read so many bytes, or one batch, however full the node.
 */
const FETCH_BYTES_MIN = 64 * 1024;

/** A follower that was answered with records so short a time ago gets the next ones gathered. */
const BUSY_MS = 10;

type Go = "go";

/** A partition that is read in this round. */
interface Slot {
  readonly partition: SessionPartition;
  readonly target: FetchTarget;
  reply: ReadReply | undefined;
}

export class FetchOperation {
  readonly #options: FetchOperationOptions;
  readonly #call: Call<unknown, never>;
  readonly #session: FetchSession;
  readonly #limits: FetchLimits;
  readonly #answers = new Map<SessionPartition, ReadReply>();
  /** Partitions that tell only of many bytes at once. */
  readonly #patient = new Set<SessionPartition>();
  #round: Slot[] = [];
  #nextSlot = 0;
  #underWay = 0;
  #bytes = 0;
  /** What may still be read for this fetch. */
  #budget = 0;
  /** What reads under way have taken of the node's budget. */
  #reserved = 0;
  /** The node had no room, or not as much as this fetch asks for. */
  #starved = false;
  #capped = false;
  #triedOversized = false;
  /** There is something to be told at once that is no records. */
  #urgent = false;
  #expired = false;
  /** This round only tells partitions what a follower holds. */
  #tellsOnly = false;
  /** Ends the wait that is under way, if any. */
  #stopWaiting: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(options: FetchOperationOptions) {
    this.#options = options;
    this.#call = options.call;
    this.#session = options.session;
    this.#limits = options.limits;
  }

  /** Ends by `done` or `cancelled`, when there is enough or time is up. */
  start(): void {
    this.#expired = this.#limits.maxWaitMs <= 0 || this.#session.size === 0;
    this.#call.onCancel(() => this.#cancel());
    this.#session.attach(this.#call);
    this.#session.hurry = () => this.#expire();
    this.#tellsOnly = this.#isBusy;
    this.#readDue();
  }

  /**
   * Whether records come to a follower one after the other. Then it is first told to each partition
   * what the follower holds, and records are read when the node has taken in what its connections
   * have brought meanwhile: a few large answers cost both sides less than many small ones. Where
   * records are few and far between, none waits.
   */
  get #isBusy(): boolean {
    return this.#limits.follower !== undefined && !this.#options.isFull &&
      this.#now() - this.#session.answeredAt < BUSY_MS;
  }

  #now(): number {
    return this.#call.broker.environment.clock.monotonic();
  }

  /** Answers now, with what there is. */
  #expire(): void {
    this.#expired = true;
    this.#wake();
  }

  #readDue(): void {
    const { target } = this.#options;
    this.#round = this.#session.due.map((partition) => ({
      partition,
      target: target(partition),
      reply: undefined,
    }));
    this.#nextSlot = 0;
    this.#bytes = 0;
    this.#triedOversized = false;
    const room = this.#room();
    this.#starved = room === 0;
    this.#capped = room < this.#limits.maxBytes;
    this.#budget = Math.min(this.#limits.maxBytes, room);
    this.#readWave();
  }

  /** Reads as many of the remaining partitions as the budget may serve; at least one. */
  #readWave(): void {
    while (this.#nextSlot < this.#round.length) {
      const slot = this.#round[this.#nextSlot]!;
      const { target, partition } = slot;
      const { partitionMaxBytes } = partition.asked;
      const allowed = Math.min(partitionMaxBytes, this.#budget);
      const noMore = allowed <= 0 && "partition" in target && partitionMaxBytes > 0;
      if (noMore && this.#underWay > 0) return;
      this.#nextSlot++;
      if ("error" in target) {
        this.#urgent = true;
        slot.reply = refusal(target.error);
      } else if (!noMore || this.#mustRead(partition)) {
        this.#read(slot, target, Math.max(allowed, 0));
      }
    }
    if (this.#underWay === 0) this.#settle();
  }

  /** Whether a partition must be asked for which no bytes are left. */
  #mustRead(partition: SessionPartition): boolean {
    if (this.#limits.follower !== undefined || this.#bytes === 0) return true;
    return this.#options.isFull && !this.#answers.has(partition);
  }

  #read(
    slot: Slot,
    { partition, isThrottled }: Extract<FetchTarget, { readonly partition: unknown }>,
    allowed: number,
  ): void {
    const { asked } = slot.partition;
    const { follower, readCommitted, anyReplica = false, rack } = this.#limits;
    // Only the first may exceed the budget, so that a batch larger than it is ever given (KIP-74).
    const isFirst = this.#bytes === 0 && this.#underWay === 0 && this.#room() > 0;
    const isRead = !isThrottled && !this.#tellsOnly;
    const maxBytes = isRead ? allowed : 0;
    this.#underWay++;
    this.#budget -= maxBytes;
    this.#reserved += maxBytes;
    this.#take(maxBytes);
    this.#call.ask<PartitionRequest, ReadReply>(
      partition,
      this.#call.broker.config.requestTimeoutMs,
      (replyTo) => ({
        kind: "read",
        fetchOffset: asked.fetchOffset,
        maxBytes,
        atLeastOneBatch: isFirst && isRead,
        currentLeaderEpoch: asked.currentLeaderEpoch,
        readCommitted,
        ...(follower === undefined ? { anyReplica, rack } : {
          follower: {
            ...follower,
            lastFetchedEpoch: asked.lastFetchedEpoch,
            logStartOffset: asked.logStartOffset,
          },
        }),
        replyTo,
      }),
      (result) => this.#answered(slot, maxBytes, result),
    );
  }

  #answered(slot: Slot, allowed: number, result: AskResult<ReadReply>): void {
    const answer = result.kind === "reply" ? result.reply : refusal(unansweredError(result.kind));
    if (this.#call.cancelled) return answer.release();
    const bytes = answer.records?.length ?? 0;
    const reply = this.#counted(answer, bytes);
    this.#take(-allowed);
    this.#reserved -= allowed;
    this.#underWay--;
    slot.reply = reply;
    this.#bytes += bytes;
    this.#budget += allowed - bytes;
    const { error, diverging, preferredReadReplica } = reply;
    if (error !== ErrorCode.NONE || diverging !== undefined) this.#urgent = true;
    if (preferredReadReplica !== undefined) this.#urgent = true;
    if (this.#underWay === 0) this.#readWave();
  }

  /** The reply, whose bytes stay in the node's budget until it is released. */
  #counted(reply: ReadReply, bytes: number): ReadReply {
    if (bytes === 0) return reply;
    this.#take(bytes);
    return {
      ...reply,
      release: () => {
        reply.release();
        this.#take(-bytes);
      },
    };
  }

  #room(): number {
    if (this.#limits.follower !== undefined) return Infinity;
    const { room } = this.#call.broker.budgets.fetchedBytes;
    return this.#call.usage.fetchedBytes > 0 ? room : Math.max(room, FETCH_BYTES_MIN);
  }

  #take(bytes: number): void {
    this.#call.usage.fetchedBytes += bytes;
    const { fetchedBytes } = this.#call.broker.budgets;
    if (bytes >= 0) fetchedBytes.take(bytes);
    else fetchedBytes.give(-bytes);
  }

  #settle(): void {
    if (this.#bytes === 0 && !this.#urgent && this.#readOversized()) return;
    const enough = this.#expired || this.#urgent || this.#bytes >= this.#limits.minBytes ||
      (this.#capped && this.#bytes > 0);
    if (!enough && this.#starved && this.#room() > 0) return this.#readDue();
    if (!enough && this.#wait()) return;
    this.#finish();
  }

  /** Up to where the asker may read. */
  #endOf(reply: ReadReply): Offset {
    if (this.#limits.follower !== undefined) return reply.logEndOffset ?? -1;
    return this.#limits.readCommitted ? reply.lastStableOffset : reply.highWatermark;
  }

  #hasMore({ partition, reply }: Slot): boolean {
    return reply !== undefined && this.#endOf(reply) > partition.asked.fetchOffset;
  }

  /** Reads the first partition whose next batch alone is larger than it was allowed, if any. */
  #readOversized(): boolean {
    if (this.#triedOversized || this.#room() === 0 || this.#tellsOnly) return false;
    this.#triedOversized = true;
    const slot = this.#round.find((slot) =>
      this.#hasMore(slot) && "partition" in slot.target && !slot.target.isThrottled &&
      slot.partition.asked.partitionMaxBytes > 0
    );
    if (slot === undefined || "error" in slot.target) return false;
    const allowed = Math.min(slot.partition.asked.partitionMaxBytes, this.#budget);
    this.#read(slot, slot.target, Math.max(0, allowed));
    return true;
  }

  /** Waits for more. False where too many wait already: then what there is must do. */
  #wait(): boolean {
    const { waitingPlaces, fetchedBytes } = this.#call.broker.budgets;
    if (waitingPlaces.room < this.#round.length) return false;
    const missing = Math.max(this.#limits.minBytes - this.#bytes, 1);
    const bytes = Math.ceil(missing / this.#session.size);
    for (const slot of this.#round) {
      const { reply, partition } = slot;
      if (reply !== undefined) this.#watch(slot, reply, bytes);
      if (bytes > 1) this.#patient.add(partition);
      // What was read is too little to send and will be read anew.
      reply?.release();
      if (reply?.records === null) this.#answers.set(partition, reply);
    }
    this.#call.setWaiting(true);
    // Room comes while others run; it is taken in the turn of this call.
    const notice = this.#call.adapt<Go>(() => this.#wake());
    const hasRoom = () => void notice.tell("go");
    this.#stopWaiting = () => {
      this.#stopWaiting = undefined;
      this.#session.wake = undefined;
      fetchedBytes.forget(hasRoom);
      this.#call.setWaiting(false);
    };
    this.#session.wake = () => this.#readable();
    const isReadable = this.#tellsOnly && this.#round.some((slot) => this.#hasMore(slot));
    this.#tellsOnly = false;
    this.#round = [];
    if (this.#starved) fetchedBytes.wait(hasRoom);
    this.#cancelTimer ??= this.#call.after(this.#limits.maxWaitMs, () => this.#expire());
    if (isReadable) this.#readable();
    return true;
  }

  #watch({ partition, target }: Slot, reply: ReadReply, bytes: number): void {
    if ("error" in target || reply.error !== ErrorCode.NONE) return;
    const seenEndOffset = this.#endOf(reply);
    const seenHighWatermark = reply.highWatermark;
    if (seenEndOffset <= partition.asked.fetchOffset) this.#session.settled(partition);
    const { readCommitted, follower } = this.#limits;
    const { askedAt } = follower ?? {};
    const seen = {
      seenEndOffset,
      seenHighWatermark,
      bytes,
      readCommitted,
      ...(askedAt === undefined ? {} : { askedAt }),
    };
    this.#session.watch(partition, target.partition, seen);
  }

  /** There is something to read. */
  #readable(): void {
    if (!this.#isBusy) return this.#wake();
    this.#session.wake = undefined;
    const notice = this.#call.adapt<Go>(() => this.#wake());
    this.#call.broker.environment.dispatcher.afterIo(() => void notice.tell("go"));
  }

  #wake(): void {
    if (this.#stopWaiting === undefined) return;
    this.#stopWaiting();
    // Together those may have enough that have told of nothing each.
    for (const partition of this.#patient) this.#session.dueAgain(partition);
    this.#readDue();
  }

  #finish(): void {
    this.#cancelTimer?.();
    if (this.#bytes > 0) this.#session.answeredAt = this.#now();
    for (const slot of this.#round) {
      const { partition, reply } = slot;
      if (reply === undefined) continue;
      this.#answers.set(partition, reply);
      if (reply.records !== null) this.#session.dueAgain(partition);
      else if (this.#options.isKept && !this.#hasMore(slot) && reply.diverging === undefined) {
        this.#watch(slot, reply, 1);
        this.#patient.delete(partition);
      }
    }
    this.#round = [];
    // The next fetch may want less at a time.
    for (const partition of this.#patient) {
      this.#session.unwatch(partition);
      this.#session.dueAgain(partition);
    }
    this.#options.done(this.#answers);
  }

  /** The client has gone. */
  #cancel(): void {
    this.#stopWaiting?.();
    this.#cancelTimer?.();
    for (const { reply } of this.#round) reply?.release();
    this.#round = [];
    this.#take(-this.#reserved);
    this.#options.cancelled();
  }
}

/** The answer to a read that no partition gave. */
export function refusal(error: ErrorCode): ReadReply {
  return {
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: null,
    release: () => {},
  };
}
