/**
 * The wall clock, looked at once for many records: a look costs as much as half a record.
 *
 * Invariant: a time given is that of the present turn of the event loop, and at most so many calls
 * old.
 *
 * @module
 */

import type { Environment } from "../runtime/environment.ts";

/** Calls for which one look is good. */
const CALLS_MAX = 32;

/** Gives times for records. */
export class CoarseClock {
  readonly #environment: Environment;
  readonly #forgetLater = () => this.#environment.dispatcher.atEndOfTurn(this.#forget);
  readonly #forget = () => {
    this.#isForgetting = false;
    this.#callsLeft = 0;
  };
  #callsLeft = 0;
  #time = 0;
  #isForgetting = false;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Whole milliseconds since 1970-01-01 UTC. */
  now(): number {
    if (this.#callsLeft-- > 0) return this.#time;
    this.#callsLeft = CALLS_MAX - 1;
    if (!this.#isForgetting) {
      this.#isForgetting = true;
      // What the end of a turn asks for runs at the end of the next one.
      this.#environment.dispatcher.atEndOfTurn(this.#forgetLater);
    }
    return this.#time = this.#environment.clock.wall();
  }
}
