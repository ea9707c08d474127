/**
 * What goes wrong with each request while a partition's disk fails: said in one line when it begins
 * and in one when it is over, however many requests there are.
 *
 * @module
 */

import type { Clock, Logger } from "../runtime/environment.ts";

export class Troubles {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #partition: string;
  readonly #present = new Map<string, { readonly since: number; failure?: Error }>();

  constructor(logger: Logger, clock: Clock, partition: string) {
    this.#logger = logger;
    this.#clock = clock;
    this.#partition = partition;
  }

  /** `failure` is given where the disk is the reason. */
  begin(event: string, reason: string, failure?: Error): void {
    if (this.#present.has(event)) return;
    const since = this.#clock.monotonic();
    this.#present.set(event, failure === undefined ? { since } : { since, failure });
    this.warn(event, reason);
  }

  end(event: string): void {
    if (this.#present.size > 0 && this.#present.delete(event)) this.warn(event, "no longer");
  }

  /** What the disk has refused each time for so long, undefined for nothing. */
  lastingFor(ms: number): Error | undefined {
    if (this.#present.size === 0) return undefined;
    const latest = this.#clock.monotonic() - ms;
    return [...this.#present.values()].find(({ since }) => since <= latest)?.failure;
  }

  /** Says what happens now and then, each time. */
  warn(event: string, reason: string): void {
    this.#logger.log("warn", event, { partition: this.#partition, reason });
  }
}
