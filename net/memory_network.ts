/**
 * A network in memory that several nodes share: deterministic, with the faults of a real one.
 *
 * Owns the hosts, who listens where, and how a connection is made; memory_connection.ts owns what
 * flows afterwards. Delays, partitions, clogs and resets are decided by a fault model given from
 * outside (`LinkFaults`); time and order by a scheduler given from outside (the simulation), or by
 * a queue of its own that `run` empties.
 *
 * Invariants, which are those of TCP:
 * - A connection delivers a prefix of what was sent, in order; bytes are lost only off its end, by
 *   the connection breaking. A partition holds bytes back until it heals or patience ends.
 * - Bytes are copied: nothing is shared between two hosts.
 * - A host that was crashed is called no more; its peers learn so by a reset, or late, or never.
 *
 * @module
 */

import { PacketSlab } from "./packet_slab.ts";
import { MemoryConnection, RETRY_MAX_MS, RETRY_MIN_MS } from "./memory_connection.ts";
import {
  type Connection,
  formatAddress,
  type Listener,
  type Network,
  NetworkError,
  type SocketAddress,
  type TlsOptions,
} from "./network.ts";

/** What links do to packets, asked as each one leaves or arrives. Hosts are given by name. */
export interface LinkFaults {
  /** Milliseconds that a packet takes which leaves now. */
  delay(from: string, to: string): number;
  /** Whether packets do not get through in this direction now. */
  partitioned(from: string, to: string): boolean;
  /** Bytes per millisecond; `Infinity` for no limit. */
  bandwidth(from: string, to: string): number;
  /** Whether the connection breaks as this packet leaves: what is under way is lost. */
  resets(from: string, to: string): boolean;
  /** How many of the bytes that wait one read is to give: from 1 to `available`. */
  chunk(from: string, to: string, available: number): number;
}

/** Links that deliver everything at once and whole. */
export const FAULTLESS: LinkFaults = {
  delay: () => 0,
  partitioned: () => false,
  bandwidth: () => Infinity,
  resets: () => false,
  chunk: (_from, _to, available) => available,
};

/** Runs things later: what a simulation gives, so that every step of the network is its event. */
export interface NetworkScheduler {
  /** Milliseconds, of the time that `schedule` counts in. */
  now(): number;
  /**
   * Runs `run` after `delayMs`, those of equal time in the order they came. `host` is where the
   * step happens, `what` a fixed word for it, `size` the bytes it is about.
   */
  schedule(delayMs: number, run: () => void, host: string, what: string, size: number): void;
}

export interface MemoryNetworkOptions {
  readonly scheduler?: NetworkScheduler;
  readonly faults?: LinkFaults;
  /** Bytes under way or unread, per direction of a connection, before the writer must wait. */
  readonly windowBytes?: number;
  readonly connectTimeoutMs?: number;
  /** How long unacknowledged bytes are sent again before the sender gives the connection up. */
  readonly retransmitTimeoutMs?: number;
  /** Sees all bytes as they leave; for tracing. */
  readonly observe?: (from: string, to: string, bytes: Uint8Array) => void;
}

const FIRST_EPHEMERAL_PORT = 32_768;
const LAST_PORT = 65_535;
/** Names by which a host reaches itself. */
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "::1", "0.0.0.0", "::"]);

/** A host: what stands behind one name from one crash to the next. */
export class MemoryHost {
  /** Set when its process is gone: nothing of it is called any more. */
  gone = false;
  readonly listeners = new Map<number, MemoryListener>();
  readonly connections = new Set<MemoryConnection>();
  #nextPort = FIRST_EPHEMERAL_PORT;

  constructor(readonly name: string) {}

  freePort(): number {
    do {
      if (this.#nextPort > LAST_PORT) this.#nextPort = FIRST_EPHEMERAL_PORT;
    } while (this.listeners.has(this.#nextPort++));
    return this.#nextPort - 1;
  }
}

/** The medium. See the head of the file. */
export class MemoryNetwork {
  readonly scheduler: NetworkScheduler;
  readonly windowBytes: number;
  readonly connectTimeoutMs: number;
  readonly retransmitTimeoutMs: number;
  /**
   * Where its connections put what is under way.
   * @internal
   */
  readonly packets = new PacketSlab();
  readonly observe: ((from: string, to: string, bytes: Uint8Array) => void) | undefined;
  readonly #faults: LinkFaults;
  readonly #hosts = new Map<string, MemoryHost>();
  /** Hosts without power: they answer nothing, not even a refusal. */
  readonly #off = new Set<string>();
  readonly #queue: DeferredQueue | undefined;

  constructor(options: MemoryNetworkOptions = {}) {
    this.#queue = options.scheduler === undefined ? new DeferredQueue() : undefined;
    this.scheduler = options.scheduler ?? this.#queue!;
    this.#faults = options.faults ?? FAULTLESS;
    this.windowBytes = options.windowBytes ?? 256 * 1024;
    this.connectTimeoutMs = options.connectTimeoutMs ?? 30_000;
    this.retransmitTimeoutMs = options.retransmitTimeoutMs ?? 60_000;
    this.observe = options.observe;
  }

  /** The network as the process on this host sees it, from now until `crash`. */
  host(name: string): Network {
    this.#off.delete(name);
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new MemoryHost(name);
      this.#hosts.set(name, host);
    }
    return new HostNetwork(this, host);
  }

  /**
   * Ends the process on a host, at once and without a call to it. Its system resets its
   * connections and refuses new ones; with `power` set it is silent instead until `host` is called
   * again.
   */
  crash(name: string, options: { readonly power?: boolean } = {}): void {
    const host = this.#hosts.get(name);
    if (options.power === true) this.#off.add(name);
    if (host === undefined) return;
    this.#hosts.set(name, new MemoryHost(name));
    host.gone = true;
    host.listeners.clear();
    for (const connection of host.connections) connection.vanish(options.power !== true);
    host.connections.clear();
  }

  /**
   * Breaks every connection between two hosts, losing what is under way. With `told` only that
   * host learns of it now, the other when it next sends.
   */
  reset(first: string, second: string, told?: string): void {
    for (const connection of [...this.#hosts.get(first)?.connections ?? []]) {
      if (connection.remoteHost === second) connection.breakBoth(told);
    }
  }

  /** How many connections a host has; for checks that none is leaked. */
  connectionsOf(name: string): number {
    return this.#hosts.get(name)?.connections.size ?? 0;
  }

  /**
   * Without a scheduler of its user's: runs whatever is under way, in order of time, until nothing
   * is left. Returns the number of steps.
   * @throws {RangeError} after `limit` steps.
   */
  run(limit = 10_000_000): number {
    if (this.#queue === undefined) throw new TypeError("Cannot run a network that has a scheduler");
    return this.#queue.run(limit);
  }

  resolve(from: string, host: string): string {
    return LOOPBACK.has(host) ? from : host;
  }

  isKnown(name: string): boolean {
    return this.#hosts.has(name) || this.#off.has(name);
  }

  current(name: string): MemoryHost | undefined {
    return this.#off.has(name) ? undefined : this.#hosts.get(name);
  }

  /** Whether a packet that arrives now gets through and finds the host powered. */
  passes(from: string, to: string): boolean {
    if (this.#off.has(to)) return false;
    return from === to || !this.#faults.partitioned(from, to);
  }

  delay(from: string, to: string): number {
    return from === to ? 0 : this.#faults.delay(from, to);
  }

  transferTime(from: string, to: string, bytes: number): number {
    return from === to ? 0 : bytes / this.#faults.bandwidth(from, to);
  }

  resets(from: string, to: string): boolean {
    return from !== to && this.#faults.resets(from, to);
  }

  chunk(from: string, to: string, available: number): number {
    const count = this.#faults.chunk(from, to, available);
    return Math.min(Math.max(count, 1), available);
  }
}

class MemoryListener implements Listener {
  #closed = false;
  constructor(
    readonly address: SocketAddress,
    readonly secure: boolean,
    readonly accepted: (connection: Connection) => void,
    readonly host: MemoryHost,
  ) {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.host.listeners.get(this.address.port) === this) {
      this.host.listeners.delete(this.address.port);
    }
  }
}

/** One process's view of the network. Does nothing once its host has crashed. */
class HostNetwork implements Network {
  readonly #network: MemoryNetwork;
  readonly #host: MemoryHost;

  constructor(network: MemoryNetwork, host: MemoryHost) {
    this.#network = network;
    this.#host = host;
  }

  listen(
    options: SocketAddress & { readonly tls?: TlsOptions },
    accepted: (connection: Connection) => void,
  ): Listener {
    const port = options.port === 0 ? this.#host.freePort() : options.port;
    if (this.#host.listeners.has(port)) {
      throw new NetworkError(
        "address-in-use",
        `Cannot listen on ${formatAddress(options)}: address already in use`,
      );
    }
    const address = { host: options.host, port };
    const listener = new MemoryListener(address, options.tls !== undefined, accepted, this.#host);
    if (!this.#host.gone) this.#host.listeners.set(port, listener);
    return listener;
  }

  connect(
    options: SocketAddress & { readonly tls?: TlsOptions },
    done: (result: Connection | NetworkError) => void,
  ): void {
    new Attempt(this.#network, this.#host, options, done).begin();
  }
}

/** One connection being made: a SYN that is sent again until it is answered or patience ends. */
class Attempt {
  readonly #network: MemoryNetwork;
  readonly #host: MemoryHost;
  readonly #to: string;
  readonly #options: SocketAddress & { readonly tls?: TlsOptions };
  readonly #done: (result: Connection | NetworkError) => void;
  readonly #deadline: number;
  #retryMs = RETRY_MIN_MS;

  constructor(
    network: MemoryNetwork,
    host: MemoryHost,
    options: SocketAddress & { readonly tls?: TlsOptions },
    done: (result: Connection | NetworkError) => void,
  ) {
    this.#network = network;
    this.#host = host;
    this.#options = options;
    this.#to = network.resolve(host.name, options.host);
    this.#done = done;
    this.#deadline = network.scheduler.now() + network.connectTimeoutMs;
  }

  begin(): void {
    if (!this.#network.isKnown(this.#to)) {
      this.#fail(0, "unreachable", "no such host");
      return;
    }
    const delay = this.#network.delay(this.#host.name, this.#to);
    this.#network.scheduler.schedule(delay, () => this.#arrive(), this.#to, "net.connect", 0);
  }

  #arrive(): void {
    if (this.#host.gone) return;
    const network = this.#network;
    const from = this.#host.name;
    const target = network.current(this.#to);
    if (
      target === undefined || !network.passes(from, this.#to) || !network.passes(this.#to, from)
    ) {
      this.#again();
      return;
    }
    const answerDelay = network.delay(this.#to, from);
    const listener = target.listeners.get(this.#options.port);
    if (listener === undefined) {
      this.#fail(answerDelay, "refused", "connection refused");
      return;
    }
    if (listener.secure !== (this.#options.tls !== undefined)) {
      this.#fail(answerDelay, "other", "one side speaks TLS, the other does not");
      return;
    }
    const local = { host: from, port: this.#host.freePort() };
    const remote = { host: this.#to, port: this.#options.port };
    const [client, server] = MemoryConnection.pair(network, this.#host, local, target, remote);
    network.scheduler.schedule(
      server.holdBack(answerDelay),
      () => {
        if (!this.#host.gone) this.#done(client);
      },
      from,
      "net.connected",
      0,
    );
    listener.accepted(server);
  }

  #again(): void {
    const wait = Math.min(this.#retryMs, this.#deadline - this.#network.scheduler.now());
    if (wait <= 0) {
      this.#fail(0, "timed-out", `no answer within ${this.#network.connectTimeoutMs} ms`);
      return;
    }
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#network.scheduler.schedule(wait, () => this.#arrive(), this.#to, "net.connect", 0);
  }

  #fail(delayMs: number, kind: NetworkError["kind"], reason: string): void {
    const message = `Cannot connect to ${formatAddress(this.#options)}: ${reason}`;
    const run = () => {
      if (!this.#host.gone) this.#done(new NetworkError(kind, message));
    };
    this.#network.scheduler.schedule(delayMs, run, this.#host.name, "net.connected", 0);
  }
}

interface Deferred {
  readonly at: number;
  readonly run: () => void;
}

/** Steps in order of time, for a network that is not part of a simulation. */
class DeferredQueue implements NetworkScheduler {
  #now = 0;
  #steps: Deferred[] = [];
  #head = 0;

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, run: () => void): void {
    const at = this.#now + delayMs;
    let index = this.#steps.length;
    while (index > this.#head && this.#steps[index - 1]!.at > at) index--;
    if (index === this.#steps.length) this.#steps.push({ at, run });
    else this.#steps.splice(index, 0, { at, run });
  }

  run(limit: number): number {
    let count = 0;
    while (this.#head < this.#steps.length) {
      if (count++ === limit) throw new RangeError(`Cannot settle the network: ${limit} steps`);
      const { at, run } = this.#steps[this.#head++]!;
      this.#now = at;
      if (this.#head > 1024 && this.#head * 2 > this.#steps.length) {
        this.#steps = this.#steps.slice(this.#head);
        this.#head = 0;
      }
      run();
    }
    return count;
  }
}
