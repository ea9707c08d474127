/**
 * One connection in the native encoding: handshake, requests, responses, limits.
 *
 * Owns the connection and what is under way on it. The first frame is the handshake, within its
 * deadline; from then on each frame is a request of an API that this broker serves. Responses leave
 * as they are ready, in any order; those of one turn leave together.
 *
 * Whatever is wrong with a peer ends its connection, with one log line that says why, and nobody
 * else's: a frame that is none, a message that its table does not allow, an API that is not served,
 * a peer that does not read, that is silent for too long, or that says it is a node.
 *
 * @module
 */

import type { Connection } from "../../net/network.ts";
import { formatAddress } from "../../net/network.ts";
import { FramedConnection } from "../../net/framed_connection.ts";
import type { Frame } from "../../net/frame_reader.ts";
import {
  HANDSHAKE_FRAME_BYTES_MAX,
  NATIVE_HANDSHAKE,
  type NativeHandshakeRequest,
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
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import { ANONYMOUS } from "./access.ts";
import { handlerOf } from "./apis/table.ts";
import { answerHandshake } from "./native_handshake.ts";
import { type Continue, RequestRunner, type SessionIdentity } from "./request_runner.ts";
import type { BrokerServices } from "./services.ts";

export interface NativeSessionOptions {
  readonly connection: Connection;
  readonly listener: string;
  readonly services: BrokerServices;
}

type SessionMessage =
  | Continue
  | { readonly kind: "frames"; readonly frames: readonly Frame[] }
  | { readonly kind: "ended"; readonly reason: string | undefined }
  | { readonly kind: "handshake-overdue" }
  | { readonly kind: "check-idle" }
  | { readonly kind: "check-writes"; readonly writesDone: number };

/** What a request under way costs besides its frame. */
const REQUEST_OVERHEAD_BYTES = 1024;

/** Requests of one connection are read ahead up to so many bytes. */
const CONNECTION_REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** While more bytes of replies wait to be sent, no further request is read. */
const UNSENT_BYTES_PAUSE = 4 * 1024 * 1024;

export function nativeSessionActor(options: NativeSessionOptions): Behaviour<never> {
  return (context) =>
    new NativeSession(context as unknown as ActorContext<SessionMessage>, options);
}

class NativeSession implements Actor<SessionMessage> {
  readonly #context: ActorContext<SessionMessage>;
  readonly #services: BrokerServices;
  readonly #framed: FramedConnection;
  readonly #envelopes = new EnvelopeReader();
  readonly #runner: RequestRunner;
  readonly #resume = () => this.#framed.resume();
  #identity: SessionIdentity;
  #shaken = false;
  #ended = false;
  #requests = 0;
  #requestBytes = 0;
  #flushPlanned = false;
  #watchesWrites = false;
  #lastFrameAt: number;

  constructor(context: ActorContext<SessionMessage>, options: NativeSessionOptions) {
    const { connection, listener, services } = options;
    this.#context = context;
    this.#services = services;
    this.#identity = { principal: ANONYMOUS, clientId: "", listener };
    this.#runner = new RequestRunner(context as ActorContext<Continue>, services);
    this.#framed = new FramedConnection(connection, services.buffers, {
      frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      frameBytesMin: NATIVE_FRAME_BYTES_MIN,
    }, {
      received: context.callback((frames) => ({ kind: "frames", frames })),
      closed: context.callback((reason) => ({ kind: "ended", reason })),
    });
    this.#lastFrameAt = context.environment.clock.monotonic();
    const { nativeHandshakeTimeoutMs } = services.config;
    context.startTimer("handshake", nativeHandshakeTimeoutMs, { kind: "handshake-overdue" });
    this.#framed.start();
  }

  receive(message: SessionMessage): void {
    switch (message.kind) {
      case "continue":
        return message.run();
      case "frames":
        this.#lastFrameAt = this.#context.environment.clock.monotonic();
        for (const frame of message.frames) this.#frame(frame);
        return this.#maybePause();
      case "ended":
        return this.#end(message.reason);
      case "handshake-overdue":
        return this.#framed.close("no handshake within its deadline");
      case "check-idle":
        return this.#checkIdle();
      case "check-writes":
        return this.#checkWrites(message.writesDone);
    }
  }

  stopped(): void {
    this.#services.requestBudget.forget(this.#resume);
    this.#services.requestBudget.give(this.#requestBytes);
    this.#requestBytes = 0;
    if (!this.#ended) this.#framed.close("the session ended");
  }

  #frame(frame: Frame): void {
    if (this.#ended) return frame.release();
    try {
      const header = this.#envelopes.open(frame);
      if (this.#shaken) return this.#request(header, frame);
      this.#handshake(header);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#disconnect(error.message);
    }
    frame.release();
  }

  #handshake(header: EnvelopeHeader): void {
    if (header.kind !== "request" || header.apiKey !== NATIVE_HANDSHAKE.key) {
      return this.#disconnect(`the first message is no handshake but of API ${header.apiKey}`);
    }
    if (header.apiVersion !== 0) {
      return this.#disconnect(`handshake version ${header.apiVersion} is not supported`);
    }
    const request = this.#envelopes.message<NativeHandshakeRequest>(NATIVE_HANDSHAKE.request);
    const response = answerHandshake(request, this.#services);
    this.#send(NATIVE_HANDSHAKE, header, response);
    if (response.errorCode !== ErrorCode.NONE) {
      this.#framed.flush();
      return this.#disconnect(response.errorMessage ?? "the handshake was refused", "after");
    }
    this.#shaken = true;
    this.#identity = { ...this.#identity, clientId: request.clientId };
    this.#framed.reader.frameBytesMax = this.#services.config.socketRequestMaxBytes;
    this.#context.cancelTimer("handshake");
    this.#watchIdle(this.#services.config.connectionsMaxIdleMs);
  }

  #request(header: EnvelopeHeader, frame: Frame): void {
    const handler = header.kind === "request" ? handlerOf(header.apiKey) : undefined;
    const { apiKey, apiVersion: version } = header;
    if (handler === undefined) {
      this.#disconnect(`a ${header.kind} of API ${apiKey}, which is not served`);
      return frame.release();
    }
    const served = handler.versions ?? handler.api.versions;
    if (version < served.min || version > served.max) {
      this.#disconnect(`version ${version} of ${handler.api.name} is not served`);
      return frame.release();
    }
    const request = this.#envelopes.message(handler.api.request);
    const bytes = frame.byteLength + REQUEST_OVERHEAD_BYTES;
    this.#take(bytes);
    const finish = () => {
      frame.release();
      this.#give(bytes);
    };
    this.#runner.run({ handler, version, request, bytes: frame.byteLength }, this.#identity, {
      reply: (response, sent) => {
        finish();
        this.#send(handler.api, header, response, sent);
      },
      finish,
      disconnect: (reason) => {
        finish();
        this.#disconnect(reason);
      },
    });
  }

  #take(bytes: number): void {
    this.#requests++;
    this.#requestBytes += bytes;
    this.#services.requestBudget.take(bytes);
  }

  #give(bytes: number): void {
    this.#requests--;
    this.#requestBytes -= bytes;
    this.#services.requestBudget.give(bytes);
    this.#maybeResume();
  }

  #maybePause(): void {
    if (this.#services.requestBudget.exhausted) {
      this.#framed.pause();
      this.#services.requestBudget.wait(this.#resume);
    } else if (this.#isBehind()) {
      this.#framed.pause();
    }
  }

  #maybeResume(): void {
    if (!this.#isBehind() && !this.#services.requestBudget.exhausted) this.#framed.resume();
  }

  #isBehind(): boolean {
    return this.#requestBytes > CONNECTION_REQUEST_BYTES_MAX ||
      this.#framed.unsentBytes > UNSENT_BYTES_PAUSE;
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
    encodeResponse(writer, api, apiVersion, correlationId, response);
    if (sent !== undefined) writer.afterwards(sent);
    const { queuedMaxResponseBytes } = this.#services.config;
    if (this.#framed.unsentBytes > queuedMaxResponseBytes) {
      return this.#disconnect(`more than ${queuedMaxResponseBytes} bytes of replies are unread`);
    }
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#context.environment.dispatcher.atEndOfTurn(() => this.#flush());
  }

  #flush(): void {
    this.#flushPlanned = false;
    if (this.#ended) return;
    this.#framed.flush();
    if (this.#framed.isWriting && !this.#watchesWrites) this.#watchWrites();
  }

  /** Notes how far the writes are, to see in time whether they went on. */
  #watchWrites(): void {
    this.#watchesWrites = true;
    const { writesDone } = this.#framed;
    const { socketWriteTimeoutMs } = this.#services.config;
    this.#context.startTimer("writes", socketWriteTimeoutMs, { kind: "check-writes", writesDone });
  }

  #checkWrites(writesDone: number): void {
    this.#watchesWrites = false;
    if (!this.#framed.isWriting) return;
    if (this.#framed.writesDone !== writesDone) return this.#watchWrites();
    this.#disconnect("the peer does not read its replies");
  }

  #watchIdle(delayMs: number): void {
    this.#context.startTimer("idle", delayMs, { kind: "check-idle" });
  }

  #checkIdle(): void {
    const { connectionsMaxIdleMs } = this.#services.config;
    const idleMs = this.#context.environment.clock.monotonic() - this.#lastFrameAt;
    if (this.#requests > 0) return this.#watchIdle(connectionsMaxIdleMs);
    if (idleMs < connectionsMaxIdleMs) return this.#watchIdle(connectionsMaxIdleMs - idleMs);
    this.#disconnect(`idle for ${connectionsMaxIdleMs} ms`);
  }

  /** Ends the connection for a reason: at once, or after what was flushed. */
  #disconnect(reason: string, when: "now" | "after" = "now"): void {
    if (this.#ended) return;
    this.#framed.close(reason, when);
  }

  #end(reason: string | undefined): void {
    this.#ended = true;
    const { connection } = this.#framed;
    const level = reason === undefined ? "debug" : "warn";
    this.#context.environment.logger.log(level, "connection closed", {
      remote: formatAddress(connection.remote),
      client: this.#identity.clientId,
      reason,
    });
    this.#context.stop();
  }
}
