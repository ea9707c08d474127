/**
 * What a node is booted with, and what is left to do with it then.
 *
 * @module
 */

import type { NodeId } from "../storage/bytes/ids.ts";
import type { VersionLimits } from "../net/messages/version_limits.ts";
import type { SocketAddress } from "../net/network.ts";
import type { NodeObserver } from "./broker/observer.ts";
import type { BrokerConfig } from "./config/broker_config.ts";
import type { ListenerOptions } from "./node_listeners.ts";
import type { Protocol } from "./protocol.ts";
import type { Environment } from "./runtime/environment.ts";
import type { Probe } from "./runtime/system.ts";
import type { Authorizer } from "./broker/sessions/access.ts";

/** What a node is booted with, in a world of its own whose disk's root is the data folder. */
export interface BootOptions extends ListenerOptions {
  readonly nodeId: NodeId;
  /** With the node's roles, and the voters of the metadata quorum. */
  readonly config: BrokerConfig;
  readonly environment: Environment;
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
  /** Who may do what; everybody everything when absent. */
  readonly authorizer?: Authorizer | undefined;
  /** Sees each message before its actor does; the simulated world's. */
  readonly probe?: Probe | undefined;
  /** Looks on at what the node's actors hold; the simulated world's. */
  readonly observer?: NodeObserver | undefined;
  /** Stand in for the classes of the same names. */
  readonly protocol?: Partial<Protocol> | undefined;
  /** The node serves. */
  ready(): void;
  /** The node can serve no longer; it has let go of everything. */
  failed(reason: string): void;
}

/** What a node holds for its sessions: nothing when none has a request or a reply under way. */
export interface NodeUsage {
  /** Bytes of pooled buffers that somebody has. */
  readonly lentBytes: number;
  /** Bytes of requests that are worked on. */
  readonly requestBytes: number;
  /** Bytes of records that were read and not sent. */
  readonly fetchedBytes: number;
  /** Bytes of buffers for large requests that have come in part. */
  readonly receivedBytes: number;
  /** Partitions that fetches wait for. */
  readonly waitingPlaces: number;
}

/** How a node is closed. */
export interface CloseOptions {
  /** Whether others take over what it leads; true when absent. False where all end. */
  readonly handOver?: boolean;
}

/** A node that was booted. */
export interface BootedNode {
  /** Where it listens in the native encoding. */
  readonly address: SocketAddress;
  /** Where it listens for Kafka's clients, if it does. */
  readonly kafka: SocketAddress | undefined;
  /** Empty while it is not known: before a node that joins a cluster has found it. */
  readonly clusterId: string;
  /** What it holds for its sessions now. */
  readonly usage: NodeUsage;
  /** Hands over, flushes and closes everything; `done` gets what could not be closed in order. */
  close(done: (failures: readonly string[]) => void, options?: CloseOptions): void;
  /** Ends at once, as if the process died. */
  crash(): void;
}
