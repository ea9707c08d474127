/**
 * Kafka's protocol as the connecting side needs it: to any broker that speaks it, ours or Kafka's.
 *
 * The greeting is ApiVersions. A broker that does not know its version says which it knows, in the
 * oldest form, and is asked again. Nobody says who he is: the node's id and its cluster are told by
 * metadata later.
 *
 * @module
 */

import { readInt16 } from "../../storage/bytes/big_endian.ts";
import { NONE } from "../../storage/bytes/ids.ts";
import type { Frame } from "../../net/frame_reader.ts";
import type { FrameWriter } from "../../net/frame_writer.ts";
import { commonVersions } from "../../net/handshake.ts";
import { correlationIdOf, decodeResponse, encodeRequest } from "../../net/kafka/framing.ts";
import { API_VERSIONS, type ApiVersionsResponse } from "../../net/messages/api_versions.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Api } from "../../net/schema.ts";
import { refusalError } from "./errors.ts";
import { CLIENT_SOFTWARE } from "./greeting.ts";
import type { Greeting, GreetingResult, ResponseOf, Wire } from "./wire.ts";

/** A correlation id, and nothing else. */
const FRAME_BYTES_MIN = 4;
const CORRELATION_ID_BYTES = 4;
const GREETING_BYTES_MAX = 64 * 1024;

/** The first version whose request says what the client is; brokers since 2.4 know it. */
const GREETING_VERSION = 3;

export class KafkaWire implements Wire {
  readonly frameBytesMin = FRAME_BYTES_MIN;
  readonly greetingBytesMax = GREETING_BYTES_MAX;
  readonly #clientId: string;
  /** In the versions that clients may use. */
  readonly #spoken: readonly Api[];

  constructor(clientId: string, apis: readonly Api[]) {
    this.#clientId = clientId;
    this.#spoken = apis.map((api) => {
      const { versions: { min }, advertisedVersions: { max } } = api;
      return { ...api, versions: { min, max } };
    });
  }

  unanswered(address: string): string {
    return `if that is the native port of a node of Strom, its address is ${address}`;
  }

  greeting(): Greeting {
    return this.#greetingIn(GREETING_VERSION);
  }

  greeted(response: unknown, action: string): GreetingResult {
    const answer = response as ApiVersionsResponse;
    if (answer.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
      const known = answer.apiKeys.find(({ apiKey }) => apiKey === API_VERSIONS.key);
      // Told nothing, or what was tried: the oldest is known to all.
      const version = Math.min(known?.maxVersion ?? 0, GREETING_VERSION - 1);
      return { kind: "again", greeting: this.#greetingIn(Math.max(0, version)) };
    }
    if (answer.errorCode !== ErrorCode.NONE) {
      return { kind: "refused", error: refusalError(answer.errorCode, action) };
    }
    const versions = commonVersions(this.#spoken, answer.apiKeys);
    return { kind: "greeted", nodeId: NONE, clusterId: "", versions };
  }

  encode(
    writer: FrameWriter,
    api: Api,
    version: number,
    correlationId: number,
    request: unknown,
  ): void {
    encodeRequest(writer, api, version, { correlationId, clientId: this.#clientId }, request);
  }

  open(frame: Frame): number {
    return correlationIdOf(frame);
  }

  response(frame: Frame, { api, version }: ResponseOf): unknown {
    return decodeResponse(frame, api, isOldestForm(frame, api) ? 0 : version);
  }

  #greetingIn(version: number): Greeting {
    return { api: API_VERSIONS, version, request: CLIENT_SOFTWARE };
  }
}

/** Whether a broker says that it does not know the version that it was asked in. */
function isOldestForm({ source, start, byteLength }: Frame, api: Api): boolean {
  return api.key === API_VERSIONS.key && byteLength >= CORRELATION_ID_BYTES + 2 &&
    readInt16(source, start + CORRELATION_ID_BYTES) === ErrorCode.UNSUPPORTED_VERSION;
}
