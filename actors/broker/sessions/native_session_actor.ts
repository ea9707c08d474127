/**
 * One connection in the native encoding: the handshake, then requests.
 *
 * The first frame is the handshake, within its deadline; from then on each frame is a request of an
 * API that this broker serves. Responses leave as they are ready, in any order; those of one turn
 * leave together. What holds for any encoding is in session.ts.
 *
 * @module
 */

import { readInt32 } from "../../../storage/bytes/big_endian.ts";
import { NONE } from "../../../storage/bytes/ids.ts";
import type { Frame } from "../../../net/frame_reader.ts";
import {
  HANDSHAKE_FRAME_BYTES_MAX,
  NATIVE_HANDSHAKE,
  type NativeHandshakeRequest,
  PeerRole,
} from "../../../net/handshake.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  encodeResponse,
  type EnvelopeHeader,
  EnvelopeReader,
  NATIVE_FRAME_BYTES_MIN,
} from "../../../net/msgpack.ts";
import type { Api } from "../../../net/schema.ts";
import { includes } from "../../../net/schema/versions.ts";
import type { ActorContext, Behaviour } from "../../runtime/actor.ts";
import type { BrokerRequest, Serving } from "../broker_actor.ts";
import { answerHandshake, roleOf } from "./native_handshake.ts";
import {
  REQUEST_ELEMENTS_MAX,
  Session,
  type SessionMessage,
  type SessionOptions,
} from "./session.ts";

/** An envelope becomes many times its size in memory, and is decoded in one go. */
const REQUEST_ENVELOPE_BYTES_MAX = 1024 * 1024;

export function nativeSessionActor(options: SessionOptions): Behaviour<never> {
  return (context) =>
    new NativeSession(context as unknown as ActorContext<SessionMessage>, options);
}

class NativeSession extends Session {
  readonly #envelopes = new EnvelopeReader(REQUEST_ELEMENTS_MAX);
  /** The handshake has come. */
  #greeting = false;
  /** It was answered, and requests may come. */
  #shaken = false;

  constructor(context: ActorContext<SessionMessage>, options: SessionOptions) {
    super(context, options, "native", {
      frameBytesMax: HANDSHAKE_FRAME_BYTES_MAX,
      frameBytesMin: NATIVE_FRAME_BYTES_MIN,
    });
    context.startTimer("handshake", options.services.config.nativeHandshakeTimeoutMs, {
      kind: "continue",
      run: () =>
        this.disconnect(
          this.#greeting ? "the node does not serve yet" : "no handshake within its deadline",
        ),
    });
  }

  protected override handleFrame(frame: Frame): void {
    const envelopeBytes = readInt32(frame.source, frame.start);
    if (envelopeBytes > REQUEST_ENVELOPE_BYTES_MAX) {
      this.disconnect(`an envelope of ${envelopeBytes} bytes`);
      return frame.release();
    }
    const header = this.#envelopes.open(frame);
    if (this.#shaken) return this.#request(header, frame);
    this.#handshake(header);
    frame.release();
  }

  #handshake(header: EnvelopeHeader): void {
    if (header.kind !== "request" || header.apiKey !== NATIVE_HANDSHAKE.key) {
      return this.disconnect(`the first message is no handshake but of API ${header.apiKey}`);
    }
    if (header.apiVersion !== 0) {
      return this.disconnect(`handshake version ${header.apiVersion} is not supported`);
    }
    if (this.#greeting) return this.disconnect("a second handshake");
    this.#greeting = true;
    const request = this.#envelopes.message<NativeHandshakeRequest>(NATIVE_HANDSHAKE.request);
    const { errorCode } = answerHandshake(request, this.services);
    const isRefused = errorCode !== ErrorCode.NONE;
    if (isRefused || request.role === PeerRole.NODE) return this.#greet(header, request);
    // Clients are told of the cluster when there is something to tell; nodes bring that about.
    this.context.ask<BrokerRequest, Serving>(
      this.services.broker,
      Infinity,
      (replyTo) => ({ kind: "await-serving", replyTo }),
      () => ({ kind: "continue", run: () => this.#greet(header, request) }),
    );
  }

  #greet(header: EnvelopeHeader, request: NativeHandshakeRequest): void {
    if (this.isClosing) return;
    const response = answerHandshake(request, this.services);
    this.#send(NATIVE_HANDSHAKE, header, response);
    if (response.errorCode !== ErrorCode.NONE) {
      this.framed.flush();
      return this.disconnect(response.errorMessage ?? "the handshake was refused", "after");
    }
    this.#shaken = true;
    const { clientId, nodeId } = request;
    const role = roleOf(request) ?? PeerRole.CLIENT;
    const { host } = this.identity.peer;
    const peer = { role, nodeId: role === PeerRole.NODE ? nodeId : NONE, host };
    this.identity = { ...this.identity, peer, clientId };
    this.framed.reader.frameBytesMax = this.services.config.socketRequestMaxBytes;
    this.context.cancelTimer("handshake");
    this.watches.watchIdle();
  }

  /** A request that is served; else the connection is given up. @throws {MalformedMessageError} */
  #request(header: EnvelopeHeader, frame: Frame): void {
    const { kind, apiKey, apiVersion } = header;
    const { peer } = this.identity;
    const served = kind === "request"
      ? this.services.apis.find(apiKey, peer.role, "native")
      : undefined;
    if (served === undefined) {
      this.disconnect(`a ${kind} of API ${apiKey}, which is not served`);
      return frame.release();
    }
    const { handler, versions } = served;
    const { api } = handler;
    if (!includes(versions, apiVersion)) {
      this.disconnect(`version ${apiVersion} of ${api.name} is not served`);
      return frame.release();
    }
    const request = this.#envelopes.message(api.request);
    this.run({ handler, version: apiVersion, request }, frame, {
      reply: (response, sent) => this.#send(api, header, response, sent),
      finish: () => {},
    });
  }

  #send<Response>(
    api: Api<unknown, Response>,
    { apiVersion, correlationId }: EnvelopeHeader,
    response: Response,
    sent?: () => void,
  ): void {
    this.send(
      (writer) => void encodeResponse(writer, api, apiVersion, correlationId, response),
      sent,
    );
  }
}
