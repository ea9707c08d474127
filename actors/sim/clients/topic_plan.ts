/**
 * What topics a workload has, and how its clients treat them.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";

/** How records are sent to a topic. */
export type ProduceMode =
  /**
   * acks=all, numbered, several batches in flight, repeated until it is known what became of them.
   */
  | "idempotent"
  /** acks=all, each batch once. */
  | "all"
  /** acks=1, each batch once. */
  | "leader"
  /** acks=0 */
  | "none";

/** A topic of a workload. */
export interface TopicPlan {
  /** The name. */
  readonly name: string;
  /** How many partitions. */
  readonly partitions: number;
  /** How many replicas of each. */
  readonly replicationFactor: number;
  /** Configs of the topic. */
  readonly configs: Readonly<Record<string, string>>;
  /** How it is produced to. */
  readonly mode: ProduceMode;
  /** Whether it is deleted and made anew: then nobody knows which of them an answer is about. */
  readonly isVolatile: boolean;
}

/** Under which name a partition stands in histories: one that was made anew is another. */
export function historyKey(topic: string, topicId: Uuid, partition: number): string {
  return `${topic}-${partition}:${topicId}`;
}
