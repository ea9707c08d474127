/**
 * A network whose connections can be broken, and those to some addresses cut: what there is breaks,
 * and none is made until that is undone. For clusters of which a test takes the nodes apart.
 *
 * Owns which connections there are on this side. Who connected to it, it does not know: to cut two
 * sides from each other, both must be told.
 *
 * @module
 */

import {
  type Connection,
  type ConnectionHandler,
  formatAddress,
  type Listener,
  type Network,
  NetworkError,
  type SocketAddress,
  type TlsOptions,
} from "./network.ts";

/** Another network, with cuts. */
export class CutNetwork implements Network {
  readonly #network: Network;
  readonly #isCut: (address: SocketAddress) => boolean;
  readonly #connections = new Set<KnownConnection>();

  /** `isCut` is asked before each connection is made, and after. */
  constructor(network: Network, isCut: (address: SocketAddress) => boolean) {
    this.#network = network;
    this.#isCut = isCut;
  }

  listen(
    options: SocketAddress & { readonly tls?: TlsOptions },
    accepted: (connection: Connection) => void,
  ): Listener {
    return this.#network.listen(options, (connection) => accepted(this.#know(connection)));
  }

  connect(
    options: SocketAddress & { readonly tls?: TlsOptions },
    done: (result: Connection | NetworkError) => void,
  ): void {
    const address = { host: options.host, port: options.port };
    this.#network.connect(options, (result) => {
      if (result instanceof Error) return done(result);
      if (this.#isCut(address)) {
        result.close({ abort: true });
        const target = formatAddress(address);
        return done(new NetworkError("unreachable", `Cannot connect to ${target}: it is cut off`));
      }
      done(this.#know(result, address));
    });
  }

  /** Breaks the connections to addresses that are cut now. */
  breakCut(): void {
    for (const connection of [...this.#connections]) {
      const { target } = connection;
      if (target !== undefined && this.#isCut(target)) connection.close({ abort: true });
    }
  }

  /** Breaks all connections, as the end of a process does. */
  breakAll(): void {
    for (const connection of [...this.#connections]) connection.close({ abort: true });
  }

  #know(connection: Connection, target?: SocketAddress): KnownConnection {
    const known: KnownConnection = new KnownConnection(
      connection,
      target,
      () => this.#connections.delete(known),
    );
    this.#connections.add(known);
    return known;
  }
}

class KnownConnection implements Connection {
  readonly #connection: Connection;
  readonly #ended: () => void;

  /** `target` is where it was made to; undefined where it was accepted. */
  constructor(
    connection: Connection,
    readonly target: SocketAddress | undefined,
    ended: () => void,
  ) {
    this.#connection = connection;
    this.#ended = ended;
  }

  get local(): SocketAddress {
    return this.#connection.local;
  }

  get remote(): SocketAddress {
    return this.#connection.remote;
  }

  get pendingBytes(): number {
    return this.#connection.pendingBytes;
  }

  start(handler: ConnectionHandler): void {
    this.#connection.start({
      space: () => handler.space(),
      filled: (count) => handler.filled(count),
      closed: (error) => {
        this.#ended();
        handler.closed(error);
      },
    });
  }

  resume(): void {
    this.#connection.resume();
  }

  write(bytes: Uint8Array, settled?: (sent: boolean) => void): void {
    this.#connection.write(bytes, settled);
  }

  close(options?: { readonly abort?: boolean }): void {
    this.#connection.close(options);
  }
}
