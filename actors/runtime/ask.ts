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

export class Ask<Reply> extends RuntimeRef<Reply> implements Deadline, Dependent, SignalSource {
  due = 0;
  order = 0;
  index = -1;
  readonly #life: Life;
  readonly #asked: Target | undefined;
  readonly #answered: (result: AskResult<Reply>) => unknown;
  #settled = false;

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

  get target(): Target {
    return this.#life.cell;
  }

  /** Whether no answer has come. */
  get open(): boolean {
    return !this.#settled;
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

  gone(sender: number): void {
    this.#settle({ kind: "terminated" }, sender);
  }

  /** The asker's life has ended: nobody waits for an answer. */
  abandon(): void {
    this.#settled = true;
    this.#leave();
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
  }
}
