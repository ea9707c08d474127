/**
 * What a session looks out for: a client that is silent, one that does not read its replies, and
 * one whose large frame does not come to its end.
 *
 * Owns the timers for that, and the session's part of the bound on large frames. Does not own the
 * connection: it only says that it should end, and why.
 *
 * @module
 */

import type { LargeBuffers } from "../../../net/frame_reader.ts";
import type { FramedConnection } from "../../../net/framed_connection.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Continue } from "./request_runner.ts";
import type { BrokerServices } from "../services.ts";

/** A large frame has this long to come whole, since others may wait for the room that it takes. */
const LARGE_FRAME_TIMEOUT_MS = 60_000;

export interface SessionWatchesOptions {
  readonly context: ActorContext<Continue>;
  readonly services: BrokerServices;
  readonly framed: () => FramedConnection;
  /** Whether something of the client's is being worked on. */
  isWorking(): boolean;
  disconnect(reason: string): void;
}

export class SessionWatches {
  readonly #options: SessionWatchesOptions;
  readonly #retry: () => void;
  readonly #largeFrameBegun: () => void;
  #lastFrameAt: number;
  #framesReceived = 0;
  /** Bytes of buffers for a frame that has come in part. */
  #largeBytes = 0;
  #watchesFrame = false;
  #watchesWrites = false;

  constructor(options: SessionWatchesOptions) {
    const { context, framed } = options;
    this.#options = options;
    this.#lastFrameAt = this.#now();
    this.#retry = () => framed().retry();
    this.#largeFrameBegun = context.callback(() => ({
      kind: "continue",
      run: () => this.#watchFrame(),
    }));
  }

  /** For the session's frame reader, which asks outside of any turn. */
  readonly largeBuffers: LargeBuffers = {
    take: (bytes) => {
      const { receivedBytes } = this.#options.services.budgets;
      // One at a time is let through, however large.
      if (receivedBytes.held > 0 && receivedBytes.room < bytes) return false;
      receivedBytes.take(bytes);
      this.#largeBytes += bytes;
      this.#largeFrameBegun();
      return true;
    },
    give: (bytes) => {
      this.#largeBytes -= bytes;
      this.#options.services.budgets.receivedBytes.give(bytes);
    },
  };

  /** A large frame gets no buffer for now. */
  starved(): void {
    this.#options.services.budgets.receivedBytes.wait(this.#retry);
  }

  framesReceived(count: number): void {
    this.#lastFrameAt = this.#now();
    this.#framesReceived += count;
  }

  /** Looks out for a client that is silent, from now on. */
  watchIdle(): void {
    this.#watchIdleFor(this.#options.services.config.connectionsMaxIdleMs);
  }

  /** Notes how far the writes are, to see in time whether they went on. */
  watchWrites(): void {
    const framed = this.#options.framed();
    if (this.#watchesWrites || !framed.isWriting) return;
    this.#watchesWrites = true;
    const { writtenBytes } = framed;
    this.#after("writes", this.#options.services.config.socketWriteTimeoutMs, () => {
      this.#watchesWrites = false;
      if (framed.isWriting && framed.writtenBytes === writtenBytes) {
        return this.#options.disconnect("the peer does not read its replies");
      }
      this.watchWrites();
    });
  }

  /** The session has ended: nothing is waited for any more. */
  end(): void {
    this.#options.services.budgets.receivedBytes.forget(this.#retry);
  }

  #watchFrame(): void {
    if (this.#watchesFrame || this.#largeBytes === 0) return;
    this.#watchesFrame = true;
    const framesReceived = this.#framesReceived;
    this.#after("frame", LARGE_FRAME_TIMEOUT_MS, () => {
      this.#watchesFrame = false;
      const stands = this.#framesReceived === framesReceived && this.#largeBytes > 0;
      if (!stands) return this.#watchFrame();
      this.#options.disconnect(`a large frame did not come within ${LARGE_FRAME_TIMEOUT_MS} ms`);
    });
  }

  #watchIdleFor(delayMs: number): void {
    if (this.#options.services.config.connectionsMaxIdleMs < 0) return;
    this.#after("idle", delayMs, () => {
      const { connectionsMaxIdleMs } = this.#options.services.config;
      if (this.#options.isWorking()) return this.#watchIdleFor(connectionsMaxIdleMs);
      const idleMs = this.#now() - this.#lastFrameAt;
      if (idleMs < connectionsMaxIdleMs) return this.#watchIdleFor(connectionsMaxIdleMs - idleMs);
      this.#options.disconnect(`idle for ${connectionsMaxIdleMs} ms`);
    });
  }

  #after(key: string, delayMs: number, run: () => void): void {
    this.#options.context.startTimer(key, delayMs, { kind: "continue", run });
  }

  #now(): number {
    return this.#options.context.environment.clock.monotonic();
  }
}
