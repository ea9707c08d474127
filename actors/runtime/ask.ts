/**
 * A question under way: the ref that the answer goes to, and no actor.
 *
 * It owns that the asker hears exactly once: a reply, a time-out, a refusal, or the end of the one
 * asked, whichever is first. Invariant: while it is open it stands in the asker's life and with the
 * one asked; once settled in neither.
 *
 * @module
 */

import type { AskResult } from "./actor.ts";
import type { Life } from "./life.ts";
import type { Address, Ref } from "./ref.ts";
import { type Dependent, NOTHING, RuntimeRef, type SignalSource, type Target } from "./signal.ts";
import type { Deadline } from "./timers.ts";

export class Ask<Reply> extends RuntimeRef<Reply>
  implements Deadline, Dependent, SignalSource, Target {
  due = 0;
  order = 0;
  index = -1;
  readonly #life: Life;
  readonly #asked: Target | undefined;
  readonly #answered: (result: AskResult<Reply>) => unknown;
  #settled = false;
  /** Who wants to know that nobody waits for the answer any more. */
  #dependents: Set<Dependent> | undefined = undefined;

  constructor(
    life: Life,
    other: Ref<never>,
    answered: (result: AskResult<Reply>) => unknown,
  ) {
    super();
    this.#life = life;
    this.#asked = other instanceof RuntimeRef ? other.target : undefined;
    this.#answered = answered;
  }

  /** The asker's: a reply ref has no name of its own. */
  get address(): Address {
    return this.#life.cell.address;
  }

  /** A reply ref ends when it is settled. */
  get target(): Target {
    return this;
  }

  tell(reply: Reply): boolean {
    return this.#settle({ kind: "reply", reply }, this.#life.cell.kernel.sender);
  }

  /** Registers before the question is sent. */
  begin(timeoutMs: number): void {
    const { timers } = this.#life.cell.kernel;
    if (timeoutMs < Infinity) timers.start(this, timeoutMs);
    this.#asked?.addAsk(this);
  }

  refused(): void {
    this.#settle({ kind: "refused" }, 0);
  }

  expire(): void {
    this.#settle({ kind: "timed-out" }, 0);
  }

  gone(sender: number | undefined): void {
    this.#settle({ kind: "terminated" }, sender ?? this.#life.cell.kernel.sender);
  }

  /** The asker's life has ended: nobody waits for an answer. */
  abandon(): void {
    this.#settled = true;
    this.#leave();
  }

  addWatch(watch: Dependent): boolean {
    if (this.#settled) return false;
    (this.#dependents ??= new Set()).add(watch);
    return true;
  }

  removeWatch(watch: Dependent): void {
    this.#dependents?.delete(watch);
  }

  addAsk(ask: Dependent): void {
    this.addWatch(ask);
  }

  removeAsk(ask: Dependent): void {
    this.removeWatch(ask);
  }

  take(result: unknown): unknown {
    return this.#life.over ? NOTHING : this.#answered(result as AskResult<Reply>);
  }

  #settle(result: AskResult<Reply>, sender: number): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#leave();
    this.#life.released(this);
    return this.#life.cell.signal(this, result, sender);
  }

  #leave(): void {
    this.#life.cell.kernel.timers.cancel(this);
    this.#asked?.removeAsk(this);
    const dependents = this.#dependents;
    this.#dependents = undefined;
    if (dependents === undefined) return;
    for (const dependent of dependents) dependent.gone(this.#life.cell.number);
  }
}
