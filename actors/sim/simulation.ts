/**
 * The simulated world: nodes, their network and disks, virtual time and faults, all from one seed,
 * in one thread.
 *
 * Owns how a run proceeds. A run is an order of events; each message handled, timer, packet and
 * completion is one. The same seed and options give the same run, to the last bit, which
 * `traceHash` tells. Checkers look at everything by reference after each event, and draw nothing.
 *
 * @module
 */

import { MemoryNetwork } from "../../net/memory_network.ts";
import type { LogLevel } from "../runtime/environment.ts";
import {
  ANY_INCARNATION,
  EventLoop,
  microseconds,
  type Owner,
  type SimulatedEvent,
} from "./event_loop.ts";
import { FaultInjector } from "./fault_injector.ts";
import { Links } from "./links.ts";
import { PurityGuard } from "./purity.ts";
import { SeededRandom } from "./random.ts";
import { type NodeHost, SimulatedNode } from "./simulated_node.ts";
import { Trace } from "./trace.ts";
import { drawWorld, type WorldOptions } from "./world_options.ts";

/** What a simulated world is made of. */
export interface SimulationOptions {
  /** The same seed gives the same run. */
  readonly seed: number | string;
  /** Instead of what the seed would draw; what is left out is drawn. */
  readonly world?: Partial<WorldOptions>;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
  /** Takes the lines that nodes log, from `logLevel` (default `warn`) on. */
  readonly log?: (node: string, line: string) => void;
  /** The least that `log` takes. */
  readonly logLevel?: LogLevel;
  /** Takes what ended a process: its boot threw, or it chose to. By default that fails the run. */
  readonly exited?: (node: SimulatedNode, error: unknown) => void;
  /** Whether the real world is kept out; default true. */
  readonly purity?: boolean;
  /** Events at one instant before the run fails as one that never ends. */
  readonly instantMax?: number;
  /** As in `MemoryNetworkOptions`. */
  readonly connectTimeoutMs?: number;
  /** As in `MemoryNetworkOptions`. */
  readonly retransmitTimeoutMs?: number;
  /** As in `MemoryNetworkOptions`. */
  readonly windowBytes?: number;
}

/** When a run ends, whichever comes first; without any, when nothing is left to happen. */
export interface RunLimits {
  /** Virtual milliseconds from now. */
  readonly forMs?: number;
  /** So many events from now. */
  readonly events?: number;
  /** Looked at before each event. */
  readonly until?: () => boolean;
}

/** How a run ended. */
export interface RunResult {
  /** Which limit was reached; `idle` when nothing was left to happen. */
  readonly reason: "time" | "events" | "condition" | "idle";
  /** Events of this run. */
  readonly events: number;
}

/** What an after-event hook is told; valid during the call. */
export interface EventView {
  /** Microseconds. */
  readonly time: number;
  /** Its number in the run. */
  readonly order: number;
  /** What happened, in one fixed word. */
  readonly what: string;
  /** A number that goes with it: bytes, a mailbox. */
  readonly detail: number;
  /** Whose event it was. */
  readonly owner: {
    readonly name: string;
    /** The path of the actor that handled a message in it, where its node has a probe. */
    readonly actor: string | undefined;
  };
}

/** A run that failed: its message names the seed, the event and the time. */
export class SimulationFailure extends Error {
  /** @ignore */
  override readonly name = "SimulationFailure";
}

/** Promise turns in which nothing may happen before the world counts as quiet. */
const QUIET_TURNS = 64;
const SETTLE_ROUNDS_MAX = 10_000;

/** A simulated world. */
export class Simulation {
  /** What it was made from. */
  readonly seed: number | string;
  /** What it is like. */
  readonly world: WorldOptions;
  /** For the run's own draws: workloads, plans. Nodes draw from streams of theirs. */
  readonly random: SeededRandom;
  /**
   * The network beneath.
   * @internal
   */
  readonly network: MemoryNetwork;
  /** The wires between nodes. */
  readonly links: Links;
  /** Brings faults upon nodes, wires and disks. */
  readonly faults: FaultInjector;
  readonly #loop: EventLoop;
  readonly #trace: Trace;
  readonly #guard: PurityGuard | undefined;
  readonly #host: NodeHost;
  readonly #self: Owner;
  readonly #owners = new Map<string, Owner>();
  readonly #nodes = new Map<string, SimulatedNode>();
  readonly #hooks: ((event: EventView) => void)[] = [];
  /** Draws whether a step is an event of its own. */
  readonly #splits: () => boolean;
  /** Whether the hooks run. */
  #isLookedAt = false;
  #operations = 0;
  #fatal: Error | undefined;

  /** Makes a world without nodes. */
  constructor(options: SimulationOptions) {
    const random = new SeededRandom(options.seed);
    this.seed = options.seed;
    this.world = { ...drawWorld(random.stream("world")), ...options.world };
    this.random = random.fork("run");
    this.#trace = new Trace(options.trace);
    this.#guard = options.purity === false ? undefined : new PurityGuard();
    this.#loop = new EventLoop({
      permute: this.world.permuteNodes ? random.stream("permutation").integer(2 ** 32) : undefined,
      instantMax: options.instantMax ?? 1_000_000,
    });
    const { splitStepsOf256 } = this.world;
    const steps = random.stream("steps");
    this.#splits = () => splitStepsOf256 > 0 && steps.integer(256) < splitStepsOf256;
    this.#self = this.#owner("simulation");
    this.links = new Links(this.world, random.fork("links"), () => this.nowMs);
    this.network = this.#makeNetwork(options);
    this.#host = {
      loop: this.#loop,
      network: this.network,
      world: this.world,
      random,
      trace: this.#trace,
      log: options.log === undefined
        ? undefined
        : { level: options.logLevel ?? "warn", write: options.log },
      guarded: (run) => this.#guarded(run),
      isLookedAt: () => this.#isLookedAt,
      splits: this.#splits,
      exited: options.exited ?? ((node, error) => {
        // Kept, for an actor's supervision may catch it.
        this.#fatal = new Error(`Process of ${node.name} ended: ${error}`, { cause: error });
        throw this.#fatal;
      }),
    };
    this.faults = new FaultInjector({
      network: this.network,
      links: this.links,
      node: (name) => this.node(name),
      nodes: () => this.nodes(),
      nowMs: () => this.nowMs,
      at: (delayMs, what, run) => this.at(delayMs, what, run),
    });
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#loop.now / 1000;
  }

  /** Events handled so far. */
  get events(): number {
    return this.#loop.handled;
  }

  /** Equal for two runs exactly if, but for chance, the same happened in them. */
  get traceHash(): string {
    return this.#trace.hash;
  }

  /** The node of that name; made, but not started, when first asked for. */
  node(name: string): SimulatedNode {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = new SimulatedNode(this.#host, this.#owner(name));
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** All nodes, in the order they were first asked for. */
  nodes(): readonly SimulatedNode[] {
    return [...this.#nodes.values()];
  }

  /** Has `run` be an event of the run's own: a step of a workload, a fault. */
  at(delayMs: number, what: string, run: () => void): void {
    this.#loop.schedule(microseconds(delayMs), this.#self, ANY_INCARNATION, what, 0, run);
  }

  /** Has `hook` be called after every event. It must change and draw nothing. */
  afterEvent(hook: (event: EventView) => void): void {
    this.#hooks.push(hook);
  }

  /**
   * Lets the world go on, without any promise being resolved meanwhile.
   * @throws {SimulationFailure} of what an event or a hook threw.
   */
  run(limits: RunLimits = {}): RunResult {
    const run = new Run(this.#loop, limits);
    this.#guard?.enter();
    try {
      for (let end = run.ended();; end = run.ended()) {
        if (end !== undefined) return end;
        this.#step();
      }
    } finally {
      this.#guard?.leave();
    }
  }

  /** As `run`, for code with promises on the nodes: before each event all that can go on has. */
  async runAsync(limits: RunLimits = {}): Promise<RunResult> {
    const run = new Run(this.#loop, limits);
    this.#guard?.enter();
    try {
      for (;;) {
        await this.settle();
        const end = run.ended();
        if (end !== undefined) return end;
        this.#step();
      }
    } finally {
      this.#guard?.leave();
    }
  }

  /**
   * Lets promises go on until none does anything any more: until nothing was asked of the world in
   * 64 turns of the promise queue. No macrotask runs.
   * @throws {Error} when an operation of the host is under way, or the promises never come to rest.
   */
  async settle(): Promise<void> {
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      const before = this.#loop.scheduled;
      for (let turn = 0; turn < QUIET_TURNS; turn++) await undefined;
      if (this.#loop.scheduled !== before) continue;
      if (this.#operations === 0) return;
      throw new Error(`Cannot settle: ${this.#operations} operations of the host are under way`);
    }
    throw new Error("Cannot settle: promises go on for ever without time passing");
  }

  /**
   * Says that something the simulation does not run is under way (work off the loop): until the
   * function returned is called, the world does not go on.
   */
  beginOperation(): () => void {
    this.#operations++;
    let ended = false;
    return () => {
      if (!ended) this.#operations--;
      ended = true;
    };
  }

  /** What a run was and did, for people and for comparing. */
  summary(): Readonly<Record<string, unknown>> {
    return {
      seed: this.seed,
      world: this.world,
      virtualMs: this.nowMs,
      events: this.events,
      traceHash: this.traceHash,
      faults: this.faults.counts,
      nodes: Object.fromEntries(
        this.nodes().map(({ name, state, starts, crashes, throws }) => [
          name,
          { state, starts, crashes, throws },
        ]),
      ),
    };
  }

  #makeNetwork(options: SimulationOptions): MemoryNetwork {
    const { connectTimeoutMs, retransmitTimeoutMs, windowBytes } = options;
    return new MemoryNetwork({
      scheduler: {
        now: () => this.nowMs,
        schedule: (delayMs, run, host, what, size) => {
          const owner = this.#owner(host);
          const mayFollow = what === "net.send" && delayMs === 0 && !this.#splits();
          if (mayFollow && this.#loop.putBehind(owner, run)) return;
          const delayUs = microseconds(delayMs);
          this.#loop.schedule(delayUs, owner, ANY_INCARNATION, what, size, run);
        },
      },
      faults: this.links,
      observe: (from, to, bytes) => this.#trace.bytes(from, to, bytes),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(retransmitTimeoutMs === undefined ? {} : { retransmitTimeoutMs }),
      ...(windowBytes === undefined ? {} : { windowBytes }),
    });
  }

  #owner(name: string): Owner {
    let owner = this.#owners.get(name);
    if (owner === undefined) {
      const id = this.#owners.size;
      owner = { name, id, incarnation: 0, paused: false, actor: undefined, held: [] };
      this.#owners.set(name, owner);
    }
    return owner;
  }

  #guarded(run: () => void): void {
    this.#guard?.enter();
    try {
      run();
    } finally {
      this.#guard?.leave();
    }
    this.#guard?.check();
  }

  #step(): void {
    let event: SimulatedEvent | undefined;
    try {
      event = this.#loop.take();
      if (event === undefined) return;
      this.#trace.event(event);
      event.owner.actor = undefined;
      this.#loop.run(event);
      this.#guard?.check();
      if (this.#fatal !== undefined) throw this.#fatal;
      this.#isLookedAt = true;
      for (const hook of this.#hooks) hook(event);
    } catch (error) {
      throw this.#failure(event, error);
    } finally {
      this.#isLookedAt = false;
    }
  }

  #failure(event: SimulatedEvent | undefined, error: unknown): SimulationFailure {
    const where = event === undefined ? "" : `, ${event.what} at ${event.owner.name}`;
    const reason = error instanceof Error ? error.message : String(error);
    return new SimulationFailure(
      `Simulation of seed ${this.seed} failed at event ${this.events}, ${this.nowMs} ms${where}: ` +
        reason,
      { cause: error },
    );
  }
}

/** When one run is to end. */
class Run {
  readonly #loop: EventLoop;
  readonly #limits: RunLimits;
  readonly #firstEvent: number;
  readonly #endTime: number;

  constructor(loop: EventLoop, limits: RunLimits) {
    this.#loop = loop;
    this.#limits = limits;
    this.#firstEvent = loop.handled;
    this.#endTime = limits.forMs === undefined ? Infinity : loop.now + microseconds(limits.forMs);
  }

  ended(): RunResult | undefined {
    const { events = Infinity, until } = this.#limits;
    const done = this.#loop.handled - this.#firstEvent;
    if (until?.() === true) return { reason: "condition", events: done };
    if (done >= events) return { reason: "events", events: done };
    const next = this.#loop.nextTime;
    if (next !== undefined && next <= this.#endTime) return undefined;
    if (this.#endTime === Infinity) return { reason: "idle", events: done };
    this.#loop.advance(this.#endTime);
    return { reason: "time", events: done };
  }
}
