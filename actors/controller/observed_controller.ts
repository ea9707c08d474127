/**
 * A controller as somebody outside sees it: by reference, whenever he looks.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import type { ClusterImage } from "./cluster_image.ts";
import type { MetadataLog } from "./metadata_log.ts";
import type { ObservedController } from "./observer.ts";
import type { QuorumReplica } from "./quorum_replica.ts";

export interface ControllerParts {
  readonly nodeId: NodeId;
  readonly quorum: QuorumReplica;
  readonly log: MetadataLog;
  readonly image: ClusterImage;
  readonly isActive: () => boolean;
}

export function observed(parts: ControllerParts): ObservedController {
  const { nodeId, quorum, log, image, isActive } = parts;
  return {
    nodeId,
    image,
    get role() {
      return quorum.state.role;
    },
    get epoch() {
      return quorum.state.epoch;
    },
    get leaderId() {
      return quorum.state.leaderId;
    },
    get votedId() {
      return quorum.state.voted?.id ?? NONE;
    },
    get voters() {
      return quorum.voters.ids;
    },
    get isActive() {
      return isActive();
    },
    get logStartOffset() {
      return log.startOffset;
    },
    get logEndOffset() {
      return log.endOffset;
    },
    get flushedOffset() {
      return log.flushedOffset;
    },
    get truncations() {
      return log.truncations;
    },
    get highWatermark() {
      return quorum.highWatermark;
    },
    get epochEntries() {
      return log.epochEntries;
    },
    get snapshotId() {
      return log.snapshotId;
    },
  };
}
