/**
 * Runs requests for a session, whichever encoding they came in: finds the API, asks the authorizer
 * and the quota, calls the handler, and sees to it that each call ends once.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type { ActorContext, AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Principal } from "./access.ts";
import type { AnyApiHandler, Call } from "./call.ts";
import type { BrokerServices } from "./services.ts";

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

/** How a call ended, for the session to act on. */
export interface CallEnd {
  reply(response: unknown, sent?: () => void): void;
  finish(): void;
  disconnect(reason: string): void;
}

/** What is the same for all requests of a session. */
export interface SessionIdentity {
  readonly principal: Principal;
  readonly clientId: string;
  readonly listener: string;
}

export class RequestRunner {
  readonly #context: ActorContext<Continue>;
  readonly #services: BrokerServices;
  #timerNumber = 0;

  constructor(context: ActorContext<Continue>, services: BrokerServices) {
    this.#context = context;
    this.#services = services;
  }

  run(incoming: IncomingRequest, identity: SessionIdentity, end: CallEnd): void {
    const { handler, version, request } = incoming;
    const { authorizer, quota } = this.#services;
    const call = new RunningCall(this, this.#services, identity, version, request, end);
    const { principal, clientId } = identity;
    if (!handler.access(request).every((access) => authorizer.allows(principal, access))) {
      const code = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      return call.reply(handler.failed(request, code, null));
    }
    call.throttleTimeMs = quota.throttleTimeMs(principal, clientId, incoming.bytes);
    handler.handle(call);
  }

  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void {
    this.#context.ask<Question, Reply>(
      other,
      timeoutMs,
      question,
      (result) => ({ kind: "continue", run: () => answered(result) }),
    );
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
  readonly request: unknown;
  throttleTimeMs = 0;
  #ended = false;

  constructor(
    runner: RequestRunner,
    broker: BrokerServices,
    identity: SessionIdentity,
    version: number,
    request: unknown,
    end: CallEnd,
  ) {
    this.#runner = runner;
    this.broker = broker;
    this.#identity = identity;
    this.version = version;
    this.request = request;
    this.#end = end;
  }

  get principal(): Principal {
    return this.#identity.principal;
  }

  get clientId(): string {
    return this.#identity.clientId;
  }

  get listener(): string {
    return this.#identity.listener;
  }

  reply(response: unknown, sent?: () => void): void {
    this.#endOnce();
    const { throttleTimeMs } = this;
    const throttled = throttleTimeMs > 0 ? { ...response as object, throttleTimeMs } : response;
    this.#end.reply(throttled, sent);
  }

  finish(): void {
    this.#endOnce();
    this.#end.finish();
  }

  disconnect(reason: string): void {
    this.#endOnce();
    this.#end.disconnect(reason);
  }

  ask<Question, Reply>(
    other: Ref<Question>,
    timeoutMs: number,
    question: (replyTo: Ref<Reply>) => Question,
    answered: (result: AskResult<Reply>) => void,
  ): void {
    this.#runner.ask(other, timeoutMs, question, answered);
  }

  adapt<Message>(received: (message: Message) => void): Ref<Message> {
    return this.#runner.adapt(received);
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#runner.after(delayMs, run);
  }

  #endOnce(): void {
    if (this.#ended) throw new Error("Cannot end a call twice");
    this.#ended = true;
  }
}
