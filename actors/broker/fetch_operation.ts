/**
 * A fetch under way: reads the partitions, and, while they have too little, waits for more.
 *
 * Reads go out in waves, as far as the byte budget reaches, so that partitions are read at the same
 * time and the response stays within its limit. While it waits, nothing is held but a place in each
 * partition's list of those to be told; then everything is read anew.
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

export class FetchOperation {
  readonly #call: Call<unknown, never>;
  readonly #targets: readonly FetchTarget[];
  readonly #limits: FetchLimits;
  readonly #done: (replies: readonly ReadReply[]) => void;
  #replies: (ReadReply | undefined)[] = [];
  #nextTarget = 0;
  #underWay = 0;
  #bytes = 0;
  #budget = 0;
  #failed = false;
  #expired = false;
  #stopWaiting: (() => void) | undefined;
  #wake: (() => void) | undefined;

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
    if (this.#limits.maxWaitMs <= 0) this.#expired = true;
    this.#readAll();
  }

  #readAll(): void {
    this.#replies = new Array(this.#targets.length).fill(undefined);
    this.#nextTarget = 0;
    this.#bytes = 0;
    this.#failed = false;
    this.#budget = this.#limits.maxBytes;
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
    this.#underWay++;
    this.#budget -= maxBytes;
    // Only the first may exceed the budget, so that a batch larger than it is ever given (KIP-74).
    const atLeastOneBatch = this.#bytes === 0 && this.#underWay === 1;
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
    const reply = result.kind === "reply" ? result.reply : refusal(unansweredError(result.kind));
    const bytes = reply.records?.length ?? 0;
    this.#replies[slot] = reply;
    this.#underWay--;
    this.#bytes += bytes;
    this.#budget += allowed - bytes;
    if (reply.error !== ErrorCode.NONE) this.#failed = true;
    if (this.#underWay === 0) this.#readWave();
  }

  #settle(): void {
    if (this.#bytes === 0 && !this.#failed && this.#readOversized()) return;
    if (this.#bytes >= this.#limits.minBytes || this.#failed || this.#expired) {
      this.#stopWaiting?.();
      return this.#done(this.#replies as ReadReply[]);
    }
    this.#giveBack();
    this.#wait();
  }

  /** Reads the first partition whose next batch alone is larger than it was allowed, if any. */
  #readOversized(): boolean {
    const slot = this.#targets.findIndex(({ fetchOffset }, index) => {
      const { highWatermark, lastStableOffset } = this.#replies[index] as ReadReply;
      return (this.#limits.readCommitted ? lastStableOffset : highWatermark) > fetchOffset;
    });
    const target = this.#targets[slot];
    if (target?.partition === undefined || target.maxBytes <= 0) return false;
    this.#read(slot, target, target.partition, Math.min(target.maxBytes, this.#budget));
    return true;
  }

  /** What was read is too little to send and will be read anew. */
  #giveBack(): void {
    for (const reply of this.#replies) reply?.release();
  }

  #wait(): void {
    let woken = false;
    const wake = () => {
      if (woken) return;
      woken = true;
      forget();
      this.#readAll();
    };
    const replyTo = this.#call.adapt<DataAvailable>(wake);
    const missing = Math.max(this.#limits.minBytes - this.#bytes, 1);
    const bytes = Math.ceil(missing / Math.max(this.#targets.length, 1));
    const forget = () => {
      for (const { partition } of this.#targets) partition?.tell({ kind: "forget-data", replyTo });
    };
    this.#targets.forEach(({ partition }, slot) => {
      const seenHighWatermark = (this.#replies[slot] as ReadReply).highWatermark;
      partition?.tell({ kind: "await-data", seenHighWatermark, bytes, replyTo });
    });
    this.#stopWaiting ??= this.#call.after(this.#limits.maxWaitMs, () => {
      this.#expired = true;
      this.#wake?.();
    });
    this.#wake = wake;
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
