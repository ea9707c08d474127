/**
 * The dispatcher of a simulated node: each message handled is an event, in a drawn order.
 *
 * Messages wait in lanes, one for each pair of sender and mailbox, each first in first out; which
 * lane is next is drawn, or they take turns. Invariants:
 * - At most one event of a dispatcher is scheduled: the next message, or the end of the turn. The
 *   end of a turn in which nothing else waits may belong to the event of its last message.
 * - An event handles one message at most: its own, or the first that it brings to a node at rest.
 * - A lane is among the ready ones, or held, exactly while something waits in it. Its mailbox keeps
 *   it for the next message: a map that empties with each one would be made anew each time.
 * - After `end` nothing is handled any more and every push is refused.
 *
 * @module
 */

import type { Dispatcher, Mailbox, RandomStream } from "../runtime/environment.ts";
import type { WorldOptions } from "./world_options.ts";

/** What the dispatcher needs of its node. */
export interface DispatcherHost {
  readonly world: WorldOptions;
  /** Draws the order of messages. */
  readonly chance: RandomStream;
  /** The number of the event that runs. */
  readonly event: number;
  /** Has `run` be an event, `delayUs` from now. */
  schedule(delayUs: number, what: string, detail: number, run: () => void): void;
  /** Has `run` come last in the event that runs, unless it is to be one of its own. */
  putBehind(run: () => void): boolean;
  /** Told which mailbox a message is about to be handled in, and whose it is. */
  handling(mailbox: number, sender: number): void;
}

/** Empty lanes kept for use again. */
const SPARE_LANES = 256;
/** Lanes of a mailbox of which none is let go when it empties. */
const LANES_KEPT = 16;
/** What connections bring is taken in within this time. */
const AFTER_IO_US = 50;
/** The place of a lane that is not among the ready ones. */
const HELD = -1;

class Lane {
  mailbox!: SimulatedMailbox;
  sender = 0;
  /** Place among the ready lanes, or `HELD`. */
  index = 0;
  #messages: unknown[] = [];
  #head = 0;

  get length(): number {
    return this.#messages.length - this.#head;
  }
  push(message: unknown): void {
    this.#messages.push(message);
  }
  peek(): unknown {
    return this.#messages[this.#head];
  }
  shift(): unknown {
    const message = this.#messages[this.#head];
    this.#messages[this.#head++] = undefined;
    if (this.#head === this.#messages.length) {
      this.#messages.length = 0;
      this.#head = 0;
    } else if (this.#head > 256 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }
  clear(): void {
    this.#messages.length = 0;
    this.#head = 0;
  }
}

class SimulatedMailbox implements Mailbox<unknown> {
  readonly #dispatcher: SimulatedDispatcher;
  readonly #limit: number;
  readonly deliver: (message: unknown, sender: number) => void;
  readonly number: number;
  readonly lanes = new Map<number, Lane>();
  length = 0;
  closed = false;

  constructor(
    dispatcher: SimulatedDispatcher,
    limit: number,
    number: number,
    deliver: (message: unknown, sender: number) => void,
  ) {
    this.#dispatcher = dispatcher;
    this.#limit = limit;
    this.number = number;
    this.deliver = deliver;
  }

  push(sender: number, message: unknown): boolean {
    if (this.closed || this.length >= this.#limit || this.#dispatcher.ended) return false;
    this.length++;
    this.#dispatcher.queue(this, sender, message);
    return true;
  }

  close(): void {
    this.closed = true;
    this.length = 0;
    for (const lane of this.lanes.values()) this.#dispatcher.drop(lane);
    this.lanes.clear();
  }
}

export class SimulatedDispatcher implements Dispatcher {
  readonly #host: DispatcherHost;
  readonly #ready: Lane[] = [];
  readonly #spare: Lane[] = [];
  readonly #step = () => this.#handleNext();
  readonly #endTurn = () => this.#runAtEnd();
  /** Where the lane that is next in turn stands. */
  #turnIndex = 0;
  #atEnd: (() => void)[] = [];
  #scheduled = false;
  #handling = false;
  /** The event in which a message was handled last: no other is in the same. */
  #handledIn = -1;
  #mailboxes = 0;
  /** Kinds of messages that are not handled now, and the lanes in which they come next. */
  readonly #heldKinds = new Set<string>();
  #heldLanes: Lane[] = [];
  ended = false;
  handled = 0;

  constructor(host: DispatcherHost) {
    this.#host = host;
  }

  mailbox<Message>(
    limit: number,
    deliver: (message: Message, sender: number) => void,
  ): Mailbox<Message> {
    return new SimulatedMailbox(
      this,
      limit,
      this.#mailboxes++,
      deliver as (message: unknown, sender: number) => void,
    ) as Mailbox<Message>;
  }

  atEndOfTurn(run: () => void): void {
    if (this.ended) return;
    this.#atEnd.push(run);
    this.#scheduleNext();
  }

  afterIo(run: () => void): void {
    this.#host.schedule(AFTER_IO_US, "after I/O", 1, () => this.atEndOfTurn(run));
  }

  /** Messages that wait. */
  get waiting(): number {
    let count = 0;
    for (const lane of this.#ready) count += lane.length;
    return count;
  }

  /** Leaves messages of this `kind` where they are, and what comes behind them. */
  hold(kind: string): void {
    this.#heldKinds.add(kind);
  }

  /** Lets go of those of a kind, or of all. */
  release(kind?: string): void {
    if (kind === undefined) this.#heldKinds.clear();
    else this.#heldKinds.delete(kind);
    const lanes = this.#heldLanes;
    this.#heldLanes = [];
    for (const lane of lanes) this.#makeReady(lane);
    this.#scheduleNext();
  }

  /** The node is no more. */
  end(): void {
    this.ended = true;
    this.#atEnd = [];
    this.#ready.length = 0;
    this.#heldLanes = [];
  }

  queue(mailbox: SimulatedMailbox, sender: number, message: unknown): void {
    let lane = mailbox.lanes.get(sender);
    if (lane === undefined) {
      lane = this.#spare.pop() ?? new Lane();
      lane.mailbox = mailbox;
      lane.sender = sender;
      mailbox.lanes.set(sender, lane);
    }
    if (lane.length === 0) this.#makeReady(lane);
    lane.push(message);
    this.#scheduleNext();
  }

  drop(lane: Lane): void {
    if (lane.length > 0) {
      if (lane.index < 0) this.#heldLanes = this.#heldLanes.filter((held) => held !== lane);
      else this.#takeOut(lane);
      lane.clear();
    }
    this.#spareLane(lane);
  }

  #makeReady(lane: Lane): void {
    lane.index = this.#ready.length;
    this.#ready.push(lane);
  }

  #takeOut(lane: Lane): void {
    const last = this.#ready.pop();
    if (last !== undefined && last !== lane) {
      this.#ready[lane.index] = last;
      last.index = lane.index;
    }
  }

  #spareLane(lane: Lane): void {
    if (this.#spare.length < SPARE_LANES) this.#spare.push(lane);
  }

  #scheduleNext(): void {
    if (this.#scheduled || this.#handling || this.ended) return;
    const { world, chance } = this.#host;
    const endNow = this.#atEnd.length > 0 &&
      (this.#ready.length === 0 ||
        (world.earlyTurnEndsOf256 > 0 && chance.chance(world.earlyTurnEndsOf256, 256)));
    if (endNow) {
      this.#scheduled = true;
      if (this.#ready.length === 0 && this.#host.putBehind(this.#endTurn)) return;
      this.#host.schedule(0, "end of turn", this.#atEnd.length, this.#endTurn);
    } else if (this.#ready.length > 0) {
      this.#scheduled = true;
      // What an event brings to a node at rest is taken in within it.
      const isFirst = this.#host.event !== this.#handledIn;
      if (isFirst && this.#host.putBehind(this.#step)) return;
      this.#host.schedule(world.messageUs, "message", this.#ready.length, this.#step);
    }
  }

  #handleNext(): void {
    this.#scheduled = false;
    this.#handledIn = this.#host.event;
    const lane = this.#chooseLane();
    if (lane !== undefined) {
      const { mailbox, sender } = lane;
      const message = lane.shift();
      mailbox.length--;
      if (lane.length === 0) {
        this.#takeOut(lane);
        if (mailbox.lanes.size > LANES_KEPT) {
          mailbox.lanes.delete(sender);
          this.#spareLane(lane);
        }
      }
      this.#host.handling(mailbox.number, sender);
      this.#handling = true;
      this.handled++;
      try {
        mailbox.deliver(message, sender);
      } finally {
        this.#handling = false;
      }
    }
    this.#scheduleNext();
  }

  #chooseLane(): Lane | undefined {
    for (;;) {
      const lane = this.#drawLane();
      if (lane === undefined || this.#heldKinds.size === 0 || !this.#isHeld(lane)) return lane;
      this.#takeOut(lane);
      lane.index = HELD;
      this.#heldLanes.push(lane);
    }
  }

  #isHeld(lane: Lane): boolean {
    const next = lane.peek() as { readonly kind?: unknown } | null;
    return typeof next?.kind === "string" && this.#heldKinds.has(next.kind);
  }

  #drawLane(): Lane | undefined {
    const count = this.#ready.length;
    if (count <= 1) return this.#ready[0];
    const { world, chance } = this.#host;
    const { drawnMessagesOf256 } = world;
    if (drawnMessagesOf256 > 0 && chance.integer(256) < drawnMessagesOf256) {
      return this.#ready[chance.integer(count)];
    }
    this.#turnIndex = (this.#turnIndex + 1) % count;
    return this.#ready[this.#turnIndex];
  }

  #runAtEnd(): void {
    this.#scheduled = false;
    const runs = this.#atEnd;
    this.#atEnd = [];
    for (const run of runs) if (!this.ended) run();
    this.#scheduleNext();
  }
}
