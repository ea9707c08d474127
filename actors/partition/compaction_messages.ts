/**
 * What a partition and the node's cleaner tell each other.
 *
 * @module
 */

import type { Ref } from "../runtime/ref.ts";

/** Asked of a partition: whether it is worth compacting. */
export interface AskCompactionNeed {
  readonly kind: "compaction-need";
  readonly replyTo: Ref<CompactionNeedReply>;
}

export interface CompactionNeedReply {
  readonly isDue: boolean;
  /** The part of its log that was not compacted yet, from 0 to 1. */
  readonly dirtyRatio: number;
  /** For how long a record waits beyond `max.compaction.lag.ms`; 0 where none does. */
  readonly overdueMs: number;
  /** Whether it cannot be compacted as it is: a run found that it cannot be read somewhere. */
  readonly isUncleanable: boolean;
}

/** Asked of a partition: that it compact its log now, within these limits. Answered at the end. */
export interface Compact {
  readonly kind: "compact";
  readonly mapBytesMax: number;
  readonly bufferBytes: number;
  /** Read and written together. */
  readonly bytesPerSecond: number;
  readonly replyTo: Ref<CompactionEnded>;
}

export interface CompactionEnded {
  /** Whether all went through that could be compacted when it began. */
  readonly done: boolean;
  readonly bytesRead: number;
}

/** Told by a partition: that it may be compacted from now on, or not any more. */
export interface Compactable {
  readonly kind: "compactable";
  /** Of the partition: its name among all of the node. */
  readonly folder: string;
  readonly partition: Ref<AskCompactionNeed | Compact> | undefined;
}
