/**
 * Counts what long work gets done, and says so once a second.
 *
 * @module
 */

import type { Terminal } from "./command.ts";

const INTERVAL_MS = 1000;

/** Progress of one command. */
export class Rate {
  readonly #terminal: Terminal;
  readonly #verb: string;
  readonly #now: () => number;
  readonly #started: number;
  #told: number;
  #toldCount = 0;
  /** Records so far. */
  count = 0;

  /** `verb` is what happens to records: produced, consumed. */
  constructor(terminal: Terminal, verb: string, now = () => performance.now()) {
    this.#terminal = terminal;
    this.#verb = verb;
    this.#now = now;
    this.#started = this.#told = now();
  }

  /** Called often: says how far it is when a second has passed. */
  tick(): void {
    const now = this.#now();
    if (now - this.#told < INTERVAL_MS) return;
    const rate = (this.count - this.#toldCount) / (now - this.#told) * 1000;
    this.#told = now;
    this.#toldCount = this.count;
    this.#terminal.progress(`${this.#verb} ${formatted(this.count)}, ${formatted(rate)} records/s`);
  }

  /** Says the sum, where there was time to say anything before. */
  end(): void {
    if (this.#told === this.#started || !this.#terminal.showsProgress) return;
    const seconds = (this.#now() - this.#started) / 1000;
    this.#terminal.progress("");
    this.#terminal.note(
      `${this.#verb} ${formatted(this.count)} records in ${seconds.toFixed(1)} s, ` +
        `${formatted(this.count / seconds)} records/s`,
    );
  }
}

function formatted(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}
