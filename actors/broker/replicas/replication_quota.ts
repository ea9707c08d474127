/**
 * How fast throttled replicas are replicated (KIP-73): what a leader sends to followers that are
 * out of sync, and what a follower fetches while it is.
 *
 * Owns which replicas are throttled and how many bytes they may still pass. Does not own the
 * configs of topics and brokers that say so.
 *
 * Bytes are let through while the account is not empty, and are taken from it afterwards: one fetch
 * may overdraw it, and nothing goes until it has been made up for.
 *
 * @module
 */

import type { NodeId, Uuid } from "../../../storage/bytes/ids.ts";

/** Milliseconds whose bytes may pass at once after a rest. */
const BURST_MS = 1000;

/** One direction's. */
export class ReplicationQuota {
  readonly #nodeId: NodeId;
  readonly #bytesPerSecond: () => number;
  /** The partitions of a topic, or all. */
  readonly #throttled = new Map<Uuid, ReadonlySet<number> | "all">();
  /** Bytes that may pass; below zero after a fetch that took more. */
  #account = 0;
  /** Monotonic ms at which the account stood so; undefined before its first use. */
  #at: number | undefined;

  /** `bytesPerSecond` is asked each time, as it may be changed live. */
  constructor(nodeId: NodeId, bytesPerSecond: () => number) {
    this.#nodeId = nodeId;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Whether any partition is throttled. */
  get isUsed(): boolean {
    return this.#throttled.size > 0;
  }

  /** Takes the items of a topic's config: `*`, or each `partition:broker`. */
  throttle(topicId: Uuid, items: readonly string[]): void {
    const partitions = throttledPartitions(items, this.#nodeId);
    if (partitions === "all" || partitions.size > 0) this.#throttled.set(topicId, partitions);
    else this.#throttled.delete(topicId);
  }

  isThrottled(topicId: Uuid, partition: number): boolean {
    const partitions = this.#throttled.get(topicId);
    return partitions !== undefined && (partitions === "all" || partitions.has(partition));
  }

  /** Throttled bytes have passed. */
  record(bytes: number, now: number): void {
    this.#refill(now);
    this.#account -= bytes;
  }

  /** When the next bytes may pass, in monotonic ms; undefined when they may now. */
  exceededUntil(now: number): number | undefined {
    this.#refill(now);
    if (this.#account >= 0) return undefined;
    const rate = this.#bytesPerSecond();
    return now + (rate > 0 ? Math.max(1, -this.#account * 1000 / rate) : BURST_MS);
  }

  #refill(now: number): void {
    const rate = this.#bytesPerSecond();
    const most = rate * BURST_MS / 1000;
    const passedMs = this.#at === undefined ? BURST_MS : now - this.#at;
    this.#at = now;
    this.#account = Math.min(most, this.#account + rate * passedMs / 1000);
    if (rate === 0 && this.#account >= 0) this.#account = -1;
  }
}

/** Both directions' of a broker. */
export interface ReplicationQuotas {
  /** Of what this broker sends. */
  readonly leader: ReplicationQuota;
  /** Of what this broker fetches. */
  readonly follower: ReplicationQuota;
}

/** The partitions whose replica on this broker is throttled. */
function throttledPartitions(
  items: readonly string[],
  nodeId: NodeId,
): ReadonlySet<number> | "all" {
  const partitions = new Set<number>();
  for (const item of items) {
    if (item === "*") return "all";
    const [partition, broker] = item.split(":").map(Number);
    if (broker === nodeId && Number.isInteger(partition)) partitions.add(partition!);
  }
  return partitions;
}
