/**
 * Runs requests for a session, whichever encoding they came in: finds the API, asks the authorizer
 * and the quota, calls the handler, and sees to it that each call ends once.
 *
 * Owns which calls are open, which questions of theirs are under way, and when the bytes of a
 * request may be given back: when its handler has returned and nobody holds them any more, however
 * the call or the connection ends. A partition may hold the records of a request that was answered,
 * as timed out, or whose client has gone.
 *
 * @module
 */

import { NONE } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ActorContext, AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { Access, Principal, QuotaKind } from "./access.ts";
import { type Allows, authorize } from "./authorization.ts";
import type { AnyApiHandler, Call, ConnectionUsage, Encoding, SessionPeer } from "./call.ts";
import type { BrokerServices } from "../services.ts";

/** A continuation of a call: what a session does with it is run it. */
export interface Continue {
  readonly kind: "continue";
  readonly run: () => void;
}

/** A decoded request. */
export interface IncomingRequest {
  readonly handler: AnyApiHandler;
  readonly version: number;
  readonly request: unknown;
  /** Its bytes, for the quota. */
  readonly bytes: number;
}

/** What a call comes back to its session with. */
export interface CallEnd {
  /** The bytes of the request are read no more. */
  released(): void;
  /** It is not worked on for now, or again. */
  waiting(waiting: boolean): void;
  /** Its client has taken more than it may: nothing more of it is handled for so long. */
  throttled(ms: number): void;
  reply(response: unknown, sent?: () => void): void;
  finish(): void;
  disconnect(reason: string): void;
}

/** What is the same for all requests of a session. */
export interface SessionIdentity {
  readonly principal: Principal;
  readonly peer: SessionPeer;
  readonly clientId: string;
  readonly listener: string;
  readonly encoding: Encoding;
}

export class RequestRunner {
  readonly #context: ActorContext<Continue>;
  readonly #services: BrokerServices;
  readonly #calls = new Set<RunningCall>();
  readonly usage: ConnectionUsage = { fetchedBytes: 0, ended: new Set() };
  #asks = 0;
  #timerNumber = 0;

  constructor(context: ActorContext<Continue>, services: BrokerServices) {
    this.#context = context;
    this.#services = services;
  }

  /** Calls that have not ended. */
  get openCalls(): number {
    return this.#calls.size;
  }

  /** Questions without an answer, also of calls that have ended. */
  get openAsks(): number {
    return this.#asks;
  }

  run(incoming: IncomingRequest, identity: SessionIdentity, end: CallEnd): void {
    const { handler, request } = incoming;
    const { authorizer, quota, metrics, image } = this.#services;
    metrics.requestsTotal(handler.api.name).add(1);
    const allows = (access: Access) => authorizer.allows(identity.principal, access);
    const call = new RunningCall(this, this.#services, identity, allows, incoming, end);
    this.#calls.add(call);
    const handled = call.hold();
    try {
      const { peer } = identity;
      const replicaId = handler.replicaId?.(request) ?? NONE;
      if (replicaId >= 0 && replicaId !== peer.nodeId) {
        const code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
        return call.reply(handler.failed(request, code, `Not from node ${replicaId}`));
      }
      const authorized = authorize(handler, request, image, allows);
      if (authorized.kind === "none") {
        return call.reply(handler.failed(request, authorized.errorCode, null));
      }
      if (authorized.kind === "part") call.restrict(authorized.request, authorized.complete);
      if (!quota.isUsed || replicaId >= 0) return handler.handle(call);
      const { clock } = this.#services.environment;
      const begunAt = clock.monotonic();
      handler.handle(call);
      // What came of it later is charged to nobody: what a request begins with is most of it.
      call.charge("request", clock.monotonic() - begunAt);
    } finally {
      handled();
    }
  }

  /** The peer has gone: every open call is cancelled. */
  cancel(): void {
    for (const call of [...this.#calls]) call.cancel();
    for (const ended of this.usage.ended) ended();
    this.usage.ended.clear();
  }

  ended(call: RunningCall): void {
    this.#calls.delete(call);
  }

  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void {
    this.#asks++;
    this.#context.ask<Question, Reply>(other, timeoutMs, question, (result) => ({
      kind: "continue",
      run: () => {
        this.#asks--;
        answered(result);
      },
    }));
  }

  adapt<Message>(received: (message: Message) => void): Ref<Message> {
    return this.#context.adapt((message) => ({ kind: "continue", run: () => received(message) }));
  }

  after(delayMs: number, run: () => void): () => void {
    const key = `call-${++this.#timerNumber}`;
    this.#context.startTimer(key, delayMs, { kind: "continue", run });
    return () => this.#context.cancelTimer(key);
  }
}

class RunningCall implements Call<unknown, unknown> {
  readonly #runner: RequestRunner;
  readonly #end: CallEnd;
  readonly #identity: SessionIdentity;
  readonly broker: BrokerServices;
  readonly version: number;
  readonly allows: Allows;
  #request: unknown;
  #complete: ((response: unknown) => unknown) | undefined;
  #throttleTimeMs = 0;
  cancelled = false;
  #ended = false;
  #holders = 0;
  #waiting = false;
  #onCancel: (() => void) | undefined;

  constructor(
    runner: RequestRunner,
    broker: BrokerServices,
    identity: SessionIdentity,
    allows: Allows,
    { version, request }: IncomingRequest,
    end: CallEnd,
  ) {
    this.#runner = runner;
    this.broker = broker;
    this.#identity = identity;
    this.version = version;
    this.#request = request;
    this.allows = allows;
    this.#end = end;
  }

  get request(): unknown {
    return this.#request;
  }

  /** Leaves of the request what may be carried out; `complete` adds the rest to the response. */
  restrict(request: unknown, complete: (response: unknown) => unknown): void {
    this.#request = request;
    this.#complete = complete;
  }

  get usage(): ConnectionUsage {
    return this.#runner.usage;
  }

  get principal(): Principal {
    return this.#identity.principal;
  }

  get peer(): SessionPeer {
    return this.#identity.peer;
  }

  get clientId(): string {
    return this.#identity.clientId;
  }

  get listener(): string {
    return this.#identity.listener;
  }

  get encoding(): Encoding {
    return this.#identity.encoding;
  }

  hold(): () => void {
    this.#holders++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holders === 0) this.#end.released();
    };
  }

  charge(kind: QuotaKind, cost: number): void {
    const { principal, clientId } = this.#identity;
    const throttleMs = this.broker.quota.charge(kind, principal, clientId, cost);
    if (throttleMs <= this.#throttleTimeMs) return;
    this.#throttleTimeMs = throttleMs;
    this.#end.throttled(throttleMs);
  }

  setWaiting(waiting: boolean): void {
    if (this.#ended || this.#waiting === waiting) return;
    this.#waiting = waiting;
    this.#end.waiting(waiting);
  }

  onCancel(run: () => void): void {
    this.#onCancel = run;
  }

  cancel(): void {
    this.cancelled = true;
    this.#close();
    this.#end.finish();
    this.#onCancel?.();
  }

  reply(response: unknown, sent?: () => void): void {
    if (this.cancelled) return sent?.();
    this.#close();
    const throttleTimeMs = this.#throttleTimeMs;
    const whole = this.#complete === undefined ? response : this.#complete(response);
    const throttled = throttleTimeMs > 0 ? { ...whole as object, throttleTimeMs } : whole;
    this.#end.reply(throttled, sent);
  }

  finish(): void {
    if (this.cancelled) return;
    this.#close();
    this.#end.finish();
  }

  disconnect(reason: string): void {
    if (this.cancelled) return;
    this.#close();
    this.#end.disconnect(reason);
  }

  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void {
    if (this.cancelled) return;
    this.#runner.ask(other, timeoutMs, question, answered);
  }

  adapt<Message>(received: (message: Message) => void): Ref<Message> {
    return this.#runner.adapt(received);
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#runner.after(delayMs, run);
  }

  #close(): void {
    if (this.#ended) throw new Error("Cannot end a call twice");
    this.setWaiting(false);
    this.#ended = true;
    this.#runner.ended(this);
  }
}
