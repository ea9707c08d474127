/**
 * Those who wait for records that they can read: parked fetches and fetch sessions.
 *
 * A consumer waits for the high watermark to advance, or for the last stable offset where it reads
 * committed records only; a follower for the log end. A follower is also told, once, that the high
 * watermark or the log start offset has moved, and that its next request is to be heard of.
 *
 * Invariant: who was told that there is something to read waits no more.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Ref } from "../runtime/ref.ts";
import type { AwaitData, DataAvailable } from "./messages.ts";

/** The ends that there are to wait for. */
export interface LogEnds {
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
  /** Asked only where somebody waits for it. */
  lastStableOffset(): Offset;
}

interface Waiter {
  readonly follower: boolean;
  /** Where it waits for the last stable offset: the one that it saw; else undefined. */
  readonly seenStable: Offset | undefined;
  readonly token: number;
  /** Bytes that it still lacks. */
  missing: number;
  /** A follower that was told of a new high watermark. */
  toldOfProgress: boolean;
}

export class DataWaiters {
  readonly #waiters = new Map<Ref<DataAvailable>, Waiter>();
  /** Of requests of followers that came up to then the leader does not count any more. */
  #countedFrom = -Infinity;

  get size(): number {
    return this.#waiters.size;
  }

  /** Told at once if there is more than it saw. */
  add(message: AwaitData, ends: LogEnds): void {
    const { follower, seenEndOffset, seenHighWatermark, bytes, token, replyTo } = message;
    const { highWatermark, logEndOffset } = ends;
    const readCommitted = !follower && message.readCommitted === true;
    const visible = readCommitted ? ends.lastStableOffset() : highWatermark;
    const end = follower ? logEndOffset : visible;
    if (seenEndOffset < end) {
      this.#waiters.delete(replyTo);
      return void replyTo.tell({ kind: "data-available", token, readable: true });
    }
    const seenStable = readCommitted ? seenEndOffset : undefined;
    const waiter = { follower, seenStable, token, missing: bytes, toldOfProgress: false };
    this.#waiters.set(replyTo, waiter);
    const isOld = (message.askedAt ?? Infinity) <= this.#countedFrom;
    if (follower && (isOld || seenHighWatermark !== highWatermark)) {
      this.#tellProgress(replyTo, waiter);
    }
  }

  remove(replyTo: Ref<DataAvailable>): void {
    this.#waiters.delete(replyTo);
  }

  /** So many bytes came behind the log's end. */
  appended(bytes: number): void {
    for (const [replyTo, waiter] of this.#waiters) {
      if (waiter.follower) this.#gained(replyTo, waiter, bytes);
    }
  }

  /** So many bytes have become visible: the high watermark has advanced. */
  advanced(bytes: number, ends: LogEnds): void {
    let stable: Offset | undefined;
    for (const [replyTo, waiter] of this.#waiters) {
      if (waiter.follower) this.#tellProgress(replyTo, waiter);
      else if (waiter.seenStable === undefined) this.#gained(replyTo, waiter, bytes);
      else {
        stable ??= ends.lastStableOffset();
        // How much was decided at once is not worth finding out.
        if (stable > waiter.seenStable) this.#gained(replyTo, waiter, Infinity);
      }
    }
  }

  /** What followers asked for until `now` counts no more: they are to be heard of anew. */
  countFrom(now: number): void {
    this.#countedFrom = now;
    this.startMoved();
  }

  /** The log start offset has moved, which followers follow. */
  startMoved(): void {
    for (const [replyTo, waiter] of this.#waiters) {
      if (waiter.follower) this.#tellProgress(replyTo, waiter);
    }
  }

  /** Tells everyone: the partition no longer serves as it did. */
  release(): void {
    for (const [replyTo, { token }] of this.#waiters) {
      replyTo.tell({ kind: "data-available", token, readable: true });
    }
    this.#waiters.clear();
  }

  #gained(replyTo: Ref<DataAvailable>, waiter: Waiter, bytes: number): void {
    waiter.missing -= bytes;
    if (waiter.missing > 0) return;
    this.#waiters.delete(replyTo);
    replyTo.tell({ kind: "data-available", token: waiter.token, readable: true });
  }

  #tellProgress(replyTo: Ref<DataAvailable>, waiter: Waiter): void {
    if (waiter.toldOfProgress) return;
    waiter.toldOfProgress = true;
    replyTo.tell({ kind: "data-available", token: waiter.token, readable: false });
  }
}
