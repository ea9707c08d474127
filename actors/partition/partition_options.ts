/**
 * What a replica of a partition is made from, and what it tells when its disk is in doubt.
 *
 * @module
 */

import type { Epoch, NodeId, Uuid } from "../../storage/bytes/ids.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import type { PartitionConfig } from "../config/partition_config.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Compactable } from "./compaction_messages.ts";
import type {
  BrokerStandings,
  Follow,
  PartitionAssignment,
  ProposeIsr,
  TopicPartition,
  Unfollow,
} from "./messages.ts";
import type { PartitionObserver } from "./observer.ts";
import type { Replica } from "./replica.ts";
import type { VerifyTransaction } from "./verification.ts";

/** The disk could not make durable what it was given; nothing more is acknowledged there. */
export interface DirectoryFailed {
  readonly kind: "directory-failed";
  readonly reason: string;
}

export interface PartitionOptions extends TopicPartition {
  readonly nodeId: NodeId;
  readonly assignment: PartitionAssignment;
  readonly config: PartitionConfig;
  readonly directory: LogDirectory;
  readonly resources: LogResources;
  readonly buffers: BufferPool;
  readonly directoryFailed: Ref<DirectoryFailed>;
  /** Topics whose logs may go, should one of them be found in the folder. */
  readonly deletedTopics: ReadonlySet<Uuid>;
  /** Told from whom this replica fetches, with each leader epoch; absent where nobody fetches. */
  readonly follows?: Ref<Follow | Unfollow>;
  /** Asks the controller for other in-sync replicas; absent where there is one replica. */
  readonly isrChanges?: Ref<ProposeIsr>;
  /** Has the log compacted; absent where nobody does. */
  readonly cleaner?: Ref<Compactable>;
  /** The brokers as the metadata know them when the partition is spawned. */
  readonly brokers?: BrokerStandings;
  /** `replica.lag.time.max.ms`; default 30 s. */
  readonly replicaLagTimeMaxMs?: number;
  /**
   * The leader epoch in which this replica failed, in an earlier life on this node: its log is
   * scanned whatever the folder says, and it leads only in a later epoch.
   */
  readonly failedInEpoch?: Epoch;
  /** Finds out whether the partition is part of a transaction; absent where that is not asked. */
  readonly verifier?: Ref<VerifyTransaction> | undefined;
  readonly verificationTimeoutMs?: number;
  /** The class that holds the rules, for tests that break one on purpose. */
  readonly Replica?: typeof Replica;
  readonly observer?: PartitionObserver;
}
