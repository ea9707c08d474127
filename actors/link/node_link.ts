/**
 * What those who ask need of a connection to a node.
 *
 * @module
 */

import type { Api } from "../../net/schema.ts";
import type { ClientError } from "./errors.ts";

/** Keeps the memory that a response's records lie in. */
export interface Hold {
  /** Lets go of it, once; then the views of it are invalid. */
  release(): void;
}

/** A connection that requests are sent over; answers come in any order. */
export interface NodeLink {
  /** Whether requests go out at once. */
  readonly isReady: boolean;

  /** Requests that are not answered yet. */
  readonly inFlight: number;

  /**
   * Sends a request, at once or when connected. `done` is called later, once: with the response, or
   * with why there is none. What the response says is checked and its own, but for records.
   */
  send<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => void,
  ): void;

  /** As `send`, for responses with records in them: they are valid until `hold.release`. */
  sendHolding<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: { readonly response: Response; readonly hold: Hold } | ClientError) => void,
  ): void;

  /** Sends a request that has no response; `done` once it was written, or why it was not. */
  sendOneWay<Request>(
    api: Api<Request, unknown>,
    request: Request,
    done: (failure: ClientError | undefined) => void,
  ): void;
}
