/**
 * The server's side of a TLS connection, over a TCP connection that Deno accepted.
 *
 * `Deno.listenTls` would be shorter, but its connections cannot turn Nagle's algorithm off: a reply
 * of 16 to 64 KiB, which TLS sends as several records, then waits 40 ms for an acknowledgement
 * before its last one. So the TCP connection is accepted by itself and TLS put over it, by
 * `node:tls`.
 *
 * Owns the translation between Node's streams and reads and writes that return promises, of which
 * at most one each is under way. Invariant: after `close` every promise given is rejected.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Socket } from "./deno_connection.ts";
import type { TlsOptions } from "./network.ts";

/**
 * Reads the certificate and key.
 * @throws {TypeError} when they are none, or do not belong together; `node:tls` would say so only
 * when the first client comes.
 */
export function secureContext(options: TlsOptions): SecureContext {
  const { cert = "", key = "" } = options;
  const certificate = parsed("certificate", () => new X509Certificate(cert));
  const privateKey = parsed("key", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TypeError("The TLS key is not the certificate's");
  }
  return createSecureContext({ cert, key });
}

function parsed<Value>(what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    throw new TypeError(`The TLS ${what} is not one in PEM`, { cause });
  }
}

interface PendingRead {
  readonly space: Uint8Array;
  readonly resolve: (count: number | null) => void;
  readonly reject: (error: unknown) => void;
}

export class TlsServerSocket implements Socket {
  readonly localAddr: Deno.Addr;
  readonly remoteAddr: Deno.Addr;
  readonly #tls: TLSSocket;
  #rest: Uint8Array | undefined;
  #read: PendingRead | undefined;
  /** Rejects the write under way. */
  #failWrite: ((error: unknown) => void) | undefined;
  #ended = false;
  #tcpEnded = false;
  #failure: unknown;

  constructor(tcp: Deno.Conn, context: SecureContext) {
    this.localAddr = tcp.localAddr;
    this.remoteAddr = tcp.remoteAddr;
    const stream = new TcpStream(tcp);
    // Deno's TLSSocket takes any stream, as Node's does; its type names sockets only.
    const socket = stream as unknown as ConstructorParameters<typeof TLSSocket>[0];
    this.#tls = new TLSSocket(socket, { isServer: true, secureContext: context });
    stream.on("end", () => {
      this.#tcpEnded = true;
      if (this.#read !== undefined) this.#lookForEnd();
    });
    stream.on("error", (error: Error) => this.#fail(error));
    this.#tls.on("readable", () => this.#readable());
    this.#tls.on("end", () => {
      this.#ended = true;
      this.#readable();
    });
    this.#tls.on("error", (error: Error) => this.#fail(error));
    this.#tls.on("close", () => this.#fail(undefined));
  }

  read(space: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.#read = { space, resolve, reject };
      this.#readable();
      if (this.#tcpEnded && this.#read !== undefined) this.#lookForEnd();
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#failWrite = reject;
      this.#tls.write(bytes, (error) => {
        this.#failWrite = undefined;
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#failWrite = reject;
      this.#tls.end(() => resolve());
    });
  }

  close(): void {
    this.#fail(undefined);
    this.#tls.destroy();
  }

  /**
   * After what TLS still has, the end. Whether it was cut off cannot be told, for the TLSSocket
   * often does not say that the peer ended TLS; frames that are cut off show it by themselves.
   */
  #lookForEnd(): void {
    setImmediate(() => {
      this.#readable();
      if (this.#read === undefined) return;
      this.#ended = true;
      this.#readable();
    });
  }

  #readable(): void {
    const read = this.#read;
    if (read === undefined) return;
    const chunk = this.#rest ?? this.#tls.read() as Uint8Array | null;
    if (chunk !== null) {
      const count = Math.min(chunk.length, read.space.length);
      read.space.set(count === chunk.length ? chunk : chunk.subarray(0, count));
      this.#rest = count === chunk.length ? undefined : chunk.subarray(count);
      this.#read = undefined;
      read.resolve(count);
    } else if (this.#ended) {
      this.#read = undefined;
      read.resolve(null);
    } else if (this.#failure !== undefined) {
      this.#read = undefined;
      read.reject(this.#failure);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error ?? new Deno.errors.Interrupted("TLS connection closed");
    this.#readable();
    const failWrite = this.#failWrite;
    this.#failWrite = undefined;
    failWrite?.(this.#failure);
  }
}

/** What an idle connection keeps for what may come. */
const IDLE_READ_BYTES = 1024;
const BUSY_READ_BYTES = 64 * 1024;

/** A TCP connection as a stream of Node's. */
class TcpStream extends Duplex {
  readonly #tcp: Deno.Conn;
  #readBytes = IDLE_READ_BYTES;

  constructor(tcp: Deno.Conn) {
    super();
    this.#tcp = tcp;
  }

  override _read(): void {
    const space = new Uint8Array(this.#readBytes);
    this.#tcp.read(space).then((count) => {
      this.#readBytes = count === space.length ? BUSY_READ_BYTES : IDLE_READ_BYTES;
      this.push(count === null ? null : space.subarray(0, count));
    }).catch((error) => this.destroy(error));
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#writeAll(bytes).then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#tcp.closeWrite().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    try {
      this.#tcp.close();
    } catch {
      // Closed already.
    }
    done(error);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#tcp.write(bytes.subarray(at));
  }
}
