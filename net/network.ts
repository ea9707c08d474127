/**
 * What a node needs of a network: listeners, and connections that carry bytes in order.
 *
 * Everything that happens later is a call on the handler, never a promise. A connection asks its
 * handler where to put the next bytes, so that a large frame is received straight into the buffer
 * it stays in, and an idle connection costs a small one.
 *
 * @module
 */

/** Where something listens. */
export interface SocketAddress {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  /** 0 lets the system choose, where something is to listen. */
  readonly port: number;
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(address: SocketAddress): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** What went wrong, for code that must act on it. */
export type NetworkErrorKind =
  | "refused"
  | "address-in-use"
  | "unreachable"
  | "reset"
  | "timed-out"
  | "closed"
  | "too-many-open-files"
  | "other";

/** A network operation that failed; the message names the operation and the address. */
export class NetworkError extends Error {
  /** @ignore */
  override readonly name = "NetworkError";
  /** Of a kind, with a message for people. */
  constructor(
    /** What went wrong, for code that must act on it. */
    readonly kind: NetworkErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What a connection calls; each call comes by itself, none inside a call to the connection. */
export interface ConnectionHandler {
  /**
   * Where the next bytes go; asked once before each read. The buffer is the connection's until
   * `filled`. An empty one pauses reading until `Connection.resume`.
   */
  space(): Uint8Array;

  /** The first `count` bytes of the space given now hold what came. */
  filled(count: number): void;

  /** The last call: the peer closed (no error), `close` was called, or the connection broke. */
  closed(error: NetworkError | undefined): void;
}

/** A connection; bytes arrive in the order they were sent, or not at all. */
export interface Connection {
  /** This end. */
  readonly local: SocketAddress;
  /** The other end. */
  readonly remote: SocketAddress;

  /** Begins to read; called once, by whoever accepted or made the connection. */
  start(handler: ConnectionHandler): void;

  /** Asks `space` again after it returned an empty buffer. */
  resume(): void;

  /**
   * Queues bytes, sent in order by one writer. They must not change until `settled` is called:
   * when they have been handed to the system, or when the connection ended (`sent` false).
   */
  write(bytes: Uint8Array, settled?: (sent: boolean) => void): void;

  /** Bytes queued and not yet handed to the system. */
  readonly pendingBytes: number;

  /** Ends the connection: after what is queued was sent, or at once when `abort` is set. */
  close(options?: { readonly abort?: boolean }): void;
}

/** Something that connections are made to. */
export interface Listener {
  /** The address listened on, with the port the system chose when 0 was asked for. */
  readonly address: SocketAddress;
  /** Accepts no more; connections that were accepted stay. */
  close(): void;
}

/** The certificate chain and key of a listener, or the trusted roots of a client, in PEM. */
export interface TlsOptions {
  /** The chain, the own certificate first. */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
  /** What a client trusts; the system's roots when absent. */
  readonly caCerts?: readonly string[];
  /** The name to verify; the host connected to when absent. */
  readonly serverName?: string;
}

/** The way to others. */
export interface Network {
  /**
   * Listens at once; `accepted` is called for each connection, before its `start`.
   * @throws {NetworkError} of kind `address-in-use`, or what the system says.
   */
  listen(
    options: SocketAddress & { readonly tls?: TlsOptions },
    accepted: (connection: Connection) => void,
  ): Listener;

  /** Connects; `done` is called later, once. */
  connect(
    options: SocketAddress & { readonly tls?: TlsOptions },
    done: (result: Connection | NetworkError) => void,
  ): void;
}
