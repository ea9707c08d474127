/**
 * The order of everything in the simulated world: a heap of events, and virtual time.
 *
 * Owns when an event runs and whether it still may: those of a crashed incarnation are dropped,
 * those of a paused owner wait. Knows nothing of what events do.
 *
 * Invariants:
 * - Events run by time, then by a permutation of owners drawn for that instant, then in the order
 *   they were scheduled: a total order, and first in first out within an owner.
 * - Time never goes back, and jumps to the next event; it counts whole microseconds.
 * - What is put behind an event is done before the next one is taken.
 *
 * @module
 */

import { finish, mix } from "./random.ts";

/** Whose events they are: a node, a host of the network, or the simulation itself. */
export interface Owner {
  readonly name: string;
  readonly id: number;
  /** Rises with each crash. */
  incarnation: number;
  paused: boolean;
  /** Path of the actor that handled a message in the event that runs, where that is known. */
  actor: string | undefined;
  /** What was met while paused, in the order in which it comes due. */
  held: SimulatedEvent[];
}

export interface SimulatedEvent {
  /** Microseconds. */
  time: number;
  tie: number;
  order: number;
  readonly owner: Owner;
  /** The owner's incarnation that it dies with, or `ANY_INCARNATION`. */
  readonly incarnation: number;
  /** What happens, in one fixed word. */
  readonly what: string;
  /** A number that goes with it: bytes, a mailbox. */
  readonly detail: number;
  /** Undefined once cancelled. */
  run: (() => void) | undefined;
}

export const ANY_INCARNATION = -1;
const TIME_MAX = 2 ** 52;

/** Microseconds for a delay in milliseconds: never less. */
export function microseconds(delayMs: number): number {
  if (!(delayMs >= 0)) return 0;
  return Math.min(Math.ceil(delayMs * 1000), TIME_MAX);
}

export interface EventLoopOptions {
  /** Permutes owners at equal times; undefined keeps the order of scheduling. */
  readonly permute: number | undefined;
  /** Events at one instant before it counts as a loop that never ends. */
  readonly instantMax: number;
}

export class EventLoop {
  readonly #options: EventLoopOptions;
  readonly #heap: SimulatedEvent[] = [];
  /** What is yet to be done in the event that runs. */
  readonly #rest: (() => void)[] = [];
  /** Whose event runs. */
  #running: Owner | undefined;
  #now = 0;
  #order = 0;
  #handled = 0;
  #atInstant = 0;

  constructor(options: EventLoopOptions) {
    this.#options = options;
  }

  /** Microseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  /** Events run so far. */
  get handled(): number {
    return this.#handled;
  }

  /** Rises with each event scheduled: a sign of life. */
  get scheduled(): number {
    return this.#order;
  }

  schedule(
    delayUs: number,
    owner: Owner,
    incarnation: number,
    what: string,
    detail: number,
    run: () => void,
  ): SimulatedEvent {
    const time = Math.min(this.#now + delayUs, TIME_MAX);
    const tie = this.#tie(time, owner);
    const order = this.#order++;
    const event = { time, tie, order, owner, incarnation, what, detail, run };
    this.#push(event);
    return event;
  }

  /** The time of the next event that may run, or undefined. */
  get nextTime(): number | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#mayRun(top)) return top.time;
      this.#pop();
      if (top.owner.paused && isAlive(top)) top.owner.held.push(top);
    }
    return undefined;
  }

  /** Takes the next event and moves time to it; undefined when nothing is left to happen. */
  take(): SimulatedEvent | undefined {
    if (this.nextTime === undefined) return undefined;
    const event = this.#pop() as SimulatedEvent;
    if (event.time > this.#now) {
      this.#now = event.time;
      this.#atInstant = 0;
    } else if (++this.#atInstant > this.#options.instantMax) {
      throw new Error(
        `Cannot get past ${this.#now / 1000} ms: ${this.#atInstant} events without time passing`,
      );
    }
    this.#handled++;
    return event;
  }

  /** Runs an event that was taken, and what is put behind it meanwhile. */
  run(event: SimulatedEvent): void {
    this.#running = event.owner;
    try {
      event.run?.();
      for (let i = 0; i < this.#rest.length; i++) {
        if (i > this.#options.instantMax) throw new Error(`Cannot end an event: ${event.what}`);
        this.#rest[i]!();
      }
    } finally {
      this.#rest.length = 0;
      this.#running = undefined;
    }
  }

  /**
   * Has `run` come last in the event that runs. False where none of this owner does, or where it is
   * paused: then it must be an event of its own.
   */
  putBehind(owner: Owner, run: () => void): boolean {
    if (this.#running !== owner || owner.paused) return false;
    this.#rest.push(run);
    return true;
  }

  /** Moves time on without an event; not past the next one. */
  advance(time: number): void {
    this.#now = Math.max(this.#now, Math.min(time, this.nextTime ?? time));
  }

  /** Has what came due at an owner while it was paused happen now, in the order it came due. */
  release(owner: Owner): void {
    const held = owner.held;
    owner.held = [];
    for (const event of held) {
      if (!isAlive(event)) continue;
      // Some were set aside before they came due.
      event.time = Math.max(event.time, this.#now);
      event.tie = this.#tie(event.time, owner);
      event.order = this.#order++;
      this.#push(event);
    }
  }

  #mayRun(event: SimulatedEvent): boolean {
    return isAlive(event) && !event.owner.paused;
  }

  #tie(time: number, owner: Owner): number {
    const salt = this.#options.permute;
    return salt === undefined ? 0 : finish(mix(mix(salt, time | 0), owner.id));
  }

  #push(event: SimulatedEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as SimulatedEvent;
      if (!isBefore(event, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
  }

  #pop(): SimulatedEvent | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      const right = child + 1;
      const other = heap[right];
      if (other !== undefined && isBefore(other, heap[child] as SimulatedEvent)) child = right;
      const below = heap[child] as SimulatedEvent;
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isAlive(event: SimulatedEvent): boolean {
  return event.run !== undefined &&
    (event.incarnation === ANY_INCARNATION || event.incarnation === event.owner.incarnation);
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  if (a.time !== b.time) return a.time < b.time;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.order < b.order;
}
