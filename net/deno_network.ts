/**
 * The real network: TCP and TLS by Deno.
 *
 * Owns the sockets, and the promises that Deno gives for them, which never leave this file: one
 * read loop for each started connection, and one write loop while something is queued. Knows
 * nothing of frames; gathering small writes is the caller's.
 *
 * Invariants:
 * - The write loop runs exactly while the queue is not empty, so writes settle in order.
 * - `closed` is called after both loops have ended, so no buffer is in use after it.
 * - Closing by `close` sends what is queued, says so to the peer (FIN), and then discards what
 *   the peer still sends until it closes too, at most `lingerMs`: closing a socket that holds
 *   unread bytes would reset it and could take back a reply that was sent just before.
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
  type NetworkErrorKind,
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
const DISCARD_BUFFER_BYTES = 4096;

const KIND_BY_CODE: Readonly<Record<string, NetworkErrorKind>> = {
  ECONNREFUSED: "refused",
  EADDRINUSE: "address-in-use",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timed-out",
  EMFILE: "too-many-open-files",
  ENFILE: "too-many-open-files",
};

function kindOf(error: unknown): NetworkErrorKind {
  const code = (error as { code?: unknown } | null)?.code;
  const kind = typeof code === "string" ? KIND_BY_CODE[code] : undefined;
  if (kind !== undefined) return kind;
  if (error instanceof Deno.errors.UnexpectedEof) return "reset";
  if (error instanceof Deno.errors.BadResource) return "closed";
  if (error instanceof Deno.errors.Interrupted) return "closed";
  return "other";
}

function networkError(operation: string, address: SocketAddress, error: unknown): NetworkError {
  const reason = error instanceof Error ? error.message : String(error);
  return new NetworkError(
    kindOf(error),
    `Cannot ${operation} ${formatAddress(address)}: ${reason}`,
    {
      cause: error,
    },
  );
}

function socketAddress(address: Deno.Addr): SocketAddress {
  const net = address as Deno.NetAddr;
  return { host: net.hostname, port: net.port };
}

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
      const listener = tls === undefined
        ? Deno.listen({ hostname, port, tcpBacklog: BACKLOG })
        : Deno.listenTls({
          hostname,
          port,
          tcpBacklog: BACKLOG,
          cert: tls.cert ?? "",
          key: tls.key ?? "",
        });
      return new DenoListener(listener, this.#settings, accepted);
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
  readonly #listener: Deno.Listener;
  readonly #settings: Settings;
  #closed = false;
  #endPause: (() => void) | undefined;

  constructor(
    listener: Deno.Listener,
    settings: Settings,
    accepted: (connection: Connection) => void,
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

  async #acceptLoop(accepted: (connection: Connection) => void): Promise<void> {
    let retryMs = ACCEPT_RETRY_MIN_MS;
    while (!this.#closed) {
      let socket: Deno.Conn;
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
        accepted(new DenoConnection(socket, this.#settings));
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
function prepare(socket: Deno.Conn): void {
  if (!("setNoDelay" in socket)) return;
  const tcp = socket as Deno.TcpConn;
  try {
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true);
  } catch {
    // Broken before it was begun.
  }
}

function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch {
    // Closed already.
  }
}

interface QueuedWrite {
  readonly bytes: Uint8Array;
  readonly settled: ((sent: boolean) => void) | undefined;
  /** Queued after `close`: never sent. */
  readonly refused: boolean;
}

class DenoConnection implements Connection {
  readonly #socket: Deno.Conn;
  readonly #settings: Settings;
  #handler: ConnectionHandler | undefined;

  #queue: QueuedWrite[] = [];
  #queueHead = 0;
  #pendingBytes = 0;

  #reading = false;
  #writing = false;
  /** Set while reading is paused; ends the pause. */
  #wake: (() => void) | undefined;
  #resumed = false;
  #discard: Uint8Array<ArrayBuffer> | undefined;

  /** `close` was called, or the peer closed: ends once the queue was sent. */
  #closing = false;
  #peerClosed = false;
  /** The socket is closed. */
  #ended = false;
  #closedCalled = false;
  #failure: NetworkError | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Deno.Conn, settings: Settings) {
    this.#socket = socket;
    this.#settings = settings;
  }

  get local(): SocketAddress {
    return socketAddress(this.#socket.localAddr);
  }

  get remote(): SocketAddress {
    return socketAddress(this.#socket.remoteAddr);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  start(handler: ConnectionHandler): void {
    if (this.#handler !== undefined) throw new TypeError("Cannot start a connection twice");
    this.#handler = handler;
    if (this.#ended) queueMicrotask(() => this.#maybeCallClosed());
    else if (!this.#reading && !this.#peerClosed) this.#startReading();
  }

  resume(): void {
    this.#resumed = true;
    this.#wakeReader();
  }

  write(bytes: Uint8Array, settled?: (sent: boolean) => void): void {
    const refused = this.#closing || this.#ended;
    if (refused && !this.#writing) {
      if (settled !== undefined) queueMicrotask(() => this.#callSettled(settled, false));
      return;
    }
    this.#queue.push({ bytes, settled, refused });
    this.#pendingBytes += bytes.length;
    if (this.#writing) return;
    this.#writing = true;
    this.#writeLoop().catch(this.#settings.uncaught);
  }

  close(options?: { readonly abort?: boolean }): void {
    if (this.#ended) return;
    if (options?.abort === true) {
      this.#end(undefined);
      return;
    }
    if (this.#closing) return;
    this.#closing = true;
    this.#wakeReader();
    if (!this.#writing) this.#finishSending().catch(this.#settings.uncaught);
  }

  #startReading(): void {
    this.#reading = true;
    this.#readLoop().catch(this.#settings.uncaught);
  }

  async #readLoop(): Promise<void> {
    await undefined; // Whoever started it goes first.
    try {
      while (!this.#ended) {
        const space = this.#space();
        if (space.length === 0) {
          await this.#pauseReading();
          continue;
        }
        const count = await this.#socket.read(space);
        if (count === null) {
          this.#peerClosed = true;
          break;
        }
        if (!this.#closing && !this.#ended) this.#callFilled(count);
      }
    } catch (error) {
      if (!this.#ended) this.#readFailed(error);
    }
    this.#reading = false;
    if (this.#peerClosed && this.#writing && !this.#ended) {
      this.#closing = true;
      this.#startLinger();
    } else {
      this.#end(this.#failure);
    }
    this.#maybeCallClosed();
  }

  #space(): Uint8Array {
    if (this.#closing || this.#handler === undefined) {
      return this.#discard ??= new Uint8Array(DISCARD_BUFFER_BYTES);
    }
    this.#resumed = false;
    try {
      return this.#handler.space();
    } catch (error) {
      this.#callbackThrew(error);
      return new Uint8Array(0);
    }
  }

  #callFilled(count: number): void {
    try {
      this.#handler?.filled(count);
    } catch (error) {
      this.#callbackThrew(error);
    }
  }

  #pauseReading(): Promise<void> | undefined {
    if (this.#resumed || this.#closing || this.#ended) return undefined;
    return new Promise((resolve) => this.#wake = resolve);
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #readFailed(error: unknown): void {
    // Once all was sent, how the peer ends it is of no interest.
    const sentAll = this.#closing && !this.#writing;
    if (!sentAll) this.#failure ??= networkError("read from", this.remote, error);
  }

  async #writeLoop(): Promise<void> {
    while (this.#queueHead < this.#queue.length) {
      const { bytes, settled, refused } = this.#queue[this.#queueHead++]!;
      // `settled` is never called inside `write`, and what waits for nothing must wait for this.
      if (bytes.length === 0) await undefined;
      const sent = await this.#send(bytes, refused);
      if (settled !== undefined) this.#callSettled(settled, sent);
      if (this.#queueHead === this.#queue.length) {
        this.#queue.length = 0;
        this.#queueHead = 0;
      }
    }
    this.#writing = false;
    if (this.#ended) this.#maybeCallClosed();
    else if (this.#closing) await this.#finishSending();
  }

  /** Hands all the bytes to the system; false when the connection ended before that. */
  async #send(bytes: Uint8Array, refused: boolean): Promise<boolean> {
    let position = 0;
    let sent = bytes.length === 0 && this.#mayWrite(refused);
    try {
      while (position < bytes.length && this.#mayWrite(refused)) {
        const rest = position === 0 ? bytes : bytes.subarray(position);
        const count = await this.#socket.write(rest);
        position += count;
        this.#pendingBytes -= count;
        sent = position === bytes.length;
      }
    } catch (error) {
      if (!this.#ended) this.#writeFailed(error);
    }
    this.#pendingBytes -= bytes.length - position;
    return sent;
  }

  #mayWrite(refused: boolean): boolean {
    return !refused && !this.#ended && this.#failure === undefined;
  }

  /** What the peer sent before it broke the connection may still be read, and may say why. */
  #writeFailed(error: unknown): void {
    this.#failure ??= networkError("write to", this.remote, error);
    const readable = this.#reading && this.#wake === undefined && !this.#closing;
    if (readable) this.#startLinger();
    else this.#end(this.#failure);
  }

  /** The queue is empty and nothing more is to be sent: says so, and waits for the peer to close. */
  async #finishSending(): Promise<void> {
    this.#startLinger();
    try {
      await this.#socket.closeWrite();
    } catch {
      this.#end(this.#failure); // Broken, which is one way to be closed.
    }
    if (this.#ended) return;
    if (this.#peerClosed) this.#end(this.#failure);
    else if (!this.#reading) this.#startReading();
  }

  #startLinger(): void {
    this.#linger ??= setTimeout(() => this.#end(this.#failure), this.#settings.lingerMs);
  }

  #end(failure: NetworkError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    clearTimeout(this.#linger);
    closeQuietly(this.#socket); // Interrupts a read or write under way.
    this.#wakeReader();
    queueMicrotask(() => this.#maybeCallClosed());
  }

  #maybeCallClosed(): void {
    if (!this.#ended || this.#reading || this.#writing) return;
    if (this.#closedCalled || this.#handler === undefined) return;
    this.#closedCalled = true;
    try {
      this.#handler.closed(this.#failure);
    } catch (error) {
      this.#settings.uncaught(error);
    }
  }

  #callSettled(settled: (sent: boolean) => void, sent: boolean): void {
    try {
      settled(sent);
    } catch (error) {
      this.#callbackThrew(error);
    }
  }

  /** A bug in whoever uses the connection costs that connection, and is told. */
  #callbackThrew(error: unknown): void {
    this.#end(
      new NetworkError("other", `Closed ${formatAddress(this.remote)}: its handler threw`, {
        cause: error,
      }),
    );
    this.#settings.uncaught(error);
  }
}
