/**
 * What goes wrong with each request while something outside fails, as a disk: said in one line when
 * it begins and in one when it is over, however many requests there are.
 *
 * @module
 */

import type { Clock, Logger } from "./environment.ts";

export class Troubles {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #subject: Readonly<Record<string, string>>;
  readonly #present = new Map<string, { readonly since: number; failure?: Error }>();

  /** `subject` is what each line names. */
  constructor(logger: Logger, clock: Clock, subject: Readonly<Record<string, string>> = {}) {
    this.#logger = logger;
    this.#clock = clock;
    this.#subject = subject;
  }

  /** `failure` is given where others could do what cannot be done here. */
  begin(event: string, reason: string, failure?: Error): void {
    if (this.#present.has(event)) return;
    const since = this.#clock.monotonic();
    this.#present.set(event, failure === undefined ? { since } : { since, failure });
    this.warn(event, reason);
  }

  end(event: string): void {
    if (this.#present.size > 0 && this.#present.delete(event)) this.warn(event, "no longer");
  }

  /** A failure that has been there for so long, each time; undefined for none. */
  lastingFor(ms: number): Error | undefined {
    if (this.#present.size === 0) return undefined;
    const latest = this.#clock.monotonic() - ms;
    return [...this.#present.values()].find(({ since }) => since <= latest)?.failure;
  }

  /** Says what happens now and then, each time. */
  warn(event: string, reason: string): void {
    this.#logger.log("warn", event, { ...this.#subject, reason });
  }
}
