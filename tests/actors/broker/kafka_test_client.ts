/**
 * A client for tests that speaks Kafka's protocol over any network, and can misbehave. It fails
 * where responses come in another order than their requests went.
 */

import { assertEquals } from "@std/assert";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { FramedConnection } from "../../../net/framed_connection.ts";
import type { Frame } from "../../../net/frame_reader.ts";
import { correlationIdOf, decodeResponse, encodeRequest } from "../../../net/kafka/framing.ts";
import {
  type Connection,
  type Network,
  NetworkError,
  type SocketAddress,
} from "../../../net/network.ts";
import type { Api } from "../../../net/schema.ts";
import { type Draft, make } from "../../../net/schema/make.ts";
import { framedBytes } from "./framed_bytes.ts";
import { Pending } from "./test_client.ts";

interface Expected {
  readonly correlationId: number;
  readonly api: Api;
  readonly version: number;
  readonly pending: Pending<unknown>;
}

/** One connection of a client. */
export class KafkaTestClient {
  readonly ended = new Pending<string>();
  /** Frames that answer what was sent raw. */
  readonly unexpected: Uint8Array[] = [];
  readonly #expected: Expected[] = [];
  #connection: Connection | undefined;
  #framed: FramedConnection | undefined;
  #correlationId = 0;
  #reads = true;

  /** Connects; `connected` is called, or what is sent is lost. */
  connect(network: Network, address: SocketAddress, connected: () => void = () => {}): this {
    network.connect(address, (result) => {
      if (result instanceof NetworkError) return this.ended.settle(result.message);
      this.#connection = result;
      this.#framed = new FramedConnection(
        result,
        new BufferPool(),
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

  /** From the beginning, nothing is read. */
  neverReads(): this {
    this.#reads = false;
    return this;
  }

  /** Sends a request; its answer comes into what is returned. */
  begin<Request, Response>(
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version: number = api.versions.max,
    options: { readonly clientId?: string; readonly answered?: boolean } = {},
  ): Pending<Response> {
    const { clientId = "test", answered = true } = options;
    const pending = new Pending<Response>();
    const correlationId = ++this.#correlationId;
    if (answered) {
      this.#expected.push({
        correlationId,
        api: api as Api,
        version,
        pending: pending as Pending<unknown>,
      });
    }
    this.raw(kafkaFrame(api, draft, version, { correlationId, clientId }));
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
    const expected = this.#expected.shift();
    if (expected === undefined) {
      this.unexpected.push(frame.source.slice(frame.start, frame.end));
      return frame.release();
    }
    const { correlationId, api, version, pending } = expected;
    assertEquals(correlationIdOf(frame), correlationId, "responses come in order");
    pending.settle(structuredClone(decodeResponse(frame, api, version)));
    frame.release();
  }

  #closed(reason: string): void {
    for (const { pending } of this.#expected) pending.settle(undefined);
    this.ended.settle(reason);
  }
}

/** The bytes of the frame of a request. */
export function kafkaFrame<Request>(
  api: Api<Request, unknown>,
  draft: Draft<Request>,
  version: number = api.versions.max,
  header = { correlationId: 1, clientId: "test" },
): Uint8Array {
  const message = make(api.request, draft);
  return framedBytes((writer) => encodeRequest(writer, api, version, header, message));
}
