/**
 * The partitions that a consumer reads and where it stands in each.
 *
 * Owns positions, pauses and the fetched data that wait. Does not own requests (fetcher.ts) nor the
 * looking up of offsets (offset_lookup.ts).
 *
 * Invariants, for each partition: `position` is the offset after the last record given to the user,
 * or `NONE` while it is to be looked up; `fetchOffset` is the offset after the last record fetched,
 * and never less than `position`; both only move forward, except by `seek` and its like, which drop
 * what waits and raise `generation`, so that answers to older requests are known and dropped. Both
 * carry the leader epoch of the record before them, by which a new leader says whether it has it.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Offset } from "../../../storage/bytes/ids.ts";
import type { CompletedFetch } from "./completed_fetch.ts";
import type { StartPosition } from "../configs.ts";
import type { ClientError } from "../errors.ts";

/** One partition of the assignment. */
export class AssignedState {
  readonly topic: string;
  readonly partition: number;

  position: Offset = NONE;
  /** The leader epoch of the record before the position, where it is known. */
  positionEpoch: Epoch = NONE;
  fetchOffset: Offset = NONE;
  /** The leader epoch of the record before `fetchOffset`, where it is known. */
  fetchEpoch: Epoch = NONE;
  /** The leader epoch whose leader's log is known to hold what is before `fetchOffset`. */
  validatedIn: Epoch = NONE;
  /** What is to be looked up while `position` is `NONE`. */
  start: StartPosition;
  /** Raised whenever what was asked before no longer counts. */
  generation = 0;
  isPaused = false;
  /** What the group has committed is to be asked for before anything else is looked up. */
  awaitsCommitted = false;
  /** The first offset that the user has in hand and may be processing; `NONE` if it has none. */
  heldFrom: Offset = NONE;
  /** What the group has committed, as far as that is known. */
  committed: Offset = NONE;

  /** Fetched and not given out yet, in order. */
  readonly fetched: CompletedFetch[] = [];
  fetchedBytes = 0;
  /** A request for it, a fetch or a lookup, is on its way. */
  isAsked = false;
  /** Monotonic time before which it is not asked for again. */
  notBefore = 0;
  failures = 0;
  /** To be told to the user after what was fetched; until then nothing is fetched. */
  error: ClientError | undefined;

  leader: NodeId = NONE;
  leaderEpoch: Epoch = NONE;
  /** Whom the leader said to read from instead, and until when that counts; monotonic. */
  preferredReplica: NodeId = NONE;
  preferredUntil = 0;
  /** Until when that one may take to be connected to. */
  reachableUntil = 0;
  /** Until when the leader is to serve, for another did not. */
  avoidsUntil = 0;
  /** As the last response said; `NONE` before. */
  highWatermark: Offset = NONE;
  lastStableOffset: Offset = NONE;
  logStartOffset: Offset = NONE;

  constructor(topic: string, partition: number, start: StartPosition) {
    this.topic = topic;
    this.partition = partition;
    this.start = start;
  }

  /** Whether a new leader must say first that its log has what is before `fetchOffset`. */
  get needsValidation(): boolean {
    return this.fetchEpoch !== NONE && this.leaderEpoch !== NONE &&
      this.validatedIn !== this.leaderEpoch && this.leader !== NONE;
  }

  /** Whether a fetch is known to be answered with records at once. */
  get isBehind(): boolean {
    const { fetchOffset, highWatermark, lastStableOffset } = this;
    const end = lastStableOffset === NONE ? highWatermark : lastStableOffset;
    return fetchOffset !== NONE && fetchOffset < end;
  }

  /** The offset up to which everything was processed. */
  get processed(): Offset {
    return this.heldFrom === NONE ? this.position : this.heldFrom;
  }

  /** Goes on from an offset; `epoch` is that of the record before it, where that is known. */
  seek(offset: Offset, epoch: Epoch = NONE): void {
    this.drop();
    this.#leave();
    this.position = offset;
    this.positionEpoch = epoch;
    this.fetchOffset = offset;
    this.fetchEpoch = epoch;
    this.validatedIn = NONE;
  }

  /** Goes back to where the user stands; what waits is forgotten. */
  rewind(): void {
    this.goBackTo(this.position);
  }

  /** Goes back to what the user has not got; what it has in hand stays so. */
  goBackTo(offset: Offset): void {
    const { heldFrom, committed } = this;
    this.seek(offset, this.positionEpoch);
    this.heldFrom = heldFrom;
    this.committed = committed;
  }

  /** The position was looked up, of the leader of this epoch. */
  found(offset: Offset, epoch: Epoch, leaderEpoch: Epoch): void {
    this.position = offset;
    this.positionEpoch = epoch;
    this.fetchOffset = offset;
    this.fetchEpoch = epoch;
    this.validatedIn = leaderEpoch;
  }

  /** Goes on from an offset that is to be looked up. */
  reset(start: StartPosition): void {
    this.drop();
    this.#leave();
    this.start = start;
    this.position = NONE;
    this.positionEpoch = NONE;
    this.fetchOffset = NONE;
    this.fetchEpoch = NONE;
    this.validatedIn = NONE;
  }

  /** What was done and committed so far has nothing to do with what comes. */
  #leave(): void {
    this.heldFrom = NONE;
    this.committed = NONE;
  }

  /** Takes what was fetched, to be given out after what waits. */
  add(fetch: CompletedFetch): void {
    this.fetched.push(fetch);
    this.fetchedBytes += fetch.sizeInBytes;
    this.fetchOffset = fetch.nextOffset;
    if (fetch.leaderEpoch !== NONE) this.fetchEpoch = fetch.leaderEpoch;
  }

  /** Removes the first fetch, which was given out or is no longer wanted. */
  shift(): void {
    const fetch = this.fetched.shift();
    if (fetch === undefined) return;
    this.fetchedBytes -= fetch.sizeInBytes;
    fetch.release();
  }

  /** Forgets what waits and what was asked. */
  drop(): void {
    this.generation++;
    this.awaitsCommitted = false;
    while (this.fetched.length > 0) this.shift();
    this.isAsked = false;
    this.notBefore = 0;
    this.failures = 0;
    this.error = undefined;
  }
}

/** The assignment. */
export class Subscription {
  readonly #byTopic = new Map<string, AssignedState[]>();
  #all: AssignedState[] = [];

  /** All partitions, in the order of their assignment. */
  get partitions(): readonly AssignedState[] {
    return this.#all;
  }

  /** The topics of the assignment. */
  get topics(): string[] {
    return [...this.#byTopic.keys()];
  }

  get(topic: string, partition: number): AssignedState | undefined {
    return this.#byTopic.get(topic)?.[partition];
  }

  /** Adds a partition, if it is not there yet. */
  add(topic: string, partition: number, start: StartPosition): AssignedState {
    let states = this.#byTopic.get(topic);
    if (states === undefined) this.#byTopic.set(topic, states = []);
    const known = states[partition];
    if (known !== undefined) return known;
    const state = new AssignedState(topic, partition, start);
    states[partition] = state;
    this.#all.push(state);
    return state;
  }

  /** Drops a partition, if it is there. */
  remove(topic: string, partition: number): void {
    const states = this.#byTopic.get(topic);
    const state = states?.[partition];
    if (states === undefined || state === undefined) return;
    state.drop();
    delete states[partition];
    this.#all = this.#all.filter((other) => other !== state);
    if (states.every((other) => other === undefined)) this.#byTopic.delete(topic);
  }

  /** Drops everything. */
  clear(): void {
    for (const state of this.#all) state.drop();
    this.#byTopic.clear();
    this.#all = [];
  }
}
