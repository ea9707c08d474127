/**
 * One end of a connection of a `MemoryNetwork`: what is queued, under way, and not yet read.
 *
 * Owns one direction's sending (its queue and the packets in flight) and the other's receiving.
 * Who listens, and how a connection comes about, is memory_network.ts's.
 *
 * Invariants:
 * - Packets arrive in the order they left; one that does not get through holds up those behind it.
 * - Bytes are copied when they are handed to the system, and the writer is told (`settled`) in
 *   the same step: a caller that changes them earlier sends the change, as with a real socket.
 * - The bytes in flight plus those unread at the peer never exceed the window.
 * - Every call to a handler is a step of the scheduler, none is inside a call to the connection.
 *
 * @module
 */

import { FifoQueue } from "./fifo_queue.ts";
import type { MemoryHost, MemoryNetwork } from "./memory_network.ts";
import {
  type Connection,
  type ConnectionHandler,
  formatAddress,
  NetworkError,
  type NetworkErrorKind,
  type SocketAddress,
} from "./network.ts";

/** Bytes in order, or the end of them: the sender closed, or broke the connection. */
type Packet = Uint8Array | "fin" | "reset";

interface QueuedWrite {
  readonly bytes: Uint8Array;
  readonly settled: ((sent: boolean) => void) | undefined;
  position: number;
}

/** After how long what is not answered is sent again, at first and at most. */
export const RETRY_MIN_MS = 200;
export const RETRY_MAX_MS = 3200;
const PACKET_BYTES_MAX = 64 * 1024;

export class MemoryConnection implements Connection {
  readonly #network: MemoryNetwork;
  readonly #host: MemoryHost;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  #peer!: MemoryConnection;
  #handler: ConnectionHandler | undefined;

  // Sending.
  readonly #queue = new FifoQueue<QueuedWrite>();
  #pendingBytes = 0;
  #pumpScheduled = false;
  #stalled = false;
  readonly #inFlight = new FifoQueue<Packet>();
  /** Bytes in flight or unread at the peer. */
  #window = 0;
  #linkFreeAt = 0;
  #lastArrival = 0;
  /** Packets at the head of those in flight whose time has come. */
  #due = 0;
  /** Something arrived that could not be acknowledged, or is held up. */
  #unacknowledged = false;
  /** Since when. */
  #heldSince: number | undefined;
  #retryScheduled = false;
  #retryMs = RETRY_MIN_MS;

  // Receiving.
  readonly #received = new FifoQueue<Uint8Array>();
  #receivedBytes = 0;
  #firstPosition = 0;
  #peerFinished = false;
  #space: Uint8Array | undefined;
  #readScheduled = false;

  /** Ends once the queue was sent. */
  #closing = false;
  /** Ended for its user: `closed` is called or about to be. */
  #ended = false;
  #closedCalled = false;
  #failure: NetworkError | undefined;
  /** The system knows it no longer: whatever arrives is answered by a reset. */
  #forgotten = false;

  /** Half a connection: `pair` makes whole ones. */
  constructor(
    network: MemoryNetwork,
    host: MemoryHost,
    local: SocketAddress,
    remote: SocketAddress,
  ) {
    this.#network = network;
    this.#host = host;
    this.local = local;
    this.remote = remote;
    host.connections.add(this);
  }

  /** The two ends of a new connection: the one that asked for it, then the one that accepted. */
  static pair(
    network: MemoryNetwork,
    clientHost: MemoryHost,
    clientAddress: SocketAddress,
    serverHost: MemoryHost,
    serverAddress: SocketAddress,
  ): [client: MemoryConnection, server: MemoryConnection] {
    const client = new MemoryConnection(network, clientHost, clientAddress, serverAddress);
    const server = new MemoryConnection(network, serverHost, serverAddress, clientAddress);
    client.#peer = server;
    server.#peer = client;
    return [client, server];
  }

  get remoteHost(): string {
    return this.#peer.#host.name;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  start(handler: ConnectionHandler): void {
    if (this.#handler !== undefined) throw new TypeError("Cannot start a connection twice");
    this.#handler = handler;
    if (this.#ended) this.#scheduleClosed();
    else this.#scheduleRead();
  }

  resume(): void {
    if (this.#space === undefined) this.#scheduleRead();
  }

  write(bytes: Uint8Array, settled?: (sent: boolean) => void): void {
    if (this.#ended || this.#closing || this.#host.gone) {
      if (settled !== undefined) this.#soon("net.settle", () => settled(false));
      return;
    }
    this.#queue.push({ bytes, settled, position: 0 });
    this.#pendingBytes += bytes.length;
    this.#schedulePump();
  }

  close(options?: { readonly abort?: boolean }): void {
    if (this.#ended || this.#host.gone) return;
    if (options?.abort === true) {
      this.#depart("reset");
      this.#forgotten = true;
      this.#end(undefined);
    } else if (!this.#closing) {
      this.#closing = true;
      this.#dropReceived();
      this.#schedulePump();
    }
  }

  /** Its process is gone. The system, if there still is one, resets the connection. */
  vanish(resetPeer: boolean): void {
    if (!resetPeer) this.#loseInFlight();
    else if (!this.#ended) this.#depart(this.#receivedBytes > 0 ? "reset" : "fin");
    this.#ended = true;
    this.#forgotten = true;
  }

  /** Loses what is under way in both directions; with `told`, only that host learns of it now. */
  breakBoth(told: string | undefined): void {
    for (const end of [this, this.#peer]) {
      end.#loseInFlight();
      end.#forgotten = true;
    }
    for (const end of [this, this.#peer]) {
      if (told === undefined || end.#host.name === told) end.#fail("reset", "connection reset");
    }
  }

  /** Delays the first packet to at least `delayMs` from now; returns the delay. */
  holdBack(delayMs: number): number {
    this.#lastArrival = this.#network.scheduler.now() + delayMs;
    return delayMs;
  }

  // Sending

  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    this.#soon("net.send", () => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Hands over what fits the window. */
  #pump(): void {
    this.#stalled = false;
    while (!this.#ended) {
      const write = this.#queue.first;
      if (write === undefined) break;
      const rest = write.bytes.length - write.position;
      const room = this.#network.windowBytes - this.#window;
      if (rest > 0 && room <= 0) {
        this.#stalled = true;
        return;
      }
      const count = Math.min(rest, room, PACKET_BYTES_MAX);
      if (count > 0) {
        const end = write.position + count;
        const packet = this.#network.packets.copy(write.bytes, write.position, end);
        write.position = end;
        this.#pendingBytes -= count;
        this.#window += count;
        this.#depart(packet);
      }
      if (write.position === write.bytes.length) {
        this.#queue.shift();
        write.settled?.(true);
      }
    }
    if (this.#closing && !this.#ended) {
      this.#depart("fin");
      this.#end(undefined);
    }
  }

  #depart(packet: Packet): void {
    const network = this.#network;
    const from = this.#host.name;
    const to = this.remoteHost;
    const size = typeof packet === "string" ? 0 : packet.length;
    const now = network.scheduler.now();
    if (typeof packet !== "string") {
      network.observe?.(from, to, packet);
      if (network.resets(from, to)) {
        this.breakBoth(undefined);
        return;
      }
    }
    this.#linkFreeAt = Math.max(this.#linkFreeAt, now) + network.transferTime(from, to, size);
    this.#lastArrival = Math.max(this.#lastArrival, this.#linkFreeAt + network.delay(from, to));
    this.#inFlight.push(packet);
    network.scheduler.schedule(
      this.#lastArrival - now,
      () => {
        this.#due++;
        this.#arrive();
      },
      to,
      "net.arrive",
      size,
    );
  }

  /** Brings what is due to the peer's host, as far as it gets through. */
  #arrive(): void {
    const network = this.#network;
    const from = this.#host.name;
    const to = this.remoteHost;
    const gotThrough = this.#due > 0 && network.passes(from, to);
    if (gotThrough) this.#deliverDue();
    const answers = network.passes(to, from);
    if (this.#due > 0 || ((gotThrough || this.#unacknowledged) && !answers)) {
      this.#unacknowledged = true;
      this.#holdUp();
      return;
    }
    this.#unacknowledged = false;
    this.#heldSince = undefined;
    this.#retryMs = RETRY_MIN_MS;
  }

  #deliverDue(): void {
    while (this.#due > 0) {
      this.#due--;
      const packet = this.#inFlight.shift();
      if (packet === undefined) continue; // Lost meanwhile.
      if (!this.#peer.#forgotten) this.#peer.#receive(packet);
      else if (packet !== "reset") this.#answerReset();
    }
  }

  /** What is not acknowledged is sent again, at growing intervals, until patience ends. */
  #holdUp(): void {
    const now = this.#network.scheduler.now();
    this.#heldSince ??= now;
    if (now - this.#heldSince >= this.#network.retransmitTimeoutMs) {
      this.#loseInFlight();
      this.#forgotten = true;
      this.#fail("timed-out", "no acknowledgement");
      return;
    }
    if (this.#retryScheduled) return;
    this.#retryScheduled = true;
    const retry = () => {
      this.#retryScheduled = false;
      if (this.#heldSince !== undefined) this.#arrive();
    };
    this.#network.scheduler.schedule(this.#retryMs, retry, this.remoteHost, "net.retry", 0);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  /** The peer's host does not know the connection: says so, if the answer gets through. */
  #answerReset(): void {
    const network = this.#network;
    const answer = () => {
      if (!network.passes(this.remoteHost, this.#host.name)) return;
      this.#loseInFlight();
      this.#forgotten = true;
      this.#fail("reset", "connection reset by peer");
    };
    const delay = network.delay(this.remoteHost, this.#host.name);
    network.scheduler.schedule(delay, answer, this.#host.name, "net.reset", 0);
  }

  #loseInFlight(): void {
    this.#inFlight.clear();
    this.#unacknowledged = false;
    this.#heldSince = undefined;
  }

  // Receiving

  #receive(packet: Packet): void {
    if (packet === "reset") {
      this.#loseInFlight();
      this.#forgotten = true;
      this.#fail("reset", "connection reset by peer");
    } else if (packet === "fin") {
      this.#peerFinished = true;
      this.#read();
    } else if (this.#ended || this.#closing) {
      this.#release(packet.length);
    } else {
      this.#received.push(packet);
      this.#receivedBytes += packet.length;
      this.#read();
    }
  }

  #scheduleRead(): void {
    if (this.#readScheduled) return;
    this.#readScheduled = true;
    this.#soon("net.read", () => {
      this.#readScheduled = false;
      this.#read();
    });
  }

  /** One read, as far as there is space, and bytes or their end. */
  #read(): void {
    if (!this.#askSpace()) return;
    if (this.#receivedBytes === 0) {
      if (this.#peerFinished) this.#finishedByPeer();
      return;
    }
    const space = this.#space!;
    const available = Math.min(this.#receivedBytes, space.length);
    const count = this.#network.chunk(this.remoteHost, this.#host.name, available);
    this.#take(space, count);
    this.#space = undefined;
    this.#release(count);
    this.#handler!.filled(count);
    if (this.#receivedBytes > 0 || this.#peerFinished) this.#scheduleRead();
    else this.#askSpace();
  }

  /** Whether there is space for a read, asked for where there was none. */
  #askSpace(): boolean {
    if (this.#handler === undefined || this.#ended || this.#closing) return false;
    if (this.#space === undefined) {
      const space = this.#handler.space();
      if (space.length > 0) this.#space = space;
    }
    return this.#space !== undefined && !this.#ended && !this.#closing;
  }

  #take(space: Uint8Array, count: number): void {
    let filled = 0;
    while (filled < count) {
      const packet = this.#received.first!;
      const end = Math.min(packet.length, this.#firstPosition + count - filled);
      const isWhole = end - this.#firstPosition === packet.length;
      space.set(isWhole ? packet : packet.subarray(this.#firstPosition, end), filled);
      filled += end - this.#firstPosition;
      this.#firstPosition = end;
      if (end === packet.length) {
        this.#received.shift();
        this.#firstPosition = 0;
      }
    }
    this.#receivedBytes -= count;
  }

  /** Gives the peer's window back what was read. */
  #release(count: number): void {
    const peer = this.#peer;
    peer.#window -= count;
    if (!peer.#stalled) return;
    peer.#stalled = false;
    const delay = this.#network.delay(this.#host.name, this.remoteHost);
    const run = () => {
      if (!peer.#host.gone) peer.#pump();
    };
    this.#network.scheduler.schedule(delay, run, this.remoteHost, "net.send", 0);
  }

  #dropReceived(): void {
    const count = this.#receivedBytes;
    this.#received.clear();
    this.#receivedBytes = 0;
    this.#firstPosition = 0;
    if (count > 0) this.#release(count);
  }

  #finishedByPeer(): void {
    this.#closing = true;
    if (this.#queue.isEmpty) this.#end(undefined);
  }

  // Ending

  #fail(kind: NetworkErrorKind, reason: string): void {
    if (this.#ended) return;
    const message = `Lost connection to ${formatAddress(this.remote)}: ${reason}`;
    this.#end(new NetworkError(kind, message));
  }

  #end(failure: NetworkError | undefined): void {
    this.#ended = true;
    this.#failure = failure;
    this.#host.connections.delete(this);
    this.#pendingBytes = 0;
    this.#dropReceived();
    this.#scheduleClosed();
  }

  #scheduleClosed(): void {
    this.#soon("net.closed", () => {
      for (let write = this.#queue.shift(); write !== undefined; write = this.#queue.shift()) {
        write.settled?.(false);
      }
      if (this.#handler === undefined || this.#closedCalled) return;
      this.#closedCalled = true;
      this.#handler.closed(this.#failure);
    });
  }

  #soon(what: string, run: () => void): void {
    const unlessGone = () => {
      if (!this.#host.gone) run();
    };
    this.#network.scheduler.schedule(0, unlessGone, this.#host.name, what, 0);
  }
}
