/**
 * Following: what a leader answered goes into the log, and the fetcher is told from where to go on.
 *
 * Owns when a fetcher begins and ends, and that it is told no position before everything below it
 * may be counted on: where only what is durable counts, after the flush. What is taken in, and
 * where a log is cut, is the replica's to say.
 *
 * Invariants: an answer is taken in whole or not at all, and only by the replica that asked (same
 * leader epoch, same log end offset); each gets one position in return; its bytes are given back
 * once.
 *
 * @module
 */

import { type Epoch, NONE, type Offset, type Timestamp } from "../../storage/bytes/ids.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { Ref } from "../runtime/ref.ts";
import { GONE } from "./log_questions.ts";
import type {
  FetchedOutcome,
  FetchPosition,
  Follow,
  TakeFetched,
  TopicPartition,
  Unfollow,
} from "./messages.ts";
import { mayRecover } from "./partition_opening.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "../runtime/troubles.ts";

const TROUBLE = "replication fails";

export interface FollowingOptions {
  readonly replica: Replica;
  readonly partition: TopicPartition;
  /** Absent where nobody fetches. */
  readonly fetcher: Ref<Follow | Unfollow> | undefined;
  /** Takes what is fetched. */
  readonly self: Ref<TakeFetched>;
  readonly troubles: Troubles;
  now(): Timestamp;
  /** The log is about to be cut there, or was. @throws {DiskError} and it must not be */
  noteCut(end: Offset): void;
}

interface Asker {
  readonly replyTo: Ref<FetchPosition>;
  readonly failed: boolean;
}

export class Following {
  readonly #options: FollowingOptions;
  #askers: Asker[] = [];
  /** The leader epoch that the fetcher was told of; -1 where it does not fetch. */
  #toldEpoch: Epoch = NONE;

  constructor(options: FollowingOptions) {
    this.#options = options;
  }

  /** Takes in what was fetched; the position is told by `settle`. */
  take(message: TakeFetched, log: Log): void {
    const { replica } = this.#options;
    let failed = false;
    try {
      if (replica.acceptsFetched(message.leaderEpoch, message.fetchOffset)) {
        failed = !this.#takeIn(message.outcome, log);
      }
    } finally {
      message.release();
    }
    this.#askers.push({ replyTo: message.replyTo, failed });
  }

  /** Role, epoch or what is durable may have changed: tells the fetcher what is due. */
  settle(log: Log): void {
    const { replica } = this.#options;
    const follows = this.#follows();
    if (!follows) this.#unfollow();
    if (follows && replica.awaitsFlush) return;
    if (follows && this.#toldEpoch !== replica.leaderEpoch) this.#follow(log);
    if (this.#askers.length === 0) return;
    const askers = this.#askers;
    this.#askers = [];
    for (const { replyTo, failed } of askers) replyTo.tell(this.#position(log, failed));
  }

  /** The partition goes: nobody takes what is fetched any more. */
  end(): void {
    this.#unfollow();
    for (const { replyTo } of this.#askers.splice(0)) replyTo.tell(GONE);
  }

  #follows(): boolean {
    const { replica } = this.#options;
    return replica.role === "follower" && replica.leader >= 0;
  }

  #follow(log: Log): void {
    const { replica, partition: { topicId, topic, partition }, fetcher, self } = this.#options;
    this.#toldEpoch = replica.leaderEpoch;
    const { leader } = replica;
    const position = this.#position(log, false);
    fetcher?.tell({ kind: "follow", topicId, topic, partition, leader, replica: self, position });
  }

  #unfollow(): void {
    if (this.#toldEpoch === NONE) return;
    this.#toldEpoch = NONE;
    const { partition: { topicId, partition }, fetcher, self } = this.#options;
    fetcher?.tell({ kind: "unfollow", topicId, partition, replica: self });
  }

  #position(log: Log, failed: boolean): FetchPosition {
    const { replica } = this.#options;
    return {
      kind: "fetch-position",
      leaderEpoch: this.#follows() ? replica.leaderEpoch : NONE,
      fetchOffset: log.logEndOffset,
      lastFetchedEpoch: replica.lastFetchedEpoch,
      logStartOffset: log.logStartOffset,
      failed,
    };
  }

  /** Returns whether something came of it. A disk that may recover is tried again. */
  #takeIn(outcome: FetchedOutcome, log: Log): boolean {
    const { troubles } = this.#options;
    try {
      const failure = this.#act(outcome, log);
      if (failure === undefined) troubles.end(TROUBLE);
      else troubles.begin(TROUBLE, failure);
      return failure === undefined;
    } catch (error) {
      if (!(error instanceof DiskError) || !mayRecover(error)) throw error;
      this.#options.replica.logChanged();
      troubles.begin(TROUBLE, error.message, error);
      return false;
    }
  }

  /** Returns why it could not be done, for people. */
  #act(outcome: FetchedOutcome, log: Log): string | undefined {
    switch (outcome.kind) {
      case "records":
        return this.#append(outcome, log);
      case "diverging":
        return this.#truncate(outcome.epoch, outcome.endOffset, log);
      case "out-of-range":
        return this.#startAnew(outcome.logStartOffset, outcome.logEndOffset, log);
    }
  }

  #append(
    { records, highWatermark, logStartOffset }: FetchedOutcome & { readonly kind: "records" },
    log: Log,
  ): string | undefined {
    const { replica, now } = this.#options;
    if (records !== null && records.length > 0) {
      const context = { origin: "follower", leaderEpoch: replica.leaderEpoch, now: now() } as const;
      const result = log.append(records, context);
      if (result.kind === "refused" && result.failure !== undefined) throw result.failure;
      if (result.kind === "refused") return `${result.error}: ${result.reason}`;
    }
    replica.followedTo(highWatermark);
    // The leader deletes only what is committed, but what it tells need not be true.
    const start = Math.min(logStartOffset, replica.highWatermark);
    if (start > log.logStartOffset) {
      log.deleteRecordsBefore(start);
      replica.logChanged();
    }
    return undefined;
  }

  #truncate(epoch: Epoch, endOffset: Offset, log: Log): string | undefined {
    const { replica } = this.#options;
    const before = log.logEndOffset;
    const point = replica.truncationPoint(epoch, endOffset);
    if (point === undefined || point >= before) {
      return `the leader says that epoch ${epoch} ends at ${endOffset}, of a log that ends at ${before}`;
    }
    this.cut(point, log);
    return undefined;
  }

  /** Cuts the log, and says so where that takes what was taken for committed. */
  cut(point: Offset, log: Log): void {
    const { replica, troubles, now, noteCut } = this.#options;
    const before = replica.highWatermark;
    noteCut(point);
    // A cut takes whole batches: it may end before the point.
    noteCut(log.truncateTo(point, now()));
    replica.logChanged();
    if (log.logEndOffset >= before) return;
    troubles.warn("truncated below the high watermark", `from ${before} to ${log.logEndOffset}`);
  }

  #startAnew(leaderStart: Offset, leaderEnd: Offset, log: Log): string | undefined {
    const { replica, troubles, now, noteCut } = this.#options;
    const { logStartOffset, logEndOffset } = log;
    const point = replica.startAnewPoint(leaderStart, leaderEnd);
    if (point === undefined) {
      return `the leader has ${leaderStart} to ${leaderEnd}, this log ${logStartOffset} to ${logEndOffset}`;
    }
    noteCut(point);
    log.truncateFullyAndStartAt(point, now());
    replica.logChanged();
    troubles.warn("log started anew", `at ${point}, it held ${logStartOffset} to ${logEndOffset}`);
    return undefined;
  }
}
