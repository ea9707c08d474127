/**
 * A node of the simulated world: a process that runs, crashes and starts again over one disk.
 *
 * Owns what one name stands for: its disk and clocks, which last, and its present incarnation,
 * which ends with each crash. Invariants:
 * - At most one incarnation runs. What an earlier one left under way has no effect.
 * - A crash calls nothing of the process but `crash`, which drops what it has in memory.
 *
 * @module
 */

import type { CrashModel } from "../../storage/disk_faults.ts";
import type { MemoryNetwork } from "../../net/memory_network.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Probe } from "../runtime/system.ts";
import type { EventLoop, Owner } from "./event_loop.ts";
import { NodeClock } from "./node_clock.ts";
import { PurityError } from "./purity.ts";
import type { SeededRandom } from "./random.ts";
import { type LogSink, simulatedEnvironment } from "./sim_environment.ts";
import { SimulatedDispatcher } from "./sim_dispatcher.ts";
import { guardedDisk, SimulatedDisk } from "./simulated_disk.ts";
import type { Trace } from "./trace.ts";
import type { WorldOptions } from "./world_options.ts";

/** What runs on a node; an `ActorSystem` is one. */
export interface Stoppable {
  /** Drops everything at once; nothing outside is told. */
  crash(): void;
  /** Ends in good order, then calls `done`, later. */
  shutdown?(done: () => void): void;
}

/** Starts the process of a node. What it throws ends the process. */
export type Boot = (environment: Environment) => Stoppable;

/** Whether the process of a node runs. */
export type NodeState = "down" | "up" | "paused";

/** What a node needs of its world. */
export interface NodeHost {
  readonly loop: EventLoop;
  readonly network: MemoryNetwork;
  readonly world: WorldOptions;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly log: LogSink | undefined;
  /** Draws whether a step that could belong to the event that runs is an event of its own. */
  splits(): boolean;
  /** Runs code of the process with the real world kept out. */
  guarded(run: () => void): void;
  /** Whether it is checkers that run, and no process. */
  isLookedAt(): boolean;
  /** Told that a boot threw, or that a process ended itself. */
  exited(node: SimulatedNode, error: unknown): void;
}

/** Whose message it is before the probe tells. */
const UNKNOWN_ACTOR = "?";

/** What the throws of a fault say. */
export const INJECTED_FAILURE = "Injected failure";

/** A machine of the simulated world: its disk stays, its processes come and go. */
export class SimulatedNode {
  /** Its name, and its host's. */
  readonly name: string;
  /**
   * The machine's clock.
   * @internal
   */
  readonly clock: NodeClock;
  /**
   * The machine's disk.
   * @internal
   */
  readonly disk: SimulatedDisk;
  /**
   * For `ActorSystemOptions.probe`: takes every message into the trace, and throws where a fault
   * says so.
   */
  readonly probe: Probe;
  readonly #host: NodeHost;
  readonly #owner: Owner;
  readonly #random: SeededRandom;
  readonly #paths = new WeakMap<object, string>();
  #boot: Boot | undefined;
  #running: Stoppable | undefined;
  #environment: Environment | undefined;
  #dispatcher: SimulatedDispatcher | undefined;
  readonly #held = new Map<string, number>();
  #throwIn = 0;
  #stopping = false;
  /** How often it was started. */
  starts = 0;
  /** How often it ended otherwise than by `stop`. */
  crashes = 0;
  /** Throws injected into handlers. */
  throws = 0;

  /** @ignore */
  constructor(host: NodeHost, owner: Owner) {
    this.#host = host;
    this.#owner = owner;
    this.name = owner.name;
    this.#random = host.random.fork(`node ${owner.name}`);
    const { driftPpmMax, wallOffsetMsMax } = host.world;
    const clocks = this.#random.stream("clock");
    this.clock = new NodeClock(
      () => host.loop.now,
      clocks.integer(2 * driftPpmMax + 1) - driftPpmMax,
      clocks.integer(2 * wallOffsetMsMax + 1) - wallOffsetMsMax,
    );
    this.disk = new SimulatedDisk({
      world: host.world,
      chance: this.#random.stream("disk"),
      isLookedAt: () => host.isLookedAt(),
      schedule: (delayUs, what, run) =>
        host.loop.schedule(delayUs, owner, owner.incarnation, what, 0, run),
    });
    this.probe = (actor, message) => this.#probe(actor, message);
  }

  /** Whether its process runs. */
  get state(): NodeState {
    if (this.#environment === undefined) return "down";
    return this.#owner.paused ? "paused" : "up";
  }

  /** Whether it was asked to end in good order, and has not yet. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /** How many incarnations there were before the present one. */
  get incarnation(): number {
    return this.#owner.incarnation;
  }

  /** The environment of the running process. */
  get environment(): Environment | undefined {
    return this.#environment;
  }

  /** Starts the process, at once; without a boot, as the last time. */
  start(boot?: Boot): void {
    if (this.#environment !== undefined) {
      throw new Error(`Cannot start ${this.name}: it is ${this.state}`);
    }
    this.#boot = boot ?? this.#boot;
    if (this.#boot === undefined) throw new Error(`Cannot start ${this.name}: no boot is known`);
    this.starts++;
    const environment = this.#makeEnvironment();
    this.#environment = environment;
    this.#host.trace.note(this.name, "start");
    try {
      this.#host.guarded(() => this.#runBoot(environment));
    } catch (error) {
      if (error instanceof PurityError) throw error;
      if (this.#environment === environment) this.exit(error);
      else throw error;
    }
  }

  /** Starts the process as the last time, if it is not running. */
  restart(): void {
    if (this.#environment === undefined) this.start();
  }

  /**
   * Ends the process at once, as kill -9 does. With `powerLoss` its machine is silent until the
   * next start, and what was not synced may be lost.
   */
  crash(options: { readonly powerLoss?: boolean | CrashModel } = {}): void {
    if (this.#environment === undefined) return;
    this.crashes++;
    const { powerLoss = false } = options;
    const running = this.#running;
    this.#endIncarnation(powerLoss !== false);
    if (powerLoss === false) this.disk.killProcess();
    else this.disk.cutPower(powerLoss === true ? {} : powerLoss);
    running?.crash(); // Last, so that nothing it does is of any use.
    this.#host.trace.note(this.name, powerLoss === false ? "crash" : "power loss");
  }

  /** Ends the process by its own will, as a node does whose disk failed. */
  exit(reason: unknown): void {
    if (this.#environment === undefined) return;
    this.crash();
    this.#host.exited(this, reason);
  }

  /** Asks the process to end in good order; `done` is called when it has. */
  stop(done?: () => void): void {
    const running = this.#running;
    if (running === undefined || this.#stopping) return;
    if (running.shutdown === undefined) throw new Error(`Cannot stop ${this.name}: no shutdown`);
    this.#stopping = true;
    const { incarnation } = this.#owner;
    this.#host.guarded(() =>
      running.shutdown?.(() => {
        if (this.#owner.incarnation !== incarnation) return;
        this.#endIncarnation(false);
        this.disk.killProcess();
        done?.();
      })
    );
  }

  /** Stops all that the process does, while time goes on: what comes due waits for `resume`. */
  pause(): void {
    if (this.#environment !== undefined) this.#owner.paused = true;
  }

  /** Lets a paused process go on. */
  resume(): void {
    if (!this.#owner.paused) return;
    this.#owner.paused = false;
    this.#host.loop.release(this.#owner);
  }

  /** Makes the handler of the `nth` message from now throw (1 is the next); needs the probe. */
  throwInHandler(nth: number): void {
    this.#throwIn = nth;
  }

  /** Leaves messages of a kind unhandled, in this incarnation and those to come. */
  holdMessages(kind: string): void {
    this.#held.set(kind, (this.#held.get(kind) ?? 0) + 1);
    this.#dispatcher?.hold(kind);
  }

  /** Takes one `holdMessages` back; all without a kind. */
  releaseMessages(kind?: string): void {
    if (kind === undefined) {
      this.#held.clear();
      return this.#dispatcher?.release();
    }
    const count = (this.#held.get(kind) ?? 0) - 1;
    if (count > 0) return void this.#held.set(kind, count);
    this.#held.delete(kind);
    this.#dispatcher?.release(kind);
  }

  #runBoot(environment: Environment): void {
    const running = (this.#boot as Boot)(environment);
    if (this.#environment === environment) this.#running = running;
    else running.crash(); // It was crashed while it booted.
  }

  #endIncarnation(power: boolean): void {
    this.#dispatcher?.end();
    this.#dispatcher = undefined;
    this.#running = undefined;
    this.#environment = undefined;
    this.#stopping = false;
    this.#throwIn = 0;
    this.#owner.incarnation++;
    this.resume();
    this.#host.network.crash(this.name, { power });
  }

  #makeEnvironment(): Environment {
    const owner = this.#owner;
    const { loop, network, world, trace, log } = this.#host;
    const { incarnation } = owner;
    const random = this.#random.fork(`incarnation ${incarnation}`);
    this.clock.restartMonotonic(random.stream("monotonic").integer(1_000_000));
    this.#dispatcher = new SimulatedDispatcher({
      world,
      chance: random.stream("dispatcher"),
      schedule: (delayUs, what, detail, run) =>
        loop.schedule(delayUs, owner, incarnation, what, detail, run),
      get event() {
        return loop.handled;
      },
      handling: (mailbox, sender) => {
        owner.actor = UNKNOWN_ACTOR;
        trace.message(mailbox, sender);
      },
      putBehind: (run) => !this.#host.splits() && loop.putBehind(owner, run),
    });
    for (const kind of this.#held.keys()) this.#dispatcher.hold(kind);
    return simulatedEnvironment({
      loop,
      owner,
      clock: this.clock,
      random: random.fork("process"),
      disk: guardedDisk(this.disk.contents, () => owner.incarnation === incarnation),
      network: network.host(this.name),
      dispatcher: this.#dispatcher,
      log,
    });
  }

  #probe(actor: Parameters<Probe>[0], message: unknown): void {
    let path = this.#paths.get(actor);
    if (path === undefined) {
      path = actor.address.path;
      this.#paths.set(actor, path);
    }
    this.#owner.actor = path;
    this.#host.trace.note(path, describe(message));
    if (this.#throwIn === 0 || --this.#throwIn > 0) return;
    this.throws++;
    throw new Error(`${INJECTED_FAILURE} of ${path}`);
  }
}

/** What kind of message it is. */
function describe(message: unknown): string {
  if (typeof message !== "object" || message === null) return typeof message;
  const { kind } = message as { kind?: unknown };
  return typeof kind === "string" ? kind : "object";
}
