/**
 * Many deadlines over one timer of the environment: a binary heap by due time, then by start.
 *
 * It owns when a deadline expires, not what that means. Invariants: a deadline is in the heap
 * exactly while its `index` is not -1; while the heap is not empty the environment's timer is set
 * for no later than its top; an empty heap keeps none past the end of the turn.
 *
 * @module
 */

import type { Environment, Timer } from "./environment.ts";

/** Something with a time to expire at. */
export interface Deadline {
  /** Monotonic milliseconds; the queue's to set. */
  due: number;
  /** Settles ties: the order of starts; the queue's to set. */
  order: number;
  /** Place in the heap, or -1; the queue's to set after a first -1. */
  index: number;
  expire(): void;
}

/** Clocks are fractions: what is this near (1 µs) is due, or rounding would arm in vain. */
const RESOLUTION_MS = 0.001;

export class TimerQueue {
  readonly #environment: Environment;
  readonly #heap: Deadline[] = [];
  readonly #fire = () => this.#expireDue();
  readonly #rest = () => this.#disarmIfIdle();
  #timer: Timer | undefined = undefined;
  /** What the environment's timer is set for. */
  #armedFor = Infinity;
  #resting = false;
  #starts = 0;
  #closed = false;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Has `deadline` expire in `delayMs`; one that runs is moved. */
  start(deadline: Deadline, delayMs: number): void {
    if (this.#closed) return;
    deadline.due = this.#environment.clock.monotonic() + Math.max(0, delayMs);
    deadline.order = this.#starts++;
    if (deadline.index === -1) {
      this.#heap.push(deadline);
      this.#up(this.#heap.length - 1, deadline);
    } else {
      this.#settle(deadline.index, deadline);
    }
    this.#arm();
  }

  cancel(deadline: Deadline): void {
    const index = deadline.index;
    if (index === -1) return;
    deadline.index = -1;
    const last = this.#heap.pop() as Deadline;
    if (last !== deadline) this.#settle(index, last);
    if (this.#heap.length > 0 || this.#resting || this.#timer === undefined) return;
    this.#resting = true;
    this.#environment.dispatcher.atEndOfTurn(this.#rest);
  }

  /** Forgets everything; nothing expires any more. */
  close(): void {
    this.#closed = true;
    for (const deadline of this.#heap) deadline.index = -1;
    this.#heap.length = 0;
    this.#disarm();
  }

  #expireDue(): void {
    this.#timer = undefined;
    this.#armedFor = Infinity;
    const now = this.#environment.clock.monotonic() + RESOLUTION_MS;
    for (let top = this.#heap[0]; top !== undefined && top.due <= now; top = this.#heap[0]) {
      this.cancel(top);
      top.expire();
    }
    this.#arm();
  }

  #arm(): void {
    const top = this.#heap[0];
    if (top === undefined || top.due >= this.#armedFor) return;
    this.#timer?.cancel();
    this.#armedFor = top.due;
    const delay = Math.max(0, top.due - this.#environment.clock.monotonic());
    this.#timer = this.#environment.timers.schedule(delay, this.#fire);
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armedFor = Infinity;
  }

  #disarmIfIdle(): void {
    this.#resting = false;
    if (this.#heap.length === 0) this.#disarm();
  }

  #settle(index: number, deadline: Deadline): void {
    const parent = this.#heap[(index - 1) >> 1];
    if (index > 0 && before(deadline, parent as Deadline)) this.#up(index, deadline);
    else this.#down(index, deadline);
  }

  #up(from: number, deadline: Deadline): void {
    let index = from;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above] as Deadline;
      if (!before(deadline, parent)) break;
      this.#place(index, parent);
      index = above;
    }
    this.#place(index, deadline);
  }

  #down(from: number, deadline: Deadline): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      let below = index * 2 + 1;
      if (below >= heap.length) break;
      const right = heap[below + 1];
      if (right !== undefined && before(right, heap[below] as Deadline)) below++;
      const child = heap[below] as Deadline;
      if (!before(child, deadline)) break;
      this.#place(index, child);
      index = below;
    }
    this.#place(index, deadline);
  }

  #place(index: number, deadline: Deadline): void {
    this.#heap[index] = deadline;
    deadline.index = index;
  }
}

function before(a: Deadline, b: Deadline): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
