/**
 * A client's way into a simulated cluster: connections to nodes, and who leads which partition.
 *
 * With callbacks and timers only, so that a run needs no promises. Does not own what is asked.
 *
 * @module
 */

import { type Epoch, type NodeId, type Uuid, ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { PeerRole } from "../../../net/handshake.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA, type MetadataResponse } from "../../../net/messages/metadata.ts";
import { formatAddress, type SocketAddress } from "../../../net/network.ts";
import type { Api } from "../../../net/schema.ts";
import { make } from "../../../net/schema/make.ts";
import type { ClientError } from "../../link/errors.ts";
import { NodeConnection } from "../../link/node_connection.ts";
import type { Environment, RandomStream } from "../../runtime/environment.ts";
import { pick } from "../random.ts";

/** A topic as a client sees it. */
export interface KnownTopic {
  readonly id: Uuid;
  /** By partition; leader -1 where none is known. */
  readonly leaders: readonly { readonly leader: NodeId; readonly epoch: Epoch }[];
}

export interface ClusterLinkOptions {
  readonly environment: Environment;
  readonly clientId: string;
  readonly bootstrap: readonly SocketAddress[];
  readonly topics: () => readonly string[];
  readonly requestTimeoutMs: number;
}

const REFRESH_BACKOFF_MS = 100;
const REFRESH_EVERY_MS = 10_000;

export class ClusterLink {
  readonly environment: Environment;
  readonly random: RandomStream;
  readonly #options: ClusterLinkOptions;
  readonly #connections = new Map<string, NodeConnection>();
  readonly #addresses = new Map<NodeId, SocketAddress>();
  readonly #pool = new BufferPool();
  #topics: ReadonlyMap<string, KnownTopic> = new Map();
  #refreshing = false;
  #refreshDue = false;
  readonly #listeners: (() => void)[] = [];

  constructor(options: ClusterLinkOptions) {
    this.#options = options;
    this.environment = options.environment;
    this.random = options.environment.random.stream("client");
    this.#refreshNow();
    this.#refreshNowAndThen();
  }

  get requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs;
  }

  topic(name: string): KnownTopic | undefined {
    return this.#topics.get(name);
  }

  /** Monotonic milliseconds. */
  get now(): number {
    return this.environment.clock.monotonic();
  }

  later(delayMs: number, run: () => void): void {
    this.environment.timers.schedule(delayMs, run);
  }

  /** Calls back after each answer about who leads what. */
  onRefresh(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Asks who leads what, soon. */
  refresh(): void {
    if (this.#refreshing || this.#refreshDue) return;
    this.#refreshDue = true;
    this.later(REFRESH_BACKOFF_MS, () => {
      this.#refreshDue = false;
      this.#refreshNow();
    });
  }

  /** The nodes whose addresses are known. */
  get nodes(): readonly NodeId[] {
    return [...this.#addresses.keys()];
  }

  /** Asks a node. `done` comes later, once. */
  send<Request, Response>(
    to: NodeId,
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => void,
  ): boolean {
    const address = this.#addresses.get(to);
    if (address === undefined) return false;
    this.#connection(address).send(api, request, timeoutMs, done);
    return true;
  }

  /** Sends a request that has no response. */
  sendOneWay<Request>(to: NodeId, api: Api<Request, unknown>, request: Request): boolean {
    const address = this.#addresses.get(to);
    const connection = address === undefined ? undefined : this.#connection(address);
    if (connection?.isReady !== true) {
      connection?.connect();
      return false;
    }
    connection.sendOneWay(api, request, () => {});
    return true;
  }

  /** Asks some node. */
  sendAny<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => void,
  ): void {
    const known = [...this.#addresses.values()];
    const address = pick(this.random, known.length > 0 ? known : this.#options.bootstrap);
    this.#connection(address).send(api, request, timeoutMs, done);
  }

  #connection(address: SocketAddress): NodeConnection {
    const key = formatAddress(address);
    let connection = this.#connections.get(key);
    if (connection === undefined) {
      const { environment, clientId, requestTimeoutMs } = this.#options;
      connection = new NodeConnection({
        role: PeerRole.CLIENT,
        environment,
        settings: {
          clientId,
          requestTimeoutMs,
          socketConnectionSetupTimeoutMs: 3000,
          reconnectBackoff: { initialMs: 50, maxMs: 1000 },
        },
        random: environment.random.stream(`connection ${key}`),
        pool: this.#pool,
        address,
        ready: () => {},
        lost: () => {},
        mayConnect: () => {},
      });
      this.#connections.set(key, connection);
    }
    return connection;
  }

  #refreshNowAndThen(): void {
    this.later(REFRESH_EVERY_MS, () => {
      this.#refreshNow();
      this.#refreshNowAndThen();
    });
  }

  #refreshNow(): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const topics = this.#options.topics().map((name) => ({ topicId: ZERO_UUID, name }));
    const request = make(METADATA.request, { topics, allowAutoTopicCreation: false });
    this.sendAny(METADATA, request, this.#options.requestTimeoutMs, (response) => {
      this.#refreshing = false;
      if (response instanceof Error) {
        // Whoever was asked may be gone: the next time somebody else.
        this.#addresses.delete(pick(this.random, [...this.#addresses.keys(), -1]));
        return this.refresh();
      }
      this.#take(response);
    });
  }

  #take({ brokers, topics }: MetadataResponse): void {
    for (const { nodeId, host, port } of brokers) this.#addresses.set(nodeId, { host, port });
    const known = new Map<string, KnownTopic>();
    for (const { name, topicId, errorCode, partitions } of topics) {
      const before = name === null ? undefined : this.#topics.get(name);
      if (name === null) continue;
      if (errorCode !== ErrorCode.NONE) {
        if (before !== undefined && errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) {
          known.set(name, before);
        }
        continue;
      }
      const leaders: { leader: NodeId; epoch: Epoch }[] = [];
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        const old = before?.id === topicId ? before.leaders[partitionIndex] : undefined;
        // A broker that lags must not take the client back (KIP-320).
        leaders[partitionIndex] = old !== undefined && old.epoch > leaderEpoch
          ? old
          : { leader: leaderId, epoch: leaderEpoch };
      }
      known.set(name, { id: topicId, leaders });
    }
    this.#topics = known;
    for (const listener of this.#listeners) listener();
  }
}
