/**
 * One connection to one node, in either encoding: made when needed, greeted, kept, and made again.
 * Clients have such connections, and so have nodes to their fellows (peer.ts).
 *
 * Owns the connection's state and the waits between attempts. Does not own what requests say, how
 * they are written and who the two are to each other (wire.ts), nor the keeping of requests under
 * way (exchanges.ts).
 *
 * ```
 * idle ──connect()──▶ connecting ──▶ greeting ──▶ ready
 *   ▲                      │              │          │   broken, refused, timed out
 *   └──── waiting ◀── ending ◀────────────┴──────────┘
 * any ──close()──▶ closed
 * ```
 *
 * Invariants: each request ends once, with its response or with an error; answers are matched by
 * correlation id and come in any order; a request that is not answered in time ends the connection,
 * as nobody knows what became of it; what was not sent yet fails when an attempt fails.
 *
 * @module
 */

import type { BufferPool } from "../../net/buffer_pool.ts";
import type { Frame } from "../../net/frame_reader.ts";
import { FramedConnection } from "../../net/framed_connection.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { APIS } from "../../net/messages/table.ts";
import { type Connection, formatAddress, type SocketAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import type { Environment, RandomStream, Timer } from "../runtime/environment.ts";
import { backoffMs } from "./backoff.ts";
import {
  type ClientError,
  ClosedError,
  DisconnectedError,
  refusalError,
  TimeoutError,
} from "./errors.ts";
import { type Exchange, type ExchangeEnd, Exchanges } from "./exchanges.ts";
import type { Introduction } from "./greeting.ts";
import { KafkaWire } from "./kafka_wire.ts";
import type { LinkSettings } from "./link_settings.ts";
import { NativeWire } from "./native_wire.ts";
import type { Hold, NodeLink } from "./node_link.ts";
import type { Greeting, Wire } from "./wire.ts";

export interface NodeConnectionOptions extends Introduction {
  readonly environment: Environment;
  readonly settings: LinkSettings;
  readonly random: RandomStream;
  readonly pool: BufferPool;
  readonly address: SocketAddress;
  /** How its messages are written; natively when absent. */
  readonly encoding?: "kafka" | undefined;
  /** What may be asked, at most what the node says it serves. Those for clients when absent. */
  readonly apis?: readonly Api[];
  /** Requests go out from now on. */
  ready(): void;
  /** An attempt failed, or the connection broke. */
  lost(error: ClientError): void;
  /** The wait after that is over: `connect` would begin another attempt. */
  mayConnect(): void;
  /** The last call: it is closed for good. */
  ended?(): void;
}

/** Responses may be longer than what a fetch asks for, by a batch that is larger than its limit. */
const RESPONSE_BYTES_MAX = 512 * 1024 * 1024;
/** Requests gathered before they are written without waiting for the end of the turn. */
const FLUSH_BYTES = 32 * 1024;

/** What only people can mend: it is tried again, but the other's log is not filled with it. */
const SHUT_OUT: ReadonlySet<number> = new Set([
  ErrorCode.INCONSISTENT_CLUSTER_ID,
  ErrorCode.SASL_AUTHENTICATION_FAILED,
]);
const SHUT_OUT_WAIT_MS = 1000;

type State = "idle" | "waiting" | "connecting" | "greeting" | "ready" | "ending" | "closed";

/** A connection and what it takes to keep it. */
export class NodeConnection implements NodeLink {
  readonly address: SocketAddress;
  readonly #options: NodeConnectionOptions;
  readonly #wire: Wire;
  #state: State = "idle";
  #nodeId: NodeId = NONE;
  #clusterId = "";
  #framed: FramedConnection | undefined;
  #versions: ReadonlyMap<number, number> = new Map();
  readonly #exchanges: Exchanges;
  /** Why it is being ended. */
  #reason: ClientError | undefined;
  #attempts = 0;
  #failures = 0;
  /** The setup's end, or the next attempt. */
  #timer: Timer | undefined;
  #isFlushDue = false;
  readonly #flushNow = () => {
    this.#isFlushDue = false;
    this.#framed?.flush();
  };

  constructor(options: NodeConnectionOptions) {
    this.#options = options;
    this.address = options.address;
    const { settings, apis = APIS } = options;
    this.#wire = options.encoding === "kafka"
      ? new KafkaWire(settings.clientId, apis)
      : new NativeWire(settings, options, apis);
    this.#exchanges = new Exchanges({
      environment: options.environment,
      late: ({ api, timeoutMs }) => this.#fail(this.#timedOut(api, timeoutMs)),
      expired: (exchanges) => {
        for (const { done, api, timeoutMs } of exchanges) {
          done(this.#timedOut(api, timeoutMs), undefined);
        }
      },
    });
  }

  /** The id that the node gave when it was greeted, or -1. */
  get nodeId(): NodeId {
    return this.#nodeId;
  }

  /** The cluster that the node said it belongs to when it was greeted, or none. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** The version in which it would be sent, or undefined while that is unknown. */
  versionOf(api: Api): number | undefined {
    return this.#versions.get(api.key);
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isConnecting(): boolean {
    return this.#state === "connecting" || this.#state === "greeting";
  }

  /** Whether the last attempt failed and the next has yet to wait. */
  get isBackingOff(): boolean {
    return this.#state === "waiting";
  }

  get inFlight(): number {
    return this.#exchanges.count;
  }

  /** Begins to connect, unless that was begun or waits for its turn. */
  connect(): void {
    if (this.#state !== "idle") return;
    this.#state = "connecting";
    const { environment, settings } = this.#options;
    const setupMs = settings.socketConnectionSetupTimeoutMs;
    this.#timer = environment.timers.schedule(setupMs, () => {
      this.#fail(new TimeoutError(`${this.#cannotConnect}: not done within ${setupMs} ms`));
    });
    const { tls } = settings;
    const target = tls === undefined ? this.address : { ...this.address, tls };
    const attempt = ++this.#attempts;
    environment.network.connect(target, (result) => {
      const isWanted = this.#state === "connecting" && attempt === this.#attempts;
      if (result instanceof Error) {
        if (isWanted) this.#fail(new DisconnectedError(result.message, { cause: result }));
      } else if (isWanted) {
        this.#greet(result);
      } else {
        result.close({ abort: true });
      }
    });
  }

  send<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => void,
  ): void {
    this.#exchange(api, request, timeoutMs, (result, frame) => {
      frame?.release();
      done(result as Response | ClientError);
    });
  }

  sendHolding<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: { readonly response: Response; readonly hold: Hold } | ClientError) => void,
  ): void {
    this.#exchange(api, request, timeoutMs, (result, frame) => {
      if (frame === undefined) done(result as ClientError);
      else done({ response: result as Response, hold: frame });
    });
  }

  sendOneWay<Request>(
    api: Api<Request, unknown>,
    request: Request,
    done: (failure: ClientError | undefined) => void,
  ): void {
    const framed = this.#framed;
    const version = this.#versions.get(api.key);
    const { dispatcher } = this.#options.environment;
    if (this.#state !== "ready" || framed === undefined || version === undefined) {
      dispatcher.atEndOfTurn(() => done(this.#lostError()));
      return;
    }
    try {
      const correlationId = this.#exchanges.takeCorrelationId();
      this.#wire.encode(framed.writer, api, version, correlationId, request);
    } catch (error) {
      dispatcher.atEndOfTurn(() => done(unencodable(error)));
      return;
    }
    framed.writer.afterwards(() => {
      done(this.#framed === framed && this.#state === "ready" ? undefined : this.#lostError());
    });
    this.#flushSoon();
  }

  /** Ends it for good, after what was written has left; what is unanswered fails, for `reason`. */
  close(reason?: ClientError): void {
    if (this.#state === "closed") return;
    this.#reason = reason ??
      new ClosedError(`Closed the connection to ${formatAddress(this.address)}`);
    this.#state = "closed";
    this.#timer?.cancel();
    const framed = this.#framed;
    if (framed === undefined) return this.#ended();
    framed.flush();
    framed.close();
  }

  get #cannotConnect(): string {
    return `Cannot connect to ${formatAddress(this.address)}`;
  }

  #greet(connection: Connection): void {
    this.#state = "greeting";
    const { frameBytesMin, greetingBytesMax } = this.#wire;
    const options = { frameBytesMax: greetingBytesMax, frameBytesMin };
    const framed = new FramedConnection(connection, this.#options.pool, options, {
      received: (frames) => this.#received(frames),
      closed: (reason) => this.#closed(reason),
    });
    this.#framed = framed;
    framed.start();
    this.#ask(framed, this.#wire.greeting());
  }

  #ask(framed: FramedConnection, { api, version, request }: Greeting): void {
    const { requestTimeoutMs } = this.#options.settings;
    const greeted: ExchangeEnd = (result, frame) => {
      frame?.release();
      if (frame !== undefined) this.#greeted(framed, result);
    };
    const exchange = this.#exchanges.make(api, request, requestTimeoutMs, greeted);
    this.#transmit(framed, exchange, version);
  }

  #greeted(framed: FramedConnection, answer: unknown): void {
    const result = this.#wire.greeted(answer, this.#cannotConnect);
    if (result.kind === "refused") return this.#fail(result.error);
    if (result.kind === "again") return this.#ask(framed, result.greeting);
    this.#timer?.cancel();
    this.#state = "ready";
    this.#nodeId = result.nodeId;
    this.#clusterId = result.clusterId;
    this.#failures = 0;
    this.#versions = result.versions;
    framed.reader.frameBytesMax = RESPONSE_BYTES_MAX;
    for (const exchange of this.#exchanges.takeUnsent()) this.#start(framed, exchange);
    this.#options.ready();
  }

  #exchange(api: Api, request: unknown, timeoutMs: number, done: ExchangeEnd): void {
    const exchange = this.#exchanges.make(api, request, timeoutMs, done);
    if (this.#state === "ready") {
      this.#start(this.#framed!, exchange);
    } else if (this.#state === "closed") {
      this.#failLater(exchange, this.#lostError());
    } else {
      this.#exchanges.addUnsent(exchange);
      this.connect();
    }
  }

  #start(framed: FramedConnection, exchange: Exchange): void {
    const version = this.#versions.get(exchange.api.key);
    // Whoever asks may know a reason to ask in an older version.
    const { max } = exchange.api.versions;
    if (version !== undefined) return this.#transmit(framed, exchange, Math.min(version, max));
    const action = `Cannot ask ${formatAddress(this.address)}`;
    const detail = `The node does not serve ${exchange.api.name}`;
    this.#failLater(exchange, refusalError(ErrorCode.UNSUPPORTED_VERSION, action, detail));
  }

  #transmit(framed: FramedConnection, exchange: Exchange, version: number): void {
    exchange.version = version;
    const correlationId = this.#exchanges.takeCorrelationId();
    try {
      this.#wire.encode(framed.writer, exchange.api, version, correlationId, exchange.request);
    } catch (error) {
      return this.#failLater(exchange, unencodable(error));
    }
    this.#exchanges.addUnanswered(correlationId, exchange);
    this.#flushSoon();
  }

  /** What was gathered leaves at the end of the turn, or now if that is enough for a write. */
  #flushSoon(): void {
    const framed = this.#framed;
    if (framed === undefined) return;
    if (framed.writer.queuedBytes >= FLUSH_BYTES) return framed.flush();
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#options.environment.dispatcher.atEndOfTurn(this.#flushNow);
  }

  #received(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (this.#state === "ready" || this.#state === "greeting") this.#answer(frame);
      else frame.release();
    }
  }

  #answer(frame: Frame): void {
    let exchange: Exchange | undefined;
    let response: unknown;
    try {
      const correlationId = this.#wire.open(frame);
      exchange = this.#exchanges.unanswered(correlationId);
      if (exchange === undefined) throw new RangeError(`${correlationId} was not asked for`);
      this.#exchanges.removeUnanswered(correlationId);
      response = this.#wire.response(frame, exchange);
    } catch (error) {
      frame.release();
      const reason = error instanceof Error ? error.message : String(error);
      const message = `Cannot understand ${formatAddress(this.address)}: ${reason}`;
      const failure = new DisconnectedError(message, { cause: error });
      this.#fail(failure);
      exchange?.done(failure, undefined);
      return;
    }
    exchange.done(response, frame);
  }

  /** Ends the connection, or the attempt at one, for now. */
  #fail(error: ClientError): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#timer?.cancel();
    this.#reason = error;
    this.#state = "ending";
    const framed = this.#framed;
    if (framed === undefined) this.#ended();
    else framed.close(error.message);
  }

  /** The network's last word: nothing that was written is in use any more. */
  #closed(reason: string | undefined): void {
    const where = formatAddress(this.address);
    const hint = this.#state === "greeting" ? `; ${this.#wire.unanswered(where)}` : "";
    // A network names the address, too.
    const why = reason?.replace(`Lost connection to ${where}: `, "") ?? `the node closed it${hint}`;
    this.#reason ??= new DisconnectedError(`Lost the connection to ${where}: ${why}`);
    this.#timer?.cancel();
    this.#framed = undefined;
    this.#ended();
  }

  #ended(): void {
    const error = this.#lostError();
    const failed = this.#exchanges.clear();
    const now = this.#options.environment.clock.monotonic();
    const isClosed = this.#state === "closed";
    if (!isClosed) this.#waitForNext();
    this.#reason = undefined;
    for (const { done, deadline, api, timeoutMs } of failed) {
      done(deadline <= now ? this.#timedOut(api, timeoutMs) : error, undefined);
    }
    if (isClosed) this.#options.ended?.();
    else this.#options.lost(error);
  }

  #waitForNext(): void {
    this.#state = "waiting";
    this.#failures++;
    const { environment, settings, random } = this.#options;
    const backoff = backoffMs(settings.reconnectBackoff, this.#failures, random);
    const isShutOut = this.#reason !== undefined && SHUT_OUT.has(this.#reason.code);
    const delayMs = isShutOut ? Math.max(backoff, SHUT_OUT_WAIT_MS) : backoff;
    this.#timer = environment.timers.schedule(delayMs, () => {
      this.#state = "idle";
      // Someone asked meanwhile, or someone still wants to.
      if (this.#exchanges.hasUnsent) this.connect();
      else this.#options.mayConnect();
    });
  }

  #lostError(): ClientError {
    const where = formatAddress(this.address);
    if (this.#reason !== undefined) return this.#reason;
    if (this.#state === "closed") return new ClosedError(`Closed the connection to ${where}`);
    return new DisconnectedError(`Lost the connection to ${where}`);
  }

  #timedOut(api: Api, timeoutMs: number): ClientError {
    const where = formatAddress(this.address);
    return new TimeoutError(`${api.name} was not answered by ${where} within ${timeoutMs} ms`);
  }

  #failLater(exchange: Exchange, error: ClientError): void {
    this.#options.environment.dispatcher.atEndOfTurn(() => exchange.done(error, undefined));
  }
}

function unencodable(error: unknown): ClientError {
  const detail = error instanceof Error ? error.message : String(error);
  return refusalError(ErrorCode.INVALID_REQUEST, "Cannot send request", detail);
}
