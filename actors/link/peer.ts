/**
 * A connection to a fellow node for an actor: what comes of requests comes back as messages.
 *
 * Owns the connection, and the memory of answers that have come and that the actor has not seen
 * yet. An actor closes its peers when it has stopped (`Actor.stopped`).
 *
 * Invariants: each request ends with one message, after `close` with an error, except that none
 * comes once the actor has stopped or was restarted; no memory stays lent because of that.
 *
 * @module
 */

import { formatAddress, type SocketAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { type ClientError, ClosedError } from "./errors.ts";
import { NodeConnection, type NodeConnectionOptions } from "./node_connection.ts";
import type { Hold } from "./node_link.ts";

/** As a connection's, with messages for what it calls back. */
export interface PeerOptions<Message>
  extends Omit<NodeConnectionOptions, "environment" | "ready" | "lost" | "mayConnect" | "ended"> {
  /** Requests go out from now on. */
  readonly ready?: () => Message;
  /** An attempt failed, or the connection broke. */
  readonly lost?: (error: ClientError) => Message;
  /** The wait after that is over. The next request connects, too. */
  readonly mayConnect?: () => Message;
}

/** What came of a request whose response has records in it. */
export type Held<Response> = { readonly response: Response; readonly hold: Hold } | ClientError;

/** A fellow node. */
export class Peer<Message> {
  readonly #context: ActorContext<Message>;
  readonly #connection: NodeConnection;
  /** What came and was not handed to the actor. */
  readonly #untaken = new Set<Hold>();
  #closed = false;

  /** Connects at the first request. */
  constructor(context: ActorContext<Message>, options: PeerOptions<Message>) {
    this.#context = context;
    const { ready, lost, mayConnect } = options;
    const nothing = () => {};
    this.#connection = new NodeConnection({
      ...options,
      environment: context.environment,
      ready: ready === undefined ? nothing : context.callback(ready),
      lost: lost === undefined ? nothing : context.callback(lost),
      mayConnect: mayConnect === undefined ? nothing : context.callback(mayConnect),
    });
  }

  get address(): SocketAddress {
    return this.#connection.address;
  }

  /** Whether requests go out at once. */
  get isReady(): boolean {
    return this.#connection.isReady;
  }

  /** Whether the last attempt failed and the next has yet to wait. */
  get isBackingOff(): boolean {
    return this.#connection.isBackingOff;
  }

  /** Requests that are not answered yet. */
  get inFlight(): number {
    return this.#connection.inFlight;
  }

  /** The version in which a request would be sent, or undefined while that is unknown. */
  versionOf(api: Api): number | undefined {
    return this.#connection.versionOf(api);
  }

  /** Connects without a request, unless that was begun or has yet to wait. */
  connect(): void {
    this.#connection.connect();
  }

  /**
   * Sends a request, at once or when connected; those to one peer leave in order. The message that
   * `done` makes comes later, once: of the response, or of why there is none.
   */
  send<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => Message,
  ): void {
    this.#connection.send(api, request, timeoutMs, this.#context.callback(done));
  }

  /** As `send`, for responses with records in them: the actor must release each hold. */
  sendHolding<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Held<Response>) => Message,
  ): void {
    const tell = this.#context.callback((result: Held<Response>) => {
      if ("hold" in result && !this.#untaken.delete(result.hold)) return done(this.#closedError());
      return done(result);
    });
    this.#connection.sendHolding(api, request, timeoutMs, (result) => {
      if (!("hold" in result)) return tell(result);
      if (this.#closed) {
        result.hold.release();
        return tell(this.#closedError());
      }
      this.#untaken.add(result.hold);
      tell(result);
    });
  }

  /** Ends it for good; what is unanswered fails. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    for (const hold of this.#untaken) hold.release();
    this.#untaken.clear();
  }

  #closedError(): ClientError {
    return new ClosedError(`Closed the connection to ${formatAddress(this.address)}`);
  }
}
