/**
 * The context of one life of an actor: what it may do, and what of it ends with the life.
 *
 * It owns the life's timers, watches and asks; the cell owns the actor. Invariant: when `over` is
 * set nothing that the life started is delivered any more, and its context does nothing.
 *
 * @module
 */

import type { ActorContext, AskResult, Behaviour, SpawnOptions } from "./actor.ts";
import { Ask } from "./ask.ts";
import { Cell, LocalRef } from "./cell.ts";
import type { Environment } from "./environment.ts";
import type { LifeContext } from "./kernel.ts";
import type { Address, Ref } from "./ref.ts";
import { type Dependent, NOTHING, RuntimeRef, type SignalSource, type Target } from "./signal.ts";
import type { Deadline } from "./timers.ts";

export class Life implements ActorContext<unknown>, LifeContext {
  readonly cell: Cell;
  over = false;
  #timers: Map<string, KeyedTimer> | undefined = undefined;
  #watches: Map<Target, Watch> | undefined = undefined;
  #asks: Set<Ask<never>> | undefined = undefined;

  constructor(cell: Cell) {
    this.cell = cell;
  }

  get self(): Ref<unknown> {
    return this.cell.ref;
  }

  get environment(): Environment {
    return this.cell.kernel.environment;
  }

  spawn<Child>(name: string, behaviour: Behaviour<Child>, options?: SpawnOptions): Ref<Child> {
    const { cell } = this;
    if (this.over) throw new Error(`Cannot spawn ${cell.path}/${name}: its parent has stopped`);
    // Cells are erased in their message type; the typed ref is the only way in.
    return Cell.spawn(cell.kernel, cell, name, behaviour as Behaviour<unknown>, options).ref;
  }

  stop(): void {
    if (!this.over) this.cell.stop();
  }

  stopChild(child: Ref<never>): void {
    if (this.over) return;
    const cell = child instanceof LocalRef ? child.target : undefined;
    if (cell?.parent !== this.cell) {
      throw new Error(`Cannot stop ${child.address.path}: not a child of ${this.cell.path}`);
    }
    cell.stop();
  }

  watch(other: Ref<never>, message: unknown): void {
    if (this.over) return;
    if (!(other instanceof RuntimeRef)) {
      throw new Error(`Cannot watch ${other.address.path}: its ref is not the runtime's`);
    }
    const target: Target = other.target;
    this.unwatch(other);
    const watch = new Watch(this, target, message);
    (this.#watches ??= new Map()).set(target, watch);
    if (!target.addWatch(watch)) watch.gone(undefined);
  }

  unwatch(other: Ref<never>): void {
    const target = other instanceof RuntimeRef ? other.target as Target : undefined;
    if (target !== undefined) this.takeWatch(target)?.abandon();
  }

  startTimer(key: string, delayMs: number, message: unknown): void {
    if (this.over) return;
    const timers = this.#timers ??= new Map();
    let timer = timers.get(key);
    if (timer === undefined || timer.index === -1) {
      // One that is due and queued stays with its message, and is dropped for not being current.
      timer = new KeyedTimer(this, key, message);
      timers.set(key, timer);
    } else {
      timer.message = message;
    }
    this.cell.kernel.timers.start(timer, delayMs);
  }

  cancelTimer(key: string): void {
    const timer = this.#timers?.get(key);
    if (timer === undefined) return;
    this.#timers?.delete(key);
    this.cell.kernel.timers.cancel(timer);
  }

  adapt<Other>(wrap: (message: Other) => unknown): Ref<Other> {
    return new AdaptedRef(this, wrap as (message: unknown) => unknown);
  }

  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => unknown,
  ): void {
    if (this.over) return;
    const ask = new Ask(this, other, answered);
    const message = question(ask);
    (this.#asks ??= new Set()).add(ask);
    ask.begin(timeoutMs);
    if (!other.tell(message)) ask.refused();
  }

  callback<Arguments extends readonly unknown[]>(
    wrap: (...values: Arguments) => unknown,
  ): (...values: Arguments) => void {
    const { cell } = this;
    const take = (values: unknown) => this.over ? NOTHING : wrap(...values as Arguments);
    const source: SignalSource = { take };
    return (...values) => void cell.signal(source, values, cell.kernel.sender);
  }

  end(): void {
    this.over = true;
    const { timers } = this.cell.kernel;
    for (const timer of this.#timers?.values() ?? []) timers.cancel(timer);
    for (const watch of this.#watches?.values() ?? []) watch.abandon();
    for (const ask of this.#asks ?? []) ask.abandon();
    this.#timers = this.#watches = this.#asks = undefined;
  }

  /** Forgets an ask that is settled. */
  released(ask: Ask<never>): void {
    this.#asks?.delete(ask);
  }

  /** Forgets the watch of a target, and returns it. */
  takeWatch(target: Target): Watch | undefined {
    const watch = this.#watches?.get(target);
    if (watch !== undefined) this.#watches?.delete(target);
    return watch;
  }

  /** Forgets a timer whose message is due; false when it was cancelled or replaced meanwhile. */
  takeTimer(timer: KeyedTimer): boolean {
    if (this.#timers?.get(timer.key) !== timer) return false;
    return this.#timers.delete(timer.key);
  }
}

/** In the life's timers from its start until its message is taken, cancelled or replaced. */
class KeyedTimer implements Deadline, SignalSource {
  due = 0;
  order = 0;
  index = -1;
  constructor(readonly life: Life, readonly key: string, public message: unknown) {}

  expire(): void {
    this.life.cell.signal(this, undefined, 0);
  }

  take(): unknown {
    return this.life.takeTimer(this) ? this.message : NOTHING;
  }
}

/** In the life's watches from its start until its notice is taken, or it is abandoned. */
class Watch implements Dependent, SignalSource {
  #abandoned = false;
  constructor(
    readonly life: Life,
    readonly target: Target,
    readonly message: unknown,
  ) {}

  gone(sender: number | undefined): void {
    this.life.cell.signal(this, undefined, sender ?? this.life.cell.kernel.sender);
  }

  abandon(): void {
    this.#abandoned = true;
    this.target.removeWatch(this);
  }

  take(): unknown {
    if (this.#abandoned) return NOTHING;
    this.life.takeWatch(this.target);
    return this.message;
  }
}

/** A ref into a life's actor that changes what it is told; dead when the life ends. */
class AdaptedRef extends RuntimeRef<unknown> implements SignalSource, Target {
  readonly #life: Life;
  readonly #wrap: (message: unknown) => unknown;
  constructor(life: Life, wrap: (message: unknown) => unknown) {
    super();
    this.#life = life;
    this.#wrap = wrap;
  }

  get address(): Address {
    return this.#life.cell.address;
  }

  get target(): Target {
    return this;
  }

  tell(message: unknown): boolean {
    return !this.#life.over && this.#life.cell.acceptFor(this, message);
  }

  take(message: unknown): unknown {
    return this.#life.over ? NOTHING : this.#wrap(message);
  }

  addWatch(watch: Dependent): boolean {
    return !this.#life.over && this.#life.cell.addWatch(watch);
  }

  removeWatch(watch: Dependent): void {
    this.#life.cell.removeWatch(watch);
  }

  addAsk(ask: Dependent): void {
    if (!this.#life.over) this.#life.cell.addAsk(ask);
  }

  removeAsk(ask: Dependent): void {
    this.#life.cell.removeAsk(ask);
  }
}
