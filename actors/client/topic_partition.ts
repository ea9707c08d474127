/**
 * Partitions and offsets by their names.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";

/** A partition of a topic. */
export interface TopicPartition {
  /** The topic's name. */
  readonly topic: string;
  /** The partition's number. */
  readonly partition: number;
}

/** An offset of a partition. */
export interface PartitionOffset extends TopicPartition {
  /** Of the record. */
  readonly offset: Offset;
}

/** What a time leads to: null where no record is as late. */
export interface OffsetAndTimestamp extends TopicPartition {
  /** Of the first record that is as late. */
  readonly offset: Offset | null;
  /** Of the record at that offset. */
  readonly timestamp: number | null;
}
