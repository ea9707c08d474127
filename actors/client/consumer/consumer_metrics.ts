/**
 * What a consumer counts, by Kafka's names.
 *
 * @module
 */

import type { Counter, Metrics } from "../../runtime/metrics.ts";

/** The instruments of one consumer. */
export class ConsumerMetrics {
  /** Records given to the user; counted as each fetch is read to its end. */
  readonly recordsConsumedTotal: Counter;
  /** Bytes of batches that were fetched, compressed as they came. */
  readonly bytesConsumedTotal: Counter;
  readonly fetchTotal: Counter;

  constructor(metrics: Metrics, clientId: string) {
    const labels = { "client-id": clientId };
    this.recordsConsumedTotal = metrics.counter("records-consumed-total", labels);
    this.bytesConsumedTotal = metrics.counter("bytes-consumed-total", labels);
    this.fetchTotal = metrics.counter("fetch-total", labels);
  }
}
