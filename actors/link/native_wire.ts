/**
 * The native encoding as the connecting side needs it.
 *
 * @module
 */

import type { Frame } from "../../net/frame_reader.ts";
import type { FrameWriter } from "../../net/frame_writer.ts";
import {
  commonVersions,
  HANDSHAKE_FRAME_BYTES_MAX,
  NATIVE_HANDSHAKE,
  type NativeHandshakeResponse,
} from "../../net/handshake.ts";
import {
  encodeRequest,
  type EnvelopeHeader,
  EnvelopeReader,
  NATIVE_FRAME_BYTES_MIN,
} from "../../net/msgpack.ts";
import type { Api } from "../../net/schema.ts";
import { greetingOf, type Introduction, refusalOf } from "./greeting.ts";
import type { LinkSettings } from "./link_settings.ts";
import type { Greeting, GreetingResult, ResponseOf, Wire } from "./wire.ts";

export class NativeWire implements Wire {
  readonly frameBytesMin = NATIVE_FRAME_BYTES_MIN;
  readonly greetingBytesMax = HANDSHAKE_FRAME_BYTES_MAX;
  readonly #settings: LinkSettings;
  readonly #introduction: Introduction;
  readonly #apis: readonly Api[];
  readonly #reader = new EnvelopeReader();
  #header: EnvelopeHeader | undefined;

  constructor(settings: LinkSettings, introduction: Introduction, apis: readonly Api[]) {
    this.#settings = settings;
    this.#introduction = introduction;
    this.#apis = apis;
  }

  unanswered(address: string): string {
    return `if it speaks Kafka's protocol there, its address is kafka://${address}`;
  }

  greeting(): Greeting {
    const request = greetingOf(this.#settings, this.#introduction);
    return { api: NATIVE_HANDSHAKE, version: 0, request };
  }

  greeted(response: unknown, action: string): GreetingResult {
    const answer = response as NativeHandshakeResponse;
    const error = refusalOf(answer, this.#introduction, action);
    if (error !== undefined) return { kind: "refused", error };
    const { nodeId, clusterId, apiKeys } = answer;
    return { kind: "greeted", nodeId, clusterId, versions: commonVersions(this.#apis, apiKeys) };
  }

  encode(
    writer: FrameWriter,
    api: Api,
    version: number,
    correlationId: number,
    request: unknown,
  ): void {
    encodeRequest(writer, api, version, correlationId, request);
  }

  open(frame: Frame): number {
    return (this.#header = this.#reader.open(frame)).correlationId;
  }

  response(_frame: Frame, { api, version }: ResponseOf): unknown {
    const { kind, apiKey, apiVersion, correlationId } = this.#header as EnvelopeHeader;
    if (kind !== "response" || apiKey !== api.key || apiVersion !== version) {
      throw new RangeError(`${kind} ${correlationId} of api ${apiKey} was not asked for`);
    }
    return this.#reader.message(api.response);
  }
}
