/**
 * A node's way to the active controller, wherever that is: takes what is to be decided, and has it
 * decided by the node's own controller while that leads, else by the leader's, in an envelope.
 *
 * Owns who leads, as far as this node knows; the connection to the leader's node; and what waits
 * for one of the two. Does not own how long an asker waits: what nobody waits for any more is
 * dropped, unless it is on its way.
 *
 * Each question is answered once: with the decision; with NOT_CONTROLLER where surely nothing was
 * done; with REQUEST_TIMED_OUT where nobody knows. Requests of clients that were surely not
 * executed are sent again, as long as they are waited for. What a broker asks on its own behalf is
 * sent once, when there is somebody to send it to: it is the asker's to send again, as it may then
 * say something else.
 *
 * @module
 */

import type { BufferPool } from "../../net/buffer_pool.ts";
import { decodeMessage, encodeMessage, MalformedMessageError } from "../../net/kafka/codec.ts";
import { ALLOCATE_PRODUCER_IDS } from "../../net/messages/allocate_producer_ids.ts";
import { ALTER_PARTITION } from "../../net/messages/alter_partition.ts";
import { BROKER_HEARTBEAT } from "../../net/messages/broker_heartbeat.ts";
import { BROKER_REGISTRATION } from "../../net/messages/broker_registration.ts";
import {
  CONTROLLER_ENVELOPE,
  type ControllerEnvelopeResponse,
} from "../../net/messages/controller_envelope.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FAIL_REPLICAS } from "../../net/messages/fail_replicas.ts";
import type { VersionLimits } from "../../net/messages/version_limits.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import {
  type Committed,
  type ControllerChanged,
  type ControllerRequest,
  type Decide,
  decide,
} from "../controller/messages.ts";
import { asFellow } from "../link/fellow.ts";
import { type Held, Peer } from "../link/peer.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../runtime/actor.ts";
import type { RandomStream } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";

export interface ControllerChannelOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** The node's own. */
  readonly controller: Ref<ControllerRequest>;
  readonly buffers: BufferPool;
  readonly config: BrokerConfig;
  /** What is spoken of the protocol; all of it when absent. */
  readonly versionLimits?: VersionLimits | undefined;
}

/** Questions that are not answered yet; one more is refused. */
const QUESTIONS_MAX = 10_000;

/** What a broker asks on its own behalf. */
const SENT_ONCE: ReadonlySet<number> = new Set(
  [BROKER_REGISTRATION, BROKER_HEARTBEAT, ALTER_PARTITION, ALLOCATE_PRODUCER_IDS, FAIL_REPLICAS]
    .map(({ key }) => key),
);

interface Question {
  readonly asked: Decide;
}

/** The node that leads, or led when something was asked that is not answered. */
interface Link {
  readonly leaderId: NodeId;
  readonly address: SocketAddress;
  readonly peer: Peer<ChannelMessage>;
}

type ChannelMessage =
  | Decide
  | ControllerChanged
  | { readonly kind: "connected" }
  | { readonly kind: "lost"; readonly address: SocketAddress; readonly reason: string }
  | { readonly kind: "try-again" }
  | { readonly kind: "abandoned"; readonly question: Question }
  | {
    readonly kind: "decided";
    readonly question: Question;
    readonly result: AskResult<Committed<unknown>>;
  }
  | {
    readonly kind: "answered";
    readonly question: Question;
    readonly version: number;
    readonly result: Held<ControllerEnvelopeResponse>;
  };

/** Told `Decide` by askers (`ActorContext.ask`): an ask that has ended is dropped. */
export function controllerChannelActor(options: ControllerChannelOptions): Behaviour<Decide> {
  return (context) =>
    new ControllerChannel(context as unknown as ActorContext<ChannelMessage>, options);
}

class ControllerChannel implements Actor<ChannelMessage> {
  readonly #context: ActorContext<ChannelMessage>;
  readonly #options: ControllerChannelOptions;
  readonly #random: RandomStream;
  /** What has nobody to go to yet, in the order asked. */
  readonly #waiting = new Set<Question>();
  readonly #questions = new Set<Question>();
  #leader: ControllerChanged | undefined;
  #link: Link | undefined;
  /** Connections to nodes that led before, until what was asked of them is answered. */
  readonly #retired = new Set<Link>();

  constructor(context: ActorContext<ChannelMessage>, options: ControllerChannelOptions) {
    this.#context = context;
    this.#options = options;
    this.#random = context.environment.random.stream("controller channel");
    options.controller.tell({ kind: "subscribe-controller", subscriber: context.self });
  }

  receive(message: ChannelMessage): void {
    switch (message.kind) {
      case "decide":
        return this.#ask(message);
      case "controller-changed":
        return this.#changed(message);
      case "connected":
      case "try-again":
        return this.#goOn();
      case "lost":
        return this.#lost(message.address, message.reason);
      case "abandoned":
        return this.#abandon(message.question);
      case "decided":
        return this.#decided(message.question, message.result);
      case "answered":
        return this.#answered(message.question, message.version, message.result);
    }
  }

  stopped(): void {
    this.#link?.peer.close();
    for (const { peer } of this.#retired) peer.close();
  }

  #ask(asked: Decide): void {
    if (this.#questions.size >= QUESTIONS_MAX) {
      const reason = `${QUESTIONS_MAX} requests wait for the controller`;
      return void asked.replyTo.tell(refusal(ErrorCode.NOT_CONTROLLER, reason));
    }
    const question = { asked };
    this.#questions.add(question);
    this.#context.watch(asked.replyTo, { kind: "abandoned", question });
    this.#go(question);
  }

  #changed(changed: ControllerChanged): void {
    this.#leader = changed;
    this.#retireUnless(changed);
    this.#goOn();
  }

  /** Gives up the connection to a node that leads no more, or is found elsewhere. */
  #retireUnless({ leaderId, address }: ControllerChanged): void {
    const link = this.#link;
    if (link === undefined) return;
    const { host, port } = link.address;
    if (leaderId === link.leaderId && address?.host === host && address.port === port) return;
    this.#link = undefined;
    this.#retired.add(link);
    this.#closeRetired();
  }

  #closeRetired(): void {
    for (const link of this.#retired) {
      if (link.peer.inFlight > 0) continue;
      link.peer.close();
      this.#retired.delete(link);
    }
  }

  /** Sends what waits, as far as there is somebody to send it to. */
  #goOn(): void {
    for (const question of [...this.#waiting]) this.#go(question);
  }

  #go(question: Question): void {
    this.#waiting.delete(question);
    const leader = this.#leader;
    if (leader?.leaderId === this.#options.nodeId) return this.#askHere(question);
    if (leader?.address === undefined) return void this.#waiting.add(question);
    const { peer } = this.#link ??= this.#open(leader.leaderId, leader.address);
    if (peer.isReady) return this.#send(question, peer);
    this.#waiting.add(question);
    peer.connect();
  }

  #askHere(question: Question): void {
    const { api, request } = question.asked;
    this.#context.ask<ControllerRequest, Committed<unknown>>(
      this.#options.controller,
      Infinity,
      (replyTo) => decide(api, request, replyTo),
      (result) => ({ kind: "decided", question, result }),
    );
  }

  #decided(question: Question, result: AskResult<Committed<unknown>>): void {
    if (result.kind === "reply") return this.#settle(question, result.reply);
    const error = result.kind === "refused"
      ? ErrorCode.NOT_CONTROLLER
      : ErrorCode.REQUEST_TIMED_OUT;
    this.#settle(question, refusal(error, `The controller did not answer: ${result.kind}`));
  }

  #send(question: Question, peer: Peer<ChannelMessage>): void {
    const { api, request } = question.asked;
    const version = peer.versionOf(api);
    if (version === undefined) {
      const reason = `The controller's node does not serve ${api.name}`;
      return this.#answer(question, refusal(ErrorCode.UNSUPPORTED_VERSION, reason));
    }
    let bytes: Uint8Array;
    try {
      bytes = encodeMessage(api.request, version, request);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      // A mistake of this program, which those who ask again and again would hide.
      const { logger } = this.#context.environment;
      logger.log("error", "controller not asked", { api: api.name, reason: error.message });
      return this.#answer(question, refusal(ErrorCode.INVALID_REQUEST, error.message));
    }
    const envelope = { apiKey: api.key, apiVersion: version, principal: "", request: bytes };
    peer.sendHolding(
      CONTROLLER_ENVELOPE,
      envelope,
      this.#timeoutOf(api.key),
      (result) => ({ kind: "answered", question, version, result }),
    );
  }

  /** When the connection is given up: a heartbeat must get through on another one in time. */
  #timeoutOf(apiKey: number): number {
    const { brokerSessionTimeoutMs, requestTimeoutMs } = this.#options.config;
    return apiKey === BROKER_HEARTBEAT.key
      ? Math.min(requestTimeoutMs, Math.ceil(brokerSessionTimeoutMs / 2))
      : requestTimeoutMs;
  }

  #answered(question: Question, version: number, result: Held<ControllerEnvelopeResponse>): void {
    this.#settle(question, this.#outcome(question, version, result));
    this.#closeRetired();
  }

  /** What an envelope came back with. */
  #outcome(
    { asked: { api } }: Question,
    version: number,
    result: Held<ControllerEnvelopeResponse>,
  ): Committed<unknown> {
    if (!("hold" in result)) {
      // These two it was not even sent with.
      const { code, message } = result;
      const isUnsent = code === ErrorCode.UNSUPPORTED_VERSION || code === ErrorCode.INVALID_REQUEST;
      return refusal(isUnsent ? code : ErrorCode.REQUEST_TIMED_OUT, message);
    }
    const { errorCode, errorMessage, endOffset, response } = result.response;
    try {
      if (response === null) return refusal(errorCode as ErrorCode, errorMessage);
      const decoded = decodeMessage(api.response, version, response.slice());
      return { response: decoded, error: ErrorCode.NONE, errorMessage: null, endOffset };
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      return refusal(ErrorCode.REQUEST_TIMED_OUT, error.message);
    } finally {
      result.hold.release();
    }
  }

  #settle(question: Question, committed: Committed<unknown>): void {
    const { key } = question.asked.api;
    const again = committed.error === ErrorCode.NOT_CONTROLLER && !SENT_ONCE.has(key);
    if (!again || !this.#questions.has(question)) return this.#answer(question, committed);
    this.#waiting.add(question);
    const { controllerQuorumRetryBackoffMs } = this.#options.config;
    this.#context.startTimer("try-again", controllerQuorumRetryBackoffMs, { kind: "try-again" });
  }

  #answer(question: Question, committed: Committed<unknown>): void {
    this.#waiting.delete(question);
    if (!this.#questions.delete(question)) return;
    const { replyTo } = question.asked;
    this.#context.unwatch(replyTo);
    replyTo.tell(committed);
  }

  /** Nobody waits for an answer any more. */
  #abandon(question: Question): void {
    this.#waiting.delete(question);
    this.#questions.delete(question);
  }

  /** What was sent hears for itself that its connection is gone. */
  #lost(address: SocketAddress, reason: string): void {
    if (address !== this.#link?.address) return;
    for (const question of [...this.#waiting]) {
      if (!SENT_ONCE.has(question.asked.api.key)) continue;
      this.#answer(question, refusal(ErrorCode.NOT_CONTROLLER, reason));
    }
  }

  #open(leaderId: NodeId, address: SocketAddress): Link {
    const { nodeId, clusterId, buffers, config, versionLimits } = this.#options;
    const peer = new Peer<ChannelMessage>(this.#context, {
      ...asFellow({
        nodeId,
        clusterId,
        purpose: "controller",
        secret: config.nativeSharedSecret,
        requestTimeoutMs: config.controllerQuorumRequestTimeoutMs,
        retryBackoffMs: config.controllerQuorumRetryBackoffMs,
        retryBackoffMaxMs: config.controllerQuorumRetryBackoffMs,
        versionLimits,
      }),
      random: this.#random,
      pool: buffers,
      address,
      expectedNodeId: leaderId,
      ready: () => ({ kind: "connected" }),
      lost: ({ message }) => ({ kind: "lost", address, reason: message }),
      mayConnect: () => ({ kind: "try-again" }),
    });
    return { leaderId, address, peer };
  }
}

function refusal(error: ErrorCode, errorMessage: string | null): Committed<never> {
  return { response: undefined, error, errorMessage, endOffset: -1 };
}
