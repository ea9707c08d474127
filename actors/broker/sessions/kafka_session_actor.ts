/**
 * One connection in Kafka's wire protocol: requests, and their responses in the same order.
 *
 * Owns the order. Requests begin in the order in which they came. Those that do little, or wait for
 * others, are worked on side by side, so that a long poll keeps nothing from happening, but
 * none before what it must see (side_by_side.ts); each reply still waits for those before it, as
 * clients rely on. What changes the cluster has the connection
 * for itself until it is answered, as everything has in Kafka: a client may count on it. A fetch
 * begins when it is the next to be answered, so that no records wait in memory behind a long poll.
 *
 * There is no handshake: anybody who can connect is a client, and anonymous. What holds for any
 * encoding is in session.ts.
 *
 * @module
 */

import { readInt16 } from "../../../storage/bytes/big_endian.ts";
import { FifoQueue } from "../../../net/fifo_queue.ts";
import type { Frame } from "../../../net/frame_reader.ts";
import {
  decodeRequest,
  encodeResponse,
  KAFKA_FRAME_BYTES_MIN,
  readPrefix,
  type RequestPrefix,
} from "../../../net/kafka/framing.ts";
import { API_VERSIONS, type ApiVersionsRequest } from "../../../net/messages/api_versions.ts";
import type { Api } from "../../../net/schema.ts";
import { includes } from "../../../net/schema/versions.ts";
import type { ActorContext, Behaviour } from "../../runtime/actor.ts";
import { unsupportedApiVersions } from "../apis/api_versions.ts";
import type { BrokerRequest, Serving } from "../broker_actor.ts";
import {
  REQUEST_ELEMENTS_MAX,
  Session,
  type SessionMessage,
  type SessionOptions,
} from "./session.ts";
import { isAfter, isFetch, isSideBySide } from "./side_by_side.ts";

/** A client's words about itself are cut off here in logs. */
const SOFTWARE_CHARS_MAX = 64;

/** The place of a reply among the others. */
interface Reply {
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  /** Its request ended, with or without a response. */
  isDue: boolean;
  response: unknown;
  sent: (() => void) | undefined;
}

export function kafkaSessionActor(options: SessionOptions): Behaviour<never> {
  return (context) => new KafkaSession(context as unknown as ActorContext<SessionMessage>, options);
}

class KafkaSession extends Session {
  /** Of requests that have begun, in order. */
  readonly #replies = new FifoQueue<Reply>();
  /** By API, how many have begun and not ended. */
  readonly #working = new Map<number, number>();
  /** The request begun last wants to be alone. */
  #isAlone = false;
  #isServing = false;
  #software = "";
  #uncount: () => void = () => {};

  constructor(context: ActorContext<SessionMessage>, options: SessionOptions) {
    super(context, options, "kafka", {
      frameBytesMax: options.services.config.socketRequestMaxBytes,
      frameBytesMin: KAFKA_FRAME_BYTES_MIN,
    });
    this.watches.watchIdle();
    context.ask<BrokerRequest, Serving>(
      options.services.broker,
      Infinity,
      (replyTo) => ({ kind: "await-serving", replyTo }),
      () => ({ kind: "continue", run: () => this.#serve() }),
    );
  }

  #serve(): void {
    this.#isServing = true;
    this.maybeContinue();
  }

  protected override mayHandle(frame: Frame): boolean {
    if (!this.#isServing) return false;
    if (this.#replies.isEmpty) return true;
    if (this.#isAlone) return false;
    const apiKey = readInt16(frame.source, frame.start);
    const before = isAfter(apiKey);
    if (before !== undefined && (this.#working.get(before) ?? 0) > 0) return false;
    return isSideBySide(apiKey);
  }

  protected override handleFrame(frame: Frame): void {
    const prefix = readPrefix(frame);
    const { apiKey, apiVersion } = prefix;
    const served = this.services.apis.find(apiKey, this.identity.peer.role, "kafka");
    if (served === undefined) {
      this.disconnect(`version ${apiVersion} of API ${apiKey}, which is not served`);
      return frame.release();
    }
    const { handler, versions } = served;
    if (!includes(versions, apiVersion)) {
      this.#refuseVersion(handler.api, prefix);
      return frame.release();
    }
    const decoded = decodeRequest(frame, handler.api, REQUEST_ELEMENTS_MAX);
    this.#identify(decoded.clientId ?? "");
    if (apiKey === API_VERSIONS.key) this.#noteSoftware(decoded.request as ApiVersionsRequest);
    const reply = this.#expect(handler.api, prefix);
    this.#isAlone = !isSideBySide(apiKey) && !isFetch(apiKey);
    this.run({ handler, version: apiVersion, request: decoded.request }, frame, {
      reply: (response, sent) => this.#due(reply, response, sent),
      finish: () => this.#due(reply, undefined, undefined),
    });
  }

  /** Whatever a client speaks, it is told which versions of ApiVersions it may use (KIP-511). */
  #refuseVersion(api: Api, prefix: RequestPrefix): void {
    const { apiVersion } = prefix;
    if (api.key !== API_VERSIONS.key) {
      return this.disconnect(`version ${apiVersion} of ${api.name}, which is not served`);
    }
    this.#isAlone = false;
    const reply = this.#expect(API_VERSIONS, { ...prefix, apiVersion: 0 });
    this.#due(reply, unsupportedApiVersions(), undefined);
  }

  #identify(clientId: string): void {
    if (clientId !== this.identity.clientId) this.identity = { ...this.identity, clientId };
  }

  #noteSoftware({ clientSoftwareName, clientSoftwareVersion }: ApiVersionsRequest): void {
    if (clientSoftwareName === "") return;
    const software = `${clientSoftwareName} ${clientSoftwareVersion}`;
    this.#software = software.slice(0, SOFTWARE_CHARS_MAX);
    this.#uncount();
    const { clientSoftware } = this.services.metrics;
    this.#uncount = clientSoftware.connected(clientSoftwareName, clientSoftwareVersion);
  }

  protected override get described(): Readonly<Record<string, unknown>> {
    return { software: this.#software };
  }

  #expect(api: Api, { apiVersion, correlationId }: RequestPrefix): Reply {
    const reply: Reply = {
      api,
      version: apiVersion,
      correlationId,
      isDue: false,
      response: undefined,
      sent: undefined,
    };
    this.#replies.push(reply);
    this.#working.set(api.key, (this.#working.get(api.key) ?? 0) + 1);
    return reply;
  }

  #due(reply: Reply, response: unknown, sent: (() => void) | undefined): void {
    reply.isDue = true;
    this.#working.set(reply.api.key, (this.#working.get(reply.api.key) ?? 0) - 1);
    reply.response = response;
    reply.sent = sent;
    this.#sendDue();
  }

  /** Sends all replies that wait for none before them. */
  #sendDue(): void {
    for (let reply = this.#replies.first; reply?.isDue === true; reply = this.#replies.first) {
      this.#replies.shift();
      this.#send(reply);
    }
    this.maybeContinue();
  }

  #send({ api, version, correlationId, response, sent }: Reply): void {
    if (response === undefined) return;
    this.send(
      (writer) => void encodeResponse(writer, api, version, correlationId, response),
      sent,
    );
  }

  /** What is due behind a request that will not be answered any more gives back what it holds. */
  protected override callsEnded(): void {
    this.#uncount();
    this.#sendDue();
  }
}
