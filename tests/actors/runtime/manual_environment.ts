/**
 * An environment that stands still: nothing runs until `run`, no time passes until `advance`.
 *
 * Messages are dispatched by the real dispatcher, or, given a `choose`, in any order that keeps
 * what one sender told one mailbox in order.
 */
import type {
  Dispatcher,
  Environment,
  LogFields,
  Logger,
  LogLevel,
  Mailbox,
  Random,
  Timer,
} from "../../../actors/runtime/environment.ts";
import { FifoDispatcher } from "../../../actors/runtime/dispatcher.ts";
import { InMemoryMetrics } from "../../../actors/runtime/metrics_registry.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { MemoryNetwork } from "../../../net/memory_network.ts";
import type { Network } from "../../../net/network.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";

/** Chooses a whole number from 0 up to, not including, `below`. */
export type Choose = (below: number) => number;

export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

interface Waiting {
  readonly due: number;
  readonly run: () => void;
}

/** Time, and what runs at it; may be shared by the environments of several nodes. */
export class ManualWorld {
  now = 0;
  /** Bytes that each host has put on the network, in the writes that it made. */
  readonly sent = new Map<string, number[]>();
  readonly #ready: (() => void)[] = [];
  readonly #waiting = new Set<Waiting>();
  readonly network = new MemoryNetwork({
    scheduler: {
      now: () => this.now,
      schedule: (delayMs, run) => void this.schedule(delayMs, run),
    },
    observe: (from, _to, bytes) => {
      const sizes = this.sent.get(from) ?? [];
      this.sent.set(from, [...sizes, bytes.length]);
    },
  });

  soon(run: () => void): void {
    this.#ready.push(run);
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#waiting.size;
  }

  get idle(): boolean {
    return this.#ready.length === 0;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const waiting = { due: this.now + delayMs, run };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** Runs what is ready, and what is due, until nothing is. */
  run(): void {
    for (;;) {
      const ready = this.#ready.shift();
      if (ready !== undefined) ready();
      else if (!this.#fireNext(this.now)) return;
    }
  }

  /** Lets time pass, stopping where something is due. */
  advance(ms: number): void {
    const end = this.now + ms;
    this.run();
    while (this.#fireNext(end)) this.run();
    this.now = end;
  }

  /** Lets time pass and fires what is due, but runs nothing that became ready. */
  fireOnly(ms: number): void {
    this.now += ms;
    while (this.#fireNext(this.now));
  }

  #fireNext(end: number): boolean {
    let next: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (waiting.due <= end && (next === undefined || waiting.due < next.due)) next = waiting;
    }
    if (next === undefined) return false;
    this.#waiting.delete(next);
    this.now = Math.max(this.now, next.due);
    next.run();
    return true;
  }
}

export interface ManualOptions {
  readonly world?: ManualWorld;
  /** The name of its host on the world's network. */
  readonly host?: string;
  readonly choose?: Choose;
  readonly seed?: number;
}

export class ManualEnvironment implements Environment {
  readonly world: ManualWorld;
  readonly lines: LogLine[] = [];
  readonly metrics = new InMemoryMetrics();
  readonly disk = new MemoryDisk();
  readonly process = "manual";
  readonly network: Network;
  readonly dispatcher: Dispatcher;
  readonly clock = { monotonic: () => this.world.now, wall: () => Math.floor(this.world.now) };
  readonly timers = {
    schedule: (delayMs: number, run: () => void) => this.world.schedule(delayMs, run),
  };
  readonly random: Random;
  readonly logger: Logger;

  constructor(options: ManualOptions = {}) {
    const world = this.world = options.world ?? new ManualWorld();
    this.network = world.network.host(options.host ?? "here");
    this.dispatcher = options.choose === undefined
      ? new FifoDispatcher({
        soon: (run) => world.soon(run),
        later: (run) => world.soon(run),
        afterIo: (run) => world.soon(run),
        now: () => world.now,
        failed: (error) => {
          throw error;
        },
      })
      : new ChoosingDispatcher(world, options.choose);
    const stream = new SeededStream(options.seed ?? 1, 2, 3);
    this.random = { stream: () => stream };
    this.logger = this.#logger({});
  }

  run(): void {
    this.world.run();
  }

  advance(ms: number): void {
    this.world.advance(ms);
  }

  #logger(own: LogFields): Logger {
    return {
      log: (level, event, fields) => {
        this.lines.push({ level, event, fields: { ...own, ...fields } });
      },
      with: (fields) => this.#logger({ ...own, ...fields }),
    };
  }
}

interface Lane {
  readonly sender: number;
  readonly messages: unknown[];
}

class ChoosingDispatcher implements Dispatcher {
  readonly #world: ManualWorld;
  readonly #choose: Choose;
  readonly #mailboxes: ChoosingMailbox[] = [];
  handled = 0;
  #atEnd: (() => void)[] = [];

  constructor(world: ManualWorld, choose: Choose) {
    this.#world = world;
    this.#choose = choose;
  }

  mailbox<Message>(
    limit: number,
    deliver: (message: Message, sender: number) => void,
  ): Mailbox<Message> {
    const step = () => this.#world.soon(() => this.#step());
    const mailbox = new ChoosingMailbox(limit, deliver as ChoosingMailbox["deliver"], step);
    this.#mailboxes.push(mailbox);
    return mailbox as Mailbox<Message>;
  }

  atEndOfTurn(run: () => void): void {
    this.#atEnd.push(run);
    this.#world.soon(() => this.#step());
  }

  afterIo(run: () => void): void {
    this.atEndOfTurn(run);
  }

  #step(): void {
    const lanes = this.#mailboxes.flatMap((mailbox) =>
      mailbox.lanes.map((lane) => ({ mailbox, lane }))
    );
    if (lanes.length === 0) {
      const runs = this.#atEnd;
      this.#atEnd = [];
      for (const run of runs) run();
      return;
    }
    const { mailbox, lane } = lanes[this.#choose(lanes.length)]!;
    const message = lane.messages.shift();
    if (lane.messages.length === 0) mailbox.lanes.splice(mailbox.lanes.indexOf(lane), 1);
    mailbox.length--;
    this.handled++;
    mailbox.deliver(message, lane.sender);
  }
}

class ChoosingMailbox implements Mailbox<unknown> {
  readonly lanes: Lane[] = [];
  length = 0;
  #closed = false;
  constructor(
    readonly limit: number,
    readonly deliver: (message: unknown, sender: number) => void,
    readonly pushed: () => void,
  ) {}

  push(sender: number, message: unknown): boolean {
    if (this.#closed || this.length >= this.limit) return false;
    this.length++;
    const lane = this.lanes.find((lane) => lane.sender === sender);
    if (lane === undefined) this.lanes.push({ sender, messages: [message] });
    else lane.messages.push(message);
    this.pushed();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.length = 0;
    this.lanes.length = 0;
  }
}
