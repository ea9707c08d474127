/**
 * One connection in the native encoding: handshake, requests, responses, limits.
 *
 * Owns the connection and what is under way on it. The first frame is the handshake, within its
 * deadline; from then on each frame is a request of an API that this broker serves. Responses leave
 * as they are ready, in any order; those of one turn leave together.
 *
 * Whatever is wrong with a peer ends its connection, with one log line that says why, and nobody
 * else's: a frame that is none, a message that its table does not allow, an API that is not served,
 * a peer that does not read, that is silent for too long, or that is of another cluster.
 *
 * Invariants: once the connection was given up no further request of it is handled; a frame is
 * given back when its request holds it no more, also after the end of the connection, for which the
 * session stays until all it asked is answered; nothing is read while requests or replies of this
 * connection are past their limits.
 *
 * @module
 */

import { readInt32 } from "../../storage/bytes/big_endian.ts";
import { NONE } from "../../storage/bytes/ids.ts";
import type { Connection } from "../../net/network.ts";
import { formatAddress } from "../../net/network.ts";
import { FramedConnection } from "../../net/framed_connection.ts";
import type { Frame } from "../../net/frame_reader.ts";
import {
  HANDSHAKE_FRAME_BYTES_MAX,
  NATIVE_HANDSHAKE,
  type NativeHandshakeRequest,
  PeerRole,
} from "../../net/handshake.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import {
  encodeResponse,
  type EnvelopeHeader,
  EnvelopeReader,
  MalformedMessageError,
  NATIVE_FRAME_BYTES_MIN,
} from "../../net/msgpack.ts";
import type { Api } from "../../net/schema.ts";
import { includes } from "../../net/schema/versions.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import { ANONYMOUS } from "./access.ts";
import type { BrokerRequest, Serving } from "./broker_actor.ts";
import type { AnyApiHandler, SessionPeer } from "./call.ts";
import { answerHandshake, roleOf } from "./native_handshake.ts";
import { type Continue, RequestRunner, type SessionIdentity } from "./request_runner.ts";
import type { BrokerServices } from "./services.ts";
import { SessionWatches } from "./session_watches.ts";

export interface NativeSessionOptions {
  readonly connection: Connection;
  readonly listener: string;
  readonly services: BrokerServices;
}

type SessionMessage =
  | Continue
  | { readonly kind: "frames"; readonly frames: readonly Frame[] }
  /** There may be room for more requests. */
  | { readonly kind: "more" }
  | { readonly kind: "ended"; readonly reason: string | undefined }
  | { readonly kind: "handshake-overdue" };

interface DecodedRequest {
  readonly header: EnvelopeHeader;
  readonly handler: AnyApiHandler;
  readonly request: unknown;
}

/** What a request under way costs besides its frame. */
const REQUEST_OVERHEAD_BYTES = 1024;

/** Requests of one connection that are worked on at a time, and their bytes. */
const REQUESTS_MAX = 1000;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** An envelope becomes many times its size in memory, and is decoded in one go. */
export const REQUEST_ENVELOPE_BYTES_MAX = 1024 * 1024;

/** Topics, partitions and the like in one request: each costs some microseconds, in one go. */
export const REQUEST_ELEMENTS_MAX = 25_000;

/**
 * While more bytes of replies wait to be sent, or are read for them, nothing more is handled. Most
 * of the ones are the others, a little later.
 */
const UNSENT_BYTES_PAUSE = 4 * 1024 * 1024;

/** Requests that are handled before others get their turn. */
const REQUESTS_PER_MESSAGE = 64;

const NOBODY: SessionPeer = { role: PeerRole.CLIENT, nodeId: NONE };

export function nativeSessionActor(options: NativeSessionOptions): Behaviour<never> {
  return (context) =>
    new NativeSession(context as unknown as ActorContext<SessionMessage>, options);
}

class NativeSession implements Actor<SessionMessage> {
  readonly #context: ActorContext<SessionMessage>;
  readonly #services: BrokerServices;
  readonly #framed: FramedConnection;
  readonly #envelopes = new EnvelopeReader(REQUEST_ELEMENTS_MAX);
  readonly #runner: RequestRunner;
  readonly #watches: SessionWatches;
  readonly #tellMore: () => void;
  readonly #continue = () => this.#maybeContinue();
  #identity: SessionIdentity;
  /** The handshake has come. */
  #greeting = false;
  /** It was answered, and requests may come. */
  #shaken = false;
  /** The connection was given up: what it sent before counts no more. */
  #closing = false;
  /** The connection has ended. */
  #ended = false;
  /** Frames that were not handled yet, from `#backlogHead` on. */
  #backlog: Frame[] = [];
  #backlogHead = 0;
  /** Nothing is handled until there is room. */
  #blocked = false;
  #moreTold = false;
  #requestBytes = 0;
  #flushPlanned = false;

  constructor(context: ActorContext<SessionMessage>, options: NativeSessionOptions) {
    const { connection, listener, services } = options;
    this.#context = context;
    this.#services = services;
    this.#identity = { principal: ANONYMOUS, peer: NOBODY, clientId: "", listener };
    this.#runner = new RequestRunner(context as ActorContext<Continue>, services);
    this.#watches = new SessionWatches({
      context: context as ActorContext<Continue>,
      services,
      framed: () => this.#framed,
      isWorking: () => this.#runner.openCalls > 0 || this.#backlog.length > 0,
      disconnect: (reason) => this.#disconnect(reason),
    });
    this.#tellMore = context.callback(() => ({ kind: "more" }));
    this.#framed = new FramedConnection(connection, services.buffers, {
      frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      frameBytesMin: NATIVE_FRAME_BYTES_MIN,
      largeBuffers: this.#watches.largeBuffers,
    }, {
      received: context.callback((frames) => ({ kind: "frames", frames })),
      closed: context.callback((reason) => ({ kind: "ended", reason })),
      written: this.#continue,
      starved: () => this.#watches.starved(),
    });
    const { nativeHandshakeTimeoutMs } = services.config;
    context.startTimer("handshake", nativeHandshakeTimeoutMs, { kind: "handshake-overdue" });
    this.#framed.start();
  }

  receive(message: SessionMessage): void {
    switch (message.kind) {
      case "continue":
        message.run();
        return this.#maybeStop();
      case "frames":
        this.#watches.framesReceived(message.frames.length);
        this.#backlog.push(...message.frames);
        return this.#blocked ? undefined : this.#work();
      case "more":
        this.#moreTold = false;
        this.#blocked = false;
        return this.#work();
      case "ended":
        return this.#end(message.reason);
      case "handshake-overdue":
        return this.#disconnect(
          this.#greeting ? "the node does not serve yet" : "no handshake within its deadline",
        );
    }
  }

  stopped(): void {
    const { requestBytes } = this.#services.budgets;
    requestBytes.forget(this.#continue);
    this.#watches.end();
    this.#closing = true;
    this.#work();
    this.#runner.cancel();
    requestBytes.give(this.#requestBytes);
    this.#requestBytes = 0;
    if (!this.#ended) this.#framed.close("the session ended");
  }

  /** Handles frames as far as the limits allow; the rest when there is room again. */
  #work(): void {
    let handled = 0;
    while (this.#backlogHead < this.#backlog.length) {
      if (!this.#closing && this.#isBehind()) return this.#block();
      if (!this.#closing && handled++ === REQUESTS_PER_MESSAGE) {
        this.#framed.pause();
        return this.#callMore();
      }
      const frame = this.#backlog[this.#backlogHead++] as Frame;
      if (this.#closing) frame.release();
      else this.#frame(frame);
    }
    this.#backlog = [];
    this.#backlogHead = 0;
    if (this.#closing) return;
    if (this.#isBehind()) this.#block();
    else this.#framed.resume();
  }

  #isBehind(): boolean {
    return this.#runner.openCalls >= REQUESTS_MAX || this.#requestBytes > REQUEST_BYTES_MAX ||
      Math.max(this.#framed.unsentBytes, this.#runner.usage.fetchedBytes) > UNSENT_BYTES_PAUSE ||
      this.#services.budgets.requestBytes.room === 0;
  }

  #block(): void {
    this.#blocked = true;
    this.#framed.pause();
    const { requestBytes } = this.#services.budgets;
    if (requestBytes.room === 0) requestBytes.wait(this.#continue);
  }

  #maybeContinue(): void {
    if (this.#blocked) this.#callMore();
  }

  #callMore(): void {
    if (this.#moreTold) return;
    this.#moreTold = true;
    this.#tellMore();
  }

  #frame(frame: Frame): void {
    let request: DecodedRequest | undefined;
    try {
      const envelopeBytes = readInt32(frame.source, frame.start);
      if (envelopeBytes > REQUEST_ENVELOPE_BYTES_MAX) {
        this.#disconnect(`an envelope of ${envelopeBytes} bytes`);
      } else {
        const header = this.#envelopes.open(frame);
        if (this.#shaken) request = this.#decode(header);
        else this.#handshake(header);
      }
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#disconnect(error.message);
    }
    if (request === undefined) frame.release();
    else this.#run(request, frame);
  }

  #handshake(header: EnvelopeHeader): void {
    if (header.kind !== "request" || header.apiKey !== NATIVE_HANDSHAKE.key) {
      return this.#disconnect(`the first message is no handshake but of API ${header.apiKey}`);
    }
    if (header.apiVersion !== 0) {
      return this.#disconnect(`handshake version ${header.apiVersion} is not supported`);
    }
    if (this.#greeting) return this.#disconnect("a second handshake");
    this.#greeting = true;
    const request = this.#envelopes.message<NativeHandshakeRequest>(NATIVE_HANDSHAKE.request);
    const { errorCode } = answerHandshake(request, this.#services);
    const isRefused = errorCode !== ErrorCode.NONE;
    if (isRefused || request.role === PeerRole.NODE) return this.#greet(header, request);
    // Clients are told of the cluster when there is something to tell; nodes bring that about.
    this.#context.ask<BrokerRequest, Serving>(
      this.#services.broker,
      Infinity,
      (replyTo) => ({ kind: "await-serving", replyTo }),
      () => ({ kind: "continue", run: () => this.#greet(header, request) }),
    );
  }

  #greet(header: EnvelopeHeader, request: NativeHandshakeRequest): void {
    if (this.#closing) return;
    const response = answerHandshake(request, this.#services);
    this.#send(NATIVE_HANDSHAKE, header, response);
    if (response.errorCode !== ErrorCode.NONE) {
      this.#framed.flush();
      return this.#disconnect(response.errorMessage ?? "the handshake was refused", "after");
    }
    this.#shaken = true;
    const { clientId, nodeId } = request;
    const role = roleOf(request) ?? PeerRole.CLIENT;
    const peer = { role, nodeId: role === PeerRole.NODE ? nodeId : NONE };
    this.#identity = { ...this.#identity, peer, clientId };
    this.#framed.reader.frameBytesMax = this.#services.config.socketRequestMaxBytes;
    this.#context.cancelTimer("handshake");
    this.#watches.watchIdle();
  }

  /** A request that is served; else the connection is given up. @throws {MalformedMessageError} */
  #decode(header: EnvelopeHeader): DecodedRequest | undefined {
    const { kind, apiKey, apiVersion } = header;
    const { role } = this.#identity.peer;
    const served = kind === "request" ? this.#services.apis.find(apiKey, role) : undefined;
    if (served === undefined) {
      this.#disconnect(`a ${kind} of API ${apiKey}, which is not served`);
      return undefined;
    }
    const { handler, versions } = served;
    if (!includes(versions, apiVersion)) {
      this.#disconnect(`version ${apiVersion} of ${handler.api.name} is not served`);
      return undefined;
    }
    return { header, handler, request: this.#envelopes.message(handler.api.request) };
  }

  #run({ header, handler, request }: DecodedRequest, frame: Frame): void {
    const bytes = frame.byteLength;
    const version = header.apiVersion;
    this.#take(bytes + REQUEST_OVERHEAD_BYTES);
    this.#runner.run({ handler, version, request, bytes }, this.#identity, {
      released: () => {
        frame.release();
        this.#give(bytes);
      },
      waiting: (waiting) => {
        if (waiting) this.#give(REQUEST_OVERHEAD_BYTES);
        else this.#take(REQUEST_OVERHEAD_BYTES);
      },
      reply: (response, sent) => {
        this.#give(REQUEST_OVERHEAD_BYTES);
        this.#send(handler.api, header, response, sent);
      },
      finish: () => this.#give(REQUEST_OVERHEAD_BYTES),
      disconnect: (reason) => {
        this.#give(REQUEST_OVERHEAD_BYTES);
        this.#disconnect(reason);
      },
    });
  }

  #take(bytes: number): void {
    this.#requestBytes += bytes;
    this.#services.budgets.requestBytes.take(bytes);
  }

  /** May be called after the session has stopped, by whoever held a request's records. */
  #give(bytes: number): void {
    const given = Math.min(bytes, this.#requestBytes);
    this.#requestBytes -= given;
    this.#services.budgets.requestBytes.give(given);
    this.#maybeContinue();
  }

  #send<Response>(
    api: Api<unknown, Response>,
    header: EnvelopeHeader,
    response: Response,
    sent?: () => void,
  ): void {
    if (this.#ended) return sent?.();
    const { writer } = this.#framed;
    const { apiVersion, correlationId } = header;
    try {
      encodeResponse(writer, api, apiVersion, correlationId, response);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      // Too large, most likely.
      this.#disconnect(error.message);
      return sent?.();
    }
    if (sent !== undefined) writer.afterwards(sent);
    const { queuedMaxResponseBytes } = this.#services.config;
    if (this.#framed.unsentBytes > queuedMaxResponseBytes) {
      this.#disconnect(`more than ${queuedMaxResponseBytes} bytes of replies are unread`);
    }
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#context.environment.dispatcher.atEndOfTurn(() => this.#flush());
  }

  /** Also where the connection has ended, which settles what was gathered. */
  #flush(): void {
    this.#flushPlanned = false;
    this.#framed.flush();
    this.#watches.watchWrites();
  }

  /** Gives the connection up for a reason: at once, or after what was flushed. */
  #disconnect(reason: string, when: "now" | "after" = "now"): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#framed.close(reason, when);
  }

  #end(reason: string | undefined): void {
    this.#ended = true;
    this.#closing = true;
    const { connection } = this.#framed;
    const level = reason === undefined ? "debug" : "warn";
    this.#context.environment.logger.log(level, "connection closed", {
      remote: formatAddress(connection.remote),
      client: this.#identity.clientId,
      reason,
    });
    this.#work();
    this.#framed.flush();
    this.#runner.cancel();
    this.#maybeStop();
  }

  /** Whatever is still answered may bring bytes that have to be given back. */
  #maybeStop(): void {
    if (this.#ended && this.#runner.openAsks === 0) this.#context.stop();
  }
}
