/**
 * The coordinator of a group or of a transactional id: which broker that is, and what is asked of
 * it.
 *
 * Owns the looking for it, again and again until there is one, and who waits for that meanwhile.
 * Does not own what an answer means: whoever finds in one that the broker is no longer the
 * coordinator says `forget`.
 *
 * Invariants: one search at a time; each question ends once, with an answer or an error, at the
 * latest when its time is up.
 *
 * @module
 */

import { type NodeId, NONE } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import {
  FIND_COORDINATOR,
  type FindCoordinatorResponse,
} from "../../net/messages/find_coordinator.ts";
import type { Api } from "../../net/schema.ts";
import { make } from "../../net/schema/make.ts";
import { backoffMs } from "../link/backoff.ts";
import type { NodeLink } from "../link/node_link.ts";
import type { RandomStream, Timer } from "../runtime/environment.ts";
import type { Cluster } from "./cluster.ts";
import { ClientError, ClosedError, errorForCode, TimeoutError } from "./errors.ts";

/** What is coordinated. */
export type CoordinatorKind = "group" | "transaction";

const KEY_TYPE = { group: 0, transaction: 1 } as const satisfies Record<CoordinatorKind, number>;

interface Question {
  readonly deadline: number;
  readonly api: Api;
  send(link: NodeLink, timeoutMs: number): void;
  fail(error: ClientError): void;
}

/** The way to one coordinator. */
export class CoordinatorLink {
  readonly #cluster: Cluster;
  readonly #kind: CoordinatorKind;
  readonly #key: string;
  readonly #random: RandomStream;
  #node: NodeId = NONE;
  #waiting: Question[] = [];
  #isSearching = false;
  #failures = 0;
  #timer: Timer | undefined;
  /** The end of the time of the first whose time is up. */
  #expiry: Timer | undefined;
  #expiryAt = Infinity;
  #isClosed = false;

  constructor(cluster: Cluster, kind: CoordinatorKind, key: string) {
    this.#cluster = cluster;
    this.#kind = kind;
    this.#key = key;
    this.#random = cluster.environment.random.stream("coordinator");
  }

  /** The coordinator, or -1 while it is not known. */
  get node(): NodeId {
    return this.#node;
  }

  /**
   * Asks the coordinator, once it is found. `done` is called later, once: with the response, or
   * with why there is none. An answer that was lost is an error: nobody knows what became of it.
   */
  ask<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    done: (result: Response | ClientError) => void,
  ): void {
    if (this.#hasEnded) {
      return this.#cluster.environment.dispatcher.atEndOfTurn(() => done(closedError()));
    }
    const deadline = this.#now() + timeoutMs;
    const question: Question = {
      deadline,
      api: api as Api,
      fail: done,
      send: (link, leftMs) => {
        const node = this.#node;
        link.send(api, request, leftMs, (result) => {
          if (result instanceof ClientError && this.#node === node) this.forget();
          done(result);
        });
      },
    };
    const link = this.#link();
    if (link !== undefined) return question.send(link, timeoutMs);
    this.#waiting.push(question);
    this.#armExpiry(deadline);
    this.#search();
  }

  /** The broker is no longer the coordinator. */
  forget(): void {
    this.#node = NONE;
  }

  /** Ends it: who waits is told. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#failAll(closedError());
  }

  get #hasEnded(): boolean {
    return this.#isClosed || this.#cluster.isClosed;
  }

  #now(): number {
    return this.#cluster.environment.clock.monotonic();
  }

  #link(): NodeLink | undefined {
    return this.#node === NONE ? undefined : this.#cluster.link(this.#node);
  }

  #search(): void {
    if (this.#isSearching) return;
    this.#isSearching = true;
    // Whoever asks first may be inside of something.
    this.#cluster.environment.dispatcher.atEndOfTurn(() => this.#find());
  }

  #find(): void {
    if (this.#hasEnded) return this.#failAll(closedError());
    if (this.#waiting.length === 0) {
      this.#isSearching = false;
      return;
    }
    const link = this.#cluster.anyLink();
    if (link === undefined) return this.#findLater();
    const request = make(FIND_COORDINATOR.request, {
      keyType: KEY_TYPE[this.#kind],
      coordinatorKeys: [this.#key],
    });
    const { requestTimeoutMs } = this.#cluster.settings;
    link.send(FIND_COORDINATOR, request, requestTimeoutMs, (result) => this.#found(result));
  }

  #found(result: FindCoordinatorResponse | ClientError): void {
    if (this.#hasEnded) return this.#failAll(closedError());
    const answer = result instanceof ClientError ? result : result.coordinators[0];
    if (answer === undefined) return this.#findLater();
    if (!(answer instanceof ClientError) && answer.errorCode === ErrorCode.NONE) {
      this.#node = answer.nodeId;
      const link = this.#link();
      // A broker that the metadata do not know yet.
      if (link === undefined) return this.#findLater();
      this.#failures = 0;
      this.#isSearching = false;
      const now = this.#now();
      for (const question of this.#takeWaiting()) {
        question.send(link, Math.max(1, question.deadline - now));
      }
      return;
    }
    const action = `Cannot find the coordinator of ${this.#kind} ${this.#key}`;
    const error = answer instanceof ClientError
      ? answer
      : errorForCode(answer.errorCode, action, answer.errorMessage);
    if (error.retriable) return this.#findLater();
    this.#isSearching = false;
    this.#failAll(error);
  }

  #findLater(): void {
    const { settings, metadata } = this.#cluster;
    metadata.requestUpdate();
    const waitMs = backoffMs(settings.retryBackoff, ++this.#failures, this.#random);
    this.#timer = this.#cluster.later(waitMs, () => this.#find());
  }

  #armExpiry(deadline: number): void {
    if (deadline >= this.#expiryAt) return;
    this.#expiry?.cancel();
    this.#expiryAt = deadline;
    const delayMs = Math.max(0, deadline - this.#now());
    this.#expiry = this.#cluster.later(delayMs, () => this.#expire());
  }

  #expire(): void {
    if (this.#hasEnded) return this.#failAll(closedError());
    const now = this.#now();
    const late = this.#waiting.filter(({ deadline }) => deadline <= now);
    this.#waiting = this.#waiting.filter(({ deadline }) => deadline > now);
    this.#expiryAt = Infinity;
    for (const { deadline } of this.#waiting) this.#armExpiry(deadline);
    for (const { api, fail } of late) {
      fail(
        new TimeoutError(
          `Cannot ask ${api.name}: no coordinator of ${this.#kind} ${this.#key} was found in time`,
        ),
      );
    }
  }

  #takeWaiting(): Question[] {
    this.#expiry?.cancel();
    this.#expiryAt = Infinity;
    return this.#waiting.splice(0);
  }

  #failAll(error: ClientError): void {
    for (const { fail } of this.#takeWaiting()) fail(error);
  }
}

function closedError(): ClientError {
  return new ClosedError("Cannot ask the coordinator: the client is closed");
}
