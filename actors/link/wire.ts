/**
 * How a connection's messages are written, as the connecting side needs it: how it is greeted, and
 * what a frame says.
 *
 * @module
 */

import type { Frame } from "../../net/frame_reader.ts";
import type { FrameWriter } from "../../net/frame_writer.ts";
import type { Api } from "../../net/schema.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ClientError } from "./errors.ts";

/** The first question on a connection. */
export interface Greeting {
  readonly api: Api;
  readonly version: number;
  readonly request: unknown;
}

/** What the answer to it says of the node, and the version in which each API is asked. */
export interface Greeted {
  readonly kind: "greeted";
  /** -1 where the node does not say. */
  readonly nodeId: NodeId;
  /** Empty where it does not say. */
  readonly clusterId: string;
  readonly versions: ReadonlyMap<number, number>;
}

/** What comes of a greeting: another one, in words that the node understands, is tried at once. */
export type GreetingResult =
  | Greeted
  | { readonly kind: "again"; readonly greeting: Greeting }
  | { readonly kind: "refused"; readonly error: ClientError };

/** Which request a response belongs to. */
export interface ResponseOf {
  readonly api: Api;
  /** The version that the request was sent in. */
  readonly version: number;
}

/** One encoding of messages; each connection has its own. */
export interface Wire {
  /** The shortest frame, without its length, and the longest one before the greeting is over. */
  readonly frameBytesMin: number;
  readonly greetingBytesMax: number;

  /** What may be wrong where a node closes the connection instead of answering the greeting. */
  unanswered(address: string): string;

  greeting(): Greeting;

  /** @param action what fails if it fails, for people */
  greeted(response: unknown, action: string): GreetingResult;

  /**
   * Queues a request.
   * @throws {MalformedMessageError} if it is not what its table says; nothing is queued
   */
  encode(
    writer: FrameWriter,
    api: Api,
    version: number,
    correlationId: number,
    request: unknown,
  ): void;

  /**
   * The correlation id of the response in a frame.
   * @throws {MalformedMessageError} if there is none
   */
  open(frame: Frame): number;

  /**
   * The response in the frame opened last.
   * @throws {MalformedMessageError} if it is not what its table says
   * @throws {RangeError} if it is one to another request
   */
  response(frame: Frame, of: ResponseOf): unknown;
}
