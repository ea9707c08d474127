/**
 * What checkers see of a cluster: every replica, controller and broker, by direct reference.
 *
 * Owns the words. live_views.ts makes views of a cluster that runs; tests make them by hand.
 * Everything may change from one event to the next, and nothing tells that it did: checkers compare
 * with what they saw last. Looking changes nothing and draws nothing.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { EpochEntry } from "../../storage/leader_epochs.ts";
import type { MetadataRecord } from "../controller/metadata_record.ts";
import type { ObservedBroker } from "../broker/observer.ts";
import type { ObservedController } from "../controller/observer.ts";
import type { TopicPartition } from "../partition/messages.ts";
import type { ReplicaState } from "../partition/observer.ts";
import type { ObservedBatch } from "./checkers/shadow_log.ts";

/** A log on a node's disk. */
export interface LogView {
  readonly isOpen: boolean;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** Everything below is durable. */
  readonly flushedOffset: Offset;
  /** Rises when records are taken from the end. */
  readonly truncations: number;
  /** The cache of leader epochs. */
  epochs(): readonly EpochEntry[];
  /**
   * The batches from `offset` on, where one begins; all that are there without it. As they are on
   * the disk, whatever the log believes.
   */
  batchesFrom(offset?: Offset): readonly ObservedBatch[];
}

/** A replica of a partition. */
export interface ReplicaView extends TopicPartition {
  readonly nodeId: NodeId;
  readonly state: ReplicaState;
  readonly log: LogView;
}

/** A node's controller, and its metadata log. */
export interface ControllerView {
  readonly nodeId: NodeId;
  readonly state: ObservedController;
  readonly log: LogView;
  /** The records of a batch of its log; none of one that holds no metadata. */
  records(batch: ObservedBatch): readonly MetadataRecord[];
}

/** A node's broker. */
export type BrokerView = ObservedBroker;

/** Told what there is to see. */
export interface ViewSink {
  replicaStarted(view: ReplicaView): void;
  replicaEnded(view: ReplicaView): void;
  controllerStarted(view: ControllerView): void;
  controllerEnded(view: ControllerView): void;
  brokerStarted(view: BrokerView): void;
  brokerEnded(view: BrokerView): void;
}
