/**
 * The brokers of one client: which there are, and a connection to each that is needed.
 *
 * Owns connections and the first finding of a cluster by its bootstrap addresses. Knows nothing of
 * records. Producer, consumer and admin each have a cluster of their own.
 *
 * Invariants: one connection per broker, and at most one per bootstrap address besides; a bootstrap
 * connection becomes the broker's own when it turns out to be to it; when no known broker can be
 * reached the bootstrap addresses are tried again (KIP-899). Where a broker answers in order, as in
 * Kafka's protocol, fetches have a connection of their own: one that waits for records would hold
 * up heartbeats and commits.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { BufferPool } from "../../net/buffer_pool.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { Environment, RandomStream, Timer } from "../runtime/environment.ts";
import { NodeConnection } from "../link/node_connection.ts";
import type { NodeLink } from "../link/node_link.ts";
import type { BrokerAddress } from "./bootstrap.ts";
import type { ClientSettings } from "./configs.ts";
import { BrokerNotAvailableError, type ClientError, DisconnectedError } from "./errors.ts";
import { Metadata } from "./metadata.ts";

export interface ClusterOptions {
  readonly environment: Environment;
  readonly settings: ClientSettings;
  readonly bootstrap: readonly BrokerAddress[];
  readonly allowAutoTopicCreation: boolean;
}

/** Who is told of changes; never inside a call to the cluster. */
export interface ClusterObserver {
  /** A broker was connected to or lost, or may be connected to again. */
  linksChanged(): void;
  metadataUpdated(): void;
}

/** After so long without an answer another address is tried besides. */
const HEDGE_MS = 1_000;

/** For so long after a loss metadata are asked for often: a session, and an election after it. */
const LOOKOUT_MS = 15_000;

/** A connection to a broker, and the address that the broker had then. */
interface KnownNode {
  readonly connection: NodeConnection;
  readonly advertised: SocketAddress;
}

/** The cluster as one client sees it. */
export class Cluster {
  readonly environment: Environment;
  readonly metadata: Metadata;
  readonly #options: ClusterOptions;
  readonly #random: RandomStream;
  readonly #pool = new BufferPool();
  readonly #nodes = new Map<NodeId, KnownNode>();
  /** For fetches, where they would hold up others. */
  readonly #fetching = new Map<NodeId, KnownNode>();
  readonly #bootstraps: NodeConnection[] = [];
  /** Resolve once a connection is closed for good. */
  readonly #ends = new WeakMap<NodeConnection, Promise<void>>();
  #observer: ClusterObserver | undefined;
  /** Told of the first metadata, or that no address can be connected to. */
  #found: ((failure: ClientError | undefined) => void) | undefined;
  readonly #failures: string[] = [];
  #bootstrapsTried = 0;
  /** Monotonic time of the last attempt to connect to just any broker. */
  #triedAt = -Infinity;
  #hedging: Timer | undefined;
  /** Since when a broker is missed. */
  #lostAt: number | undefined;
  #lookout: Timer | undefined;
  #hasAskedForMetadata = false;
  /** What waits for a time to come, and need not any more when the client is closed. */
  readonly #pauses = new Set<() => void>();
  #isClosed = false;

  constructor(options: ClusterOptions) {
    const { environment, settings } = options;
    this.environment = environment;
    this.#options = options;
    this.#random = environment.random.stream("client");
    this.metadata = new Metadata({
      ...settings,
      environment,
      random: this.#random,
      allowAutoTopicCreation: options.allowAutoTopicCreation,
      ask: (request, done) => {
        const link = this.#metadataLink();
        link?.send(METADATA, request, settings.requestTimeoutMs, done);
        return link !== undefined;
      },
      updated: () => this.#metadataUpdated(),
    });
  }

  get settings(): ClientSettings {
    return this.#options.settings;
  }

  /** Names who is told of changes. */
  observe(observer: ClusterObserver): void {
    this.#observer = observer;
  }

  /**
   * Connects to the first bootstrap address that can be, and learns of the brokers.
   * @throws {BrokerNotAvailableError} when none can be.
   */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#found = (failure) => {
        this.#found = undefined;
        if (failure === undefined) return resolve();
        this.#end();
        reject(failure);
      };
      this.#tryNextBootstrap();
    });
  }

  /**
   * The connection to a broker, which is made if there is none: see its `isReady`. Undefined when
   * the broker is not known.
   */
  link(node: NodeId): NodeLink | undefined {
    return this.#linkIn(this.#nodes, node);
  }

  /** As `link`, for requests that may wait for records. */
  fetchLink(node: NodeId): NodeLink | undefined {
    return this.#linkIn(this.answersInOrder ? this.#fetching : this.#nodes, node);
  }

  /** Whether an answer on a connection waits for those to what was asked before. */
  get answersInOrder(): boolean {
    return this.#options.bootstrap[0]?.encoding === "kafka";
  }

  #linkIn(nodes: Map<NodeId, KnownNode>, node: NodeId): NodeLink | undefined {
    const address = this.metadata.brokers.get(node);
    if (address === undefined || this.#isClosed) return undefined;
    let known = nodes.get(node);
    if (known !== undefined && !isSameAddress(known.advertised, address)) {
      known.connection.close();
      known = undefined;
    }
    if (known === undefined) {
      const connection = this.#adoptBootstrap(node) ?? this.#open(address);
      nodes.set(node, known = { connection, advertised: address });
    }
    known.connection.connect();
    return known.connection;
  }

  /** The connected broker with the least to do; when none is, one is connected to. */
  anyLink(): NodeLink | undefined {
    if (this.#isClosed) return undefined;
    let best: NodeConnection | undefined;
    for (const connection of this.#connections()) {
      if (!connection.isReady) continue;
      if (best === undefined || connection.inFlight < best.inFlight) best = connection;
    }
    if (best === undefined) this.#connectToAny();
    return best;
  }

  /** Not always the same broker: what one knows may be out of date, and it may not know. */
  #metadataLink(): NodeLink | undefined {
    const ready = this.#connections().filter(({ isReady }) => isReady);
    if (ready.length <= 1 && this.#hasAskedForMetadata) this.#connectToAny();
    if (ready.length === 0) return this.anyLink();
    this.#hasAskedForMetadata = true;
    return ready[this.#random.integer(ready.length)];
  }

  /** Whether nothing can be asked any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Runs `run` after so long, or when the client is closed, whichever is first. */
  later(delayMs: number, run: () => void): Timer {
    const end = () => {
      pause.cancel();
      run();
    };
    const timer = this.environment.timers.schedule(this.#isClosed ? 0 : delayMs, end);
    const pause: Timer = {
      cancel: () => {
        timer.cancel();
        this.#pauses.delete(end);
      },
    };
    this.#pauses.add(end);
    return pause;
  }

  /** Ends all connections, after what was written has left. */
  async close(): Promise<void> {
    const closing = this.#allConnections();
    this.#end();
    await Promise.all(closing.map((connection) => this.#ends.get(connection)));
  }

  #end(): void {
    this.#isClosed = true;
    this.#hedging?.cancel();
    this.#lookout?.cancel();
    this.metadata.close();
    for (const connection of this.#allConnections()) connection.close();
    for (const end of [...this.#pauses]) end();
  }

  #allConnections(): NodeConnection[] {
    const fetching = Array.from(this.#fetching.values(), ({ connection }) => connection);
    return [...this.#connections(), ...fetching];
  }

  /** Those that answer soon. */
  #connections(): NodeConnection[] {
    const ofNodes = Array.from(this.#nodes.values(), ({ connection }) => connection);
    return [...ofNodes, ...this.#bootstraps];
  }

  #open(address: SocketAddress): NodeConnection {
    const { promise, resolve } = Promise.withResolvers<void>();
    const connection = new NodeConnection({
      environment: this.environment,
      settings: this.settings,
      random: this.#random,
      pool: this.#pool,
      address,
      encoding: this.#options.bootstrap[0]?.encoding,
      ready: () => {
        this.metadata.connected();
        this.#observer?.linksChanged();
      },
      lost: (error) => this.#lost(error),
      mayConnect: () => this.#mayConnect(),
      ended: resolve,
    });
    this.#ends.set(connection, promise);
    return connection;
  }

  #lost(error: ClientError): void {
    if (this.#isClosed) return;
    if (this.#found !== undefined) {
      this.#failures.push(error.message);
      this.#tryNextBootstrap();
      return;
    }
    // Who led what on a broker that is gone is no longer so, or soon will not be.
    this.metadata.requestUpdate();
    this.#lostAt ??= this.environment.clock.monotonic();
    this.#lookOut();
    this.#observer?.linksChanged();
  }

  /**
   * While a broker is missed, asks often who leads what: somebody else will in a while. A broker
   * that is fenced is missed no more, nor after a while one that nobody asks for anything: brokers
   * close connections that are not used.
   */
  #lookOut(): void {
    if (this.#lookout !== undefined || this.#isClosed) return;
    const known = [...this.#nodes.values(), ...this.#fetching.values()];
    const { clock, timers } = this.environment;
    const isLong = clock.monotonic() - (this.#lostAt ?? 0) > LOOKOUT_MS;
    const isMissed = known.some(({ connection: { isReady, isConnecting, isBackingOff } }) =>
      !isReady && (!isLong || isConnecting || isBackingOff)
    );
    if (!isMissed) {
      this.#lostAt = undefined;
      return;
    }
    const { initialMs, maxMs } = this.settings.retryBackoff;
    this.#lookout = timers.schedule(Math.max(1, isLong ? maxMs : initialMs), () => {
      this.#lookout = undefined;
      this.metadata.requestUpdate();
      this.#lookOut();
    });
  }

  /** Whoever wants a broker asks for it again. */
  #mayConnect(): void {
    if (this.#isClosed) return;
    this.metadata.connected();
    this.#observer?.linksChanged();
  }

  /** Goes on with the next address; when all have failed there is no cluster to be found. */
  #tryNextBootstrap(): void {
    const { bootstrap } = this.#options;
    const address = bootstrap[this.#bootstrapsTried];
    if (address !== undefined) {
      this.#bootstrapsTried++;
      this.metadata.requestUpdate();
      this.#bootstrapTo(address).connect();
      this.#hedge(() => {
        if (this.#found !== undefined) this.#tryNextBootstrap();
      });
    } else if (this.#failures.length >= bootstrap.length) {
      const causes = this.#failures.join("; ");
      this.#found?.(new BrokerNotAvailableError(`Cannot connect to any broker: ${causes}`));
    }
  }

  /**
   * A known broker that is not waiting to be tried again, else a bootstrap address (KIP-899). One
   * that does not answer is not waited for as long as an attempt may take: another is tried.
   */
  #connectToAny(): void {
    const { clock } = this.environment;
    const isConnecting = this.#connections().some((connection) => connection.isConnecting);
    if (isConnecting && clock.monotonic() - this.#triedAt < HEDGE_MS) return;
    if (this.#found !== undefined) return;
    const known = [...this.metadata.brokers.keys()];
    const start = known.length === 0 ? 0 : this.#random.integer(known.length);
    for (let i = 0; i < known.length; i++) {
      const node = known[(start + i) % known.length]!;
      const connection = this.#nodes.get(node)?.connection;
      if (connection?.isBackingOff || connection?.isConnecting || connection?.isReady) continue;
      this.link(node);
      return this.#tried();
    }
    const { bootstrap } = this.#options;
    const first = this.#random.integer(bootstrap.length);
    for (let i = 0; i < bootstrap.length; i++) {
      const connection = this.#bootstrapTo(bootstrap[(first + i) % bootstrap.length]!);
      if (connection.isBackingOff || connection.isConnecting) continue;
      connection.connect();
      return this.#tried();
    }
  }

  #tried(): void {
    this.#triedAt = this.environment.clock.monotonic();
    this.#hedge(() => this.metadata.connected());
  }

  /** Runs `run` when an attempt to connect has taken rather long. */
  #hedge(run: () => void): void {
    this.#hedging?.cancel();
    this.#hedging = this.environment.timers.schedule(HEDGE_MS, run);
  }

  #bootstrapTo(address: SocketAddress): NodeConnection {
    const known = this.#bootstraps.find((known) => isSameAddress(known.address, address));
    if (known !== undefined) return known;
    const connection = this.#open(address);
    this.#bootstraps.push(connection);
    return connection;
  }

  /** The bootstrap connection that turned out to be to the broker. */
  #adoptBootstrap(node: NodeId): NodeConnection | undefined {
    const index = this.#bootstraps.findIndex(({ isReady, nodeId }) => isReady && nodeId === node);
    return index < 0 ? undefined : this.#bootstraps.splice(index, 1)[0];
  }

  #metadataUpdated(): void {
    for (const nodes of [this.#nodes, this.#fetching]) {
      for (const [node, { connection }] of nodes) {
        if (this.metadata.brokers.has(node)) continue;
        nodes.delete(node);
        // It may be back soon, and others may answer: what was asked of it is asked again.
        connection.close(new DisconnectedError(`Broker ${node} is not in the cluster now`));
      }
    }
    this.#found?.(undefined);
    this.#observer?.metadataUpdated();
  }
}

function isSameAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.host === b.host && a.port === b.port;
}
