/**
 * Which software the clients of a broker are: connections by name and version, as in Kafka
 * (KIP-511).
 *
 * Clients say what they like: only what Kafka would take counts by itself, and only so many of
 * them; the rest is counted together.
 *
 * @module
 */

import type { Gauge, Metrics } from "../../runtime/metrics.ts";

/** Names and versions that are told apart. */
const KINDS_MAX = 100;
const WORD = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;
const WORD_CHARS_MAX = 64;
const UNKNOWN = "unknown";

export class ClientSoftware {
  readonly #metrics: Metrics;
  readonly #kinds = new Set<string>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Counts a connection; returns what counts it no more, once however often it is called. */
  connected(name: string, version: string): () => void {
    const gauge = this.#gauge(name, version);
    gauge.set(gauge.value + 1);
    let isCounted = true;
    return () => {
      if (isCounted) gauge.set(gauge.value - 1);
      isCounted = false;
    };
  }

  #gauge(name: string, version: string): Gauge {
    const kind = `${name} ${version}`;
    const isFit = [name, version].every((word) => word.length <= WORD_CHARS_MAX && WORD.test(word));
    const isCounted = isFit && (this.#kinds.has(kind) || this.#kinds.size < KINDS_MAX);
    if (isCounted) this.#kinds.add(kind);
    return this.#metrics.gauge("connections", {
      clientSoftwareName: isCounted ? name : UNKNOWN,
      clientSoftwareVersion: isCounted ? version : UNKNOWN,
    });
  }
}
