/**
 * A node that does not know its cluster yet: it holds its address, looks for the cluster, and then
 * becomes the node that it is to be.
 *
 * @module
 */

import type { SocketAddress } from "../net/network.ts";
import { type ClusterSearch, findCluster } from "./join_cluster.ts";
import type { BootedNode, CloseOptions, NodeUsage } from "./booted_node.ts";
import type { NodeListeners } from "./node_listeners.ts";
import type { Environment } from "./runtime/environment.ts";

const NOTHING_HELD: NodeUsage = {
  lentBytes: 0,
  requestBytes: 0,
  fetchedBytes: 0,
  receivedBytes: 0,
  waitingPlaces: 0,
};

/** Opens the node once its cluster is known. What it throws is why the node has failed. */
export type OpenNode = (clusterId: string, listeners: NodeListeners) => BootedNode;

/** A node on its way into a cluster. */
export class JoiningNode implements BootedNode {
  readonly address: SocketAddress;
  readonly kafka: SocketAddress | undefined;
  readonly #environment: Environment;
  readonly #listeners: NodeListeners;
  readonly #search: ClusterSearch;
  #node: BootedNode | undefined;
  #isOver = false;

  constructor(
    environment: Environment,
    listeners: NodeListeners,
    servers: readonly SocketAddress[],
    secret: string,
    open: OpenNode,
    failed: (reason: string) => void,
  ) {
    this.#environment = environment;
    this.#listeners = listeners;
    this.address = listeners.native.address;
    this.kafka = listeners.kafka?.address;
    this.#search = findCluster(environment, servers, secret, (clusterId) => {
      if (this.#isOver) return;
      try {
        this.#node = open(clusterId, listeners);
      } catch (error) {
        this.#isOver = true;
        failed(error instanceof Error ? error.message : String(error));
      }
    });
  }

  get clusterId(): string {
    return this.#node?.clusterId ?? "";
  }

  get usage(): NodeUsage {
    return this.#node?.usage ?? NOTHING_HELD;
  }

  close(done: (failures: readonly string[]) => void, options: CloseOptions = {}): void {
    if (this.#node !== undefined) return this.#node.close(done, options);
    this.#stop();
    this.#environment.dispatcher.atEndOfTurn(() => done([]));
  }

  crash(): void {
    if (this.#node !== undefined) return this.#node.crash();
    this.#stop();
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#search.stop();
    this.#listeners.close();
  }
}
