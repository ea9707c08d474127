/**
 * How a broker stands with the controller: it registers, says that it is alive, and takes its leave
 * (KIP-631).
 *
 * Owns the broker epoch, the heartbeats and the controlled shutdown. It does not own the metadata:
 * it is told how far they are applied, and what they say of the broker.
 *
 * Each step follows from the one before, none waits for a tick: the registration leaves when there
 * is a controller, the first heartbeat when the broker has applied its own registration, which lets
 * the controller unfence it. Only then the heartbeats keep time.
 *
 * Invariants: one request at a time; no heartbeat before the metadata are applied up to the
 * registration, so that a broker is never unfenced that does not know what it leads; a broker whose
 * controller is away goes on, and asks again.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import {
  BROKER_HEARTBEAT,
  type BrokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
} from "../../net/messages/broker_heartbeat.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationRequest,
  type BrokerRegistrationResponse,
} from "../../net/messages/broker_registration.ts";
import { ErrorCode, errorMessage } from "../../net/messages/errors.ts";
import type { Api } from "../../net/schema.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { BrokerEndPoint, BrokerImage } from "../controller/cluster_image.ts";
import { type Committed, type Decide, decide } from "../controller/messages.ts";
import type { ActorContext, AskResult } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";

/** What a broker says of itself when it registers. */
export interface RegistrationOptions {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Of this process: another one of the same node has another. */
  readonly incarnationId: Uuid;
  readonly directoryId: Uuid;
  /** Of the process before, if it ended in order; else -1. */
  readonly previousBrokerEpoch: Offset;
  readonly endPoints: readonly BrokerEndPoint[];
  readonly features: BrokerRegistrationRequest["features"];
  readonly config: BrokerConfig;
  /** Has the active controller decide. */
  readonly controller: Ref<Decide>;
  /** The broker has an epoch from now on; also when it registers anew. */
  registered(brokerEpoch: Offset): void;
  /** The controller will not have this broker, now or ever. */
  refused(reason: string): void;
}

/** What the broker's actor hands back to `received`. */
export type RegistrationMessage =
  | {
    readonly kind: "registration-answered";
    readonly result: AskResult<Committed<BrokerRegistrationResponse>>;
  }
  | {
    readonly kind: "heartbeat-answered";
    readonly brokerEpoch: Offset;
    readonly result: AskResult<Committed<BrokerHeartbeatResponse>>;
  }
  | { readonly kind: "communicate" }
  | { readonly kind: "shutdown-overdue" }
  | { readonly kind: "unheard" };

/** Waits after failures double from the one to the other. */
const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 1000;
/** A broker that stops does not wait longer than this for a controller that says nothing. */
const UNHEARD_MAX_MS = 2000;
/** What lasts no longer than so many attempts is the usual coming and going. */
const QUIET_FAILURES = 6;
/** The next heartbeat of a broker that waits to be unfenced, or let go. */
const IMPATIENT_MS = 50;

/** Errors after which another attempt would not end otherwise, or only once somebody acts. */
const FINAL: ReadonlySet<number> = new Set([
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.INCONSISTENT_CLUSTER_ID,
  ErrorCode.INVALID_REGISTRATION,
  ErrorCode.UNSUPPORTED_VERSION,
  ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
]);

/** A broker's standing with the controller. */
export class Registration {
  readonly #context: ActorContext<RegistrationMessage>;
  readonly #options: RegistrationOptions;
  #isRegistered = false;
  #brokerEpoch: Offset = -1;
  /** The metadata must be applied up to here before a heartbeat may say so. */
  #registeredAt: Offset = 0;
  #applied: Offset = 0;
  #isFenced = true;
  #isAsking = false;
  /** Something has happened since that the controller should know at once. */
  #isUrgent = false;
  #failures = 0;
  #lastError = "";
  /** Told when the broker may stop; set while it wants to. */
  #letGo: (() => void) | undefined;
  #ended = false;

  constructor(context: ActorContext<RegistrationMessage>, options: RegistrationOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Names this life of the broker. */
  get incarnationId(): Uuid {
    return this.#options.incarnationId;
  }

  /** -1 before the first registration. */
  get brokerEpoch(): Offset {
    return this.#brokerEpoch;
  }

  /** The end of the metadata log when the broker was registered; undefined before. */
  get registeredAt(): Offset | undefined {
    return this.#brokerEpoch === -1 ? undefined : this.#registeredAt;
  }

  /** Begins; what follows comes back through `received`. */
  start(): void {
    this.#communicate();
  }

  received(message: RegistrationMessage): void {
    switch (message.kind) {
      case "registration-answered":
        return this.#registrationAnswered(message.result);
      case "heartbeat-answered":
        return this.#heartbeatAnswered(message.brokerEpoch, message.result);
      case "communicate":
        return this.#communicate();
      case "shutdown-overdue":
        this.#log("warn", "controlled shutdown given up");
        return this.#end();
      case "unheard":
        this.#log("info", "no controller to hand over to");
        return this.#end();
    }
  }

  /** The metadata are applied up to there, and say this of the broker. */
  applied(endOffset: Offset, broker: BrokerImage | undefined): void {
    const wasBehind = this.#applied < this.#registeredAt;
    this.#applied = endOffset;
    const isFenced = broker === undefined || broker.epoch !== this.#brokerEpoch || broker.fenced;
    const isNews = isFenced && !this.#isFenced;
    this.#isFenced = isFenced;
    const hasCaughtUp = wasBehind && this.#applied >= this.#registeredAt;
    if (this.#isRegistered && (hasCaughtUp || isNews)) this.#hurry();
  }

  /** Has the controller told at once how far the metadata are applied: somebody waits for it. */
  urge(): void {
    if (this.#isRegistered) this.#hurry();
  }

  /** Another node has become the controller: it is told at once what the last could not be. */
  controllerFound(): void {
    if (this.#failures > 0) this.#hurry();
  }

  /**
   * Has the controller move what the broker leads; then, or when that takes too long, calls
   * `letGo`. At once where there is nobody to move it to, or nobody to ask.
   */
  shutDown(mayHandOver: boolean, letGo: () => void): void {
    this.#letGo = letGo;
    const { controlledShutdownEnable, brokerSessionTimeoutMs } = this.#options.config;
    if (!mayHandOver || !controlledShutdownEnable || !this.#isRegistered || this.#isFenced) {
      return this.#end();
    }
    const message = { kind: "shutdown-overdue" } as const;
    this.#context.startTimer("shutdown-overdue", brokerSessionTimeoutMs, message);
    this.#awaitController();
    this.#hurry();
  }

  /** There is nobody left to hand over to. */
  letGo(): void {
    if (this.#letGo !== undefined) this.#end();
  }

  /** Nothing more is said. */
  stop(): void {
    this.#ended = true;
    this.#context.cancelTimer("communicate");
    this.#context.cancelTimer("shutdown-overdue");
    this.#context.cancelTimer("unheard");
  }

  /** Where there is no controller any more, as when a whole cluster stops, nobody takes over. */
  #awaitController(): void {
    this.#context.startTimer("unheard", UNHEARD_MAX_MS, { kind: "unheard" });
  }

  #end(): void {
    const letGo = this.#letGo;
    this.#letGo = undefined;
    this.stop();
    letGo?.();
  }

  #hurry(): void {
    if (this.#isAsking) this.#isUrgent = true;
    else this.#communicate();
  }

  #communicate(): void {
    if (this.#ended || this.#isAsking) return;
    this.#context.cancelTimer("communicate");
    this.#isUrgent = false;
    if (!this.#isRegistered) this.#register();
    else if (this.#applied >= this.#registeredAt) this.#beat();
  }

  #register(): void {
    const { nodeId, clusterId, incarnationId, directoryId, endPoints, features } = this.#options;
    const { brokerRack } = this.#options.config;
    const request: BrokerRegistrationRequest = {
      brokerId: nodeId,
      clusterId,
      incarnationId,
      listeners: endPoints.map((endPoint) => ({ ...endPoint, securityProtocol: 0 })),
      features,
      rack: brokerRack === "" ? null : brokerRack,
      isMigratingZkBroker: false,
      logDirs: [directoryId],
      // Whoever registers anew in the same life has lost nothing either.
      previousBrokerEpoch: this.#brokerEpoch === -1
        ? this.#options.previousBrokerEpoch
        : this.#brokerEpoch,
    };
    this.#ask(
      BROKER_REGISTRATION,
      request,
      (result) => ({ kind: "registration-answered", result }),
    );
  }

  #beat(): void {
    const brokerEpoch = this.#brokerEpoch;
    const request: BrokerHeartbeatRequest = {
      brokerId: this.#options.nodeId,
      brokerEpoch,
      currentMetadataOffset: this.#applied - 1,
      wantFence: false,
      wantShutDown: this.#letGo !== undefined,
      offlineLogDirs: [],
    };
    this.#ask(
      BROKER_HEARTBEAT,
      request,
      (result) => ({ kind: "heartbeat-answered", brokerEpoch, result }),
    );
  }

  #ask<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    answered: (result: AskResult<Committed<Response>>) => RegistrationMessage,
  ): void {
    this.#isAsking = true;
    // An answer that takes longer than half of a session is of no use for the other half.
    const timeoutMs = Math.ceil(this.#options.config.brokerSessionTimeoutMs / 2);
    this.#context.ask<Decide, Committed<Response>>(
      this.#options.controller,
      timeoutMs,
      (replyTo) => decide(api, request, replyTo),
      answered,
    );
  }

  #registrationAnswered(result: AskResult<Committed<BrokerRegistrationResponse>>): void {
    this.#isAsking = false;
    if (this.#ended) return;
    const answer = answerOf(result);
    if (answer.error !== ErrorCode.NONE) {
      if (!FINAL.has(answer.error)) return this.#failed("broker not registered", answer.reason);
      this.stop();
      return this.#options.refused(`The controller refused the registration: ${answer.reason}`);
    }
    this.#isRegistered = true;
    this.#isFenced = true;
    this.#brokerEpoch = answer.response.brokerEpoch;
    this.#registeredAt = answer.endOffset;
    this.#failures = 0;
    this.#lastError = "";
    this.#log("info", "broker registered", { brokerEpoch: this.#brokerEpoch });
    this.#options.registered(this.#brokerEpoch);
    this.#communicate();
  }

  #heartbeatAnswered(
    brokerEpoch: Offset,
    result: AskResult<Committed<BrokerHeartbeatResponse>>,
  ): void {
    this.#isAsking = false;
    if (this.#ended) return;
    const answer = answerOf(result);
    if (answer.error !== ErrorCode.NONE) {
      const isUnknown = answer.error === ErrorCode.BROKER_ID_NOT_REGISTERED ||
        answer.error === ErrorCode.STALE_BROKER_EPOCH;
      if (isUnknown && brokerEpoch === this.#brokerEpoch) this.#isRegistered = false;
      return this.#failed("no heartbeat", answer.reason);
    }
    const { isFenced, shouldShutDown } = answer.response;
    if (this.#letGo !== undefined) this.#awaitController();
    this.#failures = 0;
    this.#lastError = "";
    if (this.#letGo !== undefined && shouldShutDown) return this.#end();
    if (this.#isUrgent) return this.#communicate();
    const { brokerHeartbeatIntervalMs } = this.#options.config;
    const isImpatient = isFenced || this.#letGo !== undefined;
    this.#communicateIn(
      isImpatient ? Math.min(IMPATIENT_MS, brokerHeartbeatIntervalMs) : brokerHeartbeatIntervalMs,
    );
  }

  #failed(event: string, reason: string): void {
    this.#failures = Math.min(this.#failures + 1, 16);
    // The same again is no news, until it has lasted; others may be ending at the same time.
    const matters = this.#failures === QUIET_FAILURES && this.#letGo === undefined;
    if (matters) this.#log("warn", event, { reason });
    else if (reason !== this.#lastError) this.#log("info", event, { reason });
    this.#lastError = reason;
    this.#communicateIn(Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#failures - 1)));
  }

  #communicateIn(delayMs: number): void {
    this.#context.startTimer("communicate", delayMs, { kind: "communicate" });
  }

  #log(level: "info" | "warn", event: string, fields: Record<string, string | number> = {}): void {
    this.#context.environment.logger.log(level, event, fields);
  }
}

type Answer<Response> =
  | { readonly error: typeof ErrorCode.NONE; readonly response: Response; endOffset: Offset }
  | { readonly error: Exclude<ErrorCode, typeof ErrorCode.NONE>; readonly reason: string };

/** What was answered, or why nothing was: the same for whoever asks again. */
function answerOf<Response extends { readonly errorCode: number }>(
  result: AskResult<Committed<Response>>,
): Answer<Response> {
  if (result.kind !== "reply") {
    return {
      error: ErrorCode.REQUEST_TIMED_OUT,
      reason: `the controller was asked: ${result.kind}`,
    };
  }
  const { response, error, errorMessage: message, endOffset } = result.reply;
  if (response === undefined) return failure(error, message);
  if (response.errorCode !== ErrorCode.NONE) return failure(response.errorCode as ErrorCode, null);
  return { error: ErrorCode.NONE, response, endOffset };
}

function failure(error: ErrorCode, message: string | null): Answer<never> {
  const reason = message ?? errorMessage(error);
  return { error: error === ErrorCode.NONE ? ErrorCode.UNKNOWN_SERVER_ERROR : error, reason };
}
