/**
 * A connection over a socket of Deno's: one loop that reads, and one that writes while something is
 * queued.
 *
 * Owns the promises that the socket gives, which never leave this file. Knows nothing of frames;
 * gathering small writes is the caller's.
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

import { closeQuietly, networkError, socketAddress } from "./deno_network_errors.ts";
import {
  type Connection,
  type ConnectionHandler,
  formatAddress,
  NetworkError,
  type SocketAddress,
} from "./network.ts";

/** What a connection needs of a socket; a `Deno.Conn` has it. */
export interface Socket {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  read(space: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

export interface ConnectionSettings {
  /** How long a closed connection may wait for its peer to close. */
  readonly lingerMs: number;
  /** Told what a callback threw, after its connection was ended. */
  readonly uncaught: (error: unknown) => void;
}

const DISCARD_BUFFER_BYTES = 4096;

interface QueuedWrite {
  readonly bytes: Uint8Array;
  readonly settled: ((sent: boolean) => void) | undefined;
  /** Queued after `close`: never sent. */
  readonly refused: boolean;
}

export class DenoConnection implements Connection {
  readonly #socket: Socket;
  readonly #settings: ConnectionSettings;
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

  constructor(socket: Socket, settings: ConnectionSettings) {
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

  /** The queue is empty and nothing more is to come: says so, and waits for the peer to close. */
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
