/**
 * Sessions of members: each ends a while after the last sign of life.
 *
 * Owns their timers. A sign of life moves no timer, but the time that is looked at when it fires:
 * there are many more signs than ends.
 *
 * @module
 */

import type { CoordinatorContext } from "../machine.ts";

interface Session {
  /** Monotonic times: when it ends, and when that is looked at. */
  endsAt: number;
  checkedAt: number;
  expired: () => void;
}

/** The sessions of one coordinator. */
export class Sessions {
  readonly #context: Pick<
    CoordinatorContext<never>,
    "monotonic" | "startTimer" | "cancelTimer"
  >;
  readonly #sessions = new Map<string, Session>();

  constructor(
    context: Pick<CoordinatorContext<never>, "monotonic" | "startTimer" | "cancelTimer">,
  ) {
    this.#context = context;
  }

  /** The session begins anew; `expired` is called when it ends, and it is forgotten then. */
  heard(key: string, timeoutMs: number, expired: () => void): void {
    const endsAt = this.#context.monotonic() + timeoutMs;
    const session = this.#sessions.get(key);
    if (session !== undefined) {
      session.endsAt = endsAt;
      session.expired = expired;
      if (session.checkedAt > endsAt) this.#check(key, session);
      return;
    }
    const begun = { endsAt, checkedAt: Infinity, expired };
    this.#sessions.set(key, begun);
    this.#check(key, begun);
  }

  forget(key: string): void {
    if (this.#sessions.delete(key)) this.#context.cancelTimer(key);
  }

  #check(key: string, session: Session): void {
    session.checkedAt = session.endsAt;
    const delayMs = Math.max(0, session.endsAt - this.#context.monotonic());
    this.#context.startTimer(key, delayMs, () => {
      if (this.#sessions.get(key) !== session) return;
      if (session.endsAt > this.#context.monotonic()) return this.#check(key, session);
      this.#sessions.delete(key);
      session.expired();
    });
  }
}
