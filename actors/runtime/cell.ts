/**
 * A cell: what the runtime keeps of one actor, from its spawning to its stop.
 *
 * It owns the actor's mailbox, its lives, its children, and who watches and asks it. It leaves the
 * choice between restart and stop to supervision.ts, and what a life may do to life.ts. Invariants:
 * no call of the actor runs while another of its calls does; a cell that has stopped hears nothing
 * and has no child, no watcher and no ask.
 *
 * @module
 */

import type { Actor, Behaviour, SpawnOptions, Supervision } from "./actor.ts";
import type { Mailbox } from "./environment.ts";
import type { Kernel, LifeContext } from "./kernel.ts";
import type { Address } from "./ref.ts";
import {
  type Dependent,
  NOTHING,
  RuntimeRef,
  Signal,
  type SignalSource,
  type Target,
} from "./signal.ts";
import { judge } from "./supervision.ts";

/** Messages that may wait where `SpawnOptions.mailboxLimit` says nothing. */
const MAILBOX_LIMIT = 10_000;

const FAIL_STOP: Supervision = { kind: "fail-stop" };
const NO_RESTARTS: readonly number[] = [];

/** The ref of a local actor; one for each cell. */
export class LocalRef extends RuntimeRef<unknown> {
  constructor(readonly target: Cell) {
    super();
  }
  get address(): Address {
    return this.target.address;
  }
  tell(message: unknown): boolean {
    return this.target.accept(message);
  }
}

export class Cell implements Target {
  readonly kernel: Kernel;
  readonly parent: Cell | undefined;
  readonly name: string;
  readonly ref: LocalRef;
  /** The number that the dispatcher knows this actor by as a sender. */
  readonly number: number;
  stopped = false;
  /** While a call of this cell runs: the cell whose call it is nested in. */
  outer: Cell | undefined = undefined;
  readonly #mailbox: Mailbox<unknown>;
  readonly #limit: number;
  readonly #supervision: Supervision;
  /** Undefined once stopped, so that a ref kept by somebody keeps little. */
  #behaviour: Behaviour<unknown> | undefined;
  #life: LifeContext | undefined = undefined;
  #actor: Actor<unknown> | undefined = undefined;
  #restarts = NO_RESTARTS;
  #children: Map<string, Cell> | undefined = undefined;
  #watchers: Set<Dependent> | undefined = undefined;
  #asks: Set<Dependent> | undefined = undefined;

  /**
   * Spawns an actor below `parent`, or at the top, and makes it.
   * @throws {Error} when the name is taken or not a name, or the system is shut down.
   */
  static spawn(
    kernel: Kernel,
    parent: Cell | undefined,
    name: string,
    behaviour: Behaviour<unknown>,
    options: SpawnOptions | undefined,
  ): Cell {
    const siblings = parent === undefined ? kernel.roots : (parent.#children ??= new Map());
    const refuse = (why: string) => new Error(`Cannot spawn ${parent?.path ?? ""}/${name}: ${why}`);
    if (kernel.closing) throw refuse("the actor system is shut down");
    if (name === "" || name.includes("/")) throw refuse("a name has letters and no slash");
    if (siblings.has(name)) throw refuse("the name is taken");
    const cell = new Cell(kernel, parent, name, behaviour, options);
    siblings.set(name, cell);
    cell.#make();
    return cell;
  }

  /** Use `spawn`, which checks and registers the name, and makes the actor. */
  constructor(
    kernel: Kernel,
    parent: Cell | undefined,
    name: string,
    behaviour: Behaviour<unknown>,
    options: SpawnOptions | undefined,
  ) {
    this.kernel = kernel;
    this.parent = parent;
    this.name = name;
    this.number = kernel.nextNumber();
    this.ref = new LocalRef(this);
    this.#behaviour = behaviour;
    this.#limit = options?.mailboxLimit ?? MAILBOX_LIMIT;
    this.#supervision = options?.supervision ?? FAIL_STOP;
    // The cell counts messages itself: signals are not refused for want of room.
    this.#mailbox = kernel.environment.dispatcher.mailbox<unknown>(
      Number.MAX_SAFE_INTEGER,
      (message) => this.#deliver(message),
    );
  }

  get path(): string {
    return `${this.parent?.path ?? ""}/${this.name}`;
  }

  get address(): Address {
    const { node, shard } = this.kernel;
    const incarnation = this.kernel.incarnation(this.number);
    return { node, shard, path: this.path, incarnation };
  }

  child(name: string): Cell | undefined {
    return this.#children?.get(name);
  }

  /** Queues a message of the actor whose call is under way; false when gone or full. */
  accept(message: unknown): boolean {
    const mailbox = this.#mailbox;
    if (mailbox.length < this.#limit && mailbox.push(this.kernel.sender, message)) return true;
    this.kernel.refused.add(1);
    return false;
  }

  /** As `accept`, for a message that its source makes. */
  acceptFor(source: SignalSource, value: unknown): boolean {
    return this.accept(new Signal(source, value));
  }

  /** Queues what the actor itself arranged for, whatever the limit. */
  signal(source: SignalSource, value: unknown, sender: number): boolean {
    return this.#mailbox.push(sender, new Signal(source, value));
  }

  /** Stops now, or after the calls under way in it or below it. */
  stop(): void {
    if (this.stopped) return;
    if (this.kernel.isBusy(this)) this.kernel.deferred.push({ cell: this });
    else this.terminate();
  }

  /** Stops; no call of it or below it is under way. */
  terminate(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#mailbox.close();
    this.#endLife();
    const siblings = this.parent === undefined ? this.kernel.roots : this.parent.#children;
    siblings?.delete(this.name);
    this.#behaviour = undefined;
    const watchers = this.#watchers;
    this.#watchers = undefined;
    if (watchers === undefined) return;
    for (const watch of watchers) watch.gone(this.number);
  }

  /** Forgets everything and tells nobody. */
  crash(): void {
    this.stopped = true;
    this.#mailbox.close();
    this.#life?.end();
    for (const child of this.#children?.values() ?? []) child.crash();
    this.#behaviour = this.#actor = this.#life = undefined;
    this.#children = this.#watchers = this.#asks = undefined;
  }

  /** Has a failure supervised once no call of it or below it is under way. */
  fail(error: unknown): void {
    if (this.kernel.crashed) return;
    this.kernel.deferred.push({ cell: this, failure: { error } });
    if (this.kernel.current === undefined) this.kernel.settle();
  }

  /** Decides on a failure and acts on it; no call of it or below it is under way. */
  supervise(error: unknown): void {
    if (this.stopped) return this.#logFailure(error, "stop");
    const now = this.kernel.environment.clock.monotonic();
    const verdict = judge(this.#supervision, this.#restarts, now);
    this.#logFailure(error, verdict.kind);
    if (verdict.kind === "restart") {
      this.#restarts = verdict.restarts;
      this.#endLife();
      this.#make();
      return;
    }
    this.terminate();
    if (verdict.kind === "escalate") this.parent?.fail(error);
  }

  addWatch(watch: Dependent): boolean {
    if (this.stopped) return false;
    (this.#watchers ??= new Set()).add(watch);
    return true;
  }

  removeWatch(watch: Dependent): void {
    this.#watchers?.delete(watch);
  }

  addAsk(ask: Dependent): void {
    if (!this.stopped) (this.#asks ??= new Set()).add(ask);
  }

  removeAsk(ask: Dependent): void {
    this.#asks?.delete(ask);
  }

  /** Begins a life: calls the behaviour. A throw is supervised like any other. */
  #make(): void {
    const life = this.kernel.begin(this);
    this.#life = life;
    this.#call(() => {
      this.#actor = (this.#behaviour as Behaviour<unknown>)(life);
    });
  }

  /** Ends a life: its undertakings, the children, then `stopped`, then what was asked of it. */
  #endLife(): void {
    this.#life?.end();
    this.#life = undefined;
    const children = [...this.#children?.values() ?? []].reverse();
    for (const child of children) child.terminate();
    this.#children = undefined;
    const actor = this.#actor;
    this.#actor = undefined;
    if (actor?.stopped !== undefined) this.#callStopped(actor);
    const asks = this.#asks;
    this.#asks = undefined;
    if (asks === undefined) return;
    for (const ask of asks) ask.gone(this.number);
  }

  #deliver(message: unknown): void {
    const { kernel } = this;
    kernel.current = this;
    kernel.sender = this.number;
    try {
      const taken = message instanceof Signal ? message.source.take(message.value) : message;
      if (taken !== NOTHING) {
        kernel.probe?.(this.ref, taken);
        (this.#actor as Actor<unknown>).receive(taken);
      }
    } catch (error) {
      this.fail(error);
    }
    kernel.current = undefined;
    kernel.sender = 0;
    if (kernel.deferred.length > 0) kernel.settle();
  }

  /** As `#deliver` for the other calls, which may be nested in calls of other cells. */
  #call(run: () => void): void {
    const { kernel } = this;
    this.outer = kernel.current;
    kernel.current = this;
    kernel.sender = this.number;
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
    kernel.current = this.outer;
    kernel.sender = this.outer?.number ?? 0;
    this.outer = undefined;
    if (kernel.deferred.length > 0) kernel.settle();
  }

  #callStopped(actor: Actor<unknown>): void {
    this.#call(() => {
      try {
        actor.stopped?.();
      } catch (error) {
        if (!this.kernel.crashed) this.#logFailure(error, "ignore");
      }
    });
  }

  #logFailure(error: unknown, decided: string): void {
    this.kernel.failures.add(1);
    this.kernel.environment.logger.log("error", "actor failed", {
      actor: this.path,
      error: error instanceof Error ? error : String(error),
      decided,
    });
  }
}
