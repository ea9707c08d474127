/**
 * One request under way, as the handler of its API sees it, whichever encoding it came in.
 *
 * @module
 */

import type { PeerRole } from "../../../net/handshake.ts";
import type { Api } from "../../../net/schema.ts";
import type { NodeId } from "../../../storage/bytes/ids.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import type { AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { Access, Principal, QuotaKind } from "./access.ts";
import type { BrokerServices } from "../services.ts";

/** What the calls of one connection hold together. */
export interface ConnectionUsage {
  /** Bytes of records that were read for its fetches and not sent yet. */
  fetchedBytes: number;
  /** Called once the connection has ended, for what outlives calls. */
  readonly ended: Set<() => void>;
}

/** How a connection's messages are written. */
export type Encoding = "native" | "kafka";

/** Who is at the other end of a connection. */
export interface SessionPeer {
  readonly role: PeerRole;
  /** Of a fellow node, else -1. */
  readonly nodeId: NodeId;
  /** Where it connects from; absent before it has said who it is. */
  readonly host?: string | undefined;
}

export interface Call<Request, Response> {
  /**
   * Records in it are views into the frame it came in: valid until `handle` returns, or as held.
   */
  readonly request: Request;
  readonly version: number;
  readonly principal: Principal;
  readonly peer: SessionPeer;
  readonly clientId: string;
  /** The name of the listener that it came in by: what addresses in the response must fit. */
  readonly listener: string;
  /** What it was written in. */
  readonly encoding: Encoding;
  readonly broker: BrokerServices;
  readonly usage: ConnectionUsage;

  /** Whether whoever asks may do something that `access` does not speak of. */
  allows(access: Access): boolean;

  /**
   * Notes what the request took of a quota. What its client has to make up for is in the response,
   * and nothing more of its connection is handled meanwhile.
   */
  charge(kind: QuotaKind, cost: number): void;

  /** Whether the client has gone: what the call does from now on is for nobody. */
  readonly cancelled: boolean;

  /**
   * Keeps the records of the request valid after `handle`, for whoever they are given to. Returns
   * what lets go of them, once however often it is called; they are not read afterwards.
   */
  hold(): () => void;

  /**
   * Says whether the call just waits for something to happen. Then it does not count among the
   * requests that are worked on, or those who wait would keep others from doing what they wait for.
   */
  setWaiting(waiting: boolean): void;

  /** Has `run` called if the client goes before the call has ended. */
  onCancel(run: () => void): void;

  /** Answers, once; `sent` is called when the response's bytes are read no more. */
  reply(response: Response, sent?: () => void): void;

  /** Ends the call without an answer (acks=0). */
  finish(): void;

  /**
   * Ends the call by closing its connection: the only way to tell of an error without an answer.
   */
  disconnect(reason: string): void;

  /**
   * Asks an actor; `answered` runs in the session, also when the client has gone meanwhile, so that
   * what an answer brings can be given back. A cancelled call asks nobody.
   */
  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void;

  /** A ref whose messages `received` takes in the session, unless that has ended. */
  adapt<Message>(received: (message: Message) => void): Ref<Message>;

  /** Runs `run` in the session after a delay; returns what cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** Everything there is to know of how an API is served. */
export interface ApiHandler<Request, Response> {
  readonly api: Api<Request, Response>;
  /** What the request does to what, undefined being nothing to ask for: checked before `handle`. */
  access(request: Request, image: ClusterImage): readonly (Access | undefined)[];
  /**
   * The lists whose elements are what `access` speaks of, in order, and the response's list of
   * their results: what is refused is taken out. Without this it is all or nothing.
   */
  readonly elements?: {
    readonly of: readonly (keyof Request & string)[];
    readonly results: keyof Response & string;
  };
  /** The replica that the request says it comes from, -1 for none: only that node may say so. */
  replicaId?(request: Request): NodeId;
  handle(call: Call<Request, Response>): void;
  /** The response that says that the whole request failed so. */
  failed(request: Request, errorCode: number, message: string | null): Response;
}

/** An API handler whose request and response types are its own affair. */
// deno-lint-ignore no-explicit-any -- a table of handlers holds many request types
export type AnyApiHandler = ApiHandler<any, any>;
