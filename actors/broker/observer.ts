/**
 * How somebody outside looks on at the broker of a node: by direct reference, never by messages.
 * See partition/observer.ts.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import type { ClusterImage } from "../controller/cluster_image.ts";
import type { ControllerObserver } from "../controller/observer.ts";
import type { PartitionObserver } from "../partition/observer.ts";

/** The broker of a node as it is now; every field may be a getter. */
export interface ObservedBroker {
  readonly nodeId: NodeId;
  /** Names this life of the broker in its registration; undefined where the node is none. */
  readonly incarnationId: Uuid | undefined;
  /** Of its registration, or -1 before it. */
  readonly brokerEpoch: Offset;
  /** Committed metadata, up to `appliedOffset`. */
  readonly image: ClusterImage;
  readonly appliedOffset: Offset;
}

/** Who looks on at brokers. */
export interface BrokerObserver {
  /** The broker's actor began. */
  brokerStarted(broker: ObservedBroker): void;
  /** It ended. */
  brokerEnded(broker: ObservedBroker): void;
}

/** Who looks on at all of a node. */
export interface NodeObserver extends PartitionObserver, ControllerObserver, BrokerObserver {}
