/**
 * When the active controller last heard of each broker, and how far each has come.
 *
 * Known to the leader only, and forgotten with its lead. Time is counted while the controller runs:
 * where it did not get to look for longer than it meant to, what came meanwhile is still waiting in
 * some queue, and its own stall is not held against others.
 *
 * @module
 */

import { type NodeId, NONE, type Offset } from "../../storage/bytes/ids.ts";

/** How often sessions are looked at: so many times a session timeout. */
const LOOKS_PER_SESSION = 6;

/** A look that comes later than so many intervals counts as if it came then. */
const LATE_INTERVALS_MAX = 2;

interface Session {
  /** Of the controller's running time. */
  lastContactMs: number;
  /** The last offset of the metadata log that the broker has applied; -1 where it has not said. */
  metadataOffset: Offset;
  /** Up to where others must have come before it may stop; -1 where it does not want to. */
  shutdownOffset: Offset;
}

export class BrokerHeartbeats {
  /** How often `advance` is to be called at least. */
  readonly intervalMs: number;
  readonly #sessions = new Map<NodeId, Session>();
  #runningMs = 0;
  #now = 0;

  constructor(sessionTimeoutMs: number) {
    this.intervalMs = sessionTimeoutMs / LOOKS_PER_SESSION;
  }

  /** Begins anew: each broker has just been heard of. */
  reset(now: number, brokers: Iterable<NodeId>): void {
    this.#sessions.clear();
    this.#runningMs = 0;
    this.#now = now;
    for (const id of brokers) this.begin(id);
  }

  /** Lets time pass, on the monotonic clock. */
  advance(now: number): void {
    const passed = Math.max(now - this.#now, 0);
    this.#runningMs += Math.min(passed, this.intervalMs * LATE_INTERVALS_MAX);
    this.#now = now;
  }

  /** Begins the session of a broker that has registered. */
  begin(brokerId: NodeId): void {
    this.#sessions.set(brokerId, {
      lastContactMs: this.#runningMs,
      metadataOffset: NONE,
      shutdownOffset: NONE,
    });
  }

  /** A broker has said that it is alive, and how far it has come. */
  touch(brokerId: NodeId, metadataOffset: Offset): void {
    if (!this.#sessions.has(brokerId)) this.begin(brokerId);
    const session = this.#sessions.get(brokerId) as Session;
    session.lastContactMs = this.#runningMs;
    session.metadataOffset = metadataOffset;
  }

  /** Forgets a broker. */
  end(brokerId: NodeId): void {
    this.#sessions.delete(brokerId);
  }

  /** For how long a broker has been silent; one that was never heard of, for ever. */
  silentMs(brokerId: NodeId): number {
    const session = this.#sessions.get(brokerId);
    return session === undefined ? Infinity : this.#runningMs - session.lastContactMs;
  }

  /** In how long the first of these sessions is over, or sooner: the next look is due. */
  nextLookMs(brokers: Iterable<NodeId>, sessionTimeoutMs: number): number {
    let next = this.intervalMs;
    for (const id of brokers) next = Math.min(next, sessionTimeoutMs - this.silentMs(id) + 1);
    return Math.max(next, 1);
  }

  /** The last offset that a broker says it has applied, or -1. */
  metadataOffset(brokerId: NodeId): Offset {
    return this.#sessions.get(brokerId)?.metadataOffset ?? NONE;
  }

  /** Notes up to where others must have come before a broker may stop; the first word counts. */
  shutDownAt(brokerId: NodeId, offset: Offset): Offset {
    const session = this.#sessions.get(brokerId);
    if (session === undefined) return offset;
    if (session.shutdownOffset === NONE) session.shutdownOffset = offset;
    return session.shutdownOffset;
  }
}
