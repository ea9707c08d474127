/**
 * A client for tests that speaks the tables over any network, and can misbehave: it sends what it
 * is told, valid or not, and reads, or does not.
 */

import { BufferPool } from "../../../net/buffer_pool.ts";
import { FramedConnection } from "../../../net/framed_connection.ts";
import type { Frame } from "../../../net/frame_reader.ts";
import { NATIVE_HANDSHAKE, NATIVE_PROTOCOL_VERSION, PeerRole } from "../../../net/handshake.ts";
import { encodeRequest, EnvelopeReader } from "../../../net/msgpack.ts";
import { type Connection, type Network, NetworkError } from "../../../net/network.ts";
import type { SocketAddress } from "../../../net/network.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import { framedBytes } from "./framed_bytes.ts";

/** A request under way. */
export class Pending<Response> {
  response: Response | undefined;
  /** The connection ended before an answer came. */
  lost = false;
  #wake: (() => void)[] = [];

  get isSettled(): boolean {
    return this.lost || this.response !== undefined;
  }

  settle(response: Response | undefined): void {
    if (this.isSettled) return;
    this.response = response;
    this.lost = response === undefined;
    for (const wake of this.#wake) wake();
  }

  /** For real networks: the response. */
  async settled(): Promise<Response> {
    if (!this.isSettled) await new Promise<void>((resolve) => this.#wake.push(resolve));
    if (this.response === undefined) throw new Error("The connection ended without an answer");
    return this.response;
  }
}

/** What a client says of itself. */
export const HANDSHAKE = make(NATIVE_HANDSHAKE.request, {
  protocolVersion: NATIVE_PROTOCOL_VERSION,
  softwareName: "test",
  softwareVersion: "1",
  role: PeerRole.CLIENT,
  clientId: "test",
});

/** One connection of a client. */
export class TestClient {
  readonly #pool: BufferPool;
  readonly #requests = new Map<number, { readonly api: Api; readonly pending: Pending<unknown> }>();
  readonly #reader = new EnvelopeReader();
  readonly #ended = new Pending<string>();
  #connection: Connection | undefined;
  #framed: FramedConnection | undefined;
  #correlationId = 0;
  #reads = true;

  constructor(pool: BufferPool = new BufferPool()) {
    this.#pool = pool;
  }

  /** Connects; `connected` is called, or what is sent is lost. */
  connect(network: Network, address: SocketAddress, connected: () => void = () => {}): this {
    network.connect(address, (result) => {
      if (result instanceof NetworkError) return this.#ended.settle(result.message);
      this.#connection = result;
      this.#framed = new FramedConnection(
        result,
        this.#pool,
        { frameBytesMax: 256 * 1024 * 1024 },
        {
          received: (frames) => frames.forEach((frame) => this.#received(frame)),
          closed: (reason) => this.#closed(reason ?? "closed"),
        },
      );
      if (this.#reads) this.#framed.start();
      connected();
    });
    return this;
  }

  /** Bytes that the peer has not taken. */
  get unsentBytes(): number {
    return this.#framed?.unsentBytes ?? 0;
  }

  /** Settled when the connection has ended, with what the client knows of why. */
  get ended(): Pending<string> {
    return this.#ended;
  }

  /** From the beginning, nothing is read. */
  neverReads(): this {
    this.#reads = false;
    return this;
  }

  /** From now on nothing is read but what is under way. */
  stopReading(): void {
    this.#framed?.pause();
  }

  resumeReading(): void {
    this.#framed?.resume();
  }

  handshake(change: Draft<typeof HANDSHAKE> = {}) {
    return this.begin(NATIVE_HANDSHAKE, { ...HANDSHAKE, ...change });
  }

  /** Sends a request; its answer comes into what is returned. */
  begin<Request, Response>(
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version: number = api.versions.max,
  ): Pending<Response> {
    const pending = new Pending<Response>();
    const id = ++this.#correlationId;
    this.#requests.set(id, { api: api as Api, pending: pending as Pending<unknown> });
    const framed = this.#framed;
    if (framed === undefined) throw new Error("The client is not connected");
    encodeRequest(framed.writer, api, version, id, make(api.request, draft));
    framed.flush();
    return pending;
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#connection?.write(bytes);
  }

  /** Ends the connection: after what was sent, or at once. */
  close(abort = false): void {
    this.#connection?.close({ abort });
  }

  #received(frame: Frame): void {
    const header = this.#reader.open(frame);
    const request = this.#requests.get(header.correlationId);
    // An answer to what was sent raw.
    if (request === undefined) return frame.release();
    this.#requests.delete(header.correlationId);
    const response = this.#reader.message<unknown>(request.api.response);
    // Records are views of the frame.
    request.pending.settle(structuredClone(response));
    frame.release();
  }

  #closed(reason: string): void {
    for (const { pending } of this.#requests.values()) pending.settle(undefined);
    this.#ended.settle(reason);
  }
}

/** The bytes of the frame of a request. */
export function requestFrame<Request>(
  api: Api<Request, unknown>,
  draft: Draft<Request>,
  version: number = api.versions.max,
  correlationId = 1,
): Uint8Array {
  const message = make(api.request, draft);
  return framedBytes((writer) => encodeRequest(writer, api, version, correlationId, message));
}
