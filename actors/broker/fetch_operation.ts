/**
 * A fetch under way: reads the partitions, and, while they have too little, waits for more.
 *
 * Reads go out in waves, as far as the byte budget reaches, so that partitions are read at the same
 * time and the response stays within its limit. While it waits, nothing is held but a place in each
 * partition's list of those to be told; then everything is read anew.
 *
 * Invariants: what was read is given back or in the response, also when the client goes meanwhile;
 * bytes count in the node's budget from before they are read until they are given back. A fetch
 * that finds no room there waits for some as it waits for records, but for a little that a
 * connection which holds nothing may always read, so that those who do not read their replies stop
 * nobody. A partition that was asked to tell of records is told when that is no longer wanted.
 *
 * @module
 */

import type { Epoch, Offset } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { DataAvailable, PartitionRequest, ReadReply } from "../partition/messages.ts";
import type { AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Call } from "./call.ts";
import { unansweredError } from "./partition_questions.ts";

export interface FetchTarget {
  /** Undefined where there is an error already. */
  readonly partition: Ref<PartitionRequest> | undefined;
  readonly error: ErrorCode;
  readonly fetchOffset: Offset;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: Epoch;
}

export interface FetchLimits {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted: boolean;
}

/**
 * A connection that holds no records may read so many bytes, or one batch, however full the node.
 */
const FETCH_BYTES_MIN = 64 * 1024;

const AVAILABLE: DataAvailable = { kind: "data-available", token: 0, readable: true };

export class FetchOperation {
  readonly #call: Call<unknown, never>;
  readonly #targets: readonly FetchTarget[];
  readonly #limits: FetchLimits;
  readonly #done: (replies: readonly ReadReply[]) => void;
  #replies: (ReadReply | undefined)[] = [];
  #nextTarget = 0;
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
  #failed = false;
  #expired = false;
  /** Ends the wait that is under way, if any. */
  #stopWaiting: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(
    call: Call<unknown, never>,
    targets: readonly FetchTarget[],
    limits: FetchLimits,
    done: (replies: readonly ReadReply[]) => void,
  ) {
    this.#call = call;
    this.#targets = targets;
    this.#limits = limits;
    this.#done = done;
  }

  /** Calls `done` once, with a reply for each target, when there is enough or time is up. */
  start(): void {
    if (this.#limits.maxWaitMs <= 0 || this.#targets.length === 0) this.#expired = true;
    this.#call.onCancel(() => this.#cancelled());
    this.#readAll();
  }

  #readAll(): void {
    this.#replies = new Array(this.#targets.length).fill(undefined);
    this.#nextTarget = 0;
    this.#bytes = 0;
    this.#failed = false;
    this.#triedOversized = false;
    const room = this.#room();
    this.#starved = room === 0;
    this.#capped = room < this.#limits.maxBytes;
    this.#budget = Math.min(this.#limits.maxBytes, room);
    this.#readWave();
  }

  /** Reads as many of the remaining partitions as the budget may serve; at least one. */
  #readWave(): void {
    while (this.#nextTarget < this.#targets.length) {
      const slot = this.#nextTarget;
      const target = this.#targets[slot] as FetchTarget;
      const allowed = Math.min(target.maxBytes, this.#budget);
      const noMore = allowed <= 0 && target.partition !== undefined && target.maxBytes > 0;
      if (noMore && this.#underWay > 0) return;
      this.#nextTarget++;
      if (target.partition === undefined) {
        this.#failed = true;
        this.#replies[slot] = refusal(target.error);
        continue;
      }
      this.#read(slot, target, target.partition, Math.max(allowed, 0));
    }
    if (this.#underWay === 0) this.#settle();
  }

  #read(
    slot: number,
    { fetchOffset, currentLeaderEpoch }: FetchTarget,
    partition: Ref<PartitionRequest>,
    maxBytes: number,
  ): void {
    // Only the first may exceed the budget, so that a batch larger than it is ever given (KIP-74).
    const atLeastOneBatch = this.#bytes === 0 && this.#underWay === 0 && this.#room() > 0;
    this.#underWay++;
    this.#budget -= maxBytes;
    this.#reserved += maxBytes;
    this.#take(maxBytes);
    this.#call.ask<PartitionRequest, ReadReply>(
      partition,
      this.#call.broker.config.requestTimeoutMs,
      (replyTo) => ({
        kind: "read",
        fetchOffset,
        maxBytes,
        atLeastOneBatch,
        currentLeaderEpoch,
        readCommitted: this.#limits.readCommitted,
        replyTo,
      }),
      (result) => this.#answered(slot, maxBytes, result),
    );
  }

  #answered(slot: number, allowed: number, result: AskResult<ReadReply>): void {
    const answer = result.kind === "reply" ? result.reply : refusal(unansweredError(result.kind));
    if (this.#call.cancelled) return answer.release();
    const bytes = answer.records?.length ?? 0;
    const reply = this.#counted(answer, bytes);
    this.#take(-allowed);
    this.#reserved -= allowed;
    this.#underWay--;
    this.#replies[slot] = reply;
    this.#bytes += bytes;
    this.#budget += allowed - bytes;
    if (reply.error !== ErrorCode.NONE) this.#failed = true;
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
    if (this.#bytes === 0 && !this.#failed && this.#readOversized()) return;
    const enough = this.#bytes >= this.#limits.minBytes || this.#failed || this.#expired ||
      (this.#capped && this.#bytes > 0);
    if (!enough && this.#starved && this.#room() > 0) return this.#readAll();
    if (!enough && this.#wait()) return;
    this.#cancelTimer?.();
    this.#done(this.#replies as ReadReply[]);
  }

  /** Reads the first partition whose next batch alone is larger than it was allowed, if any. */
  #readOversized(): boolean {
    if (this.#triedOversized || this.#room() === 0) return false;
    this.#triedOversized = true;
    const slot = this.#targets.findIndex(({ fetchOffset }, index) => {
      const { highWatermark, lastStableOffset } = this.#replies[index] as ReadReply;
      return (this.#limits.readCommitted ? lastStableOffset : highWatermark) > fetchOffset;
    });
    const target = this.#targets[slot];
    if (target?.partition === undefined || target.maxBytes <= 0) return false;
    const allowed = Math.max(0, Math.min(target.maxBytes, this.#budget));
    this.#read(slot, target, target.partition, allowed);
    return true;
  }

  /** Waits for more. False where too many wait already: then what there is must do. */
  #wait(): boolean {
    const { waitingPlaces, fetchedBytes } = this.#call.broker.budgets;
    const places = this.#targets.length;
    if (waitingPlaces.room < places) return false;
    waitingPlaces.take(places);
    this.#call.setWaiting(true);
    let waits = true;
    const replyTo = this.#call.adapt<DataAvailable>(() => {
      if (waits) this.#wake();
    });
    const hasRoom = () => void replyTo.tell(AVAILABLE);
    this.#stopWaiting = () => {
      waits = false;
      this.#stopWaiting = undefined;
      waitingPlaces.give(places);
      this.#call.setWaiting(false);
      fetchedBytes.forget(hasRoom);
      for (const { partition } of this.#targets) partition?.tell({ kind: "forget-data", replyTo });
    };
    const missing = Math.max(this.#limits.minBytes - this.#bytes, 1);
    const bytes = Math.ceil(missing / places);
    this.#targets.forEach(({ partition }, slot) => {
      const { highWatermark } = this.#replies[slot] as ReadReply;
      partition?.tell({
        kind: "await-data",
        follower: false,
        seenEndOffset: highWatermark,
        seenHighWatermark: highWatermark,
        bytes,
        token: slot,
        replyTo,
      });
    });
    this.#giveBack();
    if (this.#starved) fetchedBytes.wait(hasRoom);
    this.#cancelTimer ??= this.#call.after(this.#limits.maxWaitMs, () => {
      this.#expired = true;
      this.#wake();
    });
    return true;
  }

  #wake(): void {
    if (this.#stopWaiting === undefined) return;
    this.#stopWaiting();
    this.#readAll();
  }

  /** What was read is too little to send and will be read anew. */
  #giveBack(): void {
    for (const reply of this.#replies) reply?.release();
    this.#replies = [];
  }

  /** The client has gone. */
  #cancelled(): void {
    this.#stopWaiting?.();
    this.#cancelTimer?.();
    this.#giveBack();
    this.#take(-this.#reserved);
  }
}

function refusal(error: ErrorCode): ReadReply {
  return {
    error,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: null,
    release: () => {},
  };
}
