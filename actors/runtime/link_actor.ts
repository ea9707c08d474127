/**
 * The actor of one link: connects, or has been connected to, shakes hands, and keeps one session
 * at a time until the connection is lost; one that connects then tries again.
 *
 * It owns the connection's life, not what is said over it (link_session.ts). Invariants: frames of
 * a connection are handled in turns of this actor, in order; no session exists before the handshake
 * has accepted the peer; while frames wait here nothing more is read.
 *
 * @module
 */

import type { BufferPool } from "../../net/buffer_pool.ts";
import type { Frame } from "../../net/frame_reader.ts";
import { FramedConnection } from "../../net/framed_connection.ts";
import {
  type Connection,
  formatAddress,
  NetworkError,
  type SocketAddress,
  type TlsOptions,
} from "../../net/network.ts";
import { writeInt32 } from "../../storage/bytes/big_endian.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { Actor, ActorContext, Behaviour } from "./actor.ts";
import type { LogFields, LogLevel } from "./environment.ts";
import { LinkSession } from "./link_session.ts";
import type { Ref } from "./ref.ts";
import type { Handshake, LinkUp, MessageCodec, RemotingLimits } from "./remoting.ts";

/** Called in turns of the link's actor; a `context.callback` fits. */
export interface LinkEvents {
  /** The link is established, and its refs can be got. */
  up(link: LinkUp): void;
  /** After each `up`, and after each failed attempt. */
  down(reason: string): void;
}

export interface LinkActorOptions {
  readonly name: string;
  readonly events: LinkEvents;
  readonly codec: MessageCodec;
  readonly buffers: BufferPool;
  readonly handshake: (role: "connects" | "accepts") => Handshake;
  readonly limits: RemotingLimits;
  readonly published: ReadonlyMap<string, Ref<never>>;
  /** One of the two. */
  readonly connects?: () => SocketAddress & { readonly tls?: TlsOptions };
  readonly accepts?: Connection;
}

export type LinkMessage =
  | { readonly kind: "connect" }
  | { readonly kind: "connected"; readonly result: Connection | NetworkError }
  | { readonly kind: "received"; readonly by: FramedConnection; readonly frames: readonly Frame[] }
  | { readonly kind: "closed"; readonly by: FramedConnection; readonly reason: string | undefined }
  | { readonly kind: "handshake-timeout" };

/** The most that a peer may send at a time before it is known. */
const HANDSHAKE_FRAME_BYTES_MAX = 64 * 1024;
const LENGTH_BYTES = 4;

export function linkActor(options: LinkActorOptions): Behaviour<LinkMessage> {
  return (context) => new LinkActor(options, context);
}

class LinkActor implements Actor<LinkMessage> {
  readonly #options: LinkActorOptions;
  readonly #context: ActorContext<LinkMessage>;
  /** Attempts since the link was up. */
  #attempts = 0;
  /** A connection made, until its message is handled. */
  #arrived: Connection | undefined = undefined;
  #framed: FramedConnection | undefined = undefined;
  #handshake: Handshake | undefined = undefined;
  #session: LinkSession | undefined = undefined;
  #over = false;
  /** Whether `down` has been called since the last attempt. */
  #isDown = false;
  #downReason = "this side stopped";

  constructor(options: LinkActorOptions, context: ActorContext<LinkMessage>) {
    this.#options = options;
    this.#context = context;
    if (options.accepts === undefined) this.#connect();
    else this.#begin(options.accepts);
  }

  receive(message: LinkMessage): void {
    switch (message.kind) {
      case "connect":
        return this.#connect();
      case "connected":
        this.#arrived = undefined;
        if (message.result instanceof NetworkError) return this.#lost(message.result.message);
        return this.#begin(message.result);
      case "received":
        return this.#receive(message.by, message.frames);
      case "closed":
        if (message.by === this.#framed) this.#lost(message.reason ?? "the peer closed");
        return;
      case "handshake-timeout":
        return this.#break(`No handshake within ${this.#options.limits.handshakeMs} ms`);
    }
  }

  stopped(): void {
    this.#over = true;
    this.#arrived?.close({ abort: true });
    this.#framed?.flush();
    this.#framed?.close();
    this.#session?.end();
    if (!this.#isDown) this.#options.events.down(this.#downReason);
  }

  #connect(): void {
    const address = this.#options.connects?.();
    if (address === undefined) return this.#context.stop();
    this.#attempts++;
    this.#isDown = false;
    const connected = this.#context.callback((result: Connection | NetworkError): LinkMessage => ({
      kind: "connected",
      result,
    }));
    this.#context.environment.network.connect(address, (result) => {
      if (!(result instanceof NetworkError)) {
        if (this.#over) return result.close({ abort: true });
        this.#arrived = result;
      }
      connected(result);
    });
  }

  #begin(connection: Connection): void {
    const { buffers, handshake, limits, accepts } = this.#options;
    const received = this.#context.callback((frames: readonly Frame[]): LinkMessage => ({
      kind: "received",
      by: framed,
      frames,
    }));
    const closed = this.#context.callback((reason: string | undefined): LinkMessage => ({
      kind: "closed",
      by: framed,
      reason,
    }));
    const framed = new FramedConnection(
      connection,
      buffers,
      { frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX, frameBytesMin: 0 },
      {
        received: (frames) => {
          framed.pause();
          received(frames);
        },
        closed,
      },
    );
    this.#framed = framed;
    this.#handshake = handshake(accepts === undefined ? "connects" : "accepts");
    this.#context.startTimer("handshake", limits.handshakeMs, { kind: "handshake-timeout" });
    framed.start();
    this.#say(this.#handshake.begin());
  }

  #receive(by: FramedConnection, frames: readonly Frame[]): void {
    for (const frame of frames) {
      try {
        if (by === this.#framed) this.#receiveFrame(frame);
      } catch (error) {
        this.#break(error instanceof Error ? error.message : String(error));
      } finally {
        frame.release();
      }
    }
    by.resume();
  }

  #receiveFrame(frame: Frame): void {
    if (this.#session !== undefined) return this.#session.receive(frame);
    const step = this.#handshake?.heard(frame.source.slice(frame.start, frame.end));
    switch (step?.kind) {
      case "say":
        return this.#say(step.bytes);
      case "refused":
        return this.#break(`Peer refused: ${step.reason}`);
      case "accepted":
        this.#say(step.bytes);
        return this.#rise(step.peer);
    }
  }

  #rise(peer: NodeId): void {
    const { codec, limits, published, events } = this.#options;
    const framed = this.#framed as FramedConnection;
    const { metrics, dispatcher } = this.#context.environment;
    const dropped = metrics.counter("remote-messages-dropped-total");
    let flushing = false;
    framed.reader.frameBytesMax = limits.frameBytesMax;
    this.#context.cancelTimer("handshake");
    this.#handshake = undefined;
    this.#attempts = 0;
    this.#session = new LinkSession({
      peer,
      codec,
      limits,
      published,
      writer: framed.writer,
      unsentBytes: () => framed.unsentBytes,
      written: () => {
        if (flushing) return;
        flushing = true;
        dispatcher.atEndOfTurn(() => {
          flushing = false;
          framed.flush();
        });
      },
      dropped: (level, reason) => {
        dropped.add(1);
        this.#log(level, "message dropped", { peer, reason });
      },
    });
    this.#log("info", "link up", { peer, remote: formatAddress(framed.connection.remote) });
    events.up(this.#session);
  }

  #say(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return;
    const framed = this.#framed as FramedConnection;
    framed.writer.reserve(LENGTH_BYTES);
    writeInt32(framed.writer.bytes, framed.writer.position, bytes.length);
    framed.writer.advance(framed.writer.position + LENGTH_BYTES);
    framed.writer.append(bytes);
    framed.flush();
  }

  /** Ends the connection from this side. */
  #break(reason: string): void {
    this.#framed?.close(reason);
    this.#lost(reason);
  }

  #lost(reason: string): void {
    const session = this.#session;
    this.#framed = undefined;
    this.#handshake = undefined;
    this.#session = undefined;
    this.#context.cancelTimer("handshake");
    session?.end();
    this.#log("info", "link down", { reason, peer: session?.peer });
    if (this.#options.connects === undefined) {
      this.#downReason = reason;
      return this.#context.stop();
    }
    this.#isDown = true;
    this.#options.events.down(reason);
    this.#context.startTimer("connect", this.#pauseMs(), { kind: "connect" });
  }

  /** Twice as long after each attempt, and never the same for two nodes. */
  #pauseMs(): number {
    const { retryMinMs, retryMaxMs } = this.#options.limits;
    const longest = Math.min(retryMaxMs, retryMinMs * 2 ** Math.max(0, this.#attempts - 1));
    const half = Math.ceil(longest / 2);
    const chance = this.#context.environment.random.stream(`link ${this.#options.name}`);
    return half + chance.integer(half + 1);
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    this.#context.environment.logger.log(level, event, { link: this.#options.name, ...fields });
  }
}
