/**
 * What a broker counts, by Kafka's names without their JMX wrapping.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { Counter, Gauge, Metrics } from "../runtime/metrics.ts";
import { ClientSoftware } from "./sessions/client_software.ts";

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
  /** Bytes of batches that replicas fetched from their leaders, and that followers fetched here. */
  readonly replicationBytesInTotal: Counter;
  readonly replicationBytesOutTotal: Counter;
  /** Partitions that this broker leads. */
  readonly leaderCount: Gauge;
  /** Of those, partitions with fewer replicas in sync than they have, or than they must have. */
  readonly underReplicatedPartitions: Gauge;
  readonly underMinIsrPartitionCount: Gauge;
  readonly atMinIsrPartitionCount: Gauge;
  /** Of those, how often a replica fell out of sync or came back. */
  readonly isrShrinksTotal: Counter;
  readonly isrExpandsTotal: Counter;
  /** Fetch sessions that are kept, the partitions they name, and how many had to go for others. */
  readonly incrementalFetchSessions: Gauge;
  readonly incrementalFetchPartitionsCached: Gauge;
  readonly incrementalFetchSessionEvictionsTotal: Counter;
  readonly clientSoftware: ClientSoftware;
  readonly #metrics: Metrics;
  readonly #requests = new Map<string, Counter>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.clientSoftware = new ClientSoftware(metrics);
    this.bytesInTotal = metrics.counter("bytes-in-total");
    this.bytesOutTotal = metrics.counter("bytes-out-total");
    this.failedProduceRequestsTotal = metrics.counter("failed-produce-requests-total");
    this.failedFetchRequestsTotal = metrics.counter("failed-fetch-requests-total");
    this.connectionCount = metrics.gauge("connection-count");
    this.partitionCount = metrics.gauge("partition-count");
    this.offlinePartitionsCount = metrics.gauge("offline-partitions-count");
    this.replicationBytesInTotal = metrics.counter("replication-bytes-in-total");
    this.replicationBytesOutTotal = metrics.counter("replication-bytes-out-total");
    this.leaderCount = metrics.gauge("leader-count");
    this.underReplicatedPartitions = metrics.gauge("under-replicated-partitions");
    this.underMinIsrPartitionCount = metrics.gauge("under-min-isr-partition-count");
    this.atMinIsrPartitionCount = metrics.gauge("at-min-isr-partition-count");
    this.isrShrinksTotal = metrics.counter("isr-shrinks-total");
    this.isrExpandsTotal = metrics.counter("isr-expands-total");
    this.incrementalFetchSessions = metrics.gauge("num-incremental-fetch-sessions");
    this.incrementalFetchPartitionsCached = metrics.gauge(
      "num-incremental-fetch-partitions-cached",
    );
    this.incrementalFetchSessionEvictionsTotal = metrics.counter(
      "incremental-fetch-session-evictions-total",
    );
  }

  /** How many records the replica lacks that is furthest behind one leader. */
  replicaFetcherMaxLag(leader: NodeId): Gauge {
    return this.#metrics.gauge("replica-fetcher-max-lag", { leader: String(leader) });
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
