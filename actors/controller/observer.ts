/**
 * How somebody outside looks on at the controller of a node: by direct reference, never by
 * messages. See partition/observer.ts.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { EpochEntry } from "../../storage/leader_epochs.ts";
import type { ClusterImage } from "./cluster_image.ts";

/** The roles of a node in the metadata quorum. */
export type ObservedQuorumRole =
  | "unattached"
  | "prospective"
  | "candidate"
  | "leader"
  | "follower"
  | "resigned";

/** The controller of a node as it is now; every field may be a getter. */
export interface ObservedController {
  readonly nodeId: NodeId;
  readonly role: ObservedQuorumRole;
  readonly epoch: Epoch;
  /** -1 while none is known. */
  readonly leaderId: NodeId;
  /** For whom it voted in this epoch, or -1. */
  readonly votedId: NodeId;
  readonly voters: readonly NodeId[];
  /** Whether it decides: it leads, and has applied its own LeaderChange. */
  readonly isActive: boolean;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** Everything below is durable here. */
  readonly flushedOffset: Offset;
  /** How often records were taken from the end of the log. */
  readonly truncations: number;
  /** -1 while it is not known. */
  readonly highWatermark: Offset;
  readonly epochEntries: readonly EpochEntry[];
  /** The latest snapshot, if there is one. */
  readonly snapshotId: { readonly endOffset: Offset; readonly epoch: Epoch } | undefined;
  /** What decisions read: ahead of the commit while it leads. */
  readonly image: ClusterImage;
}

/** Who looks on. */
export interface ControllerObserver {
  /** The controller's actor began. */
  controllerStarted(controller: ObservedController): void;
  /** It ended. */
  controllerEnded(controller: ObservedController): void;
}
