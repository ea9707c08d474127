/**
 * The real network: TCP and TLS by Deno.
 *
 * Owns how connections come about: listeners, and connects with their deadline. What flows over
 * them is deno_connection.ts's. No promise leaves this file.
 *
 * @module
 */

import { DenoConnection } from "./deno_connection.ts";
import { closeQuietly, networkError, socketAddress } from "./deno_network_errors.ts";
import { secureContext, TlsServerSocket } from "./deno_tls_socket.ts";
import {
  type Connection,
  formatAddress,
  type Listener,
  type Network,
  NetworkError,
  type SocketAddress,
  type TlsOptions,
} from "./network.ts";

export interface DenoNetworkOptions {
  /** How long a connection may take to be made, its TLS handshake included. */
  readonly connectTimeoutMs?: number;
  /** How long a closed connection may wait for its peer to close. */
  readonly lingerMs?: number;
  /** Told what a callback threw, after its connection was ended; throws it again by default. */
  readonly uncaught?: (error: unknown) => void;
}

type Settings = Required<DenoNetworkOptions>;

/** Connections that wait for `accept`; the system may allow fewer. */
const BACKLOG = 1024;
const ACCEPT_RETRY_MIN_MS = 5;
const ACCEPT_RETRY_MAX_MS = 1000;

/** The network of the machine this process runs on. */
export class DenoNetwork implements Network {
  readonly #settings: Settings;

  constructor(options: DenoNetworkOptions = {}) {
    this.#settings = {
      connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
      lingerMs: options.lingerMs ?? 2_000,
      uncaught: options.uncaught ?? reportError,
    };
  }

  listen(
    options: SocketAddress & { readonly tls?: TlsOptions },
    accepted: (connection: Connection) => void,
  ): Listener {
    const { host: hostname, port, tls } = options;
    try {
      const context = tls === undefined ? undefined : secureContext(tls);
      const listener = Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
      return new DenoListener(listener, this.#settings, (tcp) => {
        const socket = context === undefined ? tcp : new TlsServerSocket(tcp, context);
        accepted(new DenoConnection(socket, this.#settings));
      });
    } catch (error) {
      throw networkError("listen on", options, error);
    }
  }

  connect(
    options: SocketAddress & { readonly tls?: TlsOptions },
    done: (result: Connection | NetworkError) => void,
  ): void {
    this.#open(options).then(done).catch(this.#settings.uncaught);
  }

  /** Never rejects. */
  async #open(
    options: SocketAddress & { readonly tls?: TlsOptions },
  ): Promise<Connection | NetworkError> {
    const { host: hostname, port, tls } = options;
    const deadline = new AbortController();
    let socket: Deno.Conn | undefined;
    const timer = setTimeout(() => {
      deadline.abort();
      // The signal reaches only the TCP handshake.
      if (socket !== undefined) closeQuietly(socket);
    }, this.#settings.connectTimeoutMs);
    try {
      const plain = await Deno.connect({ hostname, port, signal: deadline.signal });
      socket = plain;
      prepare(plain);
      if (tls !== undefined) {
        const secure = await Deno.startTls(plain, {
          hostname: tls.serverName ?? hostname,
          caCerts: [...tls.caCerts ?? []],
        });
        socket = secure;
        await secure.handshake();
      }
      return new DenoConnection(socket, this.#settings);
    } catch (error) {
      if (socket !== undefined) closeQuietly(socket);
      if (!deadline.signal.aborted) return networkError("connect to", options, error);
      const limit = this.#settings.connectTimeoutMs;
      return new NetworkError(
        "timed-out",
        `Cannot connect to ${formatAddress(options)}: not connected after ${limit} ms`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Accepts until it is closed; an accept that fails, as for want of descriptors, is tried again. */
class DenoListener implements Listener {
  readonly address: SocketAddress;
  readonly #listener: Deno.TcpListener;
  readonly #settings: Settings;
  #closed = false;
  #endPause: (() => void) | undefined;

  constructor(
    listener: Deno.TcpListener,
    settings: Settings,
    accepted: (socket: Deno.TcpConn) => void,
  ) {
    this.#listener = listener;
    this.#settings = settings;
    this.address = socketAddress(listener.addr);
    this.#acceptLoop(accepted).catch(settings.uncaught);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeQuietly(this.#listener);
    this.#endPause?.();
  }

  async #acceptLoop(accepted: (socket: Deno.TcpConn) => void): Promise<void> {
    let retryMs = ACCEPT_RETRY_MIN_MS;
    while (!this.#closed) {
      let socket: Deno.TcpConn;
      try {
        socket = await this.#listener.accept();
      } catch {
        if (this.#closed) return;
        await this.#pause(retryMs);
        retryMs = Math.min(retryMs * 2, ACCEPT_RETRY_MAX_MS);
        continue;
      }
      retryMs = ACCEPT_RETRY_MIN_MS;
      if (this.#closed) {
        closeQuietly(socket);
        return;
      }
      prepare(socket);
      try {
        accepted(socket);
      } catch (error) {
        closeQuietly(socket);
        this.#settings.uncaught(error);
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Sets what every socket has; one that broke meanwhile tells so at its first read. */
function prepare(socket: Deno.TcpConn): void {
  try {
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
  } catch {
    // Broken before it was begun.
  }
}
