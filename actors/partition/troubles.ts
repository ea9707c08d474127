/**
 * What goes wrong with each request while a partition's disk fails: said in one line when it begins
 * and in one when it is over, however many requests there are.
 *
 * @module
 */

import type { Logger } from "../runtime/environment.ts";

export class Troubles {
  readonly #logger: Logger;
  readonly #partition: string;
  readonly #present = new Set<string>();

  constructor(logger: Logger, partition: string) {
    this.#logger = logger;
    this.#partition = partition;
  }

  begin(event: string, reason: string): void {
    if (this.#present.has(event)) return;
    this.#present.add(event);
    this.warn(event, reason);
  }

  end(event: string): void {
    if (this.#present.size > 0 && this.#present.delete(event)) this.warn(event, "no longer");
  }

  /** Says what happens now and then, each time. */
  warn(event: string, reason: string): void {
    this.#logger.log("warn", event, { partition: this.#partition, reason });
  }
}
