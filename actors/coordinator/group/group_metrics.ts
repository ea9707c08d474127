/**
 * What group coordinators count, by Kafka's names without their JMX wrapping.
 *
 * @module
 */

import type { Counter, Metrics } from "../../runtime/metrics.ts";

/** The instruments that all group coordinators of a broker share. */
export class GroupMetrics {
  /** Offsets that were committed, one a partition. */
  readonly offsetCommits: Counter;
  /** Offsets that nobody had used for too long. */
  readonly offsetExpirations: Counter;
  /** Offsets that were deleted, with their group or their topic or by themselves. */
  readonly offsetDeletions: Counter;
  /** Generations of groups of the classic protocol that had their assignment. */
  readonly completedRebalances: Counter;
  /** New epochs of consumer groups. */
  readonly consumerRebalances: Counter;

  constructor(metrics: Metrics) {
    this.offsetCommits = metrics.counter("offset-commit-count");
    this.offsetExpirations = metrics.counter("offset-expiration-count");
    this.offsetDeletions = metrics.counter("offset-deletion-count");
    this.completedRebalances = metrics.counter("group-completed-rebalance-count");
    this.consumerRebalances = metrics.counter("consumer-group-rebalance-count");
  }
}
