/**
 * Watches which topics there are whose names fit a pattern.
 *
 * @module
 */

import { METADATA } from "../../../net/messages/metadata.ts";
import { make } from "../../../net/schema/make.ts";
import type { Timer } from "../../runtime/environment.ts";
import type { Cluster } from "../cluster.ts";
import { ClientError } from "../errors.ts";

/** Asks for all topics now, and again whenever the metadata have aged. */
export class TopicPatternWatch {
  readonly #cluster: Cluster;
  readonly #pattern: RegExp;
  readonly #found: (topics: readonly string[]) => void;
  #timer: Timer | undefined;
  #isClosed = false;

  /** @param found is told the names, sorted, whenever they were asked for */
  constructor(cluster: Cluster, pattern: RegExp, found: (topics: readonly string[]) => void) {
    this.#cluster = cluster;
    // A pattern that remembers where it stopped would fit only now and then.
    this.#pattern = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    this.#found = found;
  }

  start(): void {
    this.#ask();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #ask(): void {
    if (this.#isClosed) return;
    const { settings } = this.#cluster;
    const link = this.#cluster.anyLink();
    if (link === undefined) return this.#askLater(settings.retryBackoff.maxMs);
    const request = make(METADATA.request, { topics: null, allowAutoTopicCreation: false });
    link.send(METADATA, request, settings.requestTimeoutMs, (result) => {
      if (this.#isClosed) return;
      if (result instanceof ClientError) return this.#askLater(settings.retryBackoff.maxMs);
      const names = result.topics.flatMap(({ name, isInternal }) =>
        name !== null && !isInternal && this.#pattern.test(name) ? [name] : []
      );
      this.#askLater(settings.metadataMaxAgeMs);
      this.#found(names.sort());
    });
  }

  #askLater(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#cluster.environment.timers.schedule(
      Math.max(1, delayMs),
      () => this.#ask(),
    );
  }
}
