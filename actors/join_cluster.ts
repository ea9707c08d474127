/**
 * How a node that is told only of a few nodes learns which cluster it is to be in.
 *
 * Owns the connections that ask; asks all at once, and takes the first answer. It asks as a client
 * does, as it belongs to no cluster yet.
 *
 * @module
 */

import { BufferPool } from "../net/buffer_pool.ts";
import { formatAddress, type SocketAddress } from "../net/network.ts";
import { NodeConnection } from "./link/node_connection.ts";
import type { Environment } from "./runtime/environment.ts";

/** How long one attempt may take; a node that starts answers when it serves. */
const ATTEMPT_MS = 10_000;
const BACKOFF = { initialMs: 20, maxMs: 1000 };

/** A question under way. */
export interface ClusterSearch {
  /** Nothing comes of it any more. */
  stop(): void;
}

/**
 * Asks the nodes at these addresses, again and again, until one says which cluster it is of; then
 * calls `found`, once, later. They are shown the secret, unless it is empty.
 */
export function findCluster(
  environment: Environment,
  servers: readonly SocketAddress[],
  secret: string,
  found: (clusterId: string, address: SocketAddress) => void,
): ClusterSearch {
  const { logger } = environment;
  const random = environment.random.stream("join");
  const pool = new BufferPool();
  let isOver = false;
  let isTold = false;
  const stop = () => {
    if (isOver) return;
    isOver = true;
    for (const connection of connections) connection.close();
  };
  const connections = servers.map((address): NodeConnection => {
    const connection: NodeConnection = new NodeConnection({
      environment,
      random,
      pool,
      address,
      settings: {
        clientId: "join",
        secret: secret === "" ? undefined : secret,
        requestTimeoutMs: ATTEMPT_MS,
        socketConnectionSetupTimeoutMs: ATTEMPT_MS,
        reconnectBackoff: BACKOFF,
      },
      ready: () => {
        if (isOver) return;
        stop();
        found(connection.clusterId, address);
      },
      lost: ({ message }) => {
        // Once says it: a cluster that is not up yet refuses many times.
        if (!isOver && !isTold) logger.log("warn", "cluster not found yet", { reason: message });
        isTold = true;
      },
      mayConnect: () => {
        if (!isOver) connection.connect();
      },
    });
    return connection;
  });
  logger.log("info", "looking for the cluster", {
    servers: servers.map(formatAddress).join(","),
  });
  for (const connection of connections) connection.connect();
  return { stop };
}
