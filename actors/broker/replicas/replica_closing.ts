/**
 * Every log of a node being flushed and closed, when the node ends in order.
 *
 * Invariant: whoever waits is told once, when each replica has answered, or has ended without.
 *
 * @module
 */

import type { LogClosed, PartitionRequest } from "../../partition/messages.ts";
import type { ActorContext, AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";

/** How closing the logs went. */
export interface ReplicasClosed {
  /** Whether every log is all there and durable. */
  readonly clean: boolean;
  /** What could not be made durable. */
  readonly failures: readonly string[];
}

/** What its actor hands back to `closed`. */
export interface PartitionClosed {
  readonly kind: "partition-closed";
  readonly folder: string;
  readonly result: AskResult<LogClosed>;
}

export interface ReplicaClosingOptions {
  readonly context: ActorContext<PartitionClosed>;
  /** By their folders. */
  readonly replicas: ReadonlyMap<string, Ref<PartitionRequest>>;
  /** Whether there is nothing wrong with replicas that are closed already. */
  readonly clean: boolean;
  /** Has `tryAgain` called soon. */
  later(): void;
  done(outcome: ReplicasClosed): void;
}

interface ClosingReplica {
  readonly ref: Ref<PartitionRequest>;
  /** It was asked when its mailbox was full. */
  isRefused: boolean;
  /** It has stopped. */
  hasEnded: boolean;
}

/** A partition has this long to flush and close. */
const CLOSE_TIMEOUT_MS = 30_000;

export class ReplicaClosing {
  readonly #options: ReplicaClosingOptions;
  readonly #failures: string[] = [];
  /** Those that have not answered. */
  readonly #open: Map<string, ClosingReplica>;
  #isClean: boolean;

  /** Asks each replica to close. */
  constructor(options: ReplicaClosingOptions) {
    this.#options = options;
    this.#isClean = options.clean;
    this.#open = new Map(
      [...options.replicas].map(([folder, ref]) => [
        folder,
        { ref, isRefused: false, hasEnded: false },
      ]),
    );
    for (const [folder, replica] of this.#open) this.#close(folder, replica);
    if (this.#open.size === 0) this.#done();
  }

  /** Asks those again that had no room for the question. */
  tryAgain(): void {
    for (const [folder, replica] of this.#open) {
      if (!replica.isRefused) continue;
      replica.isRefused = false;
      this.#close(folder, replica);
    }
  }

  /** A replica has stopped, whether it was closed or not. */
  ended(folder: string): void {
    const replica = this.#open.get(folder);
    if (replica !== undefined) replica.hasEnded = true;
  }

  closed({ folder, result }: PartitionClosed): void {
    const replica = this.#open.get(folder);
    if (replica === undefined) return;
    if (result.kind === "refused" && !replica.hasEnded) {
      replica.isRefused = true;
      return this.#options.later();
    }
    this.#open.delete(folder);
    const failure = result.kind === "reply" ? result.reply.failure : result.kind;
    if (failure !== undefined) this.#failures.push(`${folder}: ${failure}`);
    if (result.kind !== "reply" || !result.reply.clean) this.#isClean = false;
    if (this.#open.size === 0) this.#done();
  }

  #close(folder: string, { ref }: ClosingReplica): void {
    this.#options.context.ask<PartitionRequest, LogClosed>(
      ref,
      CLOSE_TIMEOUT_MS,
      (replyTo) => ({ kind: "close", replyTo }),
      (result) => ({ kind: "partition-closed", folder, result }),
    );
  }

  #done(): void {
    this.#options.done({ clean: this.#isClean, failures: this.#failures });
  }
}
