/**
 * The brokers of a cluster as a client of one listener sees them.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import type { ClusterImage } from "../controller/cluster_image.ts";
import { endPointOf } from "./services.ts";

export interface KnownBroker {
  readonly id: NodeId;
  /** Where it is reached by the listener. */
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  readonly fenced: boolean;
}

/** All that are registered and have such a listener, by rising id. */
export function knownBrokers(image: ClusterImage, listener: string): KnownBroker[] {
  const brokers = [...image.brokers.values()].sort((a, b) => a.id - b.id);
  return brokers.flatMap(({ id, rack, fenced }) => {
    const endPoint = endPointOf(image, id, listener);
    return endPoint === undefined
      ? []
      : [{ id, host: endPoint.host, port: endPoint.port, rack, fenced }];
  });
}

/** Those of them that live. */
export function reachableBrokers(image: ClusterImage, listener: string): KnownBroker[] {
  return knownBrokers(image, listener).filter(({ fenced }) => !fenced);
}

/**
 * Whom clients take for the controller, -1 where nobody lives. As in Kafka's KRaft mode that is any
 * broker, since each hands requests on; the one that was asked saves a connection.
 */
export function controllerOf(live: readonly KnownBroker[], self: NodeId): NodeId {
  return live.some(({ id }) => id === self) ? self : live[0]?.id ?? NONE;
}
