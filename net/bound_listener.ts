/**
 * A listener that is bound before anybody serves behind it: connections that come meanwhile wait.
 *
 * For nodes that must know each other's ports before any of them boots. Invariant: no connection is
 * lost, except those that are past the limit of waiting ones, and those that wait when it closes.
 *
 * @module
 */

import type { Connection, Listener, Network, SocketAddress, TlsOptions } from "./network.ts";

/** Connections that wait for somebody to serve them. */
const WAITING_MAX = 1024;

/** A bound address, and whoever serves it, now or soon. */
export class BoundListener {
  readonly #listener: Listener;
  readonly #waiting: Connection[] = [];
  #accepted: ((connection: Connection) => void) | undefined;

  /** @throws {NetworkError} of kind `address-in-use`, or what the system says. */
  constructor(network: Network, address: SocketAddress & { readonly tls?: TlsOptions }) {
    this.#listener = network.listen(address, (connection) => {
      if (this.#accepted !== undefined) this.#accepted(connection);
      else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(connection);
      else connection.close({ abort: true });
    });
  }

  /** The address listened on, with the port the system chose when 0 was asked for. */
  get address(): SocketAddress {
    return this.#listener.address;
  }

  /** Who takes connections from now on; those that wait at once. */
  serve(accepted: (connection: Connection) => void): void {
    this.#accepted = accepted;
    for (const connection of this.#waiting.splice(0)) accepted(connection);
  }

  /** Accepts no more; connections that were handed over stay. */
  close(): void {
    this.#listener.close();
    for (const connection of this.#waiting.splice(0)) connection.close({ abort: true });
  }
}
