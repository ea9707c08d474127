/**
 * One connection of a client, in whichever encoding: what is under way on it, and its limits.
 *
 * Owns the connection, the frames that wait for their turn, what requests and replies hold of the
 * node's budgets, and the end of both. Does not own what a frame says nor the order of replies:
 * those are the encodings' (native_session_actor.ts, kafka_session_actor.ts).
 *
 * Whatever is wrong with a peer ends its connection, with one log line that says why, and nobody
 * else's: a frame that is none, a message that its table does not allow, an API that is not served,
 * a peer that does not read, or that is silent for too long.
 *
 * Invariants: once the connection was given up no further request of it is handled; a frame is
 * given back when its request holds it no more, also after the end of the connection, for which the
 * session stays until all it asked is answered; nothing is read while requests or replies of this
 * connection are past their limits.
 *
 * @module
 */

import { NONE } from "../../../storage/bytes/ids.ts";
import type { Connection } from "../../../net/network.ts";
import { formatAddress } from "../../../net/network.ts";
import { FramedConnection } from "../../../net/framed_connection.ts";
import type { Frame, FrameReaderOptions } from "../../../net/frame_reader.ts";
import type { FrameWriter } from "../../../net/frame_writer.ts";
import { PeerRole } from "../../../net/handshake.ts";
import { MalformedMessageError } from "../../../net/schema/fault.ts";
import type { Actor, ActorContext } from "../../runtime/actor.ts";
import { ANONYMOUS } from "./access.ts";
import type { Encoding } from "./call.ts";
import {
  type Continue,
  type IncomingRequest,
  RequestRunner,
  type SessionIdentity,
} from "./request_runner.ts";
import type { BrokerServices } from "../services.ts";
import { SessionWatches } from "./session_watches.ts";

export interface SessionOptions {
  readonly connection: Connection;
  readonly listener: string;
  readonly services: BrokerServices;
}

export type SessionMessage =
  | Continue
  | { readonly kind: "frames"; readonly frames: readonly Frame[] }
  /** There may be room for more requests. */
  | { readonly kind: "more" }
  | { readonly kind: "ended"; readonly reason: string | undefined };

/** What becomes of a request; one of these is called, once. */
export interface RequestEnd {
  reply(response: unknown, sent?: () => void): void;
  /** It has no answer. */
  finish(): void;
}

/** What a request under way costs besides its frame. */
const REQUEST_OVERHEAD_BYTES = 1024;

/** Requests of one connection that are worked on at a time, and their bytes. */
const REQUESTS_MAX = 1000;
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** Topics, partitions and the like in one request: each costs some microseconds, in one go. */
export const REQUEST_ELEMENTS_MAX = 25_000;

/**
 * While more bytes of replies wait to be sent, or are read for them, nothing more is handled. Most
 * of the ones are the others, a little later.
 */
const UNSENT_BYTES_PAUSE = 4 * 1024 * 1024;

/** Requests that are handled before others get their turn. */
const REQUESTS_PER_MESSAGE = 64;

export abstract class Session implements Actor<SessionMessage> {
  protected readonly context: ActorContext<SessionMessage>;
  protected readonly services: BrokerServices;
  protected readonly framed: FramedConnection;
  protected readonly watches: SessionWatches;
  protected identity: SessionIdentity;
  readonly #runner: RequestRunner;
  readonly #tellMore: () => void;
  readonly #continue = () => this.maybeContinue();
  /** The connection was given up: what it sent before counts no more. */
  #closing = false;
  /** The connection has ended. */
  #ended = false;
  /** Frames that were not handled yet, from `#backlogHead` on. */
  #backlog: Frame[] = [];
  #backlogHead = 0;
  /** Nothing is handled until there is room. */
  #blocked = false;
  #moreTold = false;
  #requestBytes = 0;
  /** Its client has taken more than its quota: until when it rests, in monotonic ms; or 0. */
  #mutedUntil = 0;
  #flushPlanned = false;

  /** Begins to read: frames come in later turns. */
  constructor(
    context: ActorContext<SessionMessage>,
    { connection, listener, services }: SessionOptions,
    encoding: Encoding,
    frames: Omit<FrameReaderOptions, "largeBuffers">,
  ) {
    this.context = context;
    this.services = services;
    const { host } = connection.remote;
    const peer = { role: PeerRole.CLIENT, nodeId: NONE, host };
    this.identity = { principal: ANONYMOUS, peer, clientId: "", listener, encoding };
    this.#runner = new RequestRunner(context as ActorContext<Continue>, services);
    this.watches = new SessionWatches({
      context: context as ActorContext<Continue>,
      services,
      framed: () => this.framed,
      isWorking: () => this.#runner.openCalls > 0 || this.#backlog.length > 0,
      disconnect: (reason) => this.disconnect(reason),
    });
    this.#tellMore = context.callback(() => ({ kind: "more" }));
    const { largeBuffers } = this.watches;
    this.framed = new FramedConnection(connection, services.buffers, { ...frames, largeBuffers }, {
      received: context.callback((frames) => ({ kind: "frames", frames })),
      closed: context.callback((reason) => ({ kind: "ended", reason })),
      written: this.#continue,
      starved: () => this.watches.starved(),
    });
    this.framed.start();
  }

  /**
   * Handles a frame, which the session must `run` or release.
   * @throws {MalformedMessageError} if it makes no sense; then it is released
   */
  protected abstract handleFrame(frame: Frame): void;

  /** Whether a frame may be handled now; if not, `maybeContinue` is called when it may. */
  protected mayHandle(_frame: Frame): boolean {
    return true;
  }

  /** Every call has been cancelled: whatever waits to be sent is sent nowhere. */
  protected callsEnded(): void {}

  /** More of the peer for the log. */
  protected get described(): Readonly<Record<string, unknown>> {
    return {};
  }

  protected get isClosing(): boolean {
    return this.#closing;
  }

  receive(message: SessionMessage): void {
    switch (message.kind) {
      case "continue":
        message.run();
        return this.#maybeStop();
      case "frames":
        this.watches.framesReceived(message.frames.length);
        this.#backlog.push(...message.frames);
        return this.#blocked ? undefined : this.#work();
      case "more":
        this.#moreTold = false;
        this.#blocked = false;
        return this.#work();
      case "ended":
        return this.#end(message.reason);
    }
  }

  stopped(): void {
    const { requestBytes } = this.services.budgets;
    requestBytes.forget(this.#continue);
    this.watches.end();
    this.#closing = true;
    this.#work();
    this.#runner.cancel();
    this.callsEnded();
    requestBytes.give(this.#requestBytes);
    this.#requestBytes = 0;
    if (!this.#ended) this.framed.close("the session ended");
  }

  /** Handles frames as far as the limits allow; the rest when there is room again. */
  #work(): void {
    let handled = 0;
    while (this.#backlogHead < this.#backlog.length) {
      const frame = this.#backlog[this.#backlogHead] as Frame;
      if (!this.#closing) {
        if (this.#isBehind() || !this.mayHandle(frame)) return this.#block();
        if (handled++ === REQUESTS_PER_MESSAGE) {
          this.framed.pause();
          return this.#callMore();
        }
      }
      this.#backlogHead++;
      if (this.#closing) frame.release();
      else this.#handle(frame);
    }
    this.#backlog = [];
    this.#backlogHead = 0;
    if (this.#closing) return;
    if (this.#isBehind()) this.#block();
    else this.framed.resume();
  }

  #handle(frame: Frame): void {
    try {
      this.handleFrame(frame);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      frame.release();
      this.disconnect(error.message);
    }
  }

  #isBehind(): boolean {
    return this.#mutedUntil > 0 || this.#runner.openCalls >= REQUESTS_MAX ||
      this.#requestBytes > REQUEST_BYTES_MAX ||
      Math.max(this.framed.unsentBytes, this.#runner.usage.fetchedBytes) > UNSENT_BYTES_PAUSE ||
      this.services.budgets.requestBytes.room === 0;
  }

  #block(): void {
    this.#blocked = true;
    this.framed.pause();
    const { requestBytes } = this.services.budgets;
    if (requestBytes.room === 0) requestBytes.wait(this.#continue);
  }

  /** Handles nothing more for so long: the client is told, but need not keep to it (KIP-219). */
  #mute(ms: number): void {
    const until = this.context.environment.clock.monotonic() + ms;
    if (until <= this.#mutedUntil) return;
    this.#mutedUntil = until;
    const run = () => {
      this.#mutedUntil = 0;
      this.maybeContinue();
    };
    this.context.startTimer("muted", ms, { kind: "continue", run });
  }

  /** Looks again, in a while, whether more can be handled. */
  protected maybeContinue(): void {
    if (this.#blocked) this.#callMore();
  }

  #callMore(): void {
    if (this.#moreTold) return;
    this.#moreTold = true;
    this.#tellMore();
  }

  /** Runs the request in a frame, which is released when its bytes are read no more. */
  protected run(incoming: Omit<IncomingRequest, "bytes">, frame: Frame, end: RequestEnd): void {
    const bytes = frame.byteLength;
    this.#take(bytes + REQUEST_OVERHEAD_BYTES);
    this.#runner.run({ ...incoming, bytes }, this.identity, {
      released: () => {
        frame.release();
        this.#give(bytes);
      },
      waiting: (waiting) => {
        if (waiting) this.#give(REQUEST_OVERHEAD_BYTES);
        else this.#take(REQUEST_OVERHEAD_BYTES);
      },
      throttled: (ms) => this.#mute(ms),
      reply: (response, sent) => {
        this.#give(REQUEST_OVERHEAD_BYTES);
        end.reply(response, sent);
      },
      finish: () => {
        this.#give(REQUEST_OVERHEAD_BYTES);
        end.finish();
      },
      disconnect: (reason) => {
        this.#give(REQUEST_OVERHEAD_BYTES);
        this.disconnect(reason);
      },
    });
  }

  #take(bytes: number): void {
    this.#requestBytes += bytes;
    this.services.budgets.requestBytes.take(bytes);
  }

  /** May be called after the session has stopped, by whoever held a request's records. */
  #give(bytes: number): void {
    const given = Math.min(bytes, this.#requestBytes);
    this.#requestBytes -= given;
    this.services.budgets.requestBytes.give(given);
    this.maybeContinue();
  }

  /**
   * Queues what `encode` writes; it leaves at the end of the turn. `sent` is called when its bytes
   * are read no more, at once where there is nobody to send to.
   */
  protected send(encode: (writer: FrameWriter) => void, sent?: () => void): void {
    if (this.#ended) return sent?.();
    const { writer } = this.framed;
    try {
      encode(writer);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      // Too large, most likely.
      this.disconnect(error.message);
      return sent?.();
    }
    if (sent !== undefined) writer.afterwards(sent);
    const { queuedMaxResponseBytes } = this.services.config;
    if (this.framed.unsentBytes > queuedMaxResponseBytes) {
      this.disconnect(`more than ${queuedMaxResponseBytes} bytes of replies are unread`);
    }
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.context.environment.dispatcher.atEndOfTurn(() => this.#flush());
  }

  /** Also where the connection has ended, which settles what was gathered. */
  #flush(): void {
    this.#flushPlanned = false;
    this.framed.flush();
    this.watches.watchWrites();
  }

  /** Gives the connection up for a reason: at once, or after what was flushed. */
  protected disconnect(reason: string, when: "now" | "after" = "now"): void {
    if (this.#closing) return;
    this.#closing = true;
    this.framed.close(reason, when);
  }

  #end(reason: string | undefined): void {
    this.#ended = true;
    this.#closing = true;
    const { connection } = this.framed;
    const level = reason === undefined ? "debug" : "warn";
    this.context.environment.logger.log(level, "connection closed", {
      remote: formatAddress(connection.remote),
      client: this.identity.clientId,
      ...this.described,
      reason,
    });
    this.#work();
    this.framed.flush();
    this.#runner.cancel();
    this.callsEnded();
    this.#maybeStop();
  }

  /** Whatever is still answered may bring bytes that have to be given back. */
  #maybeStop(): void {
    if (this.#ended && this.#runner.openAsks === 0) this.context.stop();
  }
}
