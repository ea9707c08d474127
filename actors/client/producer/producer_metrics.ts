/**
 * What a producer counts, by Kafka's names.
 *
 * @module
 */

import type { Counter, Gauge, Metrics } from "../../runtime/metrics.ts";

/** The instruments of one producer. */
export class ProducerMetrics {
  /** What the budget of `bufferMemory` has left. */
  readonly bufferAvailableBytes: Gauge;
  /** Records that were acknowledged, failed, and were in batches that were sent again. */
  readonly recordSendTotal: Counter;
  readonly recordErrorTotal: Counter;
  readonly recordRetryTotal: Counter;
  /** Batches that were divided because the broker found them too large. */
  readonly batchSplitTotal: Counter;
  readonly requestTotal: Counter;
  readonly outgoingByteTotal: Counter;

  constructor(metrics: Metrics, clientId: string) {
    const labels = { "client-id": clientId };
    this.bufferAvailableBytes = metrics.gauge("buffer-available-bytes", labels);
    this.recordSendTotal = metrics.counter("record-send-total", labels);
    this.recordErrorTotal = metrics.counter("record-error-total", labels);
    this.recordRetryTotal = metrics.counter("record-retry-total", labels);
    this.batchSplitTotal = metrics.counter("batch-split-total", labels);
    this.requestTotal = metrics.counter("produce-request-total", labels);
    this.outgoingByteTotal = metrics.counter("produce-byte-total", labels);
  }
}
