/**
 * What a broker counts, by Kafka's names without their JMX wrapping.
 *
 * @module
 */

import type { Counter, Gauge, Metrics } from "../runtime/metrics.ts";

/** The instruments of one broker. */
export class BrokerMetrics {
  /** Bytes of batches appended and handed out. */
  readonly bytesInTotal: Counter;
  readonly bytesOutTotal: Counter;
  /** Parts of requests that were answered with an error, a partition each. */
  readonly failedProduceRequestsTotal: Counter;
  readonly failedFetchRequestsTotal: Counter;
  readonly connectionCount: Gauge;
  readonly partitionCount: Gauge;
  readonly offlinePartitionsCount: Gauge;
  readonly #metrics: Metrics;
  readonly #requests = new Map<string, Counter>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.bytesInTotal = metrics.counter("bytes-in-total");
    this.bytesOutTotal = metrics.counter("bytes-out-total");
    this.failedProduceRequestsTotal = metrics.counter("failed-produce-requests-total");
    this.failedFetchRequestsTotal = metrics.counter("failed-fetch-requests-total");
    this.connectionCount = metrics.gauge("connection-count");
    this.partitionCount = metrics.gauge("partition-count");
    this.offlinePartitionsCount = metrics.gauge("offline-partitions-count");
  }

  /** Requests of one API. */
  requestsTotal(api: string): Counter {
    let counter = this.#requests.get(api);
    if (counter === undefined) {
      counter = this.#metrics.counter("requests-total", { request: api });
      this.#requests.set(api, counter);
    }
    return counter;
  }
}
