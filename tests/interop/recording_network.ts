/**
 * A network that keeps a copy of what passes over the connections accepted on one port: whole
 * frames, in Kafka's framing, requests with their responses.
 *
 * Owns nothing of what the frames mean but which API and version a request begins with.
 *
 * @module
 */

import { readInt16, readInt32 } from "../../storage/bytes/big_endian.ts";
import type {
  Connection,
  ConnectionHandler,
  Listener,
  Network,
  NetworkError,
  SocketAddress,
} from "../../net/network.ts";

const LENGTH_BYTES = 4;

/** A frame with its length, as it passed. */
export interface RecordedFrame {
  readonly kind: "request" | "response";
  readonly apiKey: number;
  readonly version: number;
  readonly bytes: Uint8Array;
}

export class RecordingNetwork implements Network {
  readonly #network: Network;
  readonly #isRecorded: (local: SocketAddress) => boolean;
  readonly #record: (frame: RecordedFrame) => void;

  constructor(
    network: Network,
    isRecorded: (local: SocketAddress) => boolean,
    record: (frame: RecordedFrame) => void,
  ) {
    this.#network = network;
    this.#isRecorded = isRecorded;
    this.#record = record;
  }

  listen(options: SocketAddress, accepted: (connection: Connection) => void): Listener {
    return this.#network.listen(options, (connection) => {
      const recorded = this.#isRecorded(connection.local);
      accepted(recorded ? new RecordedConnection(connection, this.#record) : connection);
    });
  }

  connect(options: SocketAddress, done: (result: Connection | NetworkError) => void): void {
    this.#network.connect(options, done);
  }
}

class RecordedConnection implements Connection {
  readonly #connection: Connection;
  readonly #requests: Frames;
  readonly #responses: Frames;
  readonly #asked = new Map<number, { readonly apiKey: number; readonly version: number }>();

  constructor(connection: Connection, record: (frame: RecordedFrame) => void) {
    this.#connection = connection;
    this.#requests = new Frames((bytes) => {
      const apiKey = readInt16(bytes, LENGTH_BYTES);
      const version = readInt16(bytes, LENGTH_BYTES + 2);
      this.#asked.set(readInt32(bytes, LENGTH_BYTES + 4), { apiKey, version });
      record({ kind: "request", apiKey, version, bytes });
    });
    this.#responses = new Frames((bytes) => {
      const correlationId = readInt32(bytes, LENGTH_BYTES);
      const asked = this.#asked.get(correlationId);
      if (asked === undefined) throw new Error(`Nobody asked ${correlationId}`);
      this.#asked.delete(correlationId);
      record({ kind: "response", ...asked, bytes });
    });
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
    let space: Uint8Array = new Uint8Array(0);
    this.#connection.start({
      space: () => space = handler.space(),
      filled: (count) => {
        this.#requests.take(space.slice(0, count));
        handler.filled(count);
      },
      closed: (error) => handler.closed(error),
    });
  }

  resume(): void {
    this.#connection.resume();
  }

  write(bytes: Uint8Array, settled?: (sent: boolean) => void): void {
    this.#responses.take(bytes.slice());
    this.#connection.write(bytes, settled);
  }

  close(options?: { readonly abort?: boolean }): void {
    this.#connection.close(options);
  }
}

/** Puts frames together out of pieces. */
class Frames {
  readonly #whole: (frame: Uint8Array) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Of the first frame; 0 while its length is not known. */
  #needed = 0;

  constructor(whole: (frame: Uint8Array) => void) {
    this.#whole = whole;
  }

  take(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes >= Math.max(LENGTH_BYTES, this.#needed)) {
      const all = this.#joined();
      this.#needed = LENGTH_BYTES + readInt32(all, 0);
      if (all.length < this.#needed) return;
      this.#whole(all.slice(0, this.#needed));
      this.#pieces = [all.subarray(this.#needed)];
      this.#bytes = all.length - this.#needed;
      this.#needed = 0;
    }
  }

  #joined(): Uint8Array {
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [all];
    return all;
  }
}
