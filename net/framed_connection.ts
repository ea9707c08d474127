/**
 * A connection that carries frames: reads them whole, and writes what was gathered.
 *
 * Owns the edge between a connection's callbacks and whoever handles frames: the reader, the
 * writer, and whether reading is paused. Does not own what a frame says.
 *
 * Invariants: `received` gets each frame once, in order, and must release it; `closed` is the last
 * call, made once, whoever ended the connection.
 *
 * @module
 */

import type { BufferPool } from "./buffer_pool.ts";
import { type Frame, FrameReader, type FrameReaderOptions } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import type { Connection, ConnectionHandler, NetworkError } from "./network.ts";

/** Called from the connection's callbacks, never inside a call to the framed connection. */
export interface FramedConnectionHandler {
  received(frames: readonly Frame[]): void;
  /** Why it ended, for people; undefined when the peer just closed, or `close` was called. */
  closed(reason: string | undefined): void;
  /** A large frame waits for a buffer: `retry` when there may be one. */
  starved?(): void;
  /** The system took something that waited to be sent: `unsentBytes` has fallen. */
  written?(): void;
}

const NO_BYTES = new Uint8Array(0);

export class FramedConnection implements ConnectionHandler {
  readonly connection: Connection;
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
  readonly #handler: FramedConnectionHandler;
  #paused = false;
  #waitsForResume = false;
  #writesUnderWay = 0;
  #submittedBytes = 0;
  #closed = false;
  #reason: string | undefined;

  constructor(
    connection: Connection,
    pool: BufferPool,
    options: FrameReaderOptions,
    handler: FramedConnectionHandler,
  ) {
    this.connection = connection;
    this.reader = new FrameReader(pool, options);
    this.writer = new FrameWriter(pool);
    this.#handler = handler;
  }

  /** Begins to read. */
  start(): void {
    this.connection.start(this);
  }

  /** Bytes gathered or queued that the system has not taken. */
  get unsentBytes(): number {
    return this.writer.queuedBytes + this.connection.pendingBytes;
  }

  /** Whether writes wait for the peer to read. */
  get isWriting(): boolean {
    return this.#writesUnderWay > 0;
  }

  /** Bytes that the system took so far: standing still while writing is a stalled peer. */
  get writtenBytes(): number {
    return this.#submittedBytes - this.connection.pendingBytes;
  }

  /** Reads no further than what is under way, until resumed. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#waitsForResume || this.#closed) return;
    this.#waitsForResume = false;
    this.connection.resume();
  }

  /** Tries again to find a buffer for a large frame, unless reading is paused anyhow. */
  retry(): void {
    if (!this.#paused) this.resume();
  }

  /** Hands what the writer gathered to the connection. */
  flush(): void {
    for (const { bytes, settled } of this.writer.take()) {
      if (this.#closed) {
        settled(false);
        continue;
      }
      this.#writesUnderWay++;
      this.#submittedBytes += bytes.length;
      this.connection.write(bytes, (sent) => {
        this.#writesUnderWay--;
        settled(sent);
        this.#handler.written?.();
      });
    }
  }

  /** Ends the connection, for a reason if it is to be told: at once, or after what was flushed. */
  close(reason?: string, when: "now" | "after" = reason === undefined ? "after" : "now"): void {
    this.#reason ??= reason;
    this.connection.close({ abort: when === "now" });
  }

  space(): Uint8Array {
    if (this.#paused) {
      this.#waitsForResume = true;
      return NO_BYTES;
    }
    const space = this.reader.space();
    if (space.length === 0 && this.reader.error === undefined) {
      this.#waitsForResume = true;
      this.#handler.starved?.();
    }
    return space;
  }

  filled(count: number): void {
    this.reader.filled(count);
    const frames: Frame[] = [];
    for (let frame = this.reader.next(); frame !== undefined; frame = this.reader.next()) {
      frames.push(frame);
    }
    if (frames.length > 0) this.#handler.received(frames);
    if (this.reader.error !== undefined) this.close(this.reader.error.reason);
  }

  closed(error: NetworkError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const torn = this.reader.pendingBytes > 0 ? "the peer closed within a frame" : undefined;
    this.reader.close();
    for (const { settled } of this.writer.take()) settled(false);
    this.#handler.closed(this.#reason ?? error?.message ?? torn);
  }
}
