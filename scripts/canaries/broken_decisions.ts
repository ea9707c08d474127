/**
 * What the controller decides, with one of its rules broken, one class for each.
 *
 * @module
 */

import type { BrokerImage } from "../../actors/controller/cluster_image.ts";
import { ControllerDecisions } from "../../actors/controller/decisions.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";

/** m7: the ISR is written by whoever asks, whatever epochs he knows: a zombie too. */
export class AnyonesIsr extends ControllerDecisions {
  override isLedBy(): boolean {
    return true;
  }

  override isPartitionEpochCurrent(): boolean {
    return true;
  }

  override isLeaderEpochCurrent(): boolean {
    return true;
  }
}

/** B6: a broker that has restarted since it fetched is let into the ISR (KIP-903). */
export class AnyIncarnation extends ControllerDecisions {
  override mayBeInSync(broker: BrokerImage | undefined): boolean {
    return broker !== undefined && this.isActive(broker);
  }
}

/** B7: whoever restarts counts as if it had lost nothing (KIP-966). */
export class ForgivenRestarts extends ControllerDecisions {
  override isCleanRestart(): boolean {
    return true;
  }

  override staysEligible(): boolean {
    return true;
  }
}

/** Whoever was eligible once stays so, while others go on without it. */
export class LastingEligibility extends ControllerDecisions {
  override clearsElr(): boolean {
    return false;
  }
}

/** Any replica that is up may lead. */
export class AnyLeader extends ControllerDecisions {
  override isElectable(_replica: NodeId): boolean {
    return true;
  }
}

/** A reassignment is complete before those that come are in sync. */
export class HastyReassignment extends ControllerDecisions {
  override isReassigned(): boolean {
    return true;
  }
}
